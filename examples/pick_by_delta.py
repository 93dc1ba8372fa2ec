"""Find the 30-delta put at about 45 days with a dozen quotes: `python pick_by_delta.py`.

It runs against a simulated Gateway on virtual time. With a Gateway of your own, connect `IBKRBroker` to
it, give it `SystemClock()`, and start with `asyncio.run`.
"""

import asyncio
from datetime import timedelta

from ibkeel.clock import Clock
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Broker, Right, Stock
from ibkeel.options import DeltaPick, DeltaRule, LiquidityRule, pick_by_delta
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")
RULE = DeltaRule(
    delta=0.30,
    right=Right.PUT,
    min_dte=30,
    max_dte=60,
    target_dte=45,
    liquidity=LiquidityRule(min_volume=100, max_relative_spread=0.10),
)


async def find(broker: Broker, clock: Clock) -> DeltaPick:
    """Definitions and price at the same time, then two or three waves of quotes."""
    async with asyncio.TaskGroup() as group:
        chain = group.create_task(broker.option_chain(SPY))
        quote = group.create_task(broker.quote(SPY))
    return await pick_by_delta(broker, SPY, RULE, clock=clock, chain=chain.result(), spot=quote.result().mid)


async def main(market: SeededMarket) -> None:
    clock = virtual_clock()
    gateway = SimulatedGateway(market=market, clock=clock)
    async with gateway.listening("127.0.0.1", 4002), IBKRBroker(IBKRConfig(), clock=clock) as broker:
        began = clock.monotonic()
        pick = await find(broker, clock)
        print(pick.explain())
        print(f"{clock.monotonic() - began:.2f} s, {gateway.counters.requests['market_data']} quotes in all")


if __name__ == "__main__":
    world = SeededMarket(7)
    session = world.sessions(world.session_date, world.session_date)[0]
    run_virtual(main(world), start=session.opens_at + timedelta(minutes=90))
