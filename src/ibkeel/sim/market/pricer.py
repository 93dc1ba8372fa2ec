"""The simulator's own small Black-Scholes: no rate, no dividend, European.

With neither rate nor dividend an American option is worth as much as a European one, so the
model needs no tree, and put-call parity is `call - put = spot - strike`.

Source: Black and Scholes, "The Pricing of Options and Corporate Liabilities" (1973).
"""

import math
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_DAYS_A_YEAR: Final = 365.0
_POINTS: Final = 100.0
_LEAST_VOLATILITY: Final = 1e-3
_MOST_VOLATILITY: Final = 10.0
_TOLERANCE: Final = 1e-10
_ROUNDS: Final = 100
_ROOT_TWO: Final = math.sqrt(2.0)
_ROOT_TWO_PI: Final = math.sqrt(2.0 * math.pi)


@attrs.frozen(kw_only=True)
class Greeks:
    """Sensitivities a share: theta a calendar day, vega a volatility point (0.01)."""

    delta: float
    gamma: float
    vega: float
    theta: float


def intrinsic(right: str, spot: float, strike: float) -> float:
    """What an option is worth at expiry, per share; `right` is C or P."""
    return max(spot - strike, 0.0) if right == "C" else max(strike - spot, 0.0)


def price(right: str, spot: float, strike: float, years: float, volatility: float) -> float:
    """Value per share; the intrinsic value once `years` or `volatility` is zero."""
    deviation = volatility * math.sqrt(max(years, 0.0))
    if deviation <= 0.0:
        return intrinsic(right, spot, strike)
    upper = math.log(spot / strike) / deviation + 0.5 * deviation
    sign = 1.0 if right == "C" else -1.0
    return sign * (spot * _below(sign * upper) - strike * _below(sign * (upper - deviation)))


def prices(right: str, spot: Array, strike: float, years: Array, volatility: Array) -> Array:
    """`price` for arrays of one shape; `years` must be positive throughout."""
    deviation = volatility * np.sqrt(years)
    upper = np.log(spot / strike) / deviation + 0.5 * deviation
    sign = 1.0 if right == "C" else -1.0
    held = sign * (spot * _all_below(sign * upper) - strike * _all_below(sign * (upper - deviation)))
    return np.asarray(held, dtype=np.float64)


def greeks(right: str, spot: float, strike: float, years: float, volatility: float) -> Greeks:
    """Greeks of an option that has time and volatility left.

    Args:
        right: C or P.
        spot: Price of the underlying.
        strike: Strike, in the unit of `spot`.
        years: Time to expiry, positive.
        volatility: A fraction a year, positive.
    """
    root = math.sqrt(years)
    deviation = volatility * root
    upper = math.log(spot / strike) / deviation + 0.5 * deviation
    density = math.exp(-0.5 * upper * upper) / _ROOT_TWO_PI
    delta = _below(upper)
    return Greeks(
        delta=delta if right == "C" else delta - 1.0,
        gamma=density / (spot * deviation),
        vega=spot * density * root / _POINTS,
        theta=-0.5 * spot * density * volatility / root / _DAYS_A_YEAR,
    )


def implied_volatility(right: str, value: float, spot: float, strike: float, years: float) -> float | None:
    """The volatility at which the model gives `value`, by bisection.

    Returns:
        A fraction a year; None when no volatility between 0.001 and 10 gives that value, as for
        an option at or below its intrinsic value or past its expiry.
    """
    if years <= 0.0 or value <= 0.0:
        return None
    low, high = _LEAST_VOLATILITY, _MOST_VOLATILITY
    if not price(right, spot, strike, years, low) < value < price(right, spot, strike, years, high):
        return None
    for _ in range(_ROUNDS):
        middle = 0.5 * (low + high)
        if price(right, spot, strike, years, middle) < value:
            low = middle
        else:
            high = middle
        if high - low < _TOLERANCE:
            break
    return 0.5 * (low + high)


def _below(x: float) -> float:
    """Probability that a standard normal variable is below `x`."""
    return 0.5 * math.erfc(-x / _ROOT_TWO)


def _all_below(x: Array) -> Array:
    erfc = math.erfc  # numpy has none; the same function keeps a quote and a series equal
    return 0.5 * np.array([erfc(v) for v in (x / -_ROOT_TWO).tolist()], dtype=np.float64)
