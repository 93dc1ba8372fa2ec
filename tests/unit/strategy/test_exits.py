from datetime import UTC, date, datetime, timedelta

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Bar, Bars, Direction, ExitPolicy, Stock
from ibkeel.strategy import TRAIL_BARS, ExitRule, PositionFacts, due_exits, trail_bars

NOW = datetime(2024, 3, 4, 19, 30, tzinfo=UTC)
RISING = [100.0 + n for n in range(24)]


def hours_of(closes, *, end=NOW):
    first = end - timedelta(hours=len(closes))
    rows = [Bar(first + timedelta(hours=n), c, c, c, c, 1.0) for n, c in enumerate(closes)]
    return Bars.from_rows(rows, contract=Stock("SPY"), spec=TRAIL_BARS)


def facts(**changes):
    known = {
        "direction": Direction.UP,
        "entry_premium": 4.0,
        "premium": 4.0,
        "expiry": date(2024, 3, 15),
        "now": NOW,
        "today": date(2024, 3, 4),
        "ends_at": NOW + timedelta(hours=1),
    }
    return PositionFacts(**known | changes)


def rules(policy, **changes):
    return [rule for rule, _ in due_exits(policy, facts(**changes))]


def test_a_policy_that_asks_for_nothing_ends_nothing():
    assert rules(ExitPolicy(), premium=0.01, expiry=date(2024, 3, 4), now=NOW + timedelta(hours=9)) == []


@pytest.mark.parametrize(
    ("premium", "due"),
    [
        (3.2, [ExitRule.STOP]),
        (3.21, []),
        (5.99, []),
        (6.0, [ExitRule.TAKE_PROFIT]),
        (None, []),
    ],
)
def test_stop_and_profit_are_parts_of_the_premium(premium, due):
    policy = ExitPolicy(stop_fraction=0.2, take_profit_fraction=0.5)

    assert rules(policy, premium=premium) == due


@pytest.mark.parametrize(
    ("direction", "last", "due"),
    [
        (Direction.UP, 50.0, [ExitRule.TRAIL]),
        (Direction.UP, 200.0, []),
        (Direction.DOWN, 200.0, [ExitRule.TRAIL]),
        (Direction.DOWN, 50.0, []),
    ],
)
def test_a_close_on_the_wrong_side_of_the_average_ends_a_position(direction, last, due):
    assert rules(ExitPolicy(trail_period=20), direction=direction, hours=hours_of([*RISING, last])) == due


def test_an_hour_that_is_not_over_does_not_trail():
    unfinished = hours_of([*RISING, 50.0], end=NOW + timedelta(seconds=1))

    assert rules(ExitPolicy(trail_period=20), hours=unfinished) == []


def test_an_hour_is_over_when_the_next_begins():
    """The Gateway's first bar of a session may end on the full hour, after thirty minutes: unverified."""
    whole = hours_of([*RISING, 50.0], end=NOW + timedelta(minutes=30))
    begun = Bar(NOW, 200.0, 200.0, 200.0, 200.0, 1.0)
    cut = Bars.from_rows([*whole, begun], contract=Stock("SPY"), spec=TRAIL_BARS)

    assert rules(ExitPolicy(trail_period=20), hours=cut) == [ExitRule.TRAIL]
    assert rules(ExitPolicy(trail_period=20), hours=whole) == []


@pytest.mark.parametrize(("period", "least"), [(1, 1), (20, 20), (24, 24), (25, 25), (100, 100)])
def test_a_trail_asks_for_the_hours_of_its_average(period, least):
    """In a week with a holiday and a half day, too: 24 hours."""
    weeks = int(trail_bars(period).duration.removesuffix(" W"))

    assert weeks * 24 >= least
    assert (weeks - 1) * 24 < least


def test_too_few_hours_do_not_trail():
    assert rules(ExitPolicy(trail_period=20), hours=hours_of([100.0] * 18 + [50.0])) == []
    assert rules(ExitPolicy(trail_period=20), hours=None) == []


@pytest.mark.parametrize(("left", "due"), [(4, [ExitRule.EXPIRY]), (5, []), (0, [ExitRule.EXPIRY])])
def test_a_position_ends_when_too_few_days_are_left(left, due):
    assert rules(ExitPolicy(min_dte=5), expiry=date(2024, 3, 4) + timedelta(days=left)) == due


@pytest.mark.parametrize(("early", "due"), [(1, []), (0, [ExitRule.END_OF_SESSION])])
def test_a_position_that_ends_with_the_session_leaves_in_time(early, due):
    policy = ExitPolicy(ends_with_session=True)

    assert rules(policy, ends_at=NOW + timedelta(seconds=early)) == due


def test_everything_that_is_due_is_told_with_its_facts():
    policy = ExitPolicy(stop_fraction=0.2, trail_period=20, min_dte=30, ends_with_session=True)

    due = due_exits(policy, facts(premium=1.0, hours=hours_of([*RISING, 50.0]), ends_at=NOW))

    assert [rule for rule, _ in due] == ["stop", "trail", "expiry", "end_of_session"]
    assert [str(reason) for _, reason in due] == [
        "gain -0.75 (above -0.2)",
        "hourly_close 50 (at or above ema20 107.4524)",
        "dte 11 (at least 30)",
        "seconds_late 0 (below 0)",
    ]


def test_a_profit_is_told_with_what_was_wanted():
    [(_, reason)] = due_exits(ExitPolicy(take_profit_fraction=0.5), facts(premium=7.0))

    assert str(reason) == "gain 0.75 (below 0.5)"


def test_a_position_without_a_direction_is_refused():
    with pytest.raises(InvalidInput, match="direction"):
        facts(direction=Direction.NONE)


@pytest.mark.parametrize(
    "params", [{"stop_fraction": 1.0}, {"stop_fraction": 0.0}, {"trail_period": 0}, {"min_dte": 0}]
)
def test_a_policy_that_makes_no_sense_is_refused(params):
    with pytest.raises(InvalidInput):
        ExitPolicy(**params)


def test_as_many_hours_as_the_average_has_are_enough():
    hours = hours_of([100.0] * 19 + [50.0])

    assert rules(ExitPolicy(trail_period=20), hours=hours) == [ExitRule.TRAIL]


@pytest.mark.parametrize("direction", [Direction.UP, Direction.DOWN])
def test_a_close_on_the_average_ends_nothing(direction):
    assert rules(ExitPolicy(trail_period=20), direction=direction, hours=hours_of([100.0] * 24)) == []


@pytest.mark.parametrize(
    ("direction", "last", "rule"),
    [
        (Direction.UP, 79.0, "at or above ema20 98.0000"),
        (Direction.DOWN, 121.0, "at or below ema20 102.0000"),
    ],
)
def test_a_trailing_exit_says_what_the_close_was_held_against(direction, last, rule):
    policy, hours = ExitPolicy(trail_period=20), hours_of([*[100.0] * 20, last])

    [(_, reason)] = due_exits(policy, facts(direction=direction, hours=hours))

    assert (reason.value, reason.rule) == (last, rule)
