"""Volatility by strike and expiry, and how wide and how busy the options of a name are.

The formulas take floats or arrays, so that one quote and a day of quotes are one computation.
"""

import math
from typing import Final, TypeVar

import numpy as np

from ibkeel.sim.market.bars import Floats
from ibkeel.sim.market.underlyings import MARKET_VOLATILITY, Underlying

__all__ = ["activity", "at_the_money", "half_width", "long_run_volatility", "volatility"]

_Number = TypeVar("_Number", float, Floats)

_PREMIUM: Final = 1.1  # implied over realised
_TERM_DECAY: Final = 0.4  # years in which the term structure forgets today's level
_SKEW: Final = 0.8
_CURVATURE: Final = 0.10
_LEAST_YEARS: Final = 1.0 / 365.0
_FARTHEST: Final = 8.0


def long_run_volatility(row: Underlying) -> float:
    """Implied volatility of a name in an average world, a fraction a year."""
    return _PREMIUM * math.hypot(row.beta * MARKET_VOLATILITY, row.own_volatility)


def at_the_money(row: Underlying, heat: _Number, years: _Number) -> _Number:
    """Implied volatility at the money.

    Args:
        row: The underlying.
        heat: Level of volatility relative to its long run.
        years: Time to expiry; far expiries feel less of `heat`.
    """
    level: _Number = long_run_volatility(row) * (1.0 + (heat - 1.0) * np.exp(years / -_TERM_DECAY))
    return level


def volatility(row: Underlying, *, spot: _Number, strike: float, years: _Number, heat: _Number) -> _Number:
    """Implied volatility of a strike: a skewed hyperbola in standardised log-moneyness.

    Source: the shape follows Gatheral, "The Volatility Surface" (2006), chapter 3.
    """
    reach = long_run_volatility(row) * np.sqrt(np.maximum(years, _LEAST_YEARS))
    distance = np.minimum(np.maximum(np.log(strike / spot) / reach, -_FARTHEST), _FARTHEST)
    smile = np.sqrt(distance * distance + 1.0) - 1.0 - _SKEW * distance
    level: _Number = at_the_money(row, heat, years) * (1.0 + _CURVATURE * smile)
    return level


def half_width(row: Underlying, value: _Number, since_open: _Number, factor: float) -> _Number:
    """Half the width of an option's quote before rounding, in USD a share.

    Args:
        row: The underlying, whose `spread` scales everything.
        value: Model value of the option.
        since_open: Seconds since the open, when quotes are widest.
        factor: The contract's own share of the width, near 1.
    """
    opening = 1.0 + 2.0 * np.exp(since_open / -200.0)
    half: _Number = 0.5 * row.spread * factor * (0.008 + 0.004 * value) * opening
    return half


def activity(row: Underlying, *, spot: float, strike: float, years: float) -> float:
    """How busy a contract is, relative to the busiest strike: falls with distance and time."""
    reach = long_run_volatility(row) * math.sqrt(max(years, 2.0 * _LEAST_YEARS))
    distance = abs(math.log(strike / spot)) / reach
    return math.exp(-0.9 * distance - 3.0 * years) / (1.0 + 6.0 * years)
