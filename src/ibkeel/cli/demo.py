"""A whole trading day: the same runner and adapter as ever, over the simulated Gateway."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel.cli.paths import DEMO_RUN
from ibkeel.cli.phases import Phase
from ibkeel.errors import ConfigurationError
from ibkeel.ibkr import IBKRBroker, IBKRConfig, OrderMode
from ibkeel.journal import Journal
from ibkeel.model import Stock
from ibkeel.runner import ErrorSeen, LiquidHours, Progress, RiskConfig, Runner, RunnerConfig, RunReport
from ibkeel.sim import FaultSeen, Scenario, SimulatedGateway
from ibkeel.sim.market import MOODS, ReplayMarket, SeededMarket
from ibkeel.strategy import default_registry
from ibkeel.system import SystemClock
from ibkeel.telemetry import (
    Event,
    NullObserver,
    Observer,
    Observers,
    ServiceChanged,
    SessionChanged,
    StreamRestored,
)
from ibkeel.virtual import run_virtual, virtual_clock

_HOST: Final = "127.0.0.1"
_PORT: Final = 4002
_MADE_FOR: Final = MappingProxyType(
    {"daily_volume": "breakout", "scalp+whale": "breakout", "vix_regime": "calm", "whale": "breakout"}
)
"""The mood of a day on which a strategy has something to do; `plain` for any other."""


@attrs.frozen(kw_only=True)
class Survived:
    """One fault, and what became of it.

    Args:
        kind: Such as `restart`.
        at: When it struck.
        ended_at: When it was over; None when it never was.
        detected_after: Seconds until the session or a service was no longer held to be well; None
            when nobody noticed.
        recovered_after: Seconds until the session was well again; None when it never was unwell.
    """

    kind: str
    at: datetime
    ended_at: datetime | None
    detected_after: float | None
    recovered_after: float | None

    def as_data(self) -> dict[str, Any]:
        """One object of `--json`."""
        return {
            "kind": self.kind,
            "at": self.at.isoformat(),
            "detected_after": _rounded(self.detected_after),
            "recovered_after": _rounded(self.recovered_after),
        }

    def explains(self, at: datetime) -> bool:
        """Whether a failure at that instant may be its work."""
        until = self.ended_at
        if self.recovered_after is not None:
            recovered_at = self.at + timedelta(seconds=self.recovered_after)
            until = recovered_at if until is None else max(until, recovered_at)
        return self.at <= at and (until is None or at <= until + _GRACE)


@attrs.frozen(kw_only=True)
class DemoOptions:
    """What a demo was asked to do: the options of `ibkeel demo`; a phase replaces all but journal and seed."""

    symbols: tuple[str, ...]
    journal: Path
    seed: int = 7
    replay: Path | None = None
    day: date | None = None
    preset: str = "standard"
    min_dte: int | None = None
    orders: OrderMode = OrderMode.DRY_RUN
    strategy: str = "scalp"
    scenario: Scenario | None = None
    market: str | None = None
    phase: Phase | None = None


@attrs.frozen(kw_only=True)
class DemoResult:
    """What a demo did."""

    options: DemoOptions
    session_date: date
    report: RunReport
    virtual_seconds: float
    wall_seconds: float
    requests: int
    pacing_violations: int
    open_lines_at_end: int
    max_open_lines: int
    faults: tuple[Survived, ...] = ()
    found: Mapping[str, object] = MappingProxyType({})

    @property
    def missed(self) -> tuple[str, ...]:
        """What should have come of the phase and did not; empty when it all did, and for a day of one's own."""
        phase = self.options.phase
        if phase is None:
            return ()
        wanted: dict[str, object] = {
            **phase.finds, "cycles": phase.cycles, "errors": 0, "orders sent": 0, "pacing violations": 0, "open lines": 0
        }  # fmt: skip
        came: dict[str, object] = {
            **self.found,
            "cycles": self.report.cycles,
            "errors": len(self.unexplained),
            "orders sent": self.report.orders_sent,
            "pacing violations": self.pacing_violations,
            "open lines": self.open_lines_at_end,
        }
        return tuple(
            f"{name}: {came.get(name)}, not {value}"
            for name, value in wanted.items()
            if came.get(name) != value
        )

    @property
    def unexplained(self) -> tuple[ErrorSeen, ...]:
        """Failures that no fault explains."""
        errors = self.report.errors
        return tuple(error for error in errors if not any(fault.explains(error.at) for fault in self.faults))

    def as_data(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "seed": self.options.seed,
            "session_date": self.session_date.isoformat(),
            "symbols": list(self.options.symbols),
            "virtual_seconds": round(self.virtual_seconds, 3),
            "wall_seconds": round(self.wall_seconds, 3),
            "cycles": self.report.cycles,
            "signals": self.report.signals,
            "intents": self.report.intents,
            "orders": self.report.orders,
            "orders_sent": self.report.orders_sent,
            "fills": self.report.fills,
            "requests": self.requests,
            "timeouts": sum(error.is_timeout for error in self.unexplained),
            "errors": len(self.unexplained),
            "faults": [fault.as_data() for fault in self.faults],
            "pacing_violations": self.pacing_violations,
            "open_lines_at_end": self.open_lines_at_end,
            "max_open_lines": self.max_open_lines,
            "journal": str(self.options.journal),
        }


def play(
    options: DemoOptions,
    progress: Callable[[Progress], None] | None = None,
    observer: Observer | None = None,
) -> DemoResult:
    """Play the day on virtual time; `progress` is called after each cycle."""
    machine = SystemClock()
    started = machine.monotonic()
    phase = options.phase or _day_of(options)
    market = _market(options)
    starts_at = _opens_at(market) + timedelta(seconds=phase.starts)
    result = run_virtual(_day(options, phase, market, progress, observer), start=starts_at)
    return attrs.evolve(result, wall_seconds=machine.monotonic() - started)


def _day_of(options: DemoOptions) -> Phase:
    """One session of one's own, as a phase of which nothing is expected."""
    return Phase(
        what="a trading day",
        config=RunnerConfig(symbols=options.symbols, preset=options.preset, min_dte=options.min_dte),
        cycles=0,
        strategy=default_registry().create(options.strategy),
        scenario=options.scenario,
    )


def _market(options: DemoOptions) -> SeededMarket | ReplayMarket:
    if options.phase is not None:
        return options.phase.market(options.seed)
    if options.replay is None:
        mood = options.market or _MADE_FOR.get(options.strategy, "plain")
        return SeededMarket(options.seed, options.day, mood=MOODS[mood])
    if options.market is not None:
        raise ConfigurationError("--market is about seeded days; leave it out with --replay")
    if options.day is None:
        raise ConfigurationError("--replay needs --date, the recorded day to play, such as 2015-12-24")
    return ReplayMarket(options.replay, day=options.day, symbols=options.symbols)


def _opens_at(market: SeededMarket | ReplayMarket) -> datetime:
    sessions = market.sessions(market.session_date, market.session_date)
    if not sessions:
        raise ConfigurationError(f"{market.session_date} is no trading day; give another --date")
    return sessions[0].opens_at


async def _day(
    options: DemoOptions,
    phase: Phase,
    market: SeededMarket | ReplayMarket,
    progress: Callable[[Progress], None] | None,
    observer: Observer | None,
) -> DemoResult:
    clock = virtual_clock()
    began = clock.monotonic()
    gateway = SimulatedGateway(market=market, seed=options.seed, clock=clock, scenario=phase.scenario)
    watcher = _Watcher()
    told = Observers((watcher, observer or NullObserver()))
    address = IBKRConfig(host=_HOST, port=_PORT, client_id=1, orders=options.orders)
    broker = IBKRBroker(address, clock=clock, observer=told, jitter=lambda: 0.0)
    async with gateway.listening(_HOST, _PORT):
        async with broker:
            # The definition of each stock, before anything else is asked.
            details = [await broker.qualify(Stock(symbol)) for symbol in phase.config.symbols]
            found = await phase.survey(broker)
            with Journal.open(options.journal) as journal:
                runner = Runner(
                    broker,
                    phase.strategy,
                    phase.config,
                    journal,
                    risk=RiskConfig(),
                    calendar=LiquidHours(details[0].liquid_hours),
                    clock=clock,
                    observer=observer,
                    progress=progress,
                    mode=options.orders.value,
                    run=DEMO_RUN,
                )
                await _lasting(runner, phase.hours)
                report = runner.report()
            open_lines = gateway.counters.open_lines
        counters = gateway.counters
    return DemoResult(
        options=options,
        session_date=market.session_date,
        report=report,
        virtual_seconds=clock.monotonic() - began,
        wall_seconds=0.0,
        requests=sum(counters.requests.values()),
        pacing_violations=counters.pacing_violations,
        open_lines_at_end=open_lines,
        max_open_lines=counters.max_open_lines,
        faults=tuple(_outcome(fault, watcher.events) for fault in gateway.faults_seen),
        found=found,
    )


async def _lasting(runner: Runner, hours: float | None) -> None:
    limit = asyncio.timeout(None if hours is None else hours * 3600)
    try:
        async with limit:
            await runner.run(sessions=1 if hours is None else None)
    except TimeoutError:
        if not limit.expired():
            raise


_WELL: Final = "ready"
_ENDED: Final = "stopped"  # by us
# A deadline may pass, and an attempt fail, after the fault itself is over.
_GRACE: Final = timedelta(seconds=90)


class _Watcher(Observer):
    """An observer that remembers how session and services fared."""

    def __init__(self) -> None:
        self.events: list[SessionChanged | ServiceChanged | StreamRestored] = []

    @override
    def on_event(self, event: Event) -> None:
        if isinstance(event, SessionChanged | ServiceChanged | StreamRestored):
            self.events.append(event)


def _outcome(
    fault: FaultSeen, events: Sequence[SessionChanged | ServiceChanged | StreamRestored]
) -> Survived:
    """What the session did after a fault."""
    later = [event for event in events if event.at >= fault.at]
    detected = next((event.at for event in later if _is_trouble(event)), None)
    recovered = None
    if detected is not None:
        recovered = next((event.at for event in later if event.at >= detected and _is_end(event)), None)
    return Survived(
        kind=fault.kind,
        at=fault.at,
        ended_at=fault.ended_at,
        detected_after=_seconds(fault.at, detected),
        recovered_after=_seconds(fault.at, recovered),
    )


def _is_trouble(event: SessionChanged | ServiceChanged | StreamRestored) -> bool:
    if isinstance(event, SessionChanged):
        return event.before == _WELL and event.after != _ENDED
    return isinstance(event, ServiceChanged) and event.after == "open"


def _is_end(event: SessionChanged | ServiceChanged | StreamRestored) -> bool:
    if isinstance(event, SessionChanged):
        return event.after == _WELL
    return isinstance(event, ServiceChanged) and event.after == "closed"


def _seconds(begin: datetime, end: datetime | None) -> float | None:
    return None if end is None else (end - begin).total_seconds()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
