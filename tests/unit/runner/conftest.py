"""A short trading day on a fake broker, for what a run does with what it holds."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import attrs
import pytest

from ibkeel.journal import Intent, Journal, SparingReader
from ibkeel.model import (
    Bar,
    Bars,
    BarSpec,
    Direction,
    ExitPolicy,
    Option,
    OptionChain,
    OptionClass,
    Quote,
    Right,
    Signal,
    Stock,
)
from ibkeel.runner import Runner, RunnerConfig, Session
from ibkeel.strategy import TRAIL_BARS, Needs
from ibkeel.testing import FakeBroker
from ibkeel.virtual import run_virtual, virtual_clock

HELD_DAY = date(2025, 3, 14)
HELD_OPEN = datetime(2025, 3, 14, 13, 30, tzinfo=UTC)
_MINUTES = BarSpec(duration="3600 S", size="1 min")
_SPY = Stock("SPY")
HELD_CALL = Option("SPY", date(2025, 3, 21), Decimal(560), Right.CALL, trading_class="SPY")


class _OneHour:
    """A session of an hour each day."""

    def session(self, day):
        opens = HELD_OPEN + timedelta(days=(day - HELD_DAY).days)
        return Session(day=day, opens_at=opens, closes_at=opens + timedelta(hours=1))


@attrs.frozen
class _OnceUp:
    """Wants a call, once, and says how it is to end."""

    exits: ExitPolicy
    reason: object = None
    said: list = attrs.field(factory=list)
    name: str = "once_up"

    def needs(self):
        return Needs(bars=(_MINUTES,))

    def decide(self, _):
        self.said.append(True)
        reasons = (self.reason(len(self.said)),) if self.reason else ()
        if len(self.said) > 1:
            return Signal(direction=Direction.NONE, reasons=reasons)
        return Signal(direction=Direction.UP, confidence=0.5, reasons=reasons, exits=self.exits)


def hourly(closes, *, last=HELD_OPEN):
    """Hourly bars that are finished at the open."""
    start = last - timedelta(hours=len(closes))
    rows = [Bar(start + timedelta(hours=n), p, p, p, p, 1000.0) for n, p in enumerate(closes)]
    return Bars.from_rows(rows, contract=_SPY, spec=TRAIL_BARS)


def _quotes(contract, bid, ask, days):
    return [
        Quote(contract=contract, at=HELD_OPEN + timedelta(days=day, seconds=second), bid=bid, ask=ask, last=bid, volume=500.0)
        for day in range(days)
        for second in range(0, 3600, 5)
    ]  # fmt: skip


def _bars(days):
    starts = [HELD_OPEN + timedelta(days=day, hours=-1) for day in range(days)]
    rows = [
        Bar(start + timedelta(minutes=n), 560.0, 560.5, 559.5, 560.2, 1000.0)
        for start in starts
        for n in range(120)
    ]
    return Bars.from_rows(rows, contract=_SPY, spec=_MINUTES)


@pytest.fixture
def held_day(tmp_path):
    """Buys a call in the first cycle and gives back what became of it."""

    def play(
        *, exits=None, config=None, hours=None, option=None, sessions=1, beside=None, prepare=None, broker=None,
        quotes=(), reason=None, start=HELD_OPEN, days=1, **options,
    ):  # fmt: skip
        call = option or HELD_CALL
        row = OptionClass(trading_class="SPY", expiries=(call.expiry,), strikes=(call.strike,))

        async def main():
            fake = FakeBroker(
                quotes=[
                    *_quotes(_SPY, 560.0, 560.02, max(sessions, days)),
                    *(quotes or _quotes(call, 4.0, 4.05, max(sessions, days))),
                ],
                bars=[_bars(days), *([hours] if hours is not None else [])],
                chains=[OptionChain(underlying=_SPY, classes=(row,))],
                clock=virtual_clock(),
                **(broker or {}),
            )
            path = tmp_path / "held.sqlite"
            with Journal.open(path) as journal:
                async with fake:
                    runner = Runner(
                        fake,
                        _OnceUp(exits or ExitPolicy(), reason),
                        RunnerConfig(**{"interval": 60.0, **(config or {})}),
                        journal,
                        calendar=_OneHour(),
                        clock=virtual_clock(),
                        **options,
                    )
                    if prepare:
                        prepare(fake)
                    other = asyncio.create_task(beside(fake, runner)) if beside else None
                    report = await runner.run(sessions=sessions)
                    found = await other if other else None
                intents = [entry.record for entry in SparingReader(journal).events(Intent)]
                return SimpleNamespace(report=report, broker=fake, intents=intents, found=found, journal=path)

        return run_virtual(main(), start=start)

    return play


@pytest.fixture
def parts():
    """What a day is made of, for those who play it themselves: a venue, a strategy that enters once, a run."""

    def venue(**options):
        row = OptionClass(trading_class="SPY", expiries=(HELD_CALL.expiry,), strikes=(HELD_CALL.strike,))
        return FakeBroker(
            quotes=[*_quotes(_SPY, 560.0, 560.02, 1), *_quotes(HELD_CALL, 4.0, 4.05, 1)],
            bars=[_bars(1)],
            chains=[OptionChain(underlying=_SPY, classes=(row,))],
            clock=virtual_clock(),
            **options,
        )

    def run(broker, strategy, journal, **options):
        config, clock = RunnerConfig(interval=60.0), virtual_clock()
        return Runner(broker, strategy, config, journal, calendar=_OneHour(), clock=clock, **options)

    return SimpleNamespace(venue=venue, once_up=lambda: _OnceUp(ExitPolicy()), run=run, opens_at=HELD_OPEN)
