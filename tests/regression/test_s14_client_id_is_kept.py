"""S14: the client id was raised by one on error 326, and orders stayed bound to the old one."""

import asyncio

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.ibkr.client import library
from ibkeel.model import OrderTicket, Stock
from ibkeel.resilience import Backoff
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock

RESTING = OrderTicket(contract=Stock("SPY"), side="BUY", quantity=1, order_type="LMT", limit_price="1")
IN_USE = faults.IdInUse(client_id=1, duration=45.0)


async def seed_connect(ib, client_id):
    """A model of what was there: another id until one is free."""
    while True:
        try:
            await ib.connectAsync("127.0.0.1", 4002, clientId=client_id, timeout=2)
        except (TimeoutError, OSError):
            client_id += 1
        else:
            return


async def leave_an_order(broker):
    placed = await broker.place(RESTING)
    await broker.disconnect()
    return placed.order_id


async def test_the_same_id_is_waited_for_and_its_orders_can_be_cancelled(connected):
    async with connected(connect_backoff=Backoff(attempts=5)) as (broker, gateway):
        order_id = await leave_an_order(broker)
        gateway.inject(IN_USE)
        again = IBKRBroker(
            IBKRConfig(orders="PAPER", connect_backoff=Backoff(attempts=5)),
            clock=virtual_clock(),
            jitter=lambda: 0.0,
        )
        began = asyncio.get_running_loop().time()
        async with again:
            waited = asyncio.get_running_loop().time() - began
            mine = [row.order_id for row in await again.open_orders()]

            assert gateway.client_ids == (1,)
            assert 45.0 <= waited < 100.0
            assert mine == [order_id]
            assert (await again.cancel(order_id)).state == "cancelled"


async def test_a_session_that_is_lost_is_sought_under_the_same_id(connected):
    async with connected() as (broker, gateway):
        placed = await broker.place(RESTING)
        gateway.inject(IN_USE)
        gateway.drop(1)
        await asyncio.sleep(200)

        assert gateway.client_ids == (1,)
        assert (await broker.cancel(placed.order_id)).state == "cancelled"


async def test_the_model_of_what_was_there_took_another_id_and_lost_its_orders(connected):
    async with connected() as (broker, gateway):
        await leave_an_order(broker)
        gateway.inject(IN_USE)
        ib = library.IB()
        await seed_connect(ib, 1)

        assert gateway.client_ids == (2,)
        assert [trade for trade in await ib.reqOpenOrdersAsync() if trade.order.clientId == 2] == []
        ib.disconnect()
        await asyncio.sleep(1)
