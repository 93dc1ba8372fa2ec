"""Implied volatility on arrays: a bracketed Newton search on the logarithm of the time value.

The out-of-the-money option of each pair is solved, in units of its forward: its whole price is
time value, so nothing is lost to cancellation.
"""

from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.normal import cdf, density
from ibkeel.options.pricing import Inputs, Rights, Unsolved

__all__ = ["ImpliedVolatility", "implied_volatility"]

Floats = npt.NDArray[np.float64]

_ROUNDING: Final = 8 * np.finfo(np.float64).eps
_STEPS: Final = 100
_CLOSE: Final = 1e-15
_LEAST: Final = 1e-9
_DOUBT: Final = 1e-9


@attrs.frozen(kw_only=True, eq=False)
class ImpliedVolatility:
    """Implied volatilities and, where there is none, why.

    Args:
        values: Fractions, 0.25 is 25 %; NaN where `reasons` is not 0.
        reasons: Codes of `Unsolved`, of the same shape.
    """

    values: Floats
    reasons: npt.NDArray[np.int8]


def _log_value(log: Floats, deviation: Floats) -> tuple[Floats, Floats]:
    """Logarithm of an out-of-the-money call in units of sqrt(forward x strike), and its slope.

    Args:
        log: ln(forward / strike), 0 or less.
        deviation: Standard deviation of the log price at expiry, above 0.
    """
    d1 = log / deviation + deviation / 2
    value = np.exp(log / 2) * cdf(d1) - np.exp(-log / 2) * cdf(d1 - deviation)
    return np.log(value), np.exp(log / 2) * density(d1) / value


def _deviation(log: Floats, target: Floats) -> Floats:
    """The deviation whose logarithmic value is `target`; NaN when the search does not settle."""
    low = np.full(log.shape, _LEAST)
    high = 20.0 + 2.0 * np.sqrt(-2.0 * log)
    guess = np.sqrt(np.maximum(-2.0 * log, 1e-4))
    open_rows = np.ones(log.shape, dtype=bool)
    for _ in range(_STEPS):
        value, slope = _log_value(log, guess)
        gap = value - target
        below = ~(gap > 0)
        low, high = np.where(below, guess, low), np.where(below, high, guess)
        newton = guess - gap / slope
        inside = (newton > low) & (newton < high)
        step = np.where(inside, newton, np.sqrt(low * high))
        moved = np.abs(step - guess) > _CLOSE * guess
        guess, open_rows = np.where(open_rows, step, guess), open_rows & moved
        if not open_rows.any():
            break
    settled = np.abs(_log_value(log, guess)[0] - target) < _DOUBT * np.maximum(1.0, np.abs(target))
    return np.where(settled, guess, np.nan)


def _solve(inputs: Inputs) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Volatility and reason of each row; rows out of the domain give nonsense that the caller drops."""
    share, money = inputs.carried_spot, inputs.strike * inputs.discount
    intrinsic = np.maximum(inputs.sign * (share - money), 0.0)
    scale = np.sqrt(share) * np.sqrt(money)
    time_value = inputs.given - intrinsic
    noise = np.where(intrinsic > 0, _ROUNDING * np.maximum(inputs.given, intrinsic), 0.0)
    log = -np.abs(np.log(share / money))
    deviation = _deviation(log, np.log(time_value / scale))
    reasons = np.select(
        [
            time_value < -noise,
            time_value <= noise,
            time_value >= np.minimum(share, money),
            np.isnan(deviation),
        ],
        [Unsolved.BELOW_INTRINSIC, Unsolved.NO_TIME_VALUE, Unsolved.ABOVE_MAXIMUM, Unsolved.NOT_FOUND],
        Unsolved.SOLVED,
    )
    return deviation / np.sqrt(inputs.years), reasons.astype(np.int8)


def implied_volatility(
    price: npt.ArrayLike,
    *,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    right: Rights,
    rate: npt.ArrayLike = 0.0,
    dividend_yield: npt.ArrayLike = 0.0,
) -> ImpliedVolatility:
    """The volatility at which Black-Scholes-Merton gives the price of a European option.

    Args:
        price: Per share.
        spot: Price of the underlying per share, above 0.
        strike: Per share, above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.

    Returns:
        Volatilities of the inputs' common shape, NaN with a reason where there is none. An
        in-the-money price whose time value is lost in its own rounding has none.

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.
    """
    inputs = Inputs.of(price, spot, strike, years, right, rate, dividend_yield)
    domain = inputs.reasons()
    with np.errstate(all="ignore"):
        values, solved = _solve(inputs)
    reasons = np.where(domain == Unsolved.SOLVED, solved, domain).astype(np.int8)
    return ImpliedVolatility(values=np.where(reasons == Unsolved.SOLVED, values, np.nan), reasons=reasons)
