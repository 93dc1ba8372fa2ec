"""One life of the bot's process: broker, journal and crew, from its start to its end or its death."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.campaign_journal import BoundaryJournal
from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, IbkeelError
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.journal import RunStarted, highest_order_id
from ibkeel.orders import OrderLimits
from ibkeel.runner import Session
from ibkeel.runner.crew import Crew, Safety, crew_of
from ibkeel.runner.doorkeeper import Halt
from ibkeel.runner.memory import remember
from ibkeel.telemetry import AlarmRaised, SessionChanged, SymbolFailed
from ibkeel.virtual import DEFAULT_START

__all__ = ["CLIENT_ID", "DAY", "HOST", "PORT", "Life", "Told"]

HOST: Final = "127.0.0.1"
PORT: Final = 4002
CLIENT_ID: Final = 1
DAY: Final = Session(
    day=DEFAULT_START.date(), opens_at=DEFAULT_START, closes_at=DEFAULT_START + timedelta(hours=6.5)
)
_SYMBOL: Final = "SPY"
_LIMITS: Final = OrderLimits(efficiency=None, duplicate_within=5.0)
_RETRY: Final = 10.0
_CYCLE: Final = 60.0


class Told:
    """An observer that keeps the alarms.

    Args:
        trace: Told what happened, in words.
    """

    def __init__(self, trace: Callable[[str], None]) -> None:
        self.alarms: list[AlarmRaised] = []
        self._trace = trace

    def on_event(self, event: object) -> None:
        """Take in one event."""
        if isinstance(event, AlarmRaised):
            self.alarms.append(event)
            self._trace(f"ALARM {event.message}")
        elif isinstance(event, SessionChanged | SymbolFailed):
            self._trace(f"TOLD {event}")


@attrs.define(kw_only=True, eq=False)
class Life:
    """A process of the bot, as far as orders go.

    Args:
        number: Counts the lives, from 1; a part of the names of its orders.
        journal_path: Where its journal is; what an earlier life left is there.
        halt_path: The kill switch's file.
        clock: Wall time.
        told: Hears its alarms.
    """

    number: int
    journal_path: Path
    halt_path: Path
    clock: Clock
    told: Told
    broker: IBKRBroker = attrs.field(init=False)
    journal: BoundaryJournal = attrs.field(init=False)
    crew: Crew | None = None
    tasks: list[asyncio.Task[Any]] = attrs.field(factory=list)
    is_dead: bool = False
    troubles: list[str] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        config = IBKRConfig(host=HOST, port=PORT, client_id=CLIENT_ID, orders="PAPER", exclusive=False)
        self.broker = IBKRBroker(config, clock=self.clock, observer=self.told, jitter=lambda: 0.0)
        self.journal = BoundaryJournal.open(self.journal_path)

    @property
    def is_up(self) -> bool:
        """Whether it works and has a link."""
        return not self.is_dead and self.crew is not None and self.broker.is_connected

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[Any]:
        """Let something run until it ends or the process does."""
        task = asyncio.create_task(work)
        self.tasks.append(task)
        return task

    async def begin(self) -> None:
        """Connect, take over what an earlier life left, and work."""
        while True:
            try:
                await self.broker.connect()
                break
            except ConnectionFailure:
                await asyncio.sleep(_RETRY)
        self.broker.use_order_ids_above(highest_order_id(self.journal, CLIENT_ID))
        memory = remember(self.journal, DAY)
        crew = crew_of(
            self.broker,
            self.journal,
            run=f"r{self.number}",
            symbols=(_SYMBOL,),
            clock=self.clock,
            observer=self.told,
            safety=Safety(halt=Halt(self.halt_path), limits=_LIMITS),
        )
        crew.desk.restore(memory.orders)
        crew.watch.restore(memory.fills, is_behind=bool(memory.orders))
        await crew.recorder.record(
            RunStarted(
                at=self.clock.now(), run=f"r{self.number}", session=DAY.day, mode="PAPER", strategy="campaign"
            )
        )
        crew.begin_session()
        self.crew = crew
        for companion in crew.companions():
            self.spawn(companion)
        self.spawn(self._cycles(crew))

    async def _cycles(self, crew: Crew) -> None:
        """What a runner does now and then: it looks at its orders, and asks for what it missed."""
        while True:
            try:
                await crew.watch.reconcile(await self.broker.open_orders())
            except IbkeelError as error:
                self.troubles.append(f"reconcile: {type(error).__name__}")
            await asyncio.sleep(_CYCLE)

    def cut_off(self) -> None:
        """The process is gone: what it wrote is under way, and nothing more leaves."""
        self.is_dead = True
        transport = self.broker.ib.client.conn.transport
        if transport is not None:
            transport.close()

    async def end(self) -> None:
        """Unwind what is left of it."""
        self.is_dead = True
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.broker.disconnect()
        self.journal.close()
