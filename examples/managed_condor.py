"""Sell an iron condor by delta, and look after it day by day: `python examples/managed_condor.py`.

Half of the credit is enough, twice the credit is too much to lose, and with 21 days left it is closed: the rules
are `due_credit_exits`. It runs against a simulated Gateway on virtual time, in three markets.
"""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from datetime import date, datetime, timedelta
from decimal import Decimal

import attrs

from ibkeel.clock import Clock
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Broker, Contract, Execution, Option, OrderTicket, Right, Stock
from ibkeel.options import (
    DeltaRule,
    LiquidityRule,
    PriceBasis,
    Structure,
    closing,
    iron_condor,
    pick_by_delta,
)
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import MOODS, Mood, SeededMarket
from ibkeel.strategy import CreditExitPolicy, CreditFacts, due_credit_exits
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")
WING = 10  # dollars between the strikes of each side
LIQUID = LiquidityRule(min_volume=0, max_relative_spread=0.5)


def contracts(structure: Structure) -> list[Contract]:
    return [leg.contract for leg in structure.legs]


async def picked(broker: Broker, clock: Clock) -> Structure:
    """The 16-delta put and call of about six weeks, and wings beyond them."""

    async def short(right: Right, least: int, most: int) -> Option:
        rule = DeltaRule(delta=0.16, right=right, min_dte=least, max_dte=most, liquidity=LIQUID)
        chosen = (await pick_by_delta(broker, SPY, rule, clock=clock)).chosen
        if chosen is None:
            raise SystemExit(f"no {right} fits")
        return chosen.option

    put = await short(Right.PUT, 35, 50)
    days = (put.expiry - clock.now().date()).days
    call = await short(Right.CALL, days, days)

    below, above = attrs.evolve(put, strike=put.strike - WING), attrs.evolve(call, strike=call.strike + WING)
    return iron_condor(long_put=below, short_put=put, short_call=call, long_call=above)


async def taken(broker: Broker, structure: Structure) -> Decimal:
    """Buy a structure that has its prices, as one order; what was paid for it when it had filled."""
    details = {contract: await broker.qualify(contract) for contract in contracts(structure)}
    combo, limit = structure.combo(details), structure.net.per_share.quantize(Decimal("0.01"))
    ticket = OrderTicket(contract=combo, side="BUY", quantity=1, order_type="LMT", limit_price=limit)
    # Of a combo there is an execution of the whole, and one of each leg.
    async with asyncio.timeout(600), aclosing(broker.order_events()) as events:
        await broker.place(ticket)
        async for event in events:
            if isinstance(event, Execution) and event.is_of_combo:
                return Decimal(str(event.price))
    raise AssertionError("events end in an error")


async def look_after(broker: Broker, condor: Structure, credit: Decimal, today: date) -> str:
    """Buy it back if a rule says so; what was done, or nothing."""
    held = {row.contract: row.signed_quantity for row in await broker.positions()}
    gone = [leg for leg in condor.legs if held.get(leg.contract) != leg.side.sign * leg.ratio]
    if gone:  # to buy back what is owed no more would open it
        return f"left alone, for a person to look at: was {', '.join(map(str, gone))} assigned, or closed by hand?"
    quotes = await broker.quotes(contracts(condor))
    out = closing(condor, quotes).priced(quotes, PriceBasis.NATURAL)  # a wing that nobody bids for stays
    facts = CreditFacts(credit=credit, debit=out.net.debit, expiry=condor.expiries[0], today=today)
    due = [f"{rule.value}, {reason}" for rule, reason in due_credit_exits(CreditExitPolicy(), facts)]
    if not due:
        return ""
    paid = await taken(broker, out)
    return f"bought back for {paid}: {'; '.join(due)}; legs held: {len(await broker.positions())}"


async def trade(market: SeededMarket, noons: Iterator[datetime]) -> None:
    """One look a day, at noon, each on a connection of its own."""
    clock, config, condor, credit = virtual_clock(), IBKRConfig(port=4902, orders="PAPER"), None, Decimal(0)
    gateway = SimulatedGateway(market=market, clock=clock)
    async with gateway.listening(config.host, config.port):
        for noon in noons:
            await asyncio.sleep((noon - clock.now()).total_seconds())
            async with IBKRBroker(config, clock=clock) as broker:
                if condor is None:
                    condor = await picked(broker, clock)
                    quotes = await broker.quotes(contracts(condor))
                    credit = -await taken(broker, condor.priced(quotes, PriceBasis.NATURAL))
                    print(f"{noon:%d %b} sold for {credit}: {' '.join(map(str, condor.legs))}")
                elif done := await look_after(broker, condor, credit, noon.date()):
                    print(f"{noon:%d %b} {done}")
                    return


def main() -> None:
    slump = Mood(volatility=1.0, course=((9600.0, 0.0), (9660.0, -0.1)))  # 10 % within a minute, after noon
    for name, mood in {"calm": MOODS["calm"], "crash": MOODS["crash"], "slump": slump}.items():
        print(name)
        world = SeededMarket(7, mood=mood)
        first = world.session_date
        noons = [
            each.opens_at + timedelta(hours=2.5) for each in world.sessions(first, first + timedelta(days=60))
        ]
        run_virtual(trade(world, iter(noons)), start=noons[0] - timedelta(minutes=1))


if __name__ == "__main__":
    main()
