"""Hedge shares with puts while the VIX is low: `python examples/vix_hedge.py`.

Insurance is bought when it is cheap: the calmer the market, the more of the shares is covered. It runs against
a simulated Gateway on virtual time, on a calm day and on one of fear, and previews the order without sending it.
"""

import asyncio
from datetime import timedelta
from decimal import Decimal

import attrs

from ibkeel.clock import Clock
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Broker, Index, OrderTicket, OrderType, Right, Side, Stock
from ibkeel.options import DeltaRule, LiquidityRule, pick_by_delta
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import MOODS, SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

SPY, VIX = Stock("SPY"), Index("VIX")
RULE = DeltaRule(
    delta=0.20,
    right=Right.PUT,
    min_dte=45,
    max_dte=75,
    target_dte=60,
    liquidity=LiquidityRule(min_volume=0, max_relative_spread=0.25),
)
CENT = Decimal("0.01")


@attrs.frozen(kw_only=True)
class Cover:
    """How much of the shares is covered, by the level of the VIX."""

    whole_below: float = 15.0
    half_below: float = 20.0

    def fraction(self, vix: float) -> float:
        """Of the shares, from 0 to 1."""
        return 1.0 if vix < self.whole_below else 0.5 if vix < self.half_below else 0.0


def contracts_for(shares: float, fraction: float, multiplier: int = 100) -> int:
    """Whole contracts, never more than the shares need."""
    return int(shares * fraction) // multiplier


async def hedge(broker: Broker, clock: Clock, shares: float) -> None:
    """Say what the hedge would be, what it costs, and what it does to margin."""
    level = (await broker.quote(VIX)).last
    if level is None:  # no level is assumed: without a VIX nothing is bought
        print("no VIX, no hedge")
        return
    count = contracts_for(shares, Cover().fraction(level))
    if not count:
        print(f"VIX {level:.1f}: insurance is dear, nothing is bought")
        return
    chosen = (await pick_by_delta(broker, SPY, RULE, clock=clock)).chosen
    spot = (await broker.quote(SPY)).mid
    if chosen is None or spot is None:
        print("no put fits")
        return
    quote = await broker.quote(chosen.option)
    assert quote.ask is not None
    price = Decimal(str(quote.ask)).quantize(CENT)
    ticket = OrderTicket(
        contract=chosen.option,
        side=Side.BUY,
        quantity=count,
        order_type=OrderType.LMT,
        limit_price=price,
    )
    preview = await broker.preview(ticket)
    premium = price * count * 100
    part = float(premium) / (spot * shares)
    print(
        f"VIX {level:.1f}: buy {count} {chosen.option} for {premium:,.0f} dollars, {part:.2%} of the shares"
    )
    print(f"initial margin after it: {preview.initial_margin.after:,.0f}")


async def day(market: SeededMarket) -> None:
    clock = virtual_clock()
    config = IBKRConfig(port=4902, orders="PAPER")  # a what-if travels as an order
    gateway = SimulatedGateway(market=market, clock=clock)
    async with gateway.listening(config.host, config.port), IBKRBroker(config, clock=clock) as broker:
        await asyncio.sleep(60)
        await hedge(broker, clock, shares=500)


def main() -> None:
    for mood in ("calm", "fear"):
        world = SeededMarket(7, mood=MOODS[mood])
        [session] = world.sessions(world.session_date, world.session_date)
        run_virtual(day(world), start=session.opens_at + timedelta(minutes=90))


if __name__ == "__main__":
    main()
