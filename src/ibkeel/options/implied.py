"""Implied volatility of European options, on arrays, with a reason where there is none."""

from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.black import NormalForm, Reach, bell, normal_form
from ibkeel.options.inputs import Codes, Floats, Inputs, Rights, Unsolved, by_chunk
from ibkeel.options.solver import deviation

_EPSILON: Final = float(np.finfo(np.float64).eps)
# An in-the-money price is the sum of rounded terms: less time value than this is their rounding.
_NOISE: Final = 8 * _EPSILON
_DOUBTFUL: Final = 1e-6


@attrs.frozen(kw_only=True, eq=False)
class ImpliedVolatility:
    """Implied volatilities and, where there is none, why.

    Args:
        values: Fractions, 0.25 is 25 %; NaN where `reasons` is not 0.
        reasons: Codes of `Unsolved`, of the same shape.
        rounding: How far one rounding error of the price (2.2e-16 of it) moves the volatility;
            NaN where `reasons` is not 0. Multiply by (tick / price) / 2.2e-16 for that of a tick.
    """

    values: Floats
    reasons: Codes
    rounding: Floats

    @property
    def is_ill_conditioned(self) -> npt.NDArray[np.bool_]:
        """Solved, but one rounding error of the price moves it by more than 1e-6 of itself."""
        return self.rounding > _DOUBTFUL * self.values


@attrs.frozen(kw_only=True, eq=False)
class Solution:
    """A piece of a chain, solved.

    Args:
        form: Its normal units.
        deviation: Of the log price at expiry; NaN where `reasons` is not 0.
        at: Mills' ratios at that deviation.
        reasons: Codes of `Unsolved`.
    """

    form: NormalForm
    deviation: Floats
    at: Reach
    reasons: Codes


def solve(inputs: Inputs) -> Solution:
    """Implied deviations of a piece; `given` is the price."""
    form = normal_form(inputs)
    time_value = inputs.given - form.intrinsic
    value = time_value / form.scale
    noise = form.in_money * (_NOISE * inputs.given)
    highest = (1.0 - _NOISE) / form.growth
    below = value < highest
    usable = (time_value > noise) & below & (inputs.years > 0)
    if not usable.all():
        # The vector logarithms take thrice as long where one row in a few is no number.
        value = np.where(usable, value, 0.5 * highest)
    found, at = deviation(form, value)
    regular = usable & (found > 0)
    if regular.all():
        return Solution(form=form, deviation=found, at=at, reasons=np.zeros(inputs.shape, dtype=np.int8))
    reasons = inputs.reasons()
    why = np.select(
        [regular, time_value < -noise, time_value <= noise, ~below],
        [
            Unsolved.SOLVED,
            Unsolved.BELOW_INTRINSIC,
            Unsolved.NO_TIME_VALUE,
            Unsolved.ABOVE_MAXIMUM,
        ],
        Unsolved.NOT_FOUND,
    )
    reasons = np.where(reasons == Unsolved.SOLVED, why, reasons).astype(np.int8)
    return Solution(form=form, deviation=np.where(reasons == 0, found, np.nan), at=at, reasons=reasons)


def _columns(inputs: Inputs) -> tuple[Floats, ...]:
    solution = solve(inputs)
    found, root = solution.deviation, np.sqrt(inputs.years)
    slope = solution.form.scale * root * bell(solution.at)
    return found / root, found * 0.0 + _EPSILON * inputs.given / slope, solution.reasons.astype(np.float64)


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
    values, rounding, reasons = by_chunk(inputs, _columns, 3)
    return ImpliedVolatility(values=values, rounding=rounding, reasons=reasons.astype(np.int8))
