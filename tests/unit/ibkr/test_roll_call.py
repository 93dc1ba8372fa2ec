from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from ibkeel.ibkr.listed_orders import OrderList, RollCall, ended_at
from ibkeel.model import OrderReport, OrderState, Side, Stock

ONE = 7


class Day:
    """Wall time, a minute before midnight in New York."""

    def __init__(self):
        self.now = datetime(2026, 1, 6, 4, 59, tzinfo=UTC)

    def __call__(self):
        return self.now


def missed_all(roll, at):
    return [told and told.reason for told in (roll.missed(ONE, which, at) for which in OrderList)]


def test_an_order_that_was_spoken_of_since_the_list_was_asked_for_is_not_missing():
    roll = RollCall(Day())
    roll.named(ONE)

    turn = roll.begin()
    before = roll.is_missing(ONE, turn)
    roll.named(ONE)

    assert (before, roll.is_missing(ONE, turn)) == (True, False)


def sent_and_signed(day=None):
    """A roll call with one order, after which the servers were heard."""
    roll = RollCall(day or Day())
    roll.sent(ONE)
    roll.servers_answered(roll.begin())
    return roll


def test_all_three_lists_must_lack_it_for_half_a_minute():
    roll = sent_and_signed()

    first, second, third = missed_all(roll, 100.0), missed_all(roll, 129.9), missed_all(roll, 130.0)

    assert first == second == [None] * 3
    assert third[-1] == "not at the venue: no list named it for 30 s"


def test_without_a_sign_of_the_servers_they_must_lack_it_for_five_minutes():
    roll = RollCall(Day())
    asked = roll.begin()
    roll.sent(ONE)
    roll.servers_answered(asked)  # which says nothing of what left meanwhile

    told = [missed_all(roll, at) for at in (100.0, 399.9, 400.0)]

    assert told[0] == told[1] == [None] * 3
    assert told[2][-1].startswith("not at the venue: no list named it for 300 s; its servers gave no sign")


def test_a_sign_makes_worthless_what_was_missed_before_it_and_a_second_one_does_not():
    roll = RollCall(Day())
    roll.sent(ONE)
    missed_all(roll, 100.0)
    roll.servers_answered(roll.begin())
    first = [missed_all(roll, at) for at in (140.0, 169.0)]
    roll.servers_answered(roll.begin())

    assert first == [[None] * 3] * 2
    assert missed_all(roll, 170.0)[-1] == "not at the venue: no list named it for 30 s"


def test_a_sign_of_a_link_that_was_lost_says_nothing_of_the_next_one():
    roll = sent_and_signed()
    roll.doubt()

    missed_all(roll, 100.0)

    assert missed_all(roll, 140.0) == [None] * 3


def test_two_lists_are_no_proof():
    roll = sent_and_signed()
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
    roll = sent_and_signed()
    missed_all(roll, 100.0)

    event(roll)

    assert missed_all(roll, 140.0) == [None] * 3


@pytest.mark.parametrize("closes", [False, True])
def test_of_a_day_that_is_over_nothing_proves_that_an_order_did_not_fill(closes):
    day = Day()
    roll = sent_and_signed(day)
    day.now += timedelta(minutes=2)

    for at in (100.0, 130.0):
        said = [roll.missed(ONE, which, at, closes=closes) for which in OrderList][-1]

    assert said.may_have_filled is not closes  # of what closes a position that position tells
    assert said.reason.startswith("not at the venue: no list named it for 30 s, and it may have filled")


@pytest.mark.parametrize(
    ("greeting", "hours", "is_proved"),
    [
        (b"\0\0\0\x1a176\x0020260105 23:59:30 JST\0", 9, False),  # no name of a zone that anybody lists
        (b"\0\0\0\x16173\x0020260105  23:59:30\0", 9, False),
        (b"\0\0\0\x21176\x0020260105 09:59:30 US/Eastern\0", -5, True),
        (b"\0\0\0\x04176\0", None, True),
        (b"\0\0\0\x10176\0yesterday\0\xff", None, True),
    ],
)
def test_a_day_that_is_over_at_the_gateway_proves_as_little(greeting, hours, is_proved):
    day = Day()
    day.now = datetime(2026, 1, 5, 14, 59, 31, tzinfo=UTC)
    roll = RollCall(day)
    roll.greeted(greeting)
    roll.sent(ONE)
    roll.servers_answered(roll.begin())
    day.now += timedelta(minutes=2)

    missed_all(roll, 100.0)

    assert ("may have filled" not in missed_all(roll, 130.0)[-1]) == is_proved
    assert roll.utc_offset == (None if hours is None else timedelta(hours=hours))


def order(number=ONE, **more):
    values = {
        "order_id": number, "perm_id": 0, "client_id": 1, "client_order_id": "mine", "contract": Stock("SPY"),
        "side": Side.BUY, "quantity": 2, "order_type": "LMT", "state": OrderState.SENT, "at": Day().now,
    }  # fmt: skip
    return OrderReport(**{**values, **more})


ENDED = {"order_id": 0, "client_id": 0, "perm_id": 9, "state": OrderState.FILLED}


@pytest.mark.parametrize(
    ("ours", "ended", "found"),
    [
        ({}, {}, [ONE]),
        ({"perm_id": 9}, {"client_order_id": "", "side": Side.SELL}, [ONE]),
        ({"perm_id": 8}, {}, []),
        ({}, {"client_order_id": "another"}, []),
        ({"client_order_id": ""}, {"client_order_id": ""}, []),
        ({}, {"side": Side.SELL}, []),
        ({}, {"contract": Stock("QQQ")}, []),
        ({}, {"quantity": 1}, []),
        ({}, {"quantity": 1, "state": OrderState.CANCELLED}, [ONE]),
        ({}, {"client_id": 2}, []),
    ],
)
def test_an_ended_order_is_ours_by_number_or_by_name_and_all_that_it_is(ours, ended, found):
    assert RollCall(Day()).of_ended(order(**{**ENDED, **ended}), None, [order(**ours)]) == found


def test_a_number_that_is_known_goes_before_a_name():
    rows = [order(), order(8, perm_id=9)]

    assert RollCall(Day()).of_ended(order(**ENDED), None, rows) == [8]


@pytest.mark.parametrize(("minutes", "found"), [(-2, []), (-0.5, [ONE]), (5, [ONE])])
def test_what_ended_a_minute_before_an_order_was_sent_is_another(minutes, found):
    day = Day()
    roll = RollCall(day)
    roll.sent(ONE)

    assert roll.of_ended(order(**ENDED), day.now + timedelta(minutes=minutes), [order()]) == found


@pytest.mark.parametrize("text", ["", "20260105 09:40:00", "20260105 09:40:00 Nowhere/Land", "soon"])
def test_an_end_whose_zone_is_not_told_is_not_known(text):
    assert ended_at(SimpleNamespace(completedTime=text)) is None


def test_an_end_is_read_in_its_zone():
    ended = ended_at(SimpleNamespace(completedTime="20260105 09:40:00 US/Eastern"))

    assert ended == datetime(2026, 1, 5, 14, 40, tzinfo=UTC)
