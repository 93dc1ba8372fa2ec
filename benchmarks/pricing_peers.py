"""The pricing libraries that are measured: implied volatility, delta, gamma, theta and vega of a chain."""

import math
import os
from collections.abc import Callable

import attrs
import numpy as np
import numpy.typing as npt

from benchmarks.environments import MissingPeer, version
from ibkeel.options import implied_greeks, price

__all__ = ["Chain", "Subject", "chain", "ibkeel_pricer", "subjects"]

Floats = npt.NDArray[np.float64]
SPOT, RATE, DIVIDEND_YIELD = 600.0, 0.045, 0.012
EXPIRIES, STRIKES = 39, 427


@attrs.frozen(kw_only=True)
class Chain:
    """Contracts in chain order: expiry, right, strike."""

    volatility: Floats
    price: Floats
    strike: Floats
    years: Floats
    right: npt.NDArray[np.str_]

    def take(self, rows: npt.NDArray[np.intp] | slice) -> "Chain":
        return Chain(
            volatility=self.volatility[rows],
            price=self.price[rows],
            strike=self.strike[rows],
            years=self.years[rows],
            right=self.right[rows],
        )


@attrs.frozen(kw_only=True)
class Subject:
    """A library.

    Args:
        version: Installed.
        share: Of the chain's contracts that it is given; its time is scaled up.
        prepare: Makes, of a chain in arrays, the call that is timed.
    """

    version: str
    share: int | None
    prepare: Callable[[Chain], Callable[[], object]]


def chain() -> Chain:
    """33,306 contracts, 0.1 to 910 days, smile from 13 % to 137 %."""
    days = np.geomspace(0.1, 910.0, EXPIRIES)
    strikes = np.linspace(180.0, 1140.0, STRIKES)
    years, right, strike = (
        column.ravel() for column in np.meshgrid(days / 365.0, ["C", "P"], strikes, indexing="ij")
    )
    log = np.log(strike / SPOT) - (RATE - DIVIDEND_YIELD) * years
    volatility = np.clip(0.16 - 0.25 * log + 0.35 * log * log / np.sqrt(years + 0.02), 0.13, 1.37)
    value = price(
        volatility,
        spot=SPOT,
        strike=strike,
        years=years,
        right=right,
        rate=RATE,
        dividend_yield=DIVIDEND_YIELD,
    )
    return Chain(volatility=volatility, price=value, strike=strike, years=years, right=right)


def ibkeel_pricer(rows: Chain) -> Callable[[], object]:
    return lambda: implied_greeks(
        rows.price,
        spot=SPOT,
        strike=rows.strike,
        years=rows.years,
        right=rows.right,
        rate=RATE,
        dividend_yield=DIVIDEND_YIELD,
    )


def _pyvolr() -> Subject:
    installed = version("pyvolr")
    os.environ["RAYON_NUM_THREADS"] = "1"
    from pyvolr import bs

    def prepare(rows: Chain) -> Callable[[], object]:
        flags = np.where(rows.right == "C", "c", "p")

        def call() -> object:
            found = bs.implied_vol(
                rows.price, flags, SPOT, rows.strike, rows.years, RATE, DIVIDEND_YIELD, on_error="ignore"
            )
            return bs.greeks(flags, SPOT, rows.strike, rows.years, RATE, found, DIVIDEND_YIELD)

        return call

    return Subject(version=installed, share=None, prepare=prepare)


def _quantlib() -> Subject:
    installed = version("QuantLib")
    import QuantLib

    def contract(value: float, strike: float, years: float, right: str) -> tuple[float, ...]:
        kind = QuantLib.Option.Call if right == "C" else QuantLib.Option.Put
        discount = math.exp(-RATE * years)
        forward = SPOT * math.exp((RATE - DIVIDEND_YIELD) * years)
        deviation = QuantLib.blackFormulaImpliedStdDev(kind, strike, forward, value, discount)
        black = QuantLib.BlackCalculator(
            QuantLib.PlainVanillaPayoff(kind, strike), forward, deviation, discount
        )
        return deviation, black.delta(SPOT), black.gamma(SPOT), black.theta(SPOT, years), black.vega(years)

    def prepare(rows: Chain) -> Callable[[], object]:
        listed = _as_tuples(rows)
        return lambda: [contract(*row) for row in listed]

    return Subject(version=installed, share=1000, prepare=prepare)


def _vollib() -> Subject:
    installed = version("vollib")
    from vollib.black_scholes_merton.greeks import analytical
    from vollib.black_scholes_merton.implied_volatility import implied_volatility

    def contract(value: float, strike: float, years: float, right: str) -> tuple[float, ...]:
        flag = right.lower()
        sigma = implied_volatility(value, SPOT, strike, years, RATE, DIVIDEND_YIELD, flag)
        known = (flag, SPOT, strike, years, RATE, sigma, DIVIDEND_YIELD)
        return (
            sigma,
            analytical.delta(*known),
            analytical.gamma(*known),
            analytical.theta(*known),
            analytical.vega(*known),
        )

    def prepare(rows: Chain) -> Callable[[], object]:
        listed = _as_tuples(rows)
        return lambda: [contract(*row) for row in listed]

    return Subject(version=installed, share=300, prepare=prepare)


def _as_tuples(rows: Chain) -> list[tuple[float, float, float, str]]:
    return list(
        zip(rows.price.tolist(), rows.strike.tolist(), rows.years.tolist(), rows.right.tolist(), strict=True)
    )


def subjects() -> tuple[dict[str, Subject], dict[str, str]]:
    """Those that can be run, and why the others cannot."""
    found, missing = {}, {}
    for name, make in {"pyvolr": _pyvolr, "quantlib": _quantlib, "vollib": _vollib}.items():
        try:
            found[name] = make()
        except (MissingPeer, ImportError) as error:
            missing[name] = str(error)
    return found, missing
