"""Look at an iron condor before trading it, on a simulated Gateway: `iron_condor.py [--svg condor.svg]`."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from rich.console import Console

from ibkeel.cli.structures import payoff_table
from ibkeel.errors import UnknownContract
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import (
    Broker,
    Contract,
    Option,
    OptionChain,
    OptionClass,
    OrderTicket,
    OrderType,
    Right,
    Side,
    Stock,
)
from ibkeel.options import (
    PriceBasis,
    Structure,
    expiries_within,
    iron_condor,
    leg_risks,
    nearest_strikes,
    payoff_svg,
)
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")
SHORT, LONG = Decimal("0.03"), Decimal("0.05")  # out of the money, as fractions of spot
CENT = Decimal("0.01")


async def listed(
    broker: Broker, chain: OptionChain, row: OptionClass, expiry: date, right: Right, wanted: Decimal
) -> Option:
    """The option nearest to a strike that is really listed: a chain's strikes are those of all expiries."""
    for strike in nearest_strikes(row.strikes, wanted, 5):
        option = chain.option(row, expiry, strike, right)
        try:
            await broker.qualify(option)
        except UnknownContract:
            continue
        return option
    raise SystemExit(f"no {right} near {wanted} is listed for {expiry}")


async def pick(broker: Broker, spot: Decimal, today: date) -> Structure:
    """An iron condor on the first expiry that is 30 days away or more."""
    chain = await broker.option_chain(SPY)
    row = chain.of_class("SPY")
    expiry = expiries_within(row.expiries, today=today, min_dte=30)[0]

    async def option(right: Right, away: Decimal) -> Option:
        return await listed(broker, chain, row, expiry, right, spot * (1 + away))

    return iron_condor(
        long_put=await option(Right.PUT, -LONG),
        short_put=await option(Right.PUT, -SHORT),
        short_call=await option(Right.CALL, SHORT),
        long_call=await option(Right.CALL, LONG),
    )


async def look(broker: Broker, today: date, console: Console) -> str:
    """Pick, price, check and preview; returns the picture of the payoff."""
    spot = (await broker.quote(SPY)).mid
    assert spot is not None
    condor = await pick(broker, Decimal(str(spot)), today)
    contracts: list[Contract] = [leg.contract for leg in condor.legs]
    quotes = await broker.quotes(contracts)
    condor = condor.priced(quotes, PriceBasis.NATURAL)
    details = {contract: await broker.qualify(contract) for contract in contracts}
    combo, price = condor.combo(details), condor.net.per_share.quantize(CENT)
    order = OrderTicket(
        contract=combo, side=Side.BUY, quantity=1, order_type=OrderType.LMT, limit_price=price
    )
    preview = await broker.preview(order)
    console.print(payoff_table(condor, spot=round(spot, 2), preview=preview))
    for risk in leg_risks(condor, quotes, spot=spot, today=today):
        console.print(f"{risk.kind.value}: {risk.detail}")
    return payoff_svg(condor, spot=spot)


def main(arguments: Sequence[str] | None = None) -> None:
    """Play the half hour after the opening."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--svg", type=Path, help="where to write the picture of the payoff")
    path: Path | None = parser.parse_args(arguments).svg
    market = SeededMarket(7)
    [session] = market.sessions(market.session_date, market.session_date)

    async def play() -> str:
        clock = virtual_clock()
        config = IBKRConfig(port=4902, orders="PAPER")  # a what-if travels as an order
        gateway = SimulatedGateway(market=market, clock=clock)
        async with gateway.listening(config.host, config.port), IBKRBroker(config, clock=clock) as broker:
            await asyncio.sleep(60)
            return await look(broker, market.session_date, Console(width=100))

    picture = run_virtual(play(), start=session.opens_at + timedelta(minutes=29))
    if path is not None:
        path.write_text(picture, encoding="utf-8")
        print(f"picture: {path}")


if __name__ == "__main__":
    main()
