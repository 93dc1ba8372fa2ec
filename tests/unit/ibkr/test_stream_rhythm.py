"""Which silence is too long depends on how a stream ticks."""

import math

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.ibkr.ticks import Rhythm

GAPS = st.lists(st.floats(0.01, 600), min_size=20, max_size=60)


def after(gaps, began=1000.0):
    rhythm, now = Rhythm(), began
    rhythm.ticked(now)
    for gap in gaps:
        now += gap
        rhythm.ticked(now)
    return rhythm


@given(GAPS)
def test_no_gap_of_late_would_have_been_taken_for_silence(gaps):
    rhythm = after(gaps)

    assert rhythm.silence(60.0) >= max(60.0, *gaps[-20:])


def test_a_busy_stream_is_silent_after_the_least_time():
    assert after([1.0] * 30).silence(60.0) == 60.0


def test_a_stream_that_ticks_seldom_is_given_more_time():
    assert after([100.0] * 30).silence(60.0) == 500.0


def test_nothing_is_known_of_a_stream_before_it_has_ticked_a_while():
    assert after([1.0] * 10).silence(60.0) == math.inf
    assert Rhythm().silence(60.0) == math.inf


def test_a_night_is_no_gap():
    assert after([1.0] * 20 + [60_000.0] + [1.0] * 5).silence(60.0) == 60.0


def test_an_outage_is_forgotten_with_the_ticks_that_follow():
    assert after([1.0] * 20 + [300.0]).silence(60.0) == 1500.0
    assert after([1.0] * 20 + [300.0] + [1.0] * 200).silence(60.0) < 61.0
