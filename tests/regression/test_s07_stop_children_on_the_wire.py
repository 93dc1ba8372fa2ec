"""S7: a stop-loss child was sent as a limit order below the market, and filled at once."""

import asyncio
from decimal import Decimal

from ibkeel.model import Bracket, OrderTicket, Stock


async def test_the_stop_child_is_a_stop_at_the_venue_and_waits(connected):
    async with connected() as (broker, gateway):
        quote = await broker.quote(Stock("SPY"))
        entry = OrderTicket(contract=Stock("SPY"), side="BUY", quantity=1)
        stop_price = Decimal(str(quote.bid)) - 5
        placement = await broker.place(Bracket(entry=entry, stop_loss=stop_price))
        await asyncio.sleep(10)

        (child,) = gateway.venue.open_orders()
        assert (child.order_type, child.action, child.stop_price) == ("STP", "SELL", float(stop_price))
        assert child.limit_price is None
        assert child.echo["parent_id"] == placement.order_id
        assert [fill.order_id for fill in await broker.executions()] == [placement.order_id]
