"""The simulated Gateway: what is due when, what goes wrong, and what was counted."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from datetime import timedelta
from typing import Final

from ibkeel.clock import Clock
from ibkeel.sim.counters import GatewayCounters
from ibkeel.sim.director import Scenario
from ibkeel.sim.door import Listener
from ibkeel.sim.fault import Fault, FaultSeen
from ibkeel.sim.reception import Reception
from ibkeel.sim.services.orders import match
from ibkeel.sim.settings import GatewaySettings
from ibkeel.sim.values import Market
from ibkeel.sim.venue import Venue, VenueSettings
from ibkeel.sim.world import Exchange, World

_logger: Final = logging.getLogger("ibkeel.sim")
_EARLY: Final = timedelta(milliseconds=1)  # timers and wall clock may differ by so much


class SimulatedGateway:
    """A Gateway for any client that speaks the socket protocol, versions 157 to 200.

    It serves TCP on a common event loop, and memory on a virtual one: the loop decides. Everything
    it sends is a function of market, venue, settings, the clock and what clients send.

    Args:
        market: Where quotes, history and definitions come from.
        clock: Wall time; on a virtual loop the clock that moves with it.
        venue: Where orders go; None makes one from `account`, `cash`, `further_accounts` and `seed`.
        account: Account id that clients see, where `venue` has none of its own.
        cash: Opening cash of the venue that is made, in its currency.
        further_accounts: More accounts of the login: their opening cash, by id.
        seed: Seed of the venue that is made.
        settings: Limits and habits.
        scenario: What goes wrong; None: nothing, unless a fault is injected.
        speed: Seconds that pass on `clock` in one of the event loop's.
    """

    def __init__(
        self,
        *,
        market: Market,
        clock: Clock,
        venue: Exchange | None = None,
        account: str = "DU1234567",
        cash: float = 100_000.0,
        further_accounts: Mapping[str, float] | None = None,
        seed: int = 0,
        settings: GatewaySettings | None = None,
        scenario: Scenario | None = None,
        speed: float = 1.0,
    ) -> None:
        if venue is None:
            venue = Venue(
                market,
                account=account,
                cash=cash,
                further_accounts=further_accounts,
                seed=seed,
                settings=VenueSettings(settles_expiries=True),
            )
        self._world = World(
            market=market,
            venue=venue,
            accounts=getattr(venue, "accounts", (account,)),
            clock=clock,
            settings=settings or GatewaySettings(),
        )
        self._reception = Reception(self._world, scenario, self._settle)
        self._timer: asyncio.TimerHandle | None = None
        self._speed = speed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context: Context = copy_context()  # in which its timers run, whoever asked for what they do

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
    def reception(self) -> Reception:
        """Who is connected; bytes can be handed to it without a network."""
        return self._reception

    @property
    def faults_seen(self) -> tuple[FaultSeen, ...]:
        """What went wrong so far, on purpose, in order."""
        return self._reception.director.seen

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
        if self._reception.port.is_in_use:
            raise RuntimeError("this Gateway listens already; stop it first")
        self._loop, self._context = asyncio.get_running_loop(), copy_context()
        bound = await self._reception.port.open(host, port)
        match(self._world, self._world.now())
        self._reception.director.open(self._world.now())
        self._arm()
        return bound

    async def stop(self) -> None:
        """Close every connection and stop listening; idempotent. Orders and account stay."""
        for client in self._reception.connections:
            self._reception.hang_up(client)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._reception.director.close(self._world.now())
        self._world.agenda.clear()
        self._world.forget_waiting()
        await self._reception.port.close()

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Listen while the context is open; yields the port that is bound."""
        try:
            yield await self.start(host, port)
        finally:
            await self.stop()

    def broadcast(self, code: int, text: str) -> None:
        """Send a notice about the whole session, such as 1100, to every started client.

        Raises:
            RuntimeError: Its loop runs in another thread.
        """
        self._act(lambda: self._reception.tell(code, text))

    def inject(self, fault: Fault) -> None:
        """Let something go wrong: now, or at the fault's own time, whose `after` counts from now.

        Raises:
            RuntimeError: The Gateway does not listen, or its loop runs in another thread.
        """
        if not self._reception.port.is_in_use:
            raise RuntimeError("this Gateway does not listen; start it first, or give it a scenario")
        self._act(lambda: self._reception.director.inject(fault, self._world.now()))

    def heal(self) -> None:
        """End every fault that lasts, as its time would, and forget those that are to come.

        Raises:
            RuntimeError: Its loop runs in another thread.
        """
        self._act(lambda: self._reception.director.heal(self._world.now()))

    def listen_in(self, listener: Listener) -> Callable[[], None]:
        """Let somebody hear every byte of the connections that begin from now on; returns what ends it."""
        return self._reception.door.add(listener)

    def drop(self, client_id: int) -> bool:
        """Close a client's connection as a network failure would; False when there is none.

        Raises:
            RuntimeError: Its loop runs in another thread.
        """
        client = self._world.clients.get(client_id)
        if client is None:
            return False
        self._act(lambda: self._reception.hang_up(client))
        return True

    def _act(self, do: Callable[[], None]) -> None:
        """Do what somebody from outside asks for, as the Gateway itself would, while the loop runs or before it goes on."""
        loop = self._loop
        is_elsewhere = asyncio._get_running_loop() is not loop  # noqa: SLF001 - the public one raises
        if loop is not None and loop.is_running() and is_elsewhere:
            raise RuntimeError(
                "the Gateway's loop runs in another thread; ask there: loop.call_soon_threadsafe(gateway.inject, fault)"
            )

        def settled() -> None:
            do()
            self._settle()

        self._context.copy().run(settled)

    def _settle(self) -> None:
        """Run what is due, send what was said, and wait for what comes next."""
        world = self._world
        until = world.now() + _EARLY
        while (ticket := world.agenda.pop_due(until)) is not None:
            now = world.reach(ticket.at)
            try:
                ticket.run(now)
            except Exception:
                # Answers are supervised with their client; this is matching, which belongs to none.
                _logger.exception("timer failed")
                self.counters.failures += 1
        self._reception.flush()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._world.agenda.next_at()
        loop = self._loop
        if loop is None or due is None or not self._reception.port.is_in_use:
            return
        wait = max((due - self._world.now()).total_seconds(), 0.0) / self._speed
        self._timer = loop.call_at(loop.time() + wait, self._wake, context=self._context.copy())

    def _wake(self) -> None:
        self._timer = None
        self._settle()
