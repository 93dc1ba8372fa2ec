from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import ConfigurationError
from ibkeel.runner import Anchor, OverrunPolicy, Session, Timetable

OPEN = datetime(2024, 9, 5, 13, 30, tzinfo=UTC)
SESSION = Session(day=date(2024, 9, 5), opens_at=OPEN, closes_at=OPEN + timedelta(hours=6, minutes=30))
HALF_DAY = Session(day=date(2024, 9, 5), opens_at=OPEN, closes_at=OPEN + timedelta(hours=3, minutes=30))
STOP = SESSION.closes_at - timedelta(seconds=600)


def after(**spent):
    return OPEN + timedelta(**spent)


def cycles(timetable, *, takes=0.0, session=SESSION, stop=STOP, now=OPEN):
    """Seconds after the open at which cycles begin, each of which takes so long."""
    found, last = [], None
    while due := timetable.next(session, now=now, stop=stop, last=last):
        begins, last = max(due, now), due
        found.append((begins - session.opens_at).total_seconds())
        now = begins + timedelta(seconds=takes)
    return found


@given(
    seconds=st.integers(-3600, 30000), interval=st.integers(1, 3600), first=st.none() | st.integers(0, 7200)
)
def test_cycles_fall_on_a_grid_from_the_open_to_the_stop(seconds, interval, first):
    now, step = after(seconds=seconds), timedelta(seconds=interval)
    begin = OPEN + (step if first is None else timedelta(seconds=first))

    due = Timetable(interval=interval, first=first).next(SESSION, now=now, stop=STOP)

    if due is None:
        assert max(now + step, begin + step) > STOP
    else:
        assert max(now, begin) <= due < STOP
        assert due - max(now, begin) < step
        assert (due - begin) % step == timedelta(0)


@given(interval=st.integers(1, 900), takes=st.floats(0, 2000), overrun=st.sampled_from(OverrunPolicy))
def test_no_cycle_begins_twice_before_another_ended_or_at_the_stop(interval, takes, overrun):
    begins = cycles(Timetable(interval=interval, overrun=overrun), takes=max(takes, interval / 3))

    gaps = [late - soon for soon, late in pairwise(begins)]
    assert all(gap >= min(takes, interval) - 1e-3 for gap in gaps)
    assert all(OPEN + timedelta(seconds=at) < STOP for at in begins)


def test_both_ends_of_four_hours_are_counted_when_the_first_cycle_is_at_the_open():
    stop = after(hours=4, seconds=1)

    assert len(cycles(Timetable(interval=180, first=0), stop=stop)) == 81
    assert len(cycles(Timetable(interval=600, first=0), stop=stop)) == 25


def test_what_was_missed_during_a_cycle_is_left_out():
    assert cycles(Timetable(interval=100), takes=150, stop=after(seconds=700)) == [100, 300, 500]


def test_what_was_missed_begins_at_once_and_once():
    timetable = Timetable(interval=100, overrun=OverrunPolicy.AT_ONCE)

    assert cycles(timetable, takes=350, stop=after(seconds=1200)) == [100, 450, 800, 1150]
    assert cycles(timetable, takes=50, stop=after(seconds=400)) == [100, 200, 300]


def test_what_was_due_before_a_run_began_is_not_made_up_for():
    timetable = Timetable(interval=100, overrun=OverrunPolicy.AT_ONCE)

    assert timetable.next(SESSION, now=after(seconds=350), stop=STOP) == after(seconds=400)


def test_anchors_are_kept_in_order_of_time_and_move_with_an_early_close():
    timetable = Timetable.anchored(["close - 1 h", "open + 5 min", "open"])

    assert cycles(timetable) == [0, 300, 19_800]
    assert cycles(timetable, session=HALF_DAY, stop=HALF_DAY.closes_at) == [0, 300, 9000]


def test_an_anchor_beyond_an_early_close_is_left_out():
    timetable = Timetable.anchored(["open + 5 min", "open + 5 h"])

    assert cycles(timetable, session=HALF_DAY, stop=HALF_DAY.closes_at) == [300]


def test_an_anchor_that_a_cycle_overran_is_made_up_for_if_so_wished():
    texts = ["open + 60 s", "open + 120 s", "open + 1 h"]

    assert cycles(Timetable.anchored(texts), takes=100) == [60, 3600]
    assert cycles(Timetable.anchored(texts, overrun=OverrunPolicy.AT_ONCE), takes=100) == [60, 160, 3600]


def test_a_cycle_may_take_until_the_next_one_is_due():
    anchored = Timetable.anchored(["open + 60 s", "open + 120 s"])

    assert Timetable(interval=180).allowed(SESSION, due=OPEN, stop=STOP) == 180
    assert anchored.allowed(SESSION, due=after(seconds=60), stop=STOP) == 60
    assert anchored.allowed(SESSION, due=after(seconds=120), stop=after(seconds=400)) == 280


@pytest.mark.parametrize(
    "text", [None, 300, "", "noon", "open - 5 min", "close", "close + 1 h", "open + 5", "open + x s"]
)
def test_what_is_no_anchor_is_refused_with_what_is_valid(text):
    with pytest.raises(ConfigurationError, match="valid: "):
        Anchor.of(text)


@pytest.mark.parametrize("text", ["open", "open + 90 s", "close - 3600 s"])
def test_an_anchor_says_what_it_was_made_of(text):
    assert str(Anchor.of(text)) == text


def test_an_anchor_may_lie_between_two_seconds():
    assert str(Anchor(edge="open", offset=0.5)) == "open + 0.5 s"
