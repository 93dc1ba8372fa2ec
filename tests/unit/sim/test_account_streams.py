"""Profit, positions, account values and summaries as subscriptions; exercise of options."""

import asyncio
import math
from datetime import timedelta

import pytest

from ibkeel.ibkr.client import library as ii
from ibkeel.sim.market import SeededMarket

ACCOUNT = "DU1234567"
MARKET = SeededMarket(7)
SESSION = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0]
MORNING = {"market": MARKET, "venue": None, "start": SESSION.opens_at + timedelta(minutes=90)}


@pytest.fixture
def spy():
    return ii.Stock("SPY", "SMART", "USD")


async def bought(ib, contract, quantity=10):
    await ib.qualifyContractsAsync(contract)
    trade = ib.placeOrder(contract, ii.MarketOrder("BUY", quantity))
    await asyncio.sleep(1)
    assert trade.orderStatus.status == "Filled"
    return trade


def test_the_profit_of_a_day_is_what_the_account_gained(gateway_run, spy):
    async def scene(_gateway, ib):
        def worth():
            [row] = [value for value in ib.accountValues() if value.tag == "NetLiquidation"]
            return float(row.value)

        before = worth()
        await bought(ib, spy)
        pnl, single = ib.reqPnL(ACCOUNT), ib.reqPnLSingle(ACCOUNT, "", spy.conId)
        await asyncio.sleep(86)  # account values follow after 180 s
        ib.placeOrder(spy, ii.MarketOrder("SELL", 4))
        await asyncio.sleep(0.5)
        after = worth()
        await asyncio.sleep(5)
        return before, after, pnl, single

    before, after, pnl, single = gateway_run(scene, **MORNING, account_update_seconds=1.0)

    assert pnl.dailyPnL == pytest.approx(after - before, abs=0.5)
    assert (single.position, single.dailyPnL) == (6, pnl.dailyPnL)
    assert pnl.realizedPnL != 0


def test_what_was_held_overnight_counts_from_the_close(gateway_run, spy):
    async def scene(_gateway, ib):
        await bought(ib, spy)
        await asyncio.sleep(24 * 3600)
        single = ib.reqPnLSingle(ACCOUNT, "", spy.conId)
        ticker = ib.reqMktData(spy)
        await asyncio.sleep(0.6)
        return single, (ticker.bid + ticker.ask) / 2, ticker.close

    single, mid, close = gateway_run(scene, **MORNING)

    assert single.dailyPnL == pytest.approx(10 * (mid - close), abs=1.0)
    assert single.dailyPnL != pytest.approx(single.unrealizedPnL, abs=0.01)


def test_a_contract_that_was_never_held_has_no_profit(gateway_run):
    async def scene(_gateway, ib):
        single = ib.reqPnLSingle(ACCOUNT, "", 756733)
        await asyncio.sleep(1)
        return single

    single = gateway_run(scene)

    assert single.position == 0
    assert single.dailyPnL > 1e300


def test_cancelled_profit_is_told_no_more(gateway_run, spy):
    async def scene(_gateway, ib):
        await bought(ib, spy)
        told = []
        ib.pnlEvent += told.append
        ib.pnlSingleEvent += told.append
        ib.reqPnL(ACCOUNT)
        ib.reqPnLSingle(ACCOUNT, "", spy.conId)
        await asyncio.sleep(11)
        ib.cancelPnL(ACCOUNT)
        ib.cancelPnLSingle(ACCOUNT, "", spy.conId)
        count = len(told)
        await asyncio.sleep(30)
        return count, len(told)

    assert gateway_run(scene) == (6, 6)


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.reqPnL(77, "DU999", ""),
        lambda client: client.reqPnLSingle(77, "DU999", "", 1),
        lambda client: client.reqPositionsMulti(77, "DU999", ""),
        lambda client: client.reqAccountUpdatesMulti(77, "DU999", "", False),
    ],
)
def test_another_account_is_refused(gateway_run, ask):
    async def scene(_gateway, ib):
        ask(ib.client)
        await asyncio.sleep(1)
        return [(number, code) for number, code, _ in ib.errors]

    assert gateway_run(scene) == [(77, 321)]


def test_positions_and_values_by_model_follow_every_fill(gateway_run, spy):
    async def scene(_gateway, ib):
        positions, values, ends = [], [], []
        ib.wrapper.positionMulti = lambda number, *more: positions.append((number, more[3]))
        ib.wrapper.positionMultiEnd = ends.append
        ib.wrapper.accountUpdateMulti = lambda number, _account, _model, key, *_: values.append((number, key))
        ib.client.reqPositionsMulti(71, ACCOUNT, "")
        ib.client.reqAccountUpdatesMulti(72, ACCOUNT, "", False)
        await asyncio.sleep(1)
        first = len(values)
        await bought(ib, spy)
        ib.placeOrder(spy, ii.MarketOrder("SELL", 10))
        await asyncio.sleep(1)
        ib.client.cancelPositionsMulti(71)
        ib.client.cancelAccountUpdatesMulti(72)
        await bought(ib, spy)
        return positions, ends, first, [number for number, key in values if key == "NetLiquidation"]

    positions, ends, first, worths = gateway_run(scene)

    assert (positions, ends) == ([(71, 10.0), (71, 0.0)], [71])
    assert first > 0
    assert worths.count(72) == 3


def test_a_summary_tells_later_what_has_changed(gateway_run, spy):
    async def scene(_gateway, ib):
        rows = []
        ib.wrapper.accountSummary = lambda number, _account, tag, value, _currency: rows.append((tag, value))
        ib.client.reqAccountSummary(71, "All", "TotalCashValue,AccountType")
        await asyncio.sleep(1)
        first = rows[:]
        await bought(ib, spy)
        await asyncio.sleep(180)
        changed = rows[len(first) :]
        ib.client.cancelAccountSummary(71)
        await asyncio.sleep(400)
        return first, changed, len(rows)

    first, changed, count = gateway_run(scene, **MORNING)

    assert sorted(tag for tag, _ in first) == ["AccountType", "TotalCashValue"]
    assert [tag for tag, _ in changed] == ["TotalCashValue"]
    assert count == 3


async def option_at(ib, right, distance):
    """An option on SPY that expires in some weeks, so far from the money."""
    [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
    [ticker] = await ib.reqTickersAsync(spy)
    chains = await ib.reqSecDefOptParamsAsync("SPY", "", "STK", spy.conId)
    option = ii.Option("SPY", chains[0].expirations[3], round(ticker.last) + distance, right, "SMART")
    await ib.qualifyContractsAsync(option)
    return option


@pytest.mark.parametrize(("right", "distance", "shares"), [("C", -5, 100), ("P", 5, -100)])
def test_an_exercised_option_becomes_shares_at_the_strike(gateway_run, right, distance, shares):
    async def scene(_gateway, ib):
        option = await option_at(ib, right, distance)
        await bought(ib, option, 2)
        ib.exerciseOptions(option, 1, 1, ACCOUNT, 0)
        await asyncio.sleep(1)
        held = {each.contract.secType: (each.position, each.avgCost) for each in ib.positions()}
        fills = await ib.reqExecutionsAsync()
        return option, held, [(fill.execution.side, fill.execution.price) for fill in fills[-2:]]

    option, held, fills = gateway_run(scene, **MORNING)

    assert held["OPT"][0] == 1
    assert held["STK"] == (shares, option.strike)
    assert fills == [("SLD", 0.0), ("BOT" if right == "C" else "SLD", option.strike)]


@pytest.mark.parametrize(
    ("distance", "action", "quantity", "override", "codes"),
    [
        (5, 1, 1, 0, [322]),  # out of the money
        (5, 1, 1, 1, []),
        (-5, 1, 3, 0, [322]),  # more than is held
        (-5, 1, 0, 0, [322]),
        (-5, 3, 1, 0, [322]),
        (-5, 2, 1, 0, []),  # lapse
    ],
)
def test_an_exercise_that_cannot_be_is_refused(gateway_run, distance, action, quantity, override, codes):
    async def scene(_gateway, ib):
        option = await option_at(ib, "C", distance)
        await bought(ib, option, 2)
        ib.exerciseOptions(option, action, quantity, ACCOUNT, override)
        await asyncio.sleep(1)
        left = sum(each.position for each in ib.positions() if each.contract.secType == "OPT")
        return [code for _, code, _ in ib.errors], left

    found, left = gateway_run(scene, **MORNING)

    assert found == codes
    assert left == (1 if override else 2)


def test_a_read_only_gateway_exercises_nothing(gateway_run, spy):
    async def scene(_gateway, ib):
        ib.exerciseOptions(spy, 1, 1, ACCOUNT, 0)
        await asyncio.sleep(1)
        return [text for _, _, text in ib.errors]

    [text] = gateway_run(scene, is_read_only=True)

    assert "Read-Only mode" in text


def test_a_stock_cannot_be_exercised(gateway_run, spy):
    async def scene(_gateway, ib):
        await bought(ib, spy)
        ib.exerciseOptions(spy, 1, 1, ACCOUNT, 0)
        await asyncio.sleep(1)
        return [code for _, code, _ in ib.errors]

    assert gateway_run(scene, **MORNING) == [322]


def test_prices_and_volatilities_are_computed_from_each_other(gateway_run):
    async def scene(_gateway, ib):
        option = await option_at(ib, "C", 0)
        priced = await ib.calculateOptionPriceAsync(option, 0.25, option.strike)
        solved = await ib.calculateImpliedVolatilityAsync(option, priced.optPrice, option.strike)
        absurd = await ib.calculateImpliedVolatilityAsync(option, 1e6, option.strike)
        return priced, solved, absurd

    priced, solved, absurd = gateway_run(scene, **MORNING)

    assert solved.impliedVol == pytest.approx(0.25)
    assert priced.delta == pytest.approx(0.5, abs=0.1)
    assert (absurd.impliedVol, absurd.delta) == (None, None)
    assert not math.isnan(priced.optPrice)


def test_nothing_is_computed_for_what_is_no_option(gateway_run, spy):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(spy)
        ib.client.calculateOptionPrice(77, spy, 0.25, 500.0, [])
        ib.client.cancelCalculateOptionPrice(77)
        await asyncio.sleep(1)
        return [(number, code) for number, code, _ in ib.errors]

    assert gateway_run(scene) == [(77, 321)]
