"""What a Gateway looks like at an instant, and its last messages."""

import asyncio
from datetime import timedelta

from ibkeel.ibkr.client import library
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.faults import Notice
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.view import MessageLog, view_of
from ibkeel.sim.wire import GREETING, frame
from ibkeel.virtual import run_virtual, virtual_clock

MARKET = SeededMarket(7)
START = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0].opens_at + timedelta(hours=1)


async def watched():
    gateway = SimulatedGateway(market=MARKET, clock=virtual_clock())
    log = MessageLog(gateway, length=40)
    async with gateway.listening("127.0.0.1", 4002):
        ib = library.IB()
        await ib.connectAsync("127.0.0.1", 4002, clientId=5)
        [spy] = await ib.qualifyContractsAsync(library.Stock("SPY", "SMART", "USD"))
        ib.reqMktData(spy)
        ib.placeOrder(spy, library.LimitOrder("BUY", 10, 1.0))
        ib.placeOrder(spy, library.StopOrder("SELL", 3, 2.5))
        await asyncio.sleep(2)
        gateway.inject(Notice(code=2110, text="Connectivity is broken"))
        await asyncio.sleep(1)
        during = view_of(gateway, log)
        ib.disconnect()
        await asyncio.sleep(1)
        return during, view_of(gateway, log), view_of(gateway)


def test_the_view_shows_clients_orders_faults_and_what_was_said():
    during, after, silent = run_virtual(watched(), start=START)

    [client] = during.clients
    assert (client.client_id, client.version, client.lines) == (5, library.Client.MaxClientVersion, 1)
    assert (during.lines, during.line_limit, during.violations) == (1, 100, {})
    assert [(each.contract, each.what) for each in during.orders] == [
        ("SPY", "BUY 10 LMT 1"),
        ("SPY", "SELL 3 STP 2.5"),
    ]
    assert [each.kind for each in during.faults] == ["notice"]
    newest = during.said[0]
    assert (newest.sender, newest.name, newest.client_id) == ("gateway", "error", 5)
    assert newest.detail == "-1 2110 Connectivity is broken"
    assert not any(each.name.startswith("tick_") for each in during.said)
    assert (after.clients, after.said[0].name) == ((), "closed")
    assert silent.said == ()


def test_what_is_said_again_and_again_is_one_entry_with_its_number(small_market, small_exchange, wire):
    async def main():
        gateway = SimulatedGateway(market=small_market, venue=small_exchange, clock=virtual_clock())
        log = MessageLog(gateway)
        client = gateway.reception.door.attach(wire)
        gateway.reception.door.receive(client, GREETING + frame(b"v157..176"))
        for _ in range(3):
            gateway.reception.door.receive(client, frame(b"999\0"))
        gateway.reception.door.receive(client, b"\xff\xff\xff\xff")
        gateway.reception.door.detach(client)
        return [(each.name, each.times, each.detail) for each in log.seen]

    seen = run_virtual(main())

    assert seen[0] == ("closed", 1, "")
    assert seen[1] == ("bytes", 1, "4 bytes that are no message")
    assert ("message 999", 3, "") in seen
