import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.resilience import Lane, Request, Rule
from ibkeel.resilience.pacing import Window


def rule(**changes):
    return Rule(**({"name": "messages", "limit": 50, "seconds": 1.0, "source": "a test"} | changes))


@pytest.mark.parametrize(
    ("reserves", "tiers"),
    [
        ({}, [(50, Lane.CLOSING)]),
        ({"order_reserve": 5}, [(45, Lane.PROBE), (50, Lane.CLOSING)]),
        (
            {"order_reserve": 5, "closing_reserve": 2},
            [(45, Lane.PROBE), (48, Lane.OPENING), (50, Lane.CLOSING)],
        ),
        ({"order_reserve": 2, "closing_reserve": 2}, [(48, Lane.OPENING), (50, Lane.CLOSING)]),
    ],
)
def test_a_reserve_is_a_narrower_limit_for_those_it_is_not_for(reserves, tiers):
    assert [(tier.limit, tier.most_urgent) for tier in rule(**reserves).tiers()] == tiers


@pytest.mark.parametrize(
    "figures",
    [
        {"limit": 0},
        {"limit": 1.5},
        {"seconds": 0.0},
        {"seconds": math.nan},
        {"order_reserve": 50},
        {"order_reserve": -1},
        {"order_reserve": 1, "closing_reserve": 2},
    ],
)
def test_limits_that_make_no_sense_are_refused(figures):
    with pytest.raises(InvalidInput):
        rule(**figures)


def test_a_limit_says_itself_in_words():
    [narrow, whole] = rule(order_reserve=5).tiers()
    [open_ones] = rule(name="lines", seconds=None).tiers()

    assert (narrow.text(), whole.text()) == ("messages (45 in 1 s)", "messages (50 in 1 s)")
    assert open_ones.text() == "lines (50 open)"


def test_what_was_sent_counts_until_it_is_exactly_as_old_as_the_window():
    window = Window(2, 10.0)
    window.take(2, 0.0)

    assert window.free(9.999) == 0
    assert window.free(10.0) == 2


def test_the_time_for_a_weight_is_when_enough_has_gone():
    window = Window(4, 10.0)
    for now in (0.0, 1.0, 2.0):
        window.take(1, now)

    assert window.ready_at(1, 3.0) == 3.0
    assert window.ready_at(2, 3.0) == 10.0
    assert window.ready_at(4, 3.0) == 12.0
    assert window.ready_at(5, 3.0) == math.inf


def test_a_queue_is_expected_to_take_as_many_windows_as_it_fills():
    window = Window(2, 10.0)
    window.take(1, 0.0)
    window.take(1, 4.0)

    expected = [window.expected_at(weight, 5.0) for weight in (1, 2, 3, 5)]

    assert expected == [10.0, 14.0, 20.0, 30.0]
    assert window.expected_at(1, 10.0) == 10.0
    assert window.expected_at(1, 14.0) == 14.0


def test_an_empty_window_cannot_tell_when_more_than_it_allows_will_have_gone():
    assert Window(2, 10.0).expected_at(3, 0.0) == math.inf


def test_what_is_open_counts_until_it_is_given_back():
    window = Window(1, None)
    window.take(1, 0.0)

    full = window.ready_at(1, 1e9), window.expected_at(1, 1e9)
    window.give_back(1)

    assert full == (math.inf, math.inf)
    assert window.free(0.0) == 1
    assert window.ages(0.0) == []


def test_the_last_expiry_up_to_a_time():
    window = Window(9, 10.0)
    for now in (0.0, 1.0, 5.0):
        window.take(1, now)

    assert window.last_expiry(11.5) == 11.0
    assert window.last_expiry(11.0) == 11.0
    assert window.last_expiry(9.0) == -math.inf


def test_ages_put_back_count_for_the_rest_of_their_time():
    before, after = Window(3, 10.0), Window(3, 10.0)
    before.take(1, 100.0)
    before.take(2, 106.0)

    for age, weight in before.ages(108.0):
        after.put_back(age, weight, 0.0)
    after.put_back(10.0, 3, 0.0)

    assert before.ages(108.0) == [(8.0, 1), (2.0, 2)]
    assert after.ready_at(1, 0.0) == 2.0
    assert after.ready_at(3, 0.0) == 8.0


@given(st.floats(0, 1e7), st.floats(1e-3, 1e4))
def test_whoever_subtracts_finds_the_whole_window(start, seconds):
    """A rounded sum may fall short by the last digit, and a receiver would count one too many."""
    window = Window(1, seconds)
    window.take(1, start)

    again_at = window.ready_at(1, start)

    assert again_at - start >= seconds
    assert again_at >= start + seconds


@pytest.mark.parametrize("lane", [-1, 0, 9, "HISTORY", None])
def test_a_lane_is_one_of_the_lanes_for_another_number_would_pass_every_limit(lane):
    with pytest.raises(InvalidInput, match="lane"):
        Request(kind="data", lane=lane)


@pytest.mark.parametrize("more", [{"key": "SPY"}, {"key": None}, {"weight": 2}], ids=str)
def test_key_and_weight_are_functions(more):
    with pytest.raises(InvalidInput, match="a function of the request"):
        Rule(name="mine", limit=1, seconds=1.0, source="a test", **more)
