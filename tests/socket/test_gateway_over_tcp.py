"""An unmodified client against the simulated Gateway over loopback, on a real event loop."""

import asyncio
import time
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.ibkr.client import library as ii
from ibkeel.sim import GatewaySettings, Latency, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.wire import GREETING, encode, frame

STOCK = ii.Stock("SPY", "SMART", "USD")
FAST = GatewaySettings(
    latency=Latency(account=0, definitions=0, first_tick=0, history=0, orders=0, local=0),
    snapshot_seconds=0.2,
)


class ShiftedClock:
    """The machine's clock, but it began at eleven on a trading day."""

    def __init__(self):
        self._began = time.perf_counter()

    def monotonic(self):
        return time.perf_counter() - self._began

    def now(self):
        return datetime(2026, 1, 5, 16, tzinfo=UTC) + timedelta(seconds=self.monotonic())


async def with_client(scene, **settings):
    asyncio.set_event_loop(asyncio.get_running_loop())
    market = SeededMarket(seed=7, session_date=date(2026, 1, 5), symbols=("SPY",))
    gateway = SimulatedGateway(market=market, clock=ShiftedClock(), settings=attrs.evolve(FAST, **settings))
    async with gateway.listening() as port, asyncio.timeout(20):
        ib = ii.IB()
        await ib.connectAsync("127.0.0.1", port, clientId=5)
        outcome = await scene(gateway, ib, port)
        ib.disconnect()
    assert gateway.counters.failures == 0
    return outcome


def run(scene, **settings):
    with asyncio.Runner() as runner:
        return runner.run(with_client(scene, **settings))


async def until(event):
    """Wait for the next emission of an event."""
    return await asyncio.wait_for(event, 10)


def test_a_client_learns_what_there_is_to_know():
    async def scene(_gateway, ib, _port):
        now = await ib.reqCurrentTimeAsync()
        [details] = await ib.reqContractDetailsAsync(STOCK)
        [chain, *_] = await ib.reqSecDefOptParamsAsync("SPY", "", "STK", details.contract.conId)
        [ticker] = await ib.reqTickersAsync(details.contract)
        bars = await ib.reqHistoricalDataAsync(details.contract, "", "3600 S", "1 min", "TRADES", True)
        return now, chain, ticker, bars

    now, chain, ticker, bars = run(scene)

    assert now.date() == date(2026, 1, 5)
    assert chain.expirations
    assert chain.strikes
    assert 0 < ticker.bid < ticker.ask
    assert len(bars) == 61


def test_an_order_fills():
    async def scene(gateway, ib, _port):
        await ib.qualifyContractsAsync(STOCK)
        trade = ib.placeOrder(STOCK, ii.MarketOrder("BUY", 1))
        await until(trade.filledEvent)
        return trade.orderStatus.status, trade.fills[0].execution.shares, gateway.venue.positions()

    status, shares, [held] = run(scene)

    assert (status, shares, held.quantity) == ("Filled", 1, 1)


def test_a_resting_order_is_cancelled():
    async def scene(_gateway, ib, _port):
        await ib.qualifyContractsAsync(STOCK)
        trade = ib.placeOrder(STOCK, ii.LimitOrder("BUY", 1, 1.00))
        while trade.orderStatus.status != "Submitted":
            await until(trade.statusEvent)
        ib.cancelOrder(trade.order)
        await until(trade.cancelledEvent)
        return trade.orderStatus.status

    assert run(scene) in {"PendingCancel", "Cancelled"}


def test_a_second_client_under_the_same_id_is_refused():
    async def scene(_gateway, ib, port):
        second, errors = ii.IB(), []
        second.errorEvent += lambda *args: errors.append(args[1])
        with pytest.raises((TimeoutError, ConnectionError)):
            await second.connectAsync("127.0.0.1", port, clientId=5, timeout=0.5)
        return errors, ib.isConnected()

    assert run(scene) == ([326], True)


def test_a_client_that_does_not_read_is_dropped_and_the_others_are_served(caplog):
    async def scene(gateway, ib, port):
        contract = ("0", "SPY", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "", "0")
        asked = ("", "1 min", "1 M", "1", "TRADES", "1", "0", "")
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)  # it stops reading at once
        writer.write(GREETING + frame(b"v157..176") + encode(("71", "2", "6", "")))
        for number in range(24):
            writer.write(encode(("20", str(number), *contract, *asked)))
        while not gateway.counters.violations["output_limit"]:
            await ib.reqCurrentTimeAsync()
        writer.transport.abort()
        return gateway.client_ids, gateway.counters.violations_by_client[6]

    left, broken = run(scene, output_limit=300_000, output_patience=0.3)

    assert (left, broken) == ((5,), {"output_limit": 1})
    assert "connection closed: client 6 leaves more than 300000 bytes unread" in caplog.messages
