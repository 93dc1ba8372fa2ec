"""When a fault strikes, by the clock and by count, without a Gateway."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.sim import faults
from ibkeel.sim.director import Trigger, first_instant, next_instant

ZONE = "US/Eastern"
NOON = datetime(2026, 3, 6, 17, tzinfo=UTC)  # a Friday; clocks change on Sunday


def test_without_a_time_the_first_instant_is_the_start():
    assert first_instant(faults.Mute(), NOON, ZONE) == NOON
    assert first_instant(faults.Mute(after=90), NOON, ZONE) == NOON + timedelta(seconds=90)


@pytest.mark.parametrize(("at", "expected"), [(time(12), "03-06 17:00"), (time(11, 59), "03-07 16:59")])
def test_a_time_of_day_is_the_next_one_from_the_start_on(at, expected):
    assert f"{first_instant(faults.Mute(at=at), NOON, ZONE):%m-%d %H:%M}" == expected


def test_a_time_of_day_stays_the_same_when_the_clocks_change():
    fault = faults.Mute(at=time(12), times=9)

    days = [NOON]
    for _ in range(3):
        days.append(next_instant(fault, days[-1], ZONE))

    assert [f"{each:%d %H:%M}" for each in days] == ["06 17:00", "07 17:00", "08 16:00", "09 16:00"]


def test_after_one_strike_of_the_clock_there_is_no_next_unless_it_repeats():
    assert next_instant(faults.Mute(), NOON, ZONE) is None
    assert next_instant(faults.Mute(every=7.5), NOON, ZONE) == NOON + timedelta(seconds=7.5)


@given(skip=st.integers(0, 5), times=st.integers(1, 5), occasions=st.integers(0, 20))
def test_strikes_are_the_occasions_after_those_that_pass_until_there_were_enough(skip, times, occasions):
    trigger = Trigger(faults.Unanswered(skip=skip, times=times), (0, "x"))

    struck = [trigger.strikes() for _ in range(occasions)]

    assert struck == [skip <= number < skip + times for number in range(occasions)]
    assert trigger.is_spent == (sum(struck) == times)


@given(seed=st.integers(), chance=st.floats(0, 1))
def test_chance_is_a_function_of_the_key(seed, chance):
    fault = faults.Unanswered(chance=chance)
    one, other = Trigger(fault, (seed, "x")), Trigger(fault, (seed, "x"))

    assert [one.strikes() for _ in range(20)] == [other.strikes() for _ in range(20)]


def test_chance_is_about_as_often_as_it_says():
    trigger = Trigger(faults.Unanswered(chance=0.2), (7, "x"))

    assert sum(trigger.strikes() for _ in range(5000)) == pytest.approx(1000, abs=100)


@pytest.mark.parametrize(
    ("fault", "limit"),
    [
        (faults.Mute(), 1),
        (faults.Mute(every=3.0), None),
        (faults.Mute(every=3.0, times=4), 4),
        (faults.Unanswered(), None),
        (faults.Unanswered(times=2), 2),
        (faults.Mute(when_request="positions"), 1),
    ],
)
def test_the_limit_follows_from_what_the_fault_is(fault, limit):
    assert fault.limit == limit
