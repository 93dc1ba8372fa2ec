"""American options on arrays: price and implied volatility.

With a dividend yield the price is the European one plus what early exercise adds; with dividends in cash
it is found backwards in time, see `stepping`.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from ibkeel.options.boundary import CHUNK, LEAST, MOST, Puts, grid
from ibkeel.options.dividends import CashDividend
from ibkeel.options.implied import ImpliedVolatility, solve
from ibkeel.options.inputs import Codes, Floats, Inputs, Rights, Unsolved, by_chunk
from ibkeel.options.with_dividends import dividend_price, dividend_volatility

# Within 5e-4 on the reference table at a strike of 100; twice of all numbers brings 1e-4 at 4 times the cost.
_FINE: Final = grid(nodes=6, points=8, sweeps=4, last_points=16)
# For all but the last step of an implied volatility.
_COARSE: Final = grid(nodes=4, points=5, sweeps=2, last_points=8)
_STEPS: Final = 3
_EPSILON: Final = float(np.finfo(np.float64).eps)
_ROUNDING: Final = 8 * _EPSILON


def _price_columns(inputs: Inputs) -> tuple[Floats, ...]:
    piece = Puts.of(inputs)
    deviation = np.clip(inputs.given * np.sqrt(inputs.years), LEAST, MOST)
    value, _ = piece.price(np.broadcast_to(deviation, inputs.shape), _FINE)
    solved = (inputs.reasons() == Unsolved.SOLVED) & ~piece.has_two_boundaries
    return (np.where(solved, value, np.nan),)


def american_price(
    volatility: npt.ArrayLike,
    *,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    right: Rights,
    rate: npt.ArrayLike = 0.0,
    dividend_yield: npt.ArrayLike = 0.0,
    dividends: Sequence[CashDividend] = (),
) -> Floats:
    """Price of American options, within 5e-6 of the strike (1e-5 with dividends in cash); rarely, 3e-5.

    Args:
        volatility: A year, a fraction; volatility x sqrt(years) counts as 1e-4 when below.
        spot: Price of the underlying per share, above 0.
        strike: Per share, above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.
        dividends: In cash, beside the yield, in any order. At each the share falls by the amount, and
            between them its logarithm is random: the spot model, not the escrowed one. Rows that
            expire before the first are not touched by them; the others take about half a millisecond each.

    Returns:
        Per share, of the inputs' common shape, never below what exercise brings now; NaN where an
        input is out of its domain, and where exercise could pay between two prices (a put with
        `dividend_yield` below `rate` below 0, a call the other way round).

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.
    """
    inputs = Inputs.of(volatility, spot, strike, years, right, rate, dividend_yield)
    found = by_chunk(inputs, _price_columns, 1, size=CHUNK)[0]
    return dividend_price(inputs, dividends, found) if dividends else found


def _reasons(piece: Puts, european: Codes) -> Codes:
    """The European reason where there is one, else that of a price with the right to exercise."""
    given = np.broadcast_to(piece.inputs.given, piece.inputs.shape)
    codes = european
    computable = (codes != Unsolved.NOT_FINITE) & (codes != Unsolved.OUT_OF_DOMAIN)
    noise = _ROUNDING * piece.intrinsic
    checks = (
        (piece.has_two_boundaries, Unsolved.OUT_OF_DOMAIN),
        (given < piece.intrinsic - noise, Unsolved.BELOW_INTRINSIC),
        ((piece.intrinsic > 0) & (given <= piece.intrinsic + noise), Unsolved.NO_TIME_VALUE),
        (given >= piece.money, Unsolved.ABOVE_MAXIMUM),
    )
    for failed, reason in reversed(checks):
        codes = np.where(failed & computable, np.int8(reason), codes)
    return codes


def _search(piece: Puts, highest: Floats) -> tuple[Floats, Floats]:
    """The deviation whose American price is the given one, and the slope there.

    The European deviation is too high by what early exercise adds. From there: Newton's step with the
    European slope, secants on a coarse grid, and a last one on the fine grid with the coarse slope.
    """
    given = piece.inputs.given
    low, high, at = np.full_like(highest, LEAST), highest, highest
    value, slope = piece.price(at, _COARSE)
    for step in range(_STEPS):
        miss = value - given
        low, high = np.where(miss < 0, at, low), np.where(miss < 0, high, at)
        guess = at - miss / slope
        guess = np.where((guess >= low) & (guess <= high), guess, 0.5 * (low + high))
        guess = np.where(miss == 0, at, guess)
        before, last = value, at
        at = guess
        value, european = piece.price(at, _FINE if step == _STEPS - 1 else _COARSE)
        if step < _STEPS - 1:
            moved = at - last
            slope = np.where(np.abs(moved) > 1e-12 * at, (value - before) / moved, slope)
            slope = np.where(slope > 1e-3 * european, slope, european)
    return np.clip(at - (value - given) / slope, LEAST, highest), slope


def _implied_columns(inputs: Inputs) -> tuple[Floats, ...]:
    piece = Puts.of(inputs)
    solution = solve(inputs)
    reasons = _reasons(piece, solution.reasons)
    solved = reasons == Unsolved.SOLVED
    found, slope = _search(piece, np.clip(np.where(solved, solution.deviation, 0.5), LEAST, MOST))
    root = np.sqrt(inputs.years)
    rounding = _EPSILON * inputs.given / (slope * root)
    return (
        np.where(solved, found / root, np.nan),
        np.where(solved, rounding, np.nan),
        reasons.astype(np.float64),
    )


def american_implied_volatility(
    price: npt.ArrayLike,
    *,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    right: Rights,
    rate: npt.ArrayLike = 0.0,
    dividend_yield: npt.ArrayLike = 0.0,
    dividends: Sequence[CashDividend] = (),
) -> ImpliedVolatility:
    """The volatility at which an American option has the price.

    Args:
        price: Per share.
        spot: Price of the underlying per share, above 0.
        strike: Per share, above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.
        dividends: In cash, beside the yield, in any order. At each the share falls by the amount, and
            between them its logarithm is random: the spot model, not the escrowed one. Rows that
            expire before the first are not touched by them; the others take about half a millisecond each.

    Returns:
        Volatilities of the inputs' common shape, NaN with a reason where there is none: a price at
        what exercise brings now fits every low volatility, and has none. With dividends in cash, a
        time value of 1e-6 of the strike or less counts as none.

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.
    """
    inputs = Inputs.of(price, spot, strike, years, right, rate, dividend_yield)
    values, rounding, reasons = by_chunk(inputs, _implied_columns, 3, size=CHUNK)
    found = ImpliedVolatility(values=values, rounding=rounding, reasons=reasons.astype(np.int8))
    return dividend_volatility(inputs, dividends, found) if dividends else found
