"""S16: a truth test of a table raised, was swallowed, and was reported as "insufficient bars"."""

from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.journal import Failure, Journal
from ibkeel.model import Bar, Bars, BarSpec, Direction, Quote, Signal, Stock
from ibkeel.runner import Runner, RunnerConfig, Session
from ibkeel.strategy import Needs
from ibkeel.testing import FakeBroker
from ibkeel.virtual import run_virtual, virtual_clock

SPY, MINUTES = Stock("SPY"), BarSpec(duration="3600 S", size="1 min")
OPEN = datetime(2025, 3, 14, 13, 30, tzinfo=UTC)
NO_DATA = "insufficient bars"


class OneHour:
    """A calendar with a short session."""

    def session(self, day):
        closes = OPEN + timedelta(hours=1)
        return Session(day=day, opens_at=OPEN, closes_at=closes) if day == date(2025, 3, 14) else None


def bars():
    start = OPEN - timedelta(hours=1)
    rows = [Bar(start + timedelta(minutes=i), 560.0, 560.5, 559.5, 560.2, 1000.0) for i in range(120)]
    return Bars.from_rows(rows, contract=SPY, spec=MINUTES)


@attrs.frozen
class TruthTest:
    """A strategy with the fault of that day: it asks a whole column whether it is true."""

    name: str = "truth test"

    def needs(self):
        return Needs(bars=(MINUTES,))

    def decide(self, context):
        if context.bars[MINUTES].close:
            return Signal(direction=Direction.UP, confidence=0.5)
        raise AssertionError("a column has no truth value")


def seed_cycle(strategy, context):
    """A model of what was there: whatever happened, there was too little data."""
    try:
        return strategy.decide(context)
    except Exception:  # noqa: BLE001 - the fault of that day
        return NO_DATA


def journaled(folder):
    """Failures that a run of the strategy leaves in the journal."""

    async def main():
        clock = virtual_clock()
        quotes = [
            Quote(contract=SPY, at=OPEN + timedelta(seconds=second), bid=560.0, ask=560.02, last=560.0)
            for second in range(0, 3600, 5)
        ]
        with Journal.open(folder / "journal.sqlite") as journal:
            async with FakeBroker(quotes=quotes, bars=[bars()], chains=[], clock=clock) as broker:
                config = RunnerConfig(symbols=("SPY",))
                runner = Runner(broker, TruthTest(), config, journal, calendar=OneHour(), clock=clock)
                await runner.run(sessions=1)
            return [entry.record for entry in journal.events() if isinstance(entry.record, Failure)]

    return run_virtual(main(), start=OPEN)


def test_a_fault_of_a_strategy_keeps_its_type_and_words_up_to_the_journal(tmp_path):
    failures = journaled(tmp_path)

    assert {row.kind for row in failures} == {"ValueError"}
    assert "truth value" in failures[0].message
    assert NO_DATA not in str(failures)


def test_the_model_of_what_was_there_blamed_the_data():
    @attrs.frozen
    class Context:
        bars: dict

    assert seed_cycle(TruthTest(), Context({MINUTES: bars()})) == NO_DATA


def test_bars_themselves_have_a_truth_value():
    assert bars()
    with pytest.raises(ValueError, match="truth value"):
        bool(bars().close)
