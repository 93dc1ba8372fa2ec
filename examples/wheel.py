"""The wheel, one turn: sell a put against cash; once assigned, sell a call against the shares.

    python examples/wheel.py

It runs against a simulated Gateway on virtual time. The assignment of an option is a matter of weeks, so the
shares are bought here as if the put had been assigned.
"""

from collections.abc import Iterable
from contextlib import aclosing
from datetime import timedelta
from decimal import Decimal

from ibkeel.clock import Clock
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Broker, Option, OrderReport, OrderTicket, OrderType, Position, Right, Side, Stock
from ibkeel.options import DeltaRule, LiquidityRule, covered_call, pick_by_delta
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")
LOT = 100
CENT = Decimal("0.01")
LIQUID = LiquidityRule(min_volume=0, max_relative_spread=0.25)


def next_right(positions: Iterable[Position]) -> Right | None:
    """What to sell next: a call against a free lot of shares, else a put; None while one is short already."""
    shares, short = 0.0, set()
    for row in positions:
        if isinstance(row.contract, Option) and row.contract.underlying == SPY.symbol:
            short |= {row.contract.right} if row.signed_quantity < 0 else set()
        elif row.contract == SPY:
            shares += row.signed_quantity
    wanted = Right.CALL if shares >= LOT else Right.PUT
    return None if wanted in short or Right.CALL in short else wanted


async def trade(broker: Broker, ticket: OrderTicket) -> float:
    """Place an order and wait until it has filled whole; its average price."""
    async with aclosing(broker.order_events()) as events:  # from here on none is missed
        placed = await broker.place(ticket)
        async for event in events:
            if isinstance(event, OrderReport) and event.order_id == placed.order_id and event.state.is_final:
                if event.average_fill_price is None or event.remaining:
                    raise SystemExit(f"{ticket.contract}: {event.state}, {event.reason}")
                return event.average_fill_price
    raise AssertionError("events end in an error")


async def sell(broker: Broker, clock: Clock, right: Right) -> Option:
    """Sell the 30-delta option of four to six weeks at the bid."""
    rule = DeltaRule(delta=0.30, right=right, min_dte=25, max_dte=45, target_dte=35, liquidity=LIQUID)
    chosen = (await pick_by_delta(broker, SPY, rule, clock=clock)).chosen
    if chosen is None:
        raise SystemExit(f"no {right} fits")
    bid = (await broker.quote(chosen.option)).bid
    assert bid is not None
    if right is Right.CALL:
        print(covered_call(stock=SPY, call=chosen.option))
    price = await trade(
        broker,
        OrderTicket(
            contract=chosen.option,
            side=Side.SELL,
            quantity=1,
            order_type=OrderType.LMT,
            limit_price=Decimal(str(bid)).quantize(CENT),
        ),
    )
    print(f"sold {chosen.option} at {price:.2f}")
    return chosen.option


async def turn(broker: Broker, clock: Clock) -> None:
    """Put, assignment, call; and then there is nothing left to sell."""
    right = next_right(await broker.positions())
    assert right is Right.PUT
    put = await sell(broker, clock, right)
    print(f"cash to keep for it: {put.strike * LOT:,.0f} dollars")
    assert next_right(await broker.positions()) is None
    price = await trade(broker, OrderTicket(contract=SPY, side=Side.BUY, quantity=LOT))
    print(f"as if assigned: {LOT} shares at {price:.2f}")
    right = next_right(await broker.positions())
    assert right is Right.CALL
    await sell(broker, clock, right)
    assert next_right(await broker.positions()) is None
    print("covered: nothing more is sold")


async def main(market: SeededMarket) -> None:
    clock = virtual_clock()
    config = IBKRConfig(port=4902, orders="PAPER")
    gateway = SimulatedGateway(market=market, clock=clock)
    async with gateway.listening(config.host, config.port), IBKRBroker(config, clock=clock) as broker:
        await turn(broker, clock)


if __name__ == "__main__":
    world = SeededMarket(7)
    [session] = world.sessions(world.session_date, world.session_date)
    run_virtual(main(world), start=session.opens_at + timedelta(minutes=90))
