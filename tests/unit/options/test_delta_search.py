import math
from decimal import Decimal

import pytest

from ibkeel.options.delta_search import Listed, by_nearness, grain, is_settled, round_neighbours, roundest


def strikes(*numbers):
    return [Decimal(str(number)) for number in numbers]


ODD = strikes(*range(90, 111))


@pytest.mark.parametrize(
    ("strike", "step"),
    [
        ("500", "100"),
        ("750", "50"),
        ("475", "25"),
        ("12.5", "2.5"),
        ("17", "1"),
        ("0.05", "0.05"),
        ("85.71", "0"),
    ],
)
def test_the_grain_of_a_strike_is_the_coarsest_usual_step(strike, step):
    assert grain(Decimal(strike)) == Decimal(step)


def test_a_round_strike_is_taken_when_it_lies_near_enough_to_the_goal():
    assert roundest(ODD, 110, 101.4) == 100
    assert roundest(ODD, 103, 101.4) == 101


def test_strikes_are_taken_outwards_from_the_goal_by_turns():
    assert by_nearness(ODD, 100.2)[:5] == [100, 101, 99, 102, 98]


def test_the_rounder_strikes_on_either_side_of_a_goal():
    assert round_neighbours(ODD, 102.5) == [100, 105]
    assert round_neighbours(ODD, 109.5) == [105, 110]
    assert round_neighbours([], 100) == []


def test_a_step_whose_nearest_two_are_missing_is_taken_to_be_missing_there():
    listed = Listed(existing=strikes(90, 95, 110), missing=strikes(96, 98))

    assert listed.likely(strikes(97, 99, 100, 105)) == [100, 105]


def test_one_missing_strike_says_nothing_of_its_step():
    listed = Listed(existing=strikes(90, 110), missing=strikes(98))

    assert listed.likely(strikes(97, 99)) == [97, 99]


def test_a_strike_near_one_that_exists_may_exist():
    listed = Listed(existing=strikes(90, 101, 110), missing=strikes(96, 97, 98))

    assert listed.likely(strikes(99, 102)) == [102]


def test_two_round_strikes_missing_beyond_the_last_end_the_list():
    listed = Listed(existing=strikes(90, 95, 100), missing=strikes(200, 150, 75, 50))

    assert listed.ends() == (75, 150)
    assert listed.likely(strikes(70, 80, 120, 160)) == [80, 120]


def test_odd_strikes_missing_beyond_the_last_say_nothing_of_the_end():
    listed = Listed(existing=strikes(90, 100), missing=strikes(101, 102, 103))

    assert listed.ends() == (-math.inf, math.inf)


def test_nothing_is_known_of_a_list_of_which_nothing_was_found():
    nothing = Listed(existing=(), missing=strikes(90, 100))

    assert nothing.likely(ODD) == ODD
    assert nothing.next_to(ODD, 100, 2) == [100, 99]


@pytest.mark.parametrize(
    ("goal", "wanted"), [(170.0, [125, 120]), (40.0, [80, 85]), (104.2, [105, 85])], ids=str
)
def test_beyond_the_end_of_the_list_the_roundest_before_it_come_first(goal, wanted):
    listed = Listed(existing=strikes(90, 95, 100), missing=strikes(200, 150, 75, 50))
    unseen = strikes(82, 80, 85, 105, 115, 120, 125)

    assert listed.next_to(sorted(unseen), goal, 2) == wanted


@pytest.mark.parametrize(
    ("ladder", "best", "settled"),
    [
        ([None, 0.2, 0.29, 0.4, None], 2, True),
        ([None, 0.29, 0.4, None], 1, True),
        ([None, 0.29, None, 0.4], 1, False),
        ([None, 0.31, 0.4, None], 1, False),
        ([0.31, 0.4, None], 0, True),
        ([0.2, math.nan, 0.31], 2, True),
        ([0.2, None, 0.31], 2, False),
        ([math.nan, 0.31, 0.4], 1, True),
    ],
    ids=str,
)
def test_a_search_is_settled_when_nothing_nearer_can_hide_on_either_side(ladder, best, settled):
    assert is_settled(ladder, best, 0.3) is settled
