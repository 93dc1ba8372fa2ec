"""What the client sent for a bracket, decoded from its bytes."""

import asyncio
from decimal import Decimal

import pytest

from ibkeel.errors import OrderRejected
from ibkeel.model import Bracket, OrderTicket, Stock


@pytest.mark.parametrize(
    ("limit", "kind", "prices"),
    [(None, "STP", (None, 300.0)), (Decimal(299), "STP LMT", (299.0, 300.0))],
)
async def test_the_stop_child_travels_as_a_stop(stage, limit, kind, prices):
    async with stage() as on:
        entry = OrderTicket(contract=Stock("SPY"), side="BUY", quantity=3)
        placed = await on.broker.place(Bracket(entry=entry, stop_loss=300, stop_limit=limit, take_profit=900))

        parent, profit, stop = on.board.asked("place_order")

    assert [row["order_type"] for row in (parent, profit, stop)] == ["MKT", "LMT", kind]
    assert [row["transmit"] for row in (parent, profit, stop)] == [False, False, True]
    assert (stop["action"], stop["quantity"], stop["parent_id"]) == ("SELL", 3, placed.order_id)
    assert (stop["limit_price"] or None, stop["stop_price"]) == prices


async def test_a_bracket_whose_child_is_refused_leaves_nothing_unprotected(stage):
    async with stage() as on:
        entry = OrderTicket(contract=Stock("SPY"), side="BUY", quantity=3)
        with pytest.raises(OrderRejected):
            await on.broker.place(Bracket(entry=entry, stop_loss=Decimal("300.001")))
        await asyncio.sleep(30)
        held = on.gateway.venue.positions()
        stops = [row for row in on.gateway.venue.open_orders() if row.order_type == "STP"]

    assert not held or sum(row.quantity for row in stops) == 3
