"""One life of a whole bot: broker, journal and runner, from the start of its process to its end or its death."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.campaign_journal import BoundaryJournal
from benchmarks.campaign_life import HOST, PORT
from benchmarks.days_limits import LimitsOnFile
from benchmarks.days_market import DaysMarket, MarketCalendar
from benchmarks.days_plan import Plan
from benchmarks.days_strategy import Mannered
from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.journal import highest_order_id
from ibkeel.orders import OrderLimits
from ibkeel.runner import EndOfDay, FlattenRequests, Halt, Runner, RunnerConfig, Safety
from ibkeel.telemetry import (
    AlarmRaised,
    CycleStarted,
    DecisionMade,
    OrderChanged,
    OrderFilled,
    OrderIntended,
    SessionChanged,
    SymbolFailed,
    TradingDayClosed,
)

__all__ = ["Ears", "Life", "SetClock"]

_RETRY: Final = 10.0
_TOLD: Final = (SessionChanged, SymbolFailed, OrderIntended, OrderChanged, OrderFilled, DecisionMade)


class SetClock:
    """A wall clock that somebody sets; its monotonic seconds go on.

    Args:
        clock: The one that is right.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ahead = timedelta(0)
        """By how much it is ahead."""

    def monotonic(self) -> float:
        """Seconds that nobody sets."""
        return self._clock.monotonic()

    def now(self) -> datetime:
        """What it shows."""
        return self._clock.now() + self.ahead


class Ears:
    """An observer that keeps what a person would be told, and when cycles began.

    Args:
        clock: The right one: an alarm counts when it is heard.
        trace: Told what happens, in words.
    """

    def __init__(self, clock: Clock, trace: Callable[[str], None]) -> None:
        self._clock, self._trace = clock, trace
        self.alarms: list[tuple[datetime, str]] = []
        self.cycles: list[datetime] = []
        self.closed: list[tuple[datetime, int | None]] = []
        """When sessions were over, and how many positions were said to be held."""

    def on_event(self, event: object) -> None:
        """Take in one event."""
        now = self._clock.now()
        if isinstance(event, AlarmRaised):
            self.alarms.append((now, event.message))
            self._trace(f"ALARM {event.message}")
        elif isinstance(event, CycleStarted):
            self.cycles.append(now)
        elif isinstance(event, TradingDayClosed):
            self.closed.append((now, event.held))
            self._trace(f"TOLD {event}")
        elif isinstance(event, _TOLD):
            self._trace(f"TOLD {_words(event)}")


@attrs.define(kw_only=True, eq=False)
class Life:
    """A process of a bot.

    Args:
        plan: How it is set up.
        client_id: Under which its orders stand.
        journal_path: Where its journal is; what an earlier life left is there.
        halt_path: The kill switch's file.
        clock: Wall time as the machine has it.
        market: Whose calendar it goes by.
        ears: Hears what it tells.
        limits: The file in which its limits are.
        requests: Where it is asked to close everything.
    """

    plan: Plan
    client_id: int
    journal_path: Path
    halt_path: Path
    clock: SetClock
    market: DaysMarket
    ears: Ears
    limits: LimitsOnFile
    requests: FlattenRequests
    broker: IBKRBroker = attrs.field(init=False)
    journal: BoundaryJournal = attrs.field(init=False)
    runner: Runner | None = None
    task: "asyncio.Task[Any] | None" = None
    is_dead: bool = False
    fault: str = ""
    """What ended it that should not have."""

    def __attrs_post_init__(self) -> None:
        config = IBKRConfig(host=HOST, port=PORT, client_id=self.client_id, orders="PAPER", exclusive=False)
        self.broker = IBKRBroker(config, clock=self.clock, observer=self.ears, jitter=lambda: 0.0)
        self.journal = BoundaryJournal.open(self.journal_path)

    @property
    def is_up(self) -> bool:
        """Whether it works and has a link."""
        return not self.is_dead and self.runner is not None and self.broker.is_connected

    def begin(self) -> None:
        """Let it run."""
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._trade()
        except asyncio.CancelledError:
            if not self.is_dead:
                self.fault = "run() ended: CancelledError, and nobody cancelled it"
            raise
        except BaseException as error:  # noqa: BLE001 - that any comes is what is to be found
            if not self.is_dead:
                self.fault = f"run() ended: {type(error).__name__}: {error}"
        else:
            self.fault = "run() ended by itself"

    async def _trade(self) -> None:
        while True:
            try:
                await self.broker.connect()
                break
            except ConnectionFailure:
                await asyncio.sleep(_RETRY)
        self.broker.use_order_ids_above(highest_order_id(self.journal, self.client_id))
        settings = {**self.plan.runner, "end_of_day": EndOfDay(self.plan.runner["end_of_day"])}
        risk, limits = self.limits.risk, OrderLimits(efficiency=None)
        self.runner = Runner(
            self.broker,
            Mannered(self.plan.manners, self.plan.seed + 1000 * self.client_id),
            RunnerConfig(**settings),
            self.journal,
            risk=risk,
            calendar=MarketCalendar(self.market),
            clock=self.clock,
            observer=self.ears,
            mode="PAPER",
            safety=Safety.of(risk, Halt(self.halt_path), limits=limits, requests=self.requests),
            limits=self.limits,
        )
        await self.runner.run()

    def cut_off(self) -> None:
        """The process is gone: what it wrote is under way, and nothing more leaves."""
        self.is_dead = True
        transport = self.broker.ib.client.conn.transport
        if transport is not None:
            transport.close()

    async def bury(self) -> None:
        """Unwind what is left of a process that is gone."""
        self.is_dead = True
        await self.broker.disconnect()
        await self._cancelled()
        self.journal.close()

    async def stop(self) -> None:
        """End it as a person would."""
        self.is_dead = True
        await self._cancelled()
        await self.broker.disconnect()
        self.journal.close()

    async def _cancelled(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


def _words(event: Any) -> str:
    """The fields of an event but for its time, those that say nothing left out."""
    fields = (
        f"{name}={value}"
        for name, value in attrs.asdict(event, recurse=False).items()
        if name != "at" and value
    )
    return f"{type(event).__name__} {', '.join(fields)}"
