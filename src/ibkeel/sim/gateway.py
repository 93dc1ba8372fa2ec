"""The simulated Gateway: who is connected, what is due when, and what was counted."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

from ibkeel.clock import Clock
from ibkeel.sim.client import Client, Sink
from ibkeel.sim.counters import GatewayCounters, SlidingWindow
from ibkeel.sim.server import GatewayProtocol
from ibkeel.sim.services import HANDLERS
from ibkeel.sim.services.orders import match
from ibkeel.sim.services.system import start as start_session
from ibkeel.sim.session import (
    Event,
    Malformed,
    Negotiated,
    Refused,
    Request,
    Session,
    Started,
    State,
    Unknown,
)
from ibkeel.sim.settings import GatewaySettings
from ibkeel.sim.values import Market
from ibkeel.sim.venue import Venue
from ibkeel.sim.wiretime import clock_text, zoned
from ibkeel.sim.world import Exchange, World

__all__ = ["SimulatedGateway"]

_logger: Final = logging.getLogger("ibkeel.sim")
_EARLY: Final = timedelta(milliseconds=1)  # timers and wall clock may differ by so much
_ID_IN_USE: Final = "Unable to connect as the client id is already in use. Retry with a unique client id."


class SimulatedGateway:
    """A Gateway for any client that speaks the socket protocol, versions 157 to 200.

    It serves TCP on a common event loop, and memory on a virtual one: the loop decides. Everything
    it sends is a function of market, venue, settings, the clock and what clients send.

    Args:
        market: Where quotes, history and definitions come from.
        clock: Wall time; on a virtual loop the clock that moves with it.
        venue: Where orders go; None makes one from `account`, `cash` and `seed`.
        account: Account id that clients see; that of the venue, when one is given.
        cash: Opening cash of the venue that is made, in its currency.
        seed: Seed of the venue that is made.
        settings: Limits and habits.
    """

    def __init__(
        self,
        *,
        market: Market,
        clock: Clock,
        venue: Exchange | None = None,
        account: str = "DU1234567",
        cash: float = 100_000.0,
        seed: int = 0,
        settings: GatewaySettings | None = None,
    ) -> None:
        if venue is None:
            venue = Venue(market, account=account, cash=cash, seed=seed)
        self._world = World(
            market=market,
            venue=venue,
            account=account,
            clock=clock,
            settings=settings or GatewaySettings(),
        )
        self._connections: list[Client] = []  # in order of connecting
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._noted: set[str] = set()

    @property
    def counters(self) -> GatewayCounters:
        """What was counted since the Gateway was made."""
        return self._world.counters

    @property
    def venue(self) -> Exchange:
        """Where orders go."""
        return self._world.venue

    @property
    def market(self) -> Market:
        """Where quotes come from."""
        return self._world.market

    @property
    def settings(self) -> GatewaySettings:
        """Limits and habits."""
        return self._world.settings

    @property
    def client_ids(self) -> tuple[int, ...]:
        """Ids of the sessions that have started, in order of starting."""
        return tuple(self._world.clients)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen.

        Args:
            host: Address to bind.
            port: Port to bind; 0 lets the system choose.

        Returns:
            The port that is bound.

        Raises:
            RuntimeError: It listens already.
            OSError: The address cannot be bound.
        """
        if self._server is not None:
            raise RuntimeError("this Gateway listens already; stop it first")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: GatewayProtocol(self), host, port)
        bound: int = self._server.sockets[0].getsockname()[1] if self._server.sockets else port
        match(self._world, self._world.now())
        self._arm()
        return bound

    async def stop(self) -> None:
        """Close every connection and stop listening; idempotent. Orders and account stay."""
        server, self._server = self._server, None
        for client in list(self._connections):
            client.close()
            self.detach(client)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._world.agenda.clear()
        if server is not None:
            server.close()
            await server.wait_closed()

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Listen while the context is open; yields the port that is bound."""
        try:
            yield await self.start(host, port)
        finally:
            await self.stop()

    def broadcast(self, code: int, text: str) -> None:
        """Send a notice about the whole session, such as 1100, to every started client."""
        for client in list(self._world.clients.values()):
            client.error(-1, code, text, at=self._world.now())
        self._settle()

    def drop(self, client_id: int) -> bool:
        """Close a client's connection as a network failure would; False when there is none."""
        client = self._world.clients.get(client_id)
        if client is None:
            return False
        client.close()
        self.detach(client)
        return True

    def attach(self, sink: Sink) -> Client:
        """Take a new connection; the shell calls it."""
        self.counters.connections += 1
        settings = self._world.settings
        client = Client(
            sink,
            Session(settings.highest_version),
            SlidingWindow(settings.messages_per_second, 1.0),
            self.counters.errors_sent,
        )
        self._connections.append(client)
        return client

    def receive(self, client: Client, data: bytes) -> None:
        """Act on bytes from a client; the shell calls it."""
        for event in client.session.receive(data):
            if not client.is_open:
                break
            self._act(client, event)
        self._settle()

    def detach(self, client: Client) -> None:
        """Forget a connection that has ended; idempotent; the shell calls it."""
        client.is_open = False
        client.session.close()
        if client in self._connections:
            self._connections.remove(client)
        self._world.release(client)

    def _act(self, client: Client, event: Event) -> None:
        world = self._world
        match event:
            case Negotiated():
                at = zoned(world.now(), world.settings.zone, event.version)
                client.raw(client.session.handshake(at))
            case Refused():
                self._refuse(client, event)
            case Started():
                self._count(client, "start_api")
                self._start(client, event)
            case Request():
                self._count(client, event.name)
                self._serve(client, event)
            case Unknown():
                self._count(client, None)
                self._note_unknown(event)
            case Malformed():
                self._count(client, event.name)
                self.counters.malformed += 1
                _logger.warning("request malformed", extra={"reason": event.reason})
                text = f"Error reading request:{event.reason}"
                client.error(event.request_id, 320, text, at=world.now())

    def _count(self, client: Client, name: str | None) -> None:
        counters = self.counters
        counters.messages += 1
        if name is not None:
            counters.requests[name] += 1
        if not client.rate.record(self._world.now().timestamp()):
            counters.pacing_violations += 1

    def _serve(self, client: Client, request: Request) -> None:
        values = request.values
        number = values.get("request_id", values.get("order_id"))
        with self._world.supervised(client, -1 if number is None else number):
            if client.session.state is State.STARTED:
                HANDLERS[request.name](self._world, client, values)

    def _start(self, client: Client, event: Started) -> None:
        if event.client_id in self._world.clients:
            self.counters.refused += 1
            client.error(-1, 326, _ID_IN_USE, at=self._world.now())
            self._flush(client)
            client.close()
            return
        self._world.clients[event.client_id] = client
        start_session(self._world, client)

    def _refuse(self, client: Client, event: Refused) -> None:
        self.counters.refused += 1
        _logger.warning("connection refused", extra={"reason": event.reason})
        if event.reply:
            client.raw(event.reply)
        self._flush(client)
        client.close()

    def _note_unknown(self, event: Unknown) -> None:
        self.counters.unknown[event.number] += 1
        if event.number not in self._noted:
            self._noted.add(event.number)
            _logger.warning("message not served", extra={"number": event.number})

    def _flush(self, client: Client) -> None:
        client.flush(clock_text(self._world.now(), self._world.settings.zone))

    def _settle(self) -> None:
        """Run what is due, send what was said, and wait for what comes next."""
        world = self._world
        while (ticket := world.agenda.pop_due(world.now() + _EARLY)) is not None:
            self._run(ticket.run, world.reach(ticket.at))
        for client in list(self._connections):
            self._flush(client)
        self._arm()

    def _run(self, action: Callable[[datetime], None], now: datetime) -> None:
        try:
            action(now)
        except Exception:
            # Answers are supervised with their client; this is matching, which belongs to none.
            _logger.exception("timer failed")
            self.counters.failures += 1

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._world.agenda.next_at()
        if due is None or self._server is None:
            return
        loop = asyncio.get_running_loop()
        wait = max((due - self._world.now()).total_seconds(), 0.0)
        self._timer = loop.call_at(loop.time() + wait, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._settle()
