"""A simulated Gateway in a process of its own, in step with the virtual time of this one.

What is measured of this process, its memory above all, is then the client's alone. This side tells
every byte with its time and asks at each instant at which the other has something to do; it waits
for the answer, so only one of both runs, and two runs are equal.
"""

import asyncio
import multiprocessing
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, Final, Self

import attrs
from typing_extensions import override

from ibkeel.sim import Scenario, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

__all__ = ["HOST", "PORT", "GatewayCounts", "LockstepGateway"]

HOST: Final = "127.0.0.1"
PORT: Final = 4002
_SEED: Final = 7


@attrs.frozen(kw_only=True)
class GatewayCounts:
    """What the Gateway counted."""

    messages: int
    pacing_violations: int
    open_lines: int
    max_open_lines: int
    failures: int
    requests: dict[str, int]
    faults: tuple[tuple[str, datetime, datetime | None], ...]


@attrs.frozen
class _Reply:
    result: Any
    said: list[tuple[int, bytes | None]]
    due: float | None


# The Gateway's process.


class _Client(asyncio.Protocol):
    """Stands for one client of the other process."""

    def __init__(self, number: int, said: list[tuple[int, bytes | None]]) -> None:
        self._number, self._said = number, said

    @override
    def data_received(self, data: bytes) -> None:
        self._said.append((self._number, data))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._said.append((self._number, None))


class _Served:
    """Does what the other process tells, at the time that it tells."""

    def __init__(self, gateway: SimulatedGateway) -> None:
        self._gateway = gateway
        self._loop: Any = asyncio.get_running_loop()
        self._clients: dict[int, asyncio.Transport] = {}
        self._said: list[tuple[int, bytes | None]] = []

    async def do(self, at: float, name: str, *args: Any) -> _Reply:
        if at > self._loop.time():
            await asyncio.sleep(at - self._loop.time())
        await self._settle()
        result = await getattr(self, f"_{name}")(*args)
        await self._settle()
        said, self._said[:] = list(self._said), ()
        return _Reply(result, said, self._due())

    async def _settle(self) -> None:
        """Until nothing is left to do now."""
        await asyncio.sleep(0)
        while self._loop._ready:  # noqa: SLF001, ASYNC110 - a loop does not tell otherwise
            await asyncio.sleep(0)

    def _due(self) -> float | None:
        timers = self._loop._scheduled  # noqa: SLF001 - a loop does not tell otherwise
        return min((timer.when() for timer in timers if not timer.cancelled()), default=None)

    async def _connect(self, number: int) -> bool:
        try:
            transport, _ = await self._loop.create_connection(lambda: _Client(number, self._said), HOST, PORT)
        except ConnectionRefusedError:
            return False
        self._clients[number] = transport
        return True

    async def _hear(self, number: int, data: bytes) -> None:
        self._clients[number].write(data)

    async def _leave(self, number: int) -> None:
        self._clients.pop(number).close()

    async def _wait(self) -> None:
        """Only let time pass."""

    async def _counts(self) -> GatewayCounts:
        counters = self._gateway.counters
        return GatewayCounts(
            messages=counters.messages,
            pacing_violations=counters.pacing_violations,
            open_lines=counters.open_lines,
            max_open_lines=counters.max_open_lines,
            failures=counters.failures,
            requests=dict(counters.requests),
            faults=tuple((seen.kind, seen.at, seen.ended_at) for seen in self._gateway.faults_seen),
        )


def _serve(pipe: Connection, start: datetime, scenario: Scenario) -> None:
    async def main() -> None:
        clock = virtual_clock()
        gateway = SimulatedGateway(market=SeededMarket(_SEED, start.date()), clock=clock, scenario=scenario)
        async with gateway.listening(HOST, PORT):
            served = _Served(gateway)
            while (command := pipe.recv()) is not None:
                pipe.send(await served.do(*command))

    run_virtual(main(), start=start, travel=False)


# This process.


class _Remote(asyncio.Protocol):
    def __init__(self, gateway: "LockstepGateway", number: int) -> None:
        self._gateway, self._number = gateway, number

    @override
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._gateway.tell("hear", self._number, data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._gateway.left(self._number)


class LockstepGateway:
    """Listens on the virtual network of this process and is served by another.

    Args:
        start: When virtual time starts, in both.
        scenario: What goes wrong.
    """

    def __init__(self, start: datetime, scenario: Scenario) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, start, scenario), daemon=True)
        self._process.start()
        theirs.close()
        self._loop = asyncio.get_running_loop()
        self._numbers = 0
        self._remotes: dict[int, _Remote] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._server = await self._loop.create_server(self._accept, HOST, PORT)
        self.tell("wait")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        if self._timer is not None:
            self._timer.cancel()
        self._pipe.send(None)
        self._process.join()

    def counts(self) -> GatewayCounts:
        """What the Gateway counted up to now."""
        counts: GatewayCounts = self.tell("counts")
        return counts

    def tell(self, name: str, *args: Any) -> Any:
        """Let the other process do something now, and hear what it says meanwhile."""
        self._pipe.send((self._loop.time(), name, *args))
        reply: _Reply = self._pipe.recv()
        for number, data in reply.said:
            self._say(number, data)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if reply.due is None else self._loop.call_at(reply.due, self.tell, "wait")
        return reply.result

    def left(self, number: int) -> None:
        """A client's connection ended."""
        if self._remotes.pop(number, None) is not None:
            self.tell("leave", number)

    def _accept(self) -> _Remote:
        self._numbers += 1
        number = self._numbers
        remote = self._remotes[number] = _Remote(self, number)
        if not self.tell("connect", number):
            del self._remotes[number]
            raise ConnectionRefusedError("the Gateway does not listen now")
        return remote

    def _say(self, number: int, data: bytes | None) -> None:
        remote = self._remotes.get(number)
        if remote is None:
            return
        if data is None:
            del self._remotes[number]
            remote.transport.close()
        else:
            remote.transport.write(data)
