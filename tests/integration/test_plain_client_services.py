"""An unmodified client library uses what option bots use beside quotes, bars and orders."""

import asyncio
from datetime import timedelta

import pytest

from ibkeel.ibkr.client import library
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

MARKET = SeededMarket(7)
SESSION = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0]
ACCOUNT = "DU1234567"


@pytest.fixture
def played():
    """What a scene with a connected client gives; the Gateway must have understood all of it."""

    def play(scene):
        async def main():
            gateway = SimulatedGateway(market=MARKET, clock=virtual_clock())
            async with gateway.listening("127.0.0.1", 4002):
                ib = library.IB()
                await ib.connectAsync("127.0.0.1", 4002, clientId=1)
                [spy] = await ib.qualifyContractsAsync(library.Stock("SPY", "SMART", "USD"))
                told = await scene(ib, spy)
                ib.disconnect()
                await asyncio.sleep(1)
            counters = gateway.counters
            assert (counters.failures, counters.malformed, counters.unknown) == (0, 0, {})
            assert (counters.open_lines, counters.open_histories) == (0, 0)
            assert not counters.violations
            return told

        return run_virtual(main(), start=SESSION.opens_at + timedelta(hours=1))

    return play


def test_a_bot_watches_bars_ticks_depth_and_profit(played):
    async def scene(ib, spy):
        bars = ib.reqRealTimeBars(spy, 5, "TRADES", True)
        kept = await ib.reqHistoricalDataAsync(spy, "", "600 S", "30 secs", "TRADES", True, keepUpToDate=True)
        before, ticks = len(kept), []
        ticker = ib.reqTickByTickData(spy, "BidAsk")
        ticker.updateEvent += lambda each: ticks.extend(each.tickByTicks)
        ib.reqMktDepth(spy, 5, True)
        ib.placeOrder(spy, library.MarketOrder("BUY", 10))
        pnl, single = ib.reqPnL(ACCOUNT), ib.reqPnLSingle(ACCOUNT, "", spy.conId)
        await asyncio.sleep(65)
        return bars, len(kept) - before, ticks, ticker.domBids, pnl, single

    bars, added, ticks, bids, pnl, single = played(scene)

    assert len(bars) == 13
    assert added == 2
    assert len(ticks) > 40
    assert len(bids) == 5
    assert (single.position, single.dailyPnL) == (10, pnl.dailyPnL)


def test_a_bot_looks_things_up(played):
    async def scene(ib, spy):
        end = SESSION.opens_at + timedelta(minutes=30)
        scan = library.ScannerSubscription(
            instrument="STK", locationCode="STK.US.MAJOR", scanCode="TOP_PERC_GAIN", numberOfRows=3
        )
        return [
            await ib.reqHeadTimeStampAsync(spy, "TRADES", True, 1),
            await ib.reqMatchingSymbolsAsync("SP"),
            await ib.reqMarketRuleAsync(26),
            await ib.reqHistoricalTicksAsync(spy, "", end, 10, "TRADES", True),
            await ib.reqHistoricalScheduleAsync(spy, 5),
            await ib.reqHistogramDataAsync(spy, True, "1 day"),
            await ib.reqMktDepthExchangesAsync(),
            await ib.reqSmartComponentsAsync("9c0001"),
            await ib.reqScannerParametersAsync(),
            await ib.reqScannerDataAsync(scan),
            await ib.reqHistoricalDataAsync(spy, "", "5 D", "1 day", "OPTION_IMPLIED_VOLATILITY", True),
        ]

    assert all(played(scene))


def test_a_bot_exercises_an_option_and_reckons_with_others(played):
    async def scene(ib, spy):
        [ticker] = await ib.reqTickersAsync(spy)
        chain = (await ib.reqSecDefOptParamsAsync("SPY", "", "STK", spy.conId))[0]
        call = library.Option("SPY", chain.expirations[3], round(ticker.last) - 5, "C", "SMART")
        await ib.qualifyContractsAsync(call)
        computed = await ib.calculateOptionPriceAsync(call, 0.2, ticker.last)
        ib.placeOrder(call, library.MarketOrder("BUY", 1))
        await asyncio.sleep(2)
        ib.exerciseOptions(call, 1, 1, ACCOUNT, 0)
        await asyncio.sleep(2)
        return computed.optPrice, [(each.contract.secType, each.position) for each in ib.positions()]

    price, held = played(scene)

    assert price > 5
    assert held == [("STK", 100.0)]
