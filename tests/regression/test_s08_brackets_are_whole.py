"""S8: when a price was missing the parent stayed at the venue, not transmitted, and an id came back."""

import asyncio

import pytest

from ibkeel.errors import InvalidInput, OrderRejected
from ibkeel.model import Bracket, OrderTicket, Stock

ENTRY = OrderTicket(contract=Stock("SPY"), side="BUY", quantity=1, order_type="LMT", limit_price=100)


@pytest.mark.parametrize("price", [0.0, float("nan"), -1])
async def test_a_bracket_without_a_price_is_never_made(price):
    with pytest.raises(InvalidInput):
        Bracket(entry=ENTRY, stop_loss=price)


async def test_a_bracket_whose_child_the_venue_refuses_leaves_no_parent_behind(connected):
    async with connected() as (broker, gateway):
        with pytest.raises(OrderRejected, match="withdrawn"):
            await broker.place(Bracket(entry=ENTRY, stop_loss="90.001", take_profit=120))
        await asyncio.sleep(10)

        assert gateway.venue.open_orders() == []
        assert await broker.open_orders() == ()
        assert await broker.positions() == ()
