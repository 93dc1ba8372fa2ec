"""Whatever equity is read, and wherever a run begins anew, the guard of a session stays shut once it is."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.risk import DailyLossGuard

DAY = date(2025, 3, 12)
LIMIT = 0.1
equities = st.none() | st.decimals("1", "200000", places=2)


def verdicts(readings, guard=None):
    """What a guard says of readings of one session."""
    guard, said = guard or DailyLossGuard(limit=LIMIT), []
    for equity in readings:
        guard, verdict = guard.observe(DAY, equity)
        said.append(verdict.allowed)
    return guard, said


@given(st.lists(equities, max_size=30))
def test_a_guard_that_shut_does_not_open_again_within_its_session(readings):
    shut, guard = False, DailyLossGuard(limit=LIMIT)

    for equity in readings:
        guard, verdict = guard.observe(DAY, equity)
        shut = shut or guard.tripped
        assert not (shut and verdict.allowed)
        assert not (equity is None and verdict.allowed)


@given(st.lists(equities, min_size=1, max_size=30), st.data())
def test_a_restart_between_two_readings_changes_no_verdict(readings, data):
    cut = data.draw(st.integers(0, len(readings)))

    kept, first = verdicts(readings[:cut])
    resumed = DailyLossGuard(
        limit=LIMIT, session=kept.session, start_equity=kept.start_equity, tripped=kept.tripped
    )
    _, second = verdicts(readings[cut:], resumed)

    assert first + second == verdicts(readings)[1]


@given(st.lists(equities, max_size=10), st.integers(1, 5))
def test_a_clock_that_goes_back_to_an_earlier_day_opens_nothing(readings, days):
    guard, _ = verdicts([*readings, 100_000])

    after, verdict = guard.observe(DAY - timedelta(days=days), 100_000)

    assert not verdict.allowed
    assert after == guard
