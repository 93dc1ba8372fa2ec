"""What a Gateway does at night, in the worst order: who is asked then, and what may not be believed."""

import asyncio

import attrs
import pytest

from ibkeel.errors import AccountMismatch, NotConnected
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import OrderState, OrderTicket, Stock
from ibkeel.sim import SimulatedGateway
from ibkeel.virtual import virtual_clock

SPY, QQQ = Stock("SPY"), Stock("QQQ")
BUY = OrderTicket(contract=SPY, side="BUY", quantity=1)
FAR = attrs.evolve(BUY, order_type="LMT", limit_price="1")


def alarms(on):
    return [(event.name, event.message) for event in on.told.of("AlarmRaised")]


def states(on):
    return [event.after for event in on.told.of("SessionChanged")]


# Another account.


@pytest.mark.parametrize("orders", ["PAPER", "DRY_RUN"])
async def test_a_gateway_that_comes_back_with_another_account_is_refused(market, orders):
    await asyncio.sleep(600)
    clock, told = virtual_clock(), []
    ours, other = (SimulatedGateway(market=market, clock=clock, account=name) for name in ("DU11", "DU22"))
    broker = IBKRBroker(IBKRConfig(orders=orders), clock=clock, jitter=lambda: 0.0)
    broker._link.observer.on_event = told.append
    async with ours.listening("127.0.0.1", 4002):
        await broker.connect()
        placed = await broker.place(FAR)
    async with other.listening("127.0.0.1", 4002):
        await asyncio.sleep(600)

        with pytest.raises(NotConnected, match="stopped"):
            await broker.place(attrs.evolve(BUY, side="SELL", is_closing=True))
        [alarm] = [event for event in told if getattr(event, "name", "") == "session"]
        assert "the session cannot be resumed" in alarm.message
        assert (await broker.health()).check("handshake").remedy.startswith("make port, account")
        with pytest.raises(AccountMismatch):
            await broker.connect()
        assert other.counters.requests["place_order"] == 0
    async with ours.listening("127.0.0.1", 4002):
        await broker.connect()
        works = [(row.order_id, row.state) for row in await broker.open_orders()]
        assert works == ([(placed.order_id, OrderState.WORKING)] if orders == "PAPER" else [])
        await broker.disconnect()


async def test_a_login_that_was_refused_binds_nobody_to_its_account(market):
    clock = virtual_clock()
    live, paper = (SimulatedGateway(market=market, clock=clock, account=name) for name in ("U11", "DU22"))
    broker = IBKRBroker(IBKRConfig(orders="PAPER", port=4999), clock=clock, jitter=lambda: 0.0)
    async with live.listening("127.0.0.1", 4999):
        with pytest.raises(AccountMismatch):
            await broker.connect()
    async with paper.listening("127.0.0.1", 4999), broker:
        assert broker.is_connected
