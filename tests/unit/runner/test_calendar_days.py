"""Weekends, holidays, half days and changes of the clock, as a run goes through them."""

from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.journal import CycleDone, Journal
from ibkeel.model import Direction, Quote, Signal, Stock
from ibkeel.runner import ExchangeCalendar, Runner, RunnerConfig
from ibkeel.strategy import Needs
from ibkeel.telemetry import TradingDayClosed
from ibkeel.testing import FakeBroker
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")


@attrs.frozen
class Idle:
    """Wants nothing."""

    name: str = "idle"

    def needs(self):
        return Needs()

    def decide(self, _):
        return Signal(direction=Direction.NONE)


class Closes:
    """Keeps when days ended."""

    def __init__(self):
        self.at = []

    def on_event(self, event):
        if isinstance(event, TradingDayClosed):
            self.at.append(event.at)


def told(instants):
    return [at.strftime("%m-%d %H:%M") for at in instants]


@attrs.frozen
class Shown:
    """What the machine's clock shows: the next day between two hours, counted from the start."""

    first: int
    last: int

    def now(self):
        is_off = self.first * 3600 <= self.monotonic() < self.last * 3600
        return virtual_clock().now() + timedelta(days=is_off)

    def monotonic(self):
        return virtual_clock().monotonic()


@pytest.fixture
def days(tmp_path):
    """Runs from noon UTC of a day through so many sessions; when cycles were and when days ended, in UTC."""

    def run(day, sessions, clock=None):
        start = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        closes = Closes()

        async def main():
            quote = Quote(contract=SPY, at=start, bid=560.0, ask=560.02, last=560.0)
            fake = FakeBroker(quotes=[quote], clock=virtual_clock(), dry_run=True)
            with Journal.open(tmp_path / "days.sqlite") as journal:
                async with fake:
                    runner = Runner(
                        fake,
                        Idle(),
                        RunnerConfig(anchors=("open + 1 min", "close - 1 h")),
                        journal,
                        calendar=ExchangeCalendar(start=date(2024, 1, 2)),
                        clock=clock or virtual_clock(),
                        observer=closes,
                    )
                    await runner.run(sessions=sessions)
                return [entry.record.at for entry in journal.events(CycleDone)]

        return told(run_virtual(main(), start=start)), told(closes.at)

    return run


def test_a_weekend_is_passed_over_and_the_clock_goes_forward_in_it(days):
    cycles, closes = days(date(2025, 3, 7), 2)

    assert cycles == ["03-07 14:31", "03-07 20:00", "03-10 13:31", "03-10 19:00"]
    assert closes == ["03-07 21:00", "03-10 20:00"]


def test_a_weekend_is_passed_over_and_the_clock_goes_back_in_it(days):
    cycles, closes = days(date(2024, 11, 1), 2)

    assert cycles == ["11-01 13:31", "11-01 19:00", "11-04 14:31", "11-04 20:00"]
    assert closes == ["11-01 20:00", "11-04 21:00"]


def test_a_holiday_is_passed_over_and_the_half_day_after_it_ends_early(days):
    cycles, closes = days(date(2024, 11, 27), 2)

    assert cycles == ["11-27 14:31", "11-27 20:00", "11-29 14:31", "11-29 17:00"]
    assert closes == ["11-27 21:00", "11-29 18:00"]


def test_a_run_that_begins_on_a_holiday_waits_for_the_next_session(days):
    cycles, _ = days(date(2024, 12, 25), 1)

    assert cycles == ["12-26 14:31", "12-26 20:00"]


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        (0, 1, ["03-10 13:31", "03-10 19:00", "03-11 13:31", "03-11 19:00"]),
        (0, 3, ["03-11 13:31", "03-10 19:00", "03-11 13:31", "03-11 19:00"]),
        (10, 20, ["03-10 13:31", "03-10 19:00", "03-11 13:31", "03-11 19:00"]),
    ],
    ids=["before the open", "over the open", "at night"],
)
def test_a_clock_that_was_a_day_ahead_costs_no_more_of_the_day_that_it_is(days, first, last, shown):
    """Else nothing that is held is looked at on that day, nor closed at its end."""
    cycles, closes = days(date(2025, 3, 10), 2, Shown(first, last))

    assert cycles == shown
    assert closes == ["03-10 20:00", "03-11 20:00"]
