"""Draw a volatility surface from few quotes: `python surface.py [--svg surface.svg]`.

It runs against a simulated Gateway on virtual time, and places nothing. Of each expiry it quotes some
strikes around the spot, out of the money, and the pairs near it that give the forward.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from ibkeel.clock import Clock
from ibkeel.errors import InvalidInput
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Broker, Option, OptionChain, OptionClass, Quote, Right, Stock
from ibkeel.options import (
    Smile,
    Surface,
    expiries_within,
    nearest_strikes,
    series_of,
    smile_of_quotes,
    surface_svg,
    years_to_expiry,
)
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")
RATE = 0.04
PAIRS = 3
REACH = (-0.12, -0.09, -0.06, -0.045, -0.03, -0.02, -0.01, 0.01, 0.02, 0.03, 0.045, 0.06)


def wanted(chain: OptionChain, row: OptionClass, expiry: date, spot: float) -> Iterator[Option]:
    """What is worth a quote; round strikes, for those are listed at every expiry."""
    strikes = [strike for strike in row.strikes if strike % 5 == 0]
    for strike in nearest_strikes(strikes, Decimal(str(spot)), PAIRS):
        for right in Right:
            yield chain.option(row, expiry, strike, right)
    for away in REACH:
        [strike] = nearest_strikes(strikes, Decimal(str(spot * (1 + away))), 1)
        yield chain.option(row, expiry, strike, Right.CALL if away > 0 else Right.PUT)


async def smile_of(broker: Broker, chain: OptionChain, expiry: date, spot: float, clock: Clock) -> Smile:
    """The smile of one expiry; strikes that are not listed at it, or not quoted, are left out."""
    row = chain.of_class("SPY")
    series = series_of(SPY, row, expiry, today=clock.now().date())
    answers = await broker.quotes([*dict.fromkeys(wanted(chain, row, expiry, spot))])
    return smile_of_quotes(
        [answer for answer in answers.values() if isinstance(answer, Quote)],
        spot=spot,
        years=years_to_expiry(series.expires_at, now=clock.now()),
        rate=RATE,
        exercise=series.exercise,
    )


async def look(broker: Broker, today: date, clock: Clock) -> Surface:
    """Smiles of the first weeks and of some later months."""
    spot = (await broker.quote(SPY)).mid
    assert spot is not None
    chain = await broker.option_chain(SPY)
    expiries = expiries_within(chain.of_class("SPY").expiries, today=today, min_dte=7, max_dte=200)
    smiles = []
    for expiry in expiries[::2]:
        try:
            smiles.append(await smile_of(broker, chain, expiry, spot, clock))
        except InvalidInput as error:
            print(f"left out: {error}")
    return Surface(smiles=smiles)


def describe(surface: Surface) -> Iterator[str]:
    """The term structure, one expiry a line, then the warnings."""
    yield f"{'expiry':10}  {'forward':>8}  {'ATM':>6}  {'ahead':>6}  {'1 sigma':>7}  {'straddle':>8}  25-delta put"
    for point in surface.term_structure():
        put = surface.smile(point.expiry).strike_at_delta(-0.25, Right.PUT)
        yield (
            f"{point.expiry}  {point.forward:8.2f}  {point.atm_volatility:6.1%}  {point.forward_volatility:6.1%}"
            f"  {point.move.sigma:7.2f}  {point.move.straddle:8.2f}  {put:12.2f}"
        )
    yield from map(str, surface.warnings())


def main(arguments: Sequence[str] | None = None) -> None:
    """Play the half hour after the opening."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--svg", type=Path, help="where to write the picture")
    path: Path | None = parser.parse_args(arguments).svg
    market = SeededMarket(7)
    [session] = market.sessions(market.session_date, market.session_date)

    async def play() -> Surface:
        clock = virtual_clock()
        config = IBKRConfig(port=4903)
        gateway = SimulatedGateway(market=market, clock=clock)
        async with gateway.listening(config.host, config.port), IBKRBroker(config, clock=clock) as broker:
            await asyncio.sleep(60)
            return await look(broker, market.session_date, clock)

    surface = run_virtual(play(), start=session.opens_at + timedelta(minutes=29))
    print("\n".join(describe(surface)))
    if path is not None:
        path.write_text(surface_svg(surface, title=f"SPY on {market.session_date}"), encoding="utf-8")
        print(f"picture: {path}")


if __name__ == "__main__":
    main()
