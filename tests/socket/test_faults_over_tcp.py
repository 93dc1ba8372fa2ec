"""Faults of the port over loopback, on a real event loop: what memory cannot show."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from ibkeel.sim import SimulatedGateway, faults
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.wire import GREETING, frame


class ShiftedClock:
    """The machine's clock, but it began at eleven on a trading day."""

    def __init__(self):
        self._began = time.perf_counter()

    def monotonic(self):
        return time.perf_counter() - self._began

    def now(self):
        return datetime(2026, 1, 5, 16, tzinfo=UTC) + timedelta(seconds=self.monotonic())


def run(scene):
    async def main():
        market = SeededMarket(seed=7, session_date=datetime(2026, 1, 5).date(), symbols=("SPY",))
        gateway = SimulatedGateway(market=market, clock=ShiftedClock())
        async with gateway.listening() as port, asyncio.timeout(20):
            outcome = await scene(gateway, port)
        assert gateway.counters.failures == 0
        return outcome

    with asyncio.Runner() as runner:
        return runner.run(main())


async def greeted(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GREETING + frame(b"v100..176"))
    return reader, writer, await reader.readexactly(4)


async def refuses(port):
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def greeted_at_last(port):
    while True:
        try:
            return await greeted(port)
        except ConnectionRefusedError:
            continue  # the fault ends by the real clock


def test_a_restart_closes_the_port_and_opens_the_same_one_again():
    async def scene(gateway, port):
        reader, writer, _ = await greeted(port)

        gateway.inject(faults.Restart(duration=0.2))
        refused, rest = await refuses(port), await reader.read()
        writer.close()
        _, again, length = await greeted_at_last(port)
        again.close()
        return refused, rest.startswith(b"176"), len(length)

    assert run(scene) == (True, True, 4)


def test_a_closed_port_keeps_the_connections_that_it_has():
    async def scene(gateway, port):
        reader, writer, length = await greeted(port)

        gateway.inject(faults.PortClosed(duration=0.2))
        refused = await refuses(port)
        writer.write(b"\0\0\0\x0971\x002\x005\0\0\0")  # startApi as client 5, cut to its length
        greeting = await reader.readexactly(int.from_bytes(length, "big"))
        answered = await reader.readexactly(4)
        writer.close()
        return refused, greeting[:3], len(answered)

    assert run(scene) == (True, b"176", 4)


def test_a_crash_resets_connections():
    async def scene(gateway, port):
        reader, writer, length = await greeted(port)
        await reader.readexactly(int.from_bytes(length, "big"))

        gateway.inject(faults.Crash(duration=0.2))
        try:
            rest = await reader.read()
        except ConnectionResetError:
            rest = b""
        writer.close()
        return rest

    assert run(scene) == b""
