"""European options on arrays: price, sensitivities and implied volatility, with a reason where there is none."""

from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.black import NormalForm, Reach, bell, deviation, normal_form, reach, spread
from ibkeel.options.inputs import Codes, Floats, Inputs, Numbers, Rights, Unsolved, by_chunk

_EPSILON: Final = float(np.finfo(np.float64).eps)
# An in-the-money price is the sum of rounded terms: less time value than this is their rounding.
_NOISE: Final = 8 * _EPSILON
_DOUBTFUL: Final = 1e-6
_DAYS_A_YEAR: Final = 365.0
_POINTS: Final = 100.0
# No volatility matters above; below, the outcome is certain.
_MOST: Final = 70.0
_LEAST: Final = 1e-300


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


def _volatility_columns(inputs: Inputs) -> tuple[Floats, ...]:
    solution = solve(inputs)
    found, root = solution.deviation, np.sqrt(inputs.years)
    slope = solution.form.scale * root * bell(solution.at)
    return found / root, found * 0.0 + _EPSILON * inputs.given / slope, solution.reasons.astype(np.float64)


def implied_volatility(
    price: Numbers,
    *,
    spot: Numbers,
    strike: Numbers,
    years: Numbers,
    right: Rights,
    rate: Numbers = 0.0,
    dividend_yield: Numbers = 0.0,
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
    values, rounding, reasons = by_chunk(inputs, _volatility_columns, 3)
    return ImpliedVolatility(values=values, rounding=rounding, reasons=reasons.astype(np.int8))


@attrs.frozen(kw_only=True, eq=False)
class GreekColumns:
    """Prices and sensitivities, all of one shape; NaN where `reasons` is not 0.

    Args:
        price: Per share.
        delta: Change of price for one unit of the underlying.
        gamma: Change of delta for one unit of the underlying.
        theta: Change of price a calendar day.
        vega: Change of price a volatility point (0.01).
        rho: Change of price a point (0.01) of the interest rate.
        reasons: Codes of `Unsolved`.
    """

    price: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats
    reasons: Codes


@attrs.frozen(kw_only=True, eq=False)
class ImpliedGreeks:
    """Implied volatilities and the sensitivities at them, of one shape.

    Args:
        volatility: With the reason of each row that has none.
        greeks: At that volatility; NaN with the same reason where there is none.
    """

    volatility: ImpliedVolatility
    greeks: GreekColumns


def _price(form: NormalForm, at: Reach) -> Floats:
    time_value = form.scale * bell(at) * spread(at)
    return form.intrinsic + np.where(at.t > _LEAST, time_value, 0.0)


def _sensitivities(inputs: Inputs, form: NormalForm, at: Reach) -> tuple[Floats, ...]:
    """Delta, gamma, theta, vega and rho."""
    slope = form.scale * bell(at)
    deviation = 2.0 * at.t
    near, far = slope * at.near, slope * at.far
    # The out-of-the-money call receives the share (near) and pays the money (far); the put is
    # its mirror image. An option in the money holds what its twin lacks.
    share = np.where(form.above, far, near)
    money = np.where(form.above, near, far)
    if form.in_money.any():
        high, low = form.scale * form.growth, form.scale / form.growth
        share = np.where(form.in_money, np.where(form.above, high, low) - share, share)
        money = np.where(form.in_money, np.where(form.above, low, high) - money, money)
    share *= inputs.sign
    money *= inputs.sign
    spot, years = inputs.spot, inputs.years
    decay = slope * deviation * (-0.5 / years)
    drift = inputs.dividend_yield * share - inputs.rate * money
    return (
        share / spot,
        slope / (spot * spot * deviation),
        (decay + drift) * (1.0 / _DAYS_A_YEAR),
        slope * np.sqrt(years) * (1.0 / _POINTS),
        money * years * (1.0 / _POINTS),
    )


def _given_reach(inputs: Inputs, form: NormalForm) -> Reach:
    deviation = np.clip(inputs.given * np.sqrt(inputs.years), _LEAST, _MOST)
    return reach(form.distance, np.broadcast_to(deviation, inputs.shape))


def _price_columns(inputs: Inputs) -> tuple[Floats, ...]:
    form = normal_form(inputs)
    value = _price(form, _given_reach(inputs, form))
    return (np.where(inputs.reasons() == Unsolved.SOLVED, value, np.nan),)


def greek_columns(inputs: Inputs) -> tuple[Floats, ...]:
    """The columns of `greeks` for a piece, reasons last, each a float."""
    form = normal_form(inputs)
    at = _given_reach(inputs, form)
    return with_reasons(inputs, (_price(form, at), *_sensitivities(inputs, form, at)))


def with_reasons(
    inputs: Inputs, columns: tuple[Floats, ...], is_outside: npt.NDArray[np.bool_] | bool = False
) -> tuple[Floats, ...]:
    """The columns and their reasons: OUT_OF_DOMAIN, too, where there is no figure, and where `is_outside` says so."""
    reasons = inputs.reasons()
    # A volatility of 0 leaves no slopes, and figures of 1e300 leave the range of doubles on the way.
    outside = is_outside | (inputs.given == 0) | ~np.isfinite(columns).all(axis=0)
    reasons = np.where((reasons == Unsolved.SOLVED) & outside, np.int8(Unsolved.OUT_OF_DOMAIN), reasons)
    solved = reasons == Unsolved.SOLVED
    return (*(np.where(solved, column, np.nan) for column in columns), reasons.astype(np.float64))


def _implied_columns(inputs: Inputs) -> tuple[Floats, ...]:
    solution = solve(inputs)
    columns = _sensitivities(inputs, solution.form, solution.at)
    vega = columns[3]
    root = np.sqrt(inputs.years)
    rounding = inputs.given * (_EPSILON / _POINTS) / vega
    columns = (np.broadcast_to(inputs.given, inputs.shape), *columns)
    if solution.reasons.any():
        solved = solution.reasons == Unsolved.SOLVED
        rounding = np.where(solved, rounding, np.nan)
        columns = tuple(np.where(solved, column, np.nan) for column in columns)
    return (
        solution.deviation / root,
        rounding,
        *columns,
        solution.reasons.astype(np.float64),
    )


def price(
    volatility: Numbers,
    *,
    spot: Numbers,
    strike: Numbers,
    years: Numbers,
    right: Rights,
    rate: Numbers = 0.0,
    dividend_yield: Numbers = 0.0,
) -> Floats:
    """Price of European options.

    Args:
        volatility: A year, a fraction, 0 or more.
        spot: Price of the underlying per share, above 0.
        strike: Per share, above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.

    Returns:
        Per share, of the inputs' common shape; NaN where an input is out of its domain.

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.

    Source:
        R. C. Merton, Theory of Rational Option Pricing, 1973.
    """
    inputs = Inputs.of(volatility, spot, strike, years, right, rate, dividend_yield)
    return by_chunk(inputs, _price_columns, 1)[0]


def greeks(
    volatility: Numbers,
    *,
    spot: Numbers,
    strike: Numbers,
    years: Numbers,
    right: Rights,
    rate: Numbers = 0.0,
    dividend_yield: Numbers = 0.0,
) -> GreekColumns:
    """Price and sensitivities of European options.

    Args:
        volatility: A year, a fraction, above 0.
        spot: Price of the underlying per share, above 0.
        strike: Per share, above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.

    Returns:
        Columns of the inputs' common shape; NaN with a reason where an input is out of its domain.

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.
    """
    inputs = Inputs.of(volatility, spot, strike, years, right, rate, dividend_yield)
    return greeks_of(by_chunk(inputs, greek_columns, 7))


def greeks_of(columns: tuple[Floats, ...]) -> GreekColumns:
    """Price, delta, gamma, theta, vega, rho and reasons by their names."""
    value, delta, gamma, theta, vega, rho, reasons = columns
    return GreekColumns(
        price=value,
        delta=delta,
        gamma=gamma,
        theta=theta,
        vega=vega,
        rho=rho,
        reasons=reasons.astype(np.int8),
    )


def implied_greeks(
    price: Numbers,
    *,
    spot: Numbers,
    strike: Numbers,
    years: Numbers,
    right: Rights,
    rate: Numbers = 0.0,
    dividend_yield: Numbers = 0.0,
) -> ImpliedGreeks:
    """Implied volatility of European options and the sensitivities at it, in one pass.

    The same as `implied_volatility` followed by `greeks`, at two thirds of the time.

    Args:
        price: Per share.
        spot: Price of the underlying per share, above 0.
        strike: Per share, above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.

    Returns:
        Columns of the inputs' common shape, NaN with a reason where a price has no volatility.

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.
    """
    inputs = Inputs.of(price, spot, strike, years, right, rate, dividend_yield)
    values, rounding, *columns = by_chunk(inputs, _implied_columns, 9)
    found = greeks_of(tuple(columns))
    volatility = ImpliedVolatility(values=values, rounding=rounding, reasons=found.reasons)
    return ImpliedGreeks(volatility=volatility, greeks=found)
