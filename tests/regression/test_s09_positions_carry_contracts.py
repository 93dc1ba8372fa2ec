"""S9: positions dropped their contract, so the position manager never ran."""

from ibkeel.model import OrderTicket, Stock


async def test_a_position_can_be_traded_by_what_it_carries(connected):
    async with connected() as (broker, _):
        await broker.place(OrderTicket(contract=Stock("SPY"), side="BUY", quantity=3))

        (held,) = await broker.positions()
        await broker.place(
            OrderTicket(contract=held.contract, side="SELL", quantity=int(held.signed_quantity))
        )

        assert held.contract == Stock("SPY")
        assert held.contract.con_id is not None
        assert await broker.positions() == ()
