from datetime import UTC, date, datetime
from decimal import Decimal

import attrs
import pytest

from ibkeel.ibkr import IBKRConfig
from ibkeel.journal import Journal, RunStarted
from ibkeel.model import Option, OrderReport, OrderState, Right, Side
from ibkeel.runner.memory import Names, OwnOrder
from ibkeel.virtual import run_virtual

DAY = date(2026, 1, 5)
BEGAN = datetime(2026, 1, 5, 14, 29, 7, tzinfo=UTC)
CALL = Option("SPY", date(2026, 1, 16), 560, Right.CALL)


def test_a_name_tells_day_run_client_and_beginning():
    names = Names("r1", 7, BEGAN)

    assert names.next(DAY, ()) == "ibk-20260105-r1c7t142907-0001"
    assert names.next(DAY, {"ibk-20260105-r1c7t142907-0002"}) == "ibk-20260105-r1c7t142907-0003"


@pytest.mark.parametrize(("run", "client_id"), [("r" * 30, 2**31 - 1), ("longnameofarun", 7)])
def test_a_childs_name_has_forty_characters_at_most(run, client_id):
    name = Names(run, client_id, BEGAN).next(DAY, ())

    assert len(f"{name}-2") <= 40
    assert f"c{client_id}t142907-0001" in name


def test_two_clients_and_two_beginnings_never_share_a_name():
    each = [Names("r1", 1, BEGAN), Names("r1", 2, BEGAN), Names("r1", 1, BEGAN.replace(second=8))]

    assert len({names.next(DAY, ()) for names in each}) == 3


def own(**more):
    return OwnOrder(
        contract=CALL, is_entry=True, state=OrderState.UNKNOWN, placed_at=BEGAN, **{"side": Side.BUY, "client_id": 1, **more}
    )  # fmt: skip


def report(**more):
    values = {
        "order_id": 3, "perm_id": 4, "client_id": 1, "client_order_id": "mine", "contract": CALL,
        "side": Side.BUY, "quantity": 1, "order_type": "LMT", "state": OrderState.WORKING, "at": BEGAN,
    }  # fmt: skip
    return OrderReport(**{**values, **more})


ENDED = {"order_id": 0, "client_id": 0, "state": OrderState.FILLED}


@pytest.mark.parametrize(
    ("known", "said", "is_of"),
    [
        ({}, {}, True),
        ({"client_id": None}, {"client_id": 9}, True),
        ({}, {"client_id": 2}, False),
        ({}, {"client_id": 0, "order_id": 0}, False),  # made by hand, and works
        ({}, ENDED, True),
        ({"perm_id": 4}, ENDED, True),
        ({"perm_id": 5}, ENDED, False),
        ({}, {**ENDED, "side": Side.SELL}, False),
        ({"side": None}, {**ENDED, "side": Side.SELL}, True),
        ({}, {**ENDED, "contract": attrs.evolve(CALL, strike=570)}, False),
        ({}, {**ENDED, "contract": attrs.evolve(CALL, trading_class="SPY")}, True),
    ],
)
def test_a_report_under_our_name_is_ours_by_client_number_and_what_it_trades(known, said, is_of):
    assert own(**known).is_of(report(**said)) is is_of


def test_what_was_heard_tells_an_order_from_its_namesakes():
    order = own(client_id=None)

    order.heard(report())

    assert (order.state, order.client_id, order.perm_id) == (OrderState.WORKING, 1, 4)
    assert not order.is_of(report(client_id=2))
    assert not order.is_of(report(**ENDED, perm_id=9))


@pytest.mark.parametrize(("shown", "price"), [(Decimal("3.10"), Decimal("3.10")), (None, Decimal("2.80"))])
def test_a_stop_is_where_the_venue_last_showed_it(shown, price):
    order = own(stop_price=Decimal("2.80"))

    order.heard(report(order_type="STP", stop_price=shown))

    assert order.stop_price == price


def test_what_is_heard_of_an_order_of_the_past_makes_it_one_of_the_present():
    order = own(is_past=True)

    order.heard(report(state=OrderState.UNKNOWN))

    assert (order.is_past, order.is_in_doubt, order.has_filled) == (False, True, False)


@pytest.mark.parametrize("orders", ["DRY_RUN", "PAPER"])
def test_a_run_whose_mode_is_not_named_has_that_of_its_broker(parts, orders):
    """After a dry run nobody looks for what it sent: one that sends must not pass for it."""

    async def main():
        broker = parts.venue(dry_run=orders == "DRY_RUN")
        broker.config = IBKRConfig(orders=orders)
        with Journal.in_memory() as journal:
            async with broker:
                await parts.run(broker, parts.once_up(), journal).run(sessions=1)
            return journal.last(RunStarted).record.mode

    assert run_virtual(main(), start=parts.opens_at) == orders
