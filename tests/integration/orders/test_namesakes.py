"""A name alone does not tell whose order it is."""

import asyncio
from contextlib import asynccontextmanager

import attrs
import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import OrderState, OrderTicket
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock


@asynccontextmanager
async def a_new_process(on):
    """The broker of a program that was started again."""
    await asyncio.sleep(90)
    await on.broker.disconnect()
    config = IBKRConfig(orders="PAPER", port=4002)
    async with IBKRBroker(config, clock=virtual_clock(), observer=on.told, jitter=lambda: 0.0) as broker:
        yield broker


def alarms(on):
    return [event.message for event in on.told.of("AlarmRaised") if event.name.startswith("order ")]


def states(on, name):
    return [event.state for event in on.told.of("OrderChanged") if event.client_order_id == name]


@pytest.mark.parametrize("name", [None, "mine"])
@pytest.mark.parametrize("lost", [{"side": "SELL", "order_type": "LMT", "limit_price": 900}, {"side": "BUY"}])
async def test_a_lost_order_is_not_taken_for_an_earlier_processes_that_filled(stage, name, lost):
    async with stage() as on:
        await on.broker.place(OrderTicket(contract=on.stock, side="BUY", quantity=1, client_order_id=name))
        async with a_new_process(on) as broker:
            on.told.events.clear()
            on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))

            placed = await broker.place(
                OrderTicket(contract=on.stock, quantity=1, client_order_id=name, **lost)
            )
            await asyncio.sleep(60)

        assert states(on, placed.client_order_id)[-1] == "cancelled"
        assert len(alarms(on)) == 1


async def test_of_two_orders_of_one_name_the_lost_one_is_not_taken_for_the_filled_one(stage):
    async with stage() as on:
        ticket = OrderTicket(contract=on.stock, side="BUY", quantity=1, client_order_id="mine")
        filled = await on.broker.place(ticket)
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        lost = await on.broker.place(ticket)
        await asyncio.sleep(60)

        known = {row.order_id: row.state for row in await on.broker.open_orders()}
        assert filled.state is OrderState.FILLED
        assert lost.order_id not in known
        assert len(alarms(on)) == 1


async def test_a_copy_that_somebody_made_by_hand_is_not_taken_for_ours(crew):
    async with crew() as on:
        await on.enter()
        [stop] = on.venue.open_orders()
        copy = attrs.evolve(stop, client_id=0, parent_id=0, order_id=900, perm_id=900, transmit=True)
        on.venue.submit(copy, virtual_clock().now())

        await on.watch.catch_up()
        await asyncio.sleep(20)

        assert on.stage.board.asked("cancel_order") == []
        assert sorted(row.client_id for row in on.venue.open_orders()) == [0, 1]
        assert on.desk.unknown_orders == 0
