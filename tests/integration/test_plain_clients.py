"""An unmodified client library, with nothing of the adapter around it, on the simulated Gateway."""

import asyncio
from datetime import timedelta

from ibkeel.ibkr.client import library
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

MARKET = SeededMarket(7)
SESSION = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0]


async def session():
    gateway = SimulatedGateway(market=MARKET, clock=virtual_clock())
    async with gateway.listening("127.0.0.1", 4002):
        ib = library.IB()
        await ib.connectAsync("127.0.0.1", 4002, clientId=1)
        [spy] = await ib.qualifyContractsAsync(library.Stock("SPY", "SMART", "USD"))
        [qqq] = await ib.qualifyContractsAsync(library.Stock("QQQ", "SMART", "USD"))
        tickers = await ib.reqTickersAsync(spy, qqq)
        bars = await ib.reqHistoricalDataAsync(spy, "", "3600 S", "1 min", "TRADES", useRTH=True)
        chains = await ib.reqSecDefOptParamsAsync("SPY", "", "STK", spy.conId)
        changes = []
        ib.pendingTickersEvent += lambda some: changes.append(
            [(t.contract.symbol, t.bid, t.time) for t in some]
        )
        for contract in (spy, qqq):
            ib.reqMktData(contract)
        trade = ib.placeOrder(spy, library.LimitOrder("BUY", 10, round(tickers[0].ask + 0.05, 2)))
        resting = ib.placeOrder(spy, library.LimitOrder("BUY", 10, 1.0))
        await asyncio.sleep(30)
        ib.cancelOrder(resting.order)
        await asyncio.sleep(1)
        told = (
            [(t.contract.symbol, t.bid, t.ask) for t in tickers],
            [(bar.date, bar.close) for bar in bars],
            [(chain.exchange, chain.expirations, chain.strikes) for chain in chains],
            (trade.orderStatus.status, [fill.execution.price for fill in trade.fills]),
            resting.orderStatus.status,
            [position.position for position in ib.positions()],
            changes,
        )
        ib.disconnect()
        await asyncio.sleep(1)
    return told, gateway.counters


def run():
    return run_virtual(session(), start=SESSION.opens_at + timedelta(hours=1))


def test_a_plain_client_reads_prices_and_trades():
    (tickers, bars, chains, trade, resting, positions, changes), counters = run()

    assert all(0 < bid < ask for _, bid, ask in tickers)
    assert len(bars) >= 60
    assert chains
    assert trade == ("Filled", trade[1])
    assert trade[1]
    assert resting == "Cancelled"
    assert positions == [10]
    assert len(changes) > 10
    assert (counters.failures, counters.malformed, counters.pacing_violations) == (0, 0, 0)
    assert not counters.unknown


def test_two_runs_of_a_plain_client_are_equal_to_the_last_tick():
    first, _ = run()
    second, _ = run()

    assert first == second
