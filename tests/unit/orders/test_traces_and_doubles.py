from datetime import UTC, datetime, timedelta

import pytest

from ibkeel.model import Execution, OrderReport, OrderState, Side, Stock
from ibkeel.orders import Reading, doubled_orders, proof_of_absence

SENT = datetime(2024, 3, 4, 17, tzinfo=UTC)
SPY = Stock("SPY")


def reading(seconds, *names, was_ready=True, day=0):
    return Reading(
        at=SENT + timedelta(days=day, seconds=seconds), names=frozenset(names), was_ready=was_ready
    )


def proof(*readings):
    return proof_of_absence("ibk-1", sent_at=SENT, readings=readings)


def report(number, name="ibk-1", *, state="working", perm=None, **more):
    return OrderReport(
        order_id=number, perm_id=1000 + number if perm is None else perm, client_id=7, client_order_id=name,
        contract=SPY, side=Side.BUY, quantity=5, order_type="LMT", state=OrderState(state), at=SENT, **more,
    )  # fmt: skip


def test_two_good_readings_apart_that_lack_it_are_proof():
    words = proof(reading(10), reading(20, "ibk-2"))

    assert words is not None
    assert "17:00:10 and 17:00:20" in words


@pytest.mark.parametrize(
    "readings",
    [
        (),
        (reading(10),),
        (reading(10), reading(19)),
        (reading(9), reading(19)),
        (reading(10, was_ready=False), reading(20)),
        (reading(10), reading(20, was_ready=False)),
        (reading(10), reading(20, "ibk-1")),
        (reading(2, "ibk-1", was_ready=False), reading(10), reading(20)),
        (reading(10), reading(0, day=1)),
    ],
)
def test_anything_less_is_none(readings):
    assert proof(*readings) is None


def test_a_reading_knows_the_names_of_all_three_lists():
    fill = Execution(
        exec_id="e1", order_id=3, perm_id=3, client_order_id="c", account="DU1", contract=SPY, side=Side.BUY,
        quantity=1, price=2.0, at=SENT,
    )  # fmt: skip

    found = Reading.of(
        at=SENT,
        was_ready=True,
        open_orders=[report(1, "a"), report(4, "")],
        completed_orders=[report(2, "b")],
        executions=[fill],
    )

    assert found.names == {"a", "b", "c"}
    assert found.was_ready is True


def test_of_two_live_orders_of_one_name_the_younger_goes():
    first, second = report(1), report(2)

    assert doubled_orders([second, first]) == {"ibk-1": (second,)}


def test_the_one_that_has_filled_stays():
    first, second = report(1), report(2, filled=1)

    assert doubled_orders([first, second]) == {"ibk-1": (first,)}


def test_one_that_the_venue_has_not_numbered_goes_first():
    numbered, bare = report(9), report(1, perm=0)

    assert doubled_orders([bare, numbered]) == {"ibk-1": (bare,)}


@pytest.mark.parametrize(
    "orders",
    [
        [report(1)],
        [report(1), report(1)],
        [report(1), report(2, state="cancelled")],
        [report(1, ""), report(2, "")],
        [report(1, "a"), report(2, "b")],
    ],
)
def test_orders_that_are_one_each_are_left_alone(orders):
    assert doubled_orders(orders) == {}


def test_the_day_that_counts_is_that_of_new_york():
    evening = datetime(2024, 3, 5, 4, 59, 45, tzinfo=UTC)  # a quarter of a minute before midnight there
    readings = [Reading(at=evening + timedelta(seconds=s), names=(), was_ready=True) for s in (10, 20)]
    morning = datetime(2024, 3, 5, 0, 0, 30, tzinfo=UTC)  # in London it is the next day already
    early = [Reading(at=morning + timedelta(seconds=s), names=(), was_ready=True) for s in (10, 20)]

    assert proof_of_absence("ibk-1", sent_at=evening, readings=readings) is None
    assert proof_of_absence("ibk-1", sent_at=morning - timedelta(seconds=60), readings=early) is not None
