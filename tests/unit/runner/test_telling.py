from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ibkeel.model import (
    ClientOrderId,
    Option,
    OrderId,
    OrderReport,
    OrderState,
    PermId,
    Position,
    Right,
    Side,
    Stock,
)
from ibkeel.risk import Exposure
from ibkeel.runner.schedule import Session
from ibkeel.runner.tally import Held
from ibkeel.runner.telling import Teller, exposure_seen, positions_seen
from ibkeel.telemetry import CycleEnded, CycleOverran, NullObserver, Observer, PositionsSeen
from ibkeel.virtual import virtual_clock

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
CALL = Option("SPY", date(2026, 1, 9), Decimal(600), Right.CALL, trading_class="SPY")


def held(contract, quantity, price=2.0):
    return Position(account="DU1234567", contract=contract, signed_quantity=quantity, average_price=price)


def order(contract, side, *, state=OrderState.WORKING, stop=None, limit=None):
    return OrderReport(
        order_id=OrderId(1),
        perm_id=PermId(1),
        client_id=1,
        client_order_id=ClientOrderId("o"),
        contract=contract,
        side=side,
        quantity=2.0,
        order_type="STP" if stop else "LMT",
        stop_price=stop,
        limit_price=limit,
        state=state,
        at=AT,
    )


def test_a_position_is_told_with_the_working_orders_that_close_it():
    orders = [
        order(CALL, Side.SELL, stop=Decimal("1.60")),
        order(CALL, Side.SELL, limit=Decimal("3.00")),
        order(CALL, Side.SELL, stop=Decimal("1.00"), state=OrderState.CANCELLED),
        order(CALL, Side.BUY, limit=Decimal("1.00")),
        order(Stock("SPY"), Side.SELL, limit=Decimal(600)),
    ]

    (row,) = positions_seen(AT, [held(CALL, 2)], orders).positions

    assert [(found.order_type, found.price) for found in row.protection] == [("STP", 1.6), ("LMT", 3.0)]
    assert "DU1234567" not in repr(row)


@pytest.mark.parametrize(("orders", "protection"), [(None, None), ([], ())])
def test_orders_that_could_not_be_read_are_not_taken_for_none(orders, protection):
    (row,) = positions_seen(AT, [held(CALL, -1)], orders).positions

    assert row.protection == protection


def test_exposure_counts_each_position_positive_and_by_its_multiplier():
    assert (
        exposure_seen(AT, [held(CALL, -2, 1.5), held(Stock("SPY"), 10, 600.0)], Exposure()).at_cost
        == 300.0 + 6000.0
    )


@pytest.mark.parametrize(
    ("currencies", "account", "cost"),
    [
        (("EUR", "EUR"), "EUR", 6000.0),
        (("EUR", "EUR"), None, 6000.0),
        (("EUR", "USD"), None, None),
        (("EUR", "EUR"), "USD", None),
        ((), "USD", 0.0),
    ],
)
def test_what_was_paid_in_several_currencies_is_not_added_up(currencies, account, cost):
    rows = [held(Stock("SAP", currency=name), 10, 300.0) for name in currencies]

    assert exposure_seen(AT, rows, Exposure(), account).at_cost == cost


@pytest.mark.parametrize(("seconds", "overran"), [(60.0, False), (60.1, True)])
async def test_a_cycle_that_took_longer_than_it_might_is_told_of_twice(seconds, overran):
    told = []

    class Listening(Observer):
        def on_event(self, event):
            told.append(event)

    Teller(Listening(), virtual_clock(), "r1").cycle_ended(7, seconds, 0, 60.0)

    assert [type(event) for event in told] == [CycleEnded, *([CycleOverran] if overran else [])]
    assert {event.number for event in told} == {7}


async def test_positions_that_nobody_looks_at_are_not_told():
    told = []

    class Listening(Observer):
        def on_event(self, event):
            told.append(event)

    for observer in (NullObserver(), Listening()):
        Teller(observer, virtual_clock(), "r1").saw_positions([held(CALL, 2)], [])

    assert [type(event) for event in told] == [PositionsSeen]


@pytest.mark.parametrize(
    ("left", "count", "detail"),
    [
        (None, None, ""),
        ((), 0, ""),
        (
            (
                Held(contract=CALL, signed_quantity=2.0, reason="the exit did not fill within 60 s"),
                Held(contract=Stock("QQQ"), signed_quantity=-3.0, reason="no order of this run bought it"),
            ),
            2,
            "+2 SPY 2026-01-09 600 C: the exit did not fill within 60 s; -3 QQQ: no order of this run bought it",
        ),
    ],
    ids=["unknown", "flat", "two"],
)
async def test_what_is_left_when_a_day_closes_is_named(left, count, detail):
    told = []

    class Listening(Observer):
        def on_event(self, event):
            told.append(event)

    session = Session(day=AT.date(), opens_at=AT, closes_at=AT.replace(hour=21))
    Teller(Listening(), virtual_clock(), "r1").day_closed(session, left)

    assert [(event.held, event.detail) for event in told] == [(count, detail)]
