import pytest

from ibkeel.ibkr.listed_orders import OrderList, RollCall

ONE = 7


def missed_all(roll, at):
    return [roll.missed(ONE, which, at) for which in OrderList]


def test_an_order_that_was_spoken_of_since_the_list_was_asked_for_is_not_missing():
    roll = RollCall()
    roll.named(ONE)

    turn = roll.begin()
    before = roll.is_missing(ONE, turn)
    roll.named(ONE)

    assert (before, roll.is_missing(ONE, turn)) == (True, False)


def test_all_three_lists_must_lack_it_for_half_a_minute():
    roll = RollCall()

    first, second, third = missed_all(roll, 100.0), missed_all(roll, 129.9), missed_all(roll, 130.0)

    assert first == second == [None] * 3
    assert third[-1] == "not at the venue: no list named it for 30 s"


def test_two_lists_are_no_proof():
    roll = RollCall()
    for at in (100.0, 200.0):
        told = [roll.missed(ONE, which, at) for which in (OrderList.OPEN, OrderList.FILLED)]

    assert told == [None, None]


@pytest.mark.parametrize(
    "event",
    [
        lambda roll: roll.named(ONE),
        lambda roll: roll.doubt(),
        lambda roll: roll.missed(ONE, OrderList.OPEN, None),
    ],
    ids=["named", "link lost", "session not good"],
)
def test_the_count_begins_anew(event):
    roll = RollCall()
    missed_all(roll, 100.0)

    event(roll)

    assert missed_all(roll, 140.0) == [None] * 3
