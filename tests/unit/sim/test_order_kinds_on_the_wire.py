"""Orders with dates, orders that trail and combos, as a plain client sends them."""

import asyncio
from datetime import UTC, datetime

import pytest

from ibkeel.ibkr.client import library as ii

NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)
STOCK = ii.Stock("SPY", "SMART", "USD")


def placed(gateway_run, order, contract=STOCK, *, wait=2.0):
    """The trade after some seconds, the errors, and what the venue's book holds."""

    async def scene(gateway, ib):
        trade = ib.placeOrder(contract, order)
        await asyncio.sleep(wait)
        await ib.reqAllOpenOrdersAsync()
        return trade, ib.errors, gateway.venue.open_orders()

    return gateway_run(scene, venue=None, start=NOON)


@pytest.mark.parametrize(
    "text",
    ["20260105 17:00:30 UTC", "20260105-17:00:30", "20260105 12:00:30 US/Eastern", "20260105 12:00:30"],
)
def test_a_dated_order_works_until_its_date_in_every_form_of_it(gateway_run, text):
    order = ii.LimitOrder("BUY", 1, 100.0, tif="GTD", goodTillDate=text)

    before, _, _ = placed(gateway_run, order, wait=25)
    after, errors, _ = placed(gateway_run, order, wait=35)

    assert before.orderStatus.status == "Submitted"
    assert after.orderStatus.status == "Cancelled"
    assert [code for _, code, _ in errors] == [202]


def test_a_date_alone_lasts_for_the_day(gateway_run):
    trade, errors, _ = placed(
        gateway_run, ii.LimitOrder("BUY", 1, 100.0, tif="GTD", goodTillDate="20260105"), wait=3600
    )

    assert (trade.orderStatus.status, errors) == ("Submitted", [])


def test_a_date_that_cannot_be_read_is_refused(gateway_run):
    _, errors, shown = placed(gateway_run, ii.LimitOrder("BUY", 1, 100.0, tif="GTD", goodTillDate="noon"))

    assert [code for _, code, _ in errors] == [337]
    assert shown == []


def test_a_trailing_stop_shows_where_it_is(gateway_run):
    order = ii.Order(action="SELL", totalQuantity=1, orderType="TRAIL", auxPrice=5.0)

    trade, errors, [shown] = placed(gateway_run, order, wait=30)

    assert (trade.orderStatus.status, trade.orderStatus.whyHeld, errors) == ("PreSubmitted", "trigger", [])
    assert trade.order.auxPrice == 5.0
    assert shown.trail_stop == pytest.approx(495.1)


def test_a_combo_comes_back_with_its_legs_and_fills_leg_by_leg(gateway_run, small_market):
    calls = [each for each in small_market.contracts if each.right == "C"][:2]
    legs = [
        ii.ComboLeg(conId=each.con_id, ratio=1, action=action, exchange="SMART")
        for each, action in zip(calls, ("BUY", "SELL"), strict=True)
    ]
    bag = ii.Bag(symbol="SPY", exchange="SMART", currency="USD", comboLegs=legs)

    resting, _, _ = placed(gateway_run, ii.LimitOrder("BUY", 1, 0.01), bag)
    filled, errors, _ = placed(gateway_run, ii.MarketOrder("BUY", 1), bag)

    assert resting.orderStatus.status == "Submitted"
    assert (filled.orderStatus.status, errors) == ("Filled", [])
    kinds = [(fill.contract.secType, fill.execution.side) for fill in filled.fills]
    assert kinds == [("BAG", "BOT"), ("OPT", "BOT"), ("OPT", "SLD")]


@pytest.mark.parametrize(
    ("contract", "wrong", "code"),
    [
        (STOCK, {"orderType": "FOO"}, 321),
        (STOCK, {"action": "FOO"}, 321),
        (STOCK, {"totalQuantity": 0}, 434),
        (STOCK, {"totalQuantity": float("inf")}, 321),
        (STOCK, {"lmtPrice": 100.0012345}, 110),
        (STOCK, {"account": "DU999"}, 321),
        (ii.Index("VIX", "CBOE"), {}, 201),
    ],
)
def test_a_what_if_order_is_refused_as_the_order_would_be(gateway_run, contract, wrong, code):
    fields = {"action": "BUY", "totalQuantity": 1, "orderType": "LMT", "lmtPrice": 100.0, **wrong}

    _, placed_errors, _ = placed(gateway_run, ii.Order(**fields), contract)
    _, asked_errors, shown = placed(gateway_run, ii.Order(**fields, whatIf=True), contract)

    assert [number for _, number, _ in placed_errors] == [code]
    assert [each[1:] for each in asked_errors] == [each[1:] for each in placed_errors]
    assert shown == []


def test_a_what_if_order_beyond_the_funds_gets_its_figures(gateway_run):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        return await ib.whatIfOrderAsync(STOCK, ii.LimitOrder("BUY", 100_000, 500.0)), ib.errors

    state, errors = gateway_run(scene, venue=None, start=NOON)

    assert float(state.initMarginAfter) > float(state.equityWithLoanAfter)
    assert errors == []
