"""Who hears of whose orders: the master client, client 0, and filters of executions."""

import asyncio
from datetime import timedelta

import pytest

from ibkeel.ibkr.client import library as ii
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.venue import Venue, VenueSettings
from ibkeel.sim.wire import GREETING, FrameReader, encode, frame

HOST, PORT = "127.0.0.1", 4002
MARKET = SeededMarket(7)
SESSION = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0]
MORNING = {"market": MARKET, "venue": None, "start": SESSION.opens_at + timedelta(minutes=90)}


async def another(number):
    ib = ii.IB()
    await ib.connectAsync(HOST, PORT, clientId=number)
    return ib


@pytest.mark.parametrize("master", [None, 9])
def test_the_master_client_hears_of_the_orders_of_all(gateway_run, master):
    async def scene(_gateway, ib):
        other = await another(9)
        [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
        ib.placeOrder(spy, ii.MarketOrder("BUY", 10))
        resting = ib.placeOrder(spy, ii.LimitOrder("BUY", 1, 100.0))
        await asyncio.sleep(1)
        ib.cancelOrder(resting.order)
        await asyncio.sleep(1)
        heard = [(trade.order.clientId, trade.orderStatus.status) for trade in other.trades()]
        filled = [fill.execution.clientId for fill in other.fills()]
        paid = [fill.commissionReport.commission for fill in other.fills()]
        own = len(ib.trades())
        other.disconnect()
        return heard, filled, paid, own

    heard, filled, paid, own = gateway_run(scene, **MORNING, master_client_id=master)

    assert heard == ([] if master is None else [(5, "Filled"), (5, "Cancelled")])
    assert filled == ([] if master is None else [5])
    assert paid == ([] if master is None else [1.0])
    assert own == 2


def test_an_order_that_another_client_cancels_is_told_to_both(gateway_run):
    async def scene(_gateway, ib):
        other, third = await another(9), await another(10)
        for each in (other, third):
            each.codes = []
            each.errorEvent += lambda number, code, *_, each=each: each.codes.append((number, code))
        [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
        trade = ib.placeOrder(spy, ii.LimitOrder("BUY", 1, 100.0, tif="GTC"))
        await asyncio.sleep(1)
        other.client.cancelOrder(trade.order.orderId, "")
        await asyncio.sleep(1)
        told = [(number, code) for number, code, _ in ib.errors]
        for each in (other, third):
            each.disconnect()
        return trade.order.orderId, told, other.codes, third.codes

    venue = Venue(MARKET, settings=VenueSettings(cancels_across_clients=True))
    number, told, others, thirds = gateway_run(scene, **{**MORNING, "venue": venue})

    assert told == others == [(number, 202)]
    assert thirds == []


def test_only_client_0_binds_manual_orders(gateway_run):
    async def scene(gateway, ib):
        ib.reqAutoOpenOrders(True)
        zero = await another(0)
        await asyncio.sleep(1)
        asked = gateway.counters.requests["auto_open_orders"]
        zero.disconnect()
        return [code for _, code, _ in ib.errors], asked, gateway.counters.errors_sent[327]

    assert gateway_run(scene) == ([327], 2, 1)


def test_a_read_only_gateway_binds_none(gateway_run):
    async def scene(gateway, _ib):
        zero = await another(0)
        await asyncio.sleep(1)
        zero.disconnect()
        return gateway.counters.errors_sent[321]

    assert gateway_run(scene, is_read_only=True) == 1


def test_open_orders_are_the_clients_own_or_those_of_all(gateway_run):
    async def scene(_gateway, ib):
        other = await another(9)
        [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
        ib.placeOrder(spy, ii.LimitOrder("BUY", 1, 100.0))
        await asyncio.sleep(1)
        own = await other.reqOpenOrdersAsync()
        everybodys = await other.reqAllOpenOrdersAsync()
        other.disconnect()
        return own, [each.order.clientId for each in everybodys]

    assert gateway_run(scene, **MORNING) == ([], [5])


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 2),
        ({"side": "BUY"}, 1),
        ({"side": "SLD"}, 1),
        ({"symbol": "QQQ"}, 0),
        ({"secType": "STK"}, 2),
        ({"exchange": "ARCA"}, 2),
        ({"exchange": "CBOE"}, 0),
        ({"clientId": 5}, 2),
        ({"clientId": 6}, 0),
        ({"acctCode": "DU1234567"}, 2),
        ({"acctCode": "DU999"}, 0),
        ({"time": "20240101 00:00:00"}, 2),
        ({"time": "20991231-00:00:00"}, 0),
        ({"time": "later"}, 2),
    ],
)
def test_executions_pass_the_filter_of_the_request(gateway_run, wanted, count):
    async def scene(_gateway, ib):
        [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
        for side in ("BUY", "SELL"):
            ib.placeOrder(spy, ii.MarketOrder(side, 10))
            await asyncio.sleep(1)
        return len(await ib.reqExecutionsAsync(ii.ExecutionFilter(**wanted)))

    assert gateway_run(scene, **MORNING) == count


@pytest.mark.parametrize(("days", "count"), [(1, 0), (2, 1)])
def test_executions_of_yesterday_are_gone_after_midnight(gateway_run, days, count):
    async def scene(_gateway, ib):
        [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
        ib.placeOrder(spy, ii.MarketOrder("BUY", 10))
        await asyncio.sleep(1)
        today = len(await ib.reqExecutionsAsync())
        await asyncio.sleep(24 * 3600)
        return today, len(await ib.reqExecutionsAsync())

    assert gateway_run(scene, **MORNING, execution_days=days) == (1, count)


def test_orders_that_ended_yesterday_are_gone_after_midnight(gateway_run):
    async def scene(gateway, ib):
        [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
        ib.placeOrder(spy, ii.MarketOrder("BUY", 10))
        await asyncio.sleep(1)
        today = len(await ib.reqCompletedOrdersAsync(False))
        await asyncio.sleep(24 * 3600)
        return today, len(await ib.reqCompletedOrdersAsync(False)), len(gateway.venue.completed_orders())

    assert gateway_run(scene, **MORNING) == (1, 0, 1)


def test_a_draft_that_was_cancelled_is_no_completed_order(gateway_run):
    async def scene(gateway, ib):
        [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
        ib.placeOrder(spy, ii.MarketOrder("BUY", 10, transmit=False))
        await asyncio.sleep(1)
        ib.reqGlobalCancel()
        await asyncio.sleep(1)
        return await ib.reqCompletedOrdersAsync(False), len(gateway.venue.completed_orders())

    assert gateway_run(scene, **MORNING) == ([], 1)


@pytest.mark.parametrize(
    ("tail", "count"),
    [
        (("2147483647", "0"), 0),
        (("2", "0"), 1),
        (("1", "0"), 0),
        (("2147483647", "1", f"{MARKET.session_date:%Y%m%d}"), 1),
        (("2147483647", "1", "20200101"), 0),
    ],
)
def test_newer_clients_may_ask_for_more_days_or_for_dates(gateway_run, wire, tail, count):
    async def scene(gateway, ib):
        [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
        ib.placeOrder(spy, ii.MarketOrder("BUY", 10))
        await asyncio.sleep(24 * 3600)
        client = gateway.reception.attach(wire)
        gateway.reception.receive(client, GREETING + frame(b"v100..200"))
        gateway.reception.receive(client, encode(("71", "2", "9", "")))
        asked = ("7", "3", "77", "0", "", "", "", "", "", "", *tail)
        gateway.reception.receive(client, encode(asked))
        await asyncio.sleep(1)
        return [message[0] for message in FrameReader().receive(b"".join(wire.written))]

    numbers = gateway_run(scene, **MORNING)

    assert numbers.count("11") == count
    assert numbers[-1] == "55"


def test_conditions_that_are_not_acted_on_are_counted_and_logged_once(gateway_run, caplog):
    async def scene(gateway, ib):
        [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
        unmet = ii.PriceCondition(price=10_000.0, conId=spy.conId, exch="SMART", isMore=True)
        for _ in range(2):
            ib.placeOrder(spy, ii.MarketOrder("BUY", 1, conditions=[unmet]))
        ib.placeOrder(spy, ii.MarketOrder("BUY", 1))
        await asyncio.sleep(1)
        return gateway.counters.ignored

    assert gateway_run(scene, **MORNING) == {"conditions": 2}
    assert [record.part for record in caplog.records if "as if it had none" in record.message] == [
        "conditions"
    ]


def test_conditions_and_algorithms_come_back_as_they_were_sent(gateway_run):
    async def scene(_gateway, ib):
        [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
        order = ii.LimitOrder(
            "BUY", 1, 100.0,
            algoStrategy="Adaptive", algoParams=[ii.TagValue("adaptivePriority", "Urgent")],
            conditions=[
                ii.PriceCondition(price=90.0, conId=spy.conId, exch="SMART", isMore=False),
                ii.TimeCondition(time="20300101 12:00:00 US/Eastern", conjunction="o"),
                ii.VolumeCondition(volume=10, conId=spy.conId, exch="SMART"),
            ],
            conditionsCancelOrder=True, outsideRth=True, hidden=True, rule80A="I", minQty=1,
        )  # fmt: skip
        ib.placeOrder(spy, order)
        await asyncio.sleep(1)
        other = await another(9)
        [trade] = await other.reqAllOpenOrdersAsync()
        other.disconnect()
        return order, trade.order

    sent, shown = gateway_run(scene, **MORNING)

    names = "conditions conditionsCancelOrder algoStrategy algoParams outsideRth hidden rule80A minQty"
    assert {name: getattr(shown, name) for name in names.split()} == {
        name: getattr(sent, name) for name in names.split()
    }
