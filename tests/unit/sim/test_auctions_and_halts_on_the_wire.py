"""Halts, hours beyond the session, and auctions, as a plain client sees them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from ibkeel.ibkr.client import library as ii
from ibkeel.sim.market import ExtendedMarket, Halt, HaltedMarket, SeededMarket

DAY = datetime(2026, 1, 5, tzinfo=UTC)
# ib_async keeps no ticker of a contract without its id.
STOCK = ii.Stock("SPY", "SMART", "USD", conId=2184611)
OPENING, NOON, CLOSE = (DAY + timedelta(hours=hours) for hours in (14.5, 17, 21))


@pytest.fixture(scope="module")
def seeded():
    return SeededMarket(7, DAY.date())


def halts(market, *, is_volatility):
    at = NOON + timedelta(seconds=30)
    halt = Halt(symbol="SPY", starts_at=at, ends_at=at + timedelta(minutes=5), is_volatility=is_volatility)
    return HaltedMarket(market, [halt])


@pytest.mark.parametrize(("is_volatility", "told"), [(False, 1.0), (True, 2.0)])
def test_tick_49_tells_when_a_halt_begins_and_ends(gateway_run, seeded, is_volatility, told):
    async def scene(_, ib):
        heard = []
        ticker = ib.reqMktData(STOCK)
        for _ in range(400):
            await asyncio.sleep(1)
            if not heard or heard[-1] != ticker.halted:
                heard.append(ticker.halted)
        return heard, ticker

    market = halts(seeded, is_volatility=is_volatility)

    heard, ticker = gateway_run(scene, market=market, venue=None, start=NOON)

    assert heard == [0.0, told, 0.0]
    assert ticker.bid > 0


def test_who_subscribes_during_a_halt_is_told_at_once_and_orders_wait(gateway_run, seeded):
    async def scene(_, ib):
        ticker = ib.reqMktData(STOCK)
        trade = ib.placeOrder(STOCK, ii.MarketOrder("BUY", 10))
        await asyncio.sleep(30)
        during = (ticker.halted, ticker.bid > 0, trade.orderStatus.status)
        await asyncio.sleep(300)
        return during, trade.orderStatus.status

    market = halts(seeded, is_volatility=False)

    during, after = gateway_run(scene, market=market, venue=None, start=NOON + timedelta(seconds=60))

    assert during == (1.0, False, "PreSubmitted")
    assert after == "Filled"


@pytest.mark.parametrize("start", [OPENING - timedelta(hours=1), CLOSE + timedelta(hours=1)])
def test_a_stock_is_quoted_outside_its_session_and_an_option_is_not(gateway_run, seeded, start):
    async def scene(_, ib):
        stock, call = ib.reqMktData(STOCK), ib.reqMktData(await chosen(ib))
        await asyncio.sleep(60)
        limits = {"lmtPrice": round(stock.ask + 1, 2), "tif": "GTC"}
        early = ii.Order(action="BUY", totalQuantity=1, orderType="LMT", outsideRth=True, **limits)
        waits = ii.Order(action="BUY", totalQuantity=1, orderType="LMT", **limits)
        trades = [ib.placeOrder(STOCK, order) for order in (early, waits)]
        await asyncio.sleep(5)
        return stock, call, [trade.orderStatus.status for trade in trades]

    async def chosen(ib):
        chains = await ib.reqSecDefOptParamsAsync("SPY", "", "STK", spy)
        chain = next(each for each in chains if each.exchange == "SMART")
        spot = seeded.quote(seeded.by_con_id(spy), NOON).last
        strike = min(chain.strikes, key=lambda each: abs(each - spot))
        option = ii.Option("SPY", sorted(chain.expirations)[1], strike, "C", "SMART", currency="USD")
        await ib.qualifyContractsAsync(option)
        return option

    spy = next(each.con_id for each in seeded.underlyings() if each.symbol == "SPY")
    market = ExtendedMarket(seeded, seed=7)

    stock, call, statuses = gateway_run(scene, market=market, venue=None, start=start)

    assert 0 < stock.bid < stock.ask
    assert not call.bid > 0
    # ib_async shows an order as ValidationError once 399 came: it waits for the session.
    assert (statuses[0], statuses[1] in {"PreSubmitted", "ValidationError"}) == ("Filled", True)


def test_orders_for_both_auctions_fill_at_the_days_first_and_last_price(gateway_run, seeded):
    async def scene(_, ib):
        orders = [
            ii.Order(action="BUY", totalQuantity=5, orderType="MKT", tif="OPG"),
            ii.Order(action="BUY", totalQuantity=5, orderType="LMT", lmtPrice=1.0, tif="OPG"),
            ii.Order(action="SELL", totalQuantity=5, orderType="MOC"),
            ii.Order(action="SELL", totalQuantity=5, orderType="LOC", lmtPrice=9999.0),
        ]
        trades = [ib.placeOrder(STOCK, order) for order in orders]
        await asyncio.sleep(60)
        before = [trade.orderStatus.status for trade in trades]
        await asyncio.sleep(8 * 3600)
        return trades, before

    trades, before = gateway_run(scene, market=seeded, venue=None, start=OPENING - timedelta(minutes=30))

    [spy] = [each for each in seeded.underlyings() if each.symbol == "SPY"]
    shown = seeded.quote(spy, CLOSE)
    assert before == ["PreSubmitted"] * 4
    assert [trade.orderStatus.status for trade in trades] == ["Filled", "Cancelled", "Filled", "Cancelled"]
    paid = [trade.fills[0].execution.price for trade in trades[::2]]
    assert paid == [shown.open, shown.last]
    assert [trade.order.orderType for trade in trades] == ["MKT", "LMT", "MOC", "LOC"]
    assert trades[0].order.tif == "OPG"
