"""What an error says of the orders that it came for, and of which orders nobody knows the fate."""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import attrs
import pytest

from ibkeel.errors import (
    IbkeelError,
    InvalidInput,
    NotConnected,
    OrderRefused,
    OrderRejected,
    RequestTimeout,
    SafetyRefused,
)
from ibkeel.journal import OrderSettled
from ibkeel.model import ClientOrderId, Option, OrderState, Right, Side, Stock
from ibkeel.runner.memory import OwnOrder
from ibkeel.runner.own_orders import fate_of, is_lost, may_hold, never_left, not_expired, settle

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)
CALL = Option("SPY", date(2026, 1, 16), 560, Right.CALL)
UNSENT = RequestTimeout("the lane was full")
UNSENT.is_unsent = True


def order(state=OrderState.SENT, **fields):
    return OwnOrder(contract=CALL, is_entry=True, state=state, placed_at=AT, **fields)


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (OrderRejected("no margin", code=201), OrderState.REJECTED),
        (OrderRefused("beyond a limit"), OrderState.INTENT),
        (SafetyRefused("live trading is off"), OrderState.INTENT),
        (InvalidInput("a quantity of 0"), OrderState.INTENT),
        (NotConnected("gone"), OrderState.INTENT),
        (UNSENT, OrderState.INTENT),
        (RequestTimeout("no answer"), OrderState.UNKNOWN),
        (IbkeelError("something of another kind"), OrderState.UNKNOWN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_tells_what_became_of_the_orders_that_it_came_for(error, fate):
    assert fate_of(error) is fate


def test_orders_that_never_left_are_settled_and_no_others():
    names = [ClientOrderId("one"), ClientOrderId("one-1")]

    assert list(never_left(names, "SPY", AT, NotConnected("gone"))) == [
        OrderSettled(
            at=AT,
            symbol="SPY",
            client_order_id=name,
            state=OrderState.CANCELLED,
            reason="it never left: NotConnected: gone",
        )
        for name in names
    ]
    assert list(never_left(names, "SPY", AT, RequestTimeout("no answer"))) == []
    assert list(never_left(names, "SPY", AT, OrderRejected("no margin", code=201))) == []


def test_a_family_is_settled_but_for_those_whose_end_is_known():
    family = [order(), order(OrderState.FILLED), order(OrderState.WORKING)]

    settle(family, OrderState.UNKNOWN)

    assert [row.state for row in family] == [OrderState.UNKNOWN, OrderState.FILLED, OrderState.UNKNOWN]


def test_a_fate_is_lost_where_nobody_finds_it_out():
    lost = {
        (state, restored, known)
        for state, restored, known in product(OrderState, (False, True), (False, True))
        if is_lost(order(state, is_restored=restored), is_known=known)
    }

    given_up = {(OrderState.SENT, False, False)}
    of_an_earlier_run = {
        (state, True, known) for state in (OrderState.UNKNOWN, OrderState.SENT) for known in (False, True)
    }
    assert lost == given_up | of_an_earlier_run


@pytest.mark.parametrize("waits", [{"is_placing": True}, {"is_past": True}])
@pytest.mark.parametrize("is_restored", [False, True])
def test_an_order_that_is_being_placed_or_of_an_earlier_day_is_not_lost(waits, is_restored):
    assert not is_lost(order(is_restored=is_restored, **waits), is_known=False)


BUY, SELL = Side.BUY, Side.SELL


def entry(state=OrderState.FILLED, filled=2, **fields):
    return order(state, filled=filled, side=BUY, **fields)


def closer(state=OrderState.FILLED, filled=2, side=SELL):
    return OwnOrder(contract=CALL, is_entry=False, state=state, placed_at=AT, filled=filled, side=side)


@pytest.mark.parametrize(
    ("orders", "is_ours"),
    [
        ([], False),
        ([entry(OrderState.INTENT, 0)], False),
        ([entry()], True),
        ([entry(), closer()], False),
        ([entry(), closer(OrderState.CANCELLED, 1), closer(filled=1)], False),
        ([entry(), closer(filled=1)], True),
        ([entry(), closer(filled=3)], True),
        (
            [entry(filled=0), closer(OrderState.CANCELLED, 0)],
            True,
        ),  # as much as that is not known of the entry
        ([entry(), closer(), closer(OrderState.UNKNOWN, 0)], True),
        ([entry(), closer(), entry(OrderState.CANCELLED, 0)], True),  # it may have filled in the race
        ([entry(), closer(), entry(OrderState.WORKING, 0)], True),
        ([entry(), closer(), entry(OrderState.INTENT, 0)], False),
        ([entry(), closer(), closer(filled=2, side=BUY)], True),  # its intent could not be read
        (
            [entry(filled=1), closer(), entry(filled=1)],
            True,
        ),  # another's was sold with it, and one bought again
        ([closer(), entry()], True),  # the first sold what another had bought
        ([entry(), entry(), closer(), closer()], False),
        ([entry(), closer(), entry(), closer()], False),
        ([closer()], True),  # what was entered is not known any more
    ],
)
def test_a_position_is_anothers_only_where_all_that_was_opened_is_known_to_be_closed(orders, is_ours):
    assert may_hold(orders, is_long=True) is is_ours
    assert may_hold(orders, is_long=False) is bool(
        [row for row in orders if row.state is not OrderState.INTENT]
    )


@pytest.mark.parametrize(
    ("state", "days", "is_kept"),
    [
        (OrderState.FILLED, 7, True),
        (OrderState.FILLED, 8, False),
        (OrderState.CANCELLED, 8, False),
        (OrderState.WORKING, 8, True),
        (OrderState.UNKNOWN, 8, True),
    ],
)
def test_what_ended_in_options_long_expired_is_forgotten(state, days, is_kept):
    orders = {
        ClientOrderId("one"): order(state),
        ClientOrderId("two"): attrs.evolve(order(state), contract=Stock("SPY")),
    }

    left = not_expired(orders, CALL.expiry + timedelta(days=days))

    assert left == orders if is_kept else list(left) == ["two"]
