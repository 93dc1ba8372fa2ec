"""Options whose last trading day is over: definitions, market data, orders and what rests."""

import asyncio
from datetime import UTC, datetime

import pytest

from ibkeel.ibkr.client import library as ii

STOCK = ii.Stock("SPY", "SMART", "USD")
# ib_async keeps no ticker of a contract without its id.
CALL = ii.Option("SPY", "20260109", 500.0, "C", "SMART", conId=900_001)
LAST_HOUR = datetime(2026, 1, 9, 20, tzinfo=UTC)  # of the first expiry's session
NEXT_MORNING = datetime(2026, 1, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "expiries"), [(LAST_HOUR, ["20260109", "20260116"]), (NEXT_MORNING, ["20260116"])]
)
def test_an_expiry_is_listed_until_its_day_is_over(gateway_run, start, expiries):
    async def scene(_gateway, ib):
        [spy] = await ib.reqContractDetailsAsync(STOCK)
        [chain] = await ib.reqSecDefOptParamsAsync("SPY", "", "STK", spy.contract.conId)
        return chain.expirations

    assert gateway_run(scene, start=start) == expiries


def test_a_class_without_an_expiry_to_come_is_not_listed(gateway_run):
    async def scene(_gateway, ib):
        [spy] = await ib.reqContractDetailsAsync(STOCK)
        return await ib.reqSecDefOptParamsAsync("SPY", "", "STK", spy.contract.conId)

    assert gateway_run(scene, start=datetime(2026, 1, 20, 15, tzinfo=UTC)) == []


@pytest.mark.parametrize("with_id", [True, False])
def test_a_contract_that_has_expired_is_found_only_when_it_is_asked_for_as_such(gateway_run, with_id):
    named = {"conId": 900_001} if with_id else {}

    async def scene(_gateway, ib):
        contract = ii.Option("SPY", "20260109", 500.0, "C", "SMART", **named)
        without = await ib.reqContractDetailsAsync(contract)
        contract.includeExpired = True
        return len(without), len(await ib.reqContractDetailsAsync(contract)), ib.errors

    without, with_expired, [(_, code, _)] = gateway_run(scene, start=NEXT_MORNING)

    assert (without, with_expired, code) == (0, 1, 200)


def test_neither_data_nor_orders_are_had_for_what_has_expired(gateway_run):
    async def scene(_gateway, ib):
        ib.reqMktData(CALL)
        ib.placeOrder(CALL, ii.LimitOrder("BUY", 1, 0.05))
        await asyncio.sleep(2)
        return [code for _, code, _ in ib.errors]

    assert gateway_run(scene, venue=None, start=NEXT_MORNING) == [200, 200]


@pytest.mark.parametrize("is_asked_for", [True, False])
def test_the_history_of_an_option_goes_with_it(gateway_run, is_asked_for):
    contract = ii.Option("SPY", "20260109", 500.0, "C", "SMART", includeExpired=is_asked_for)

    async def scene(_gateway, ib):
        bars = await ib.reqHistoricalDataAsync(contract, "", "1 D", "1 hour", "TRADES", True)
        return list(bars), ib.errors

    bars, [(_, code, text)] = gateway_run(scene, start=NEXT_MORNING)

    assert (bars, code) == ([], 162)
    assert "HMDS query returned no data" in text


def test_an_order_good_till_cancelled_ends_with_the_last_session_of_its_option(gateway_run):
    async def scene(_gateway, ib):
        trade = ib.placeOrder(CALL, ii.LimitOrder("BUY", 1, 0.05, tif="GTC"))
        await asyncio.sleep(3500)
        before = trade.orderStatus.status
        await asyncio.sleep(200)
        return before, trade.orderStatus.status, [code for _, code, _ in ib.errors]

    assert gateway_run(scene, venue=None, start=LAST_HOUR) == ("Submitted", "Cancelled", [202])
