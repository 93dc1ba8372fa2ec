"""American options on arrays: price, sensitivities and implied volatility.

With a dividend yield the price is the European one plus what early exercise adds; with dividends in cash
it is found backwards in time, see `stepping`.
"""

from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.boundary import CHUNK, LEAST, MOST, Puts, PutTerms, grid, premium_slopes
from ibkeel.options.greeks import (
    GreekColumns,
    ImpliedVolatility,
    greek_columns,
    greeks_of,
    solve,
    with_reasons,
)
from ibkeel.options.inputs import CashDividend, Codes, Floats, Inputs, Numbers, Rights, Unsolved, by_chunk
from ibkeel.options.with_dividends import Group, dividend_groups, dividend_price, dividend_volatility

# Within 5e-4 on the reference table at a strike of 100; twice of all numbers brings 1e-4 at 4 times the cost.
# It does for differences, too: what is wrong with one price is wrong with the other.
_FINE: Final = grid(nodes=6, points=8, sweeps=4, last_points=16)
# For all but the last step of an implied volatility.
_COARSE: Final = grid(nodes=4, points=5, sweeps=2, last_points=8)
_STEPS: Final = 2
_SETTLED: Final = 0.0005  # of the deviation: a search whose last step is longer goes on
_SETTLED_BY_SECANT: Final = 0.002  # the same of a step whose slope comes from the fine grid
_SECANTS: Final = 3  # before it is held to have gone astray
_HALVINGS: Final = 26
_EPSILON: Final = float(np.finfo(np.float64).eps)
_ROUNDING: Final = 8 * _EPSILON
# Slopes need more than prices do: more points, for the integrand is steep near the boundary.
_SHARP: Final = grid(nodes=8, points=12, sweeps=6, last_points=48)
_DAYS_A_YEAR: Final = 365.0
_POINTS: Final = 100.0
# Relative to the volatility, and of the rate: differences over less would show the grid's own errors.
_VOLATILITY_BUMP: Final = 0.01
_RATE_BUMP: Final = 1e-3
_STEPPED_VOLATILITY_BUMP: Final = 0.04
_STEPPED_RATE_BUMP: Final = 2e-3


def _total(inputs: Inputs, volatility: Floats) -> Floats:
    """American prices on the fine grid."""
    deviation = np.clip(volatility * np.sqrt(inputs.years), LEAST, MOST)
    return Puts.of(inputs).price(np.broadcast_to(deviation, inputs.shape), _FINE)[0]


def _price_columns(inputs: Inputs) -> tuple[Floats, ...]:
    solved = (inputs.reasons() == Unsolved.SOLVED) & ~Puts.of(inputs).has_two_boundaries
    return (np.where(solved, _total(inputs, inputs.given), np.nan),)


def american_price(
    volatility: Numbers,
    *,
    spot: Numbers,
    strike: Numbers,
    years: Numbers,
    right: Rights,
    rate: Numbers = 0.0,
    dividend_yield: Numbers = 0.0,
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


def _volatility_reasons(piece: Puts, european: Codes) -> Codes:
    """The European reason where there is one, else that of a price with the right to exercise."""
    given = np.broadcast_to(piece.inputs.given, piece.inputs.shape)
    # What exercise brings now may be more than the European price can be.
    codes = np.where(european == Unsolved.ABOVE_MAXIMUM, np.int8(Unsolved.SOLVED), european)
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


def _search(piece: Puts, highest: Floats) -> tuple[Floats, Floats, Floats]:
    """A deviation near the one whose American price is the given, its price, and the slope there.

    The European deviation is too high by what early exercise adds. From there: Newton's step with the
    European slope, and a secant on the coarse grid. The price is that on the fine one.
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
    return at, value, slope


def _halved(piece: Puts, highest: Floats) -> tuple[Floats, Floats]:
    """Deviation and slope of rows on which the search goes astray, slowly and surely."""
    low, high, slope = np.full_like(highest, LEAST), highest, highest
    for _ in range(_HALVINGS):
        at = 0.5 * (low + high)
        value, slope = piece.price(at, _FINE)
        is_low = value < piece.inputs.given
        low, high = np.where(is_low, at, low), np.where(is_low, high, at)
    return 0.5 * (low + high), slope


def _implied_columns(inputs: Inputs) -> tuple[Floats, ...]:
    """Where the search came to: after a last step, by which slope, whence, the price there, the most; and a reason."""
    piece = Puts.of(inputs)
    solution = solve(inputs)
    reasons = _volatility_reasons(piece, solution.reasons)
    solved = reasons == Unsolved.SOLVED
    european = np.where(solution.reasons == Unsolved.ABOVE_MAXIMUM, MOST, solution.deviation)
    highest = np.clip(np.where(solved, european, 0.5), LEAST, MOST)
    at, value, slope = _search(piece, highest)
    found = np.where(solved, np.clip(at - (value - inputs.given) / slope, LEAST, highest), at)
    return found, slope, at, value, highest, reasons.astype(np.float64)


@np.errstate(all="ignore")
def _settled(inputs: Inputs, columns: tuple[Floats, ...]) -> Floats:
    """Volatility and rounding; by secants on the fine grid where the last step is long, by halves where those go astray.

    For all such rows at once: a few take nearly as long as many.
    """
    found, slope, at, value, highest = columns
    given = np.broadcast_to(inputs.given, found.shape)
    rows = np.flatnonzero(~(np.abs(found - at) <= _SETTLED * at))
    for _ in range(_SECANTS):
        before, last = value[rows], at[rows]
        at[rows] = found[rows]
        part = inputs.piece(rows)
        volatile = attrs.evolve(part, given=at[rows] / np.sqrt(part.years))
        value[rows] = by_chunk(volatile, _price_columns, 1, size=CHUNK)[0]
        slope[rows] = (value[rows] - before) / (at[rows] - last)
        to = at[rows] - (value[rows] - given[rows]) / slope[rows]
        found[rows] = np.clip(to, LEAST, highest[rows])
        rows = rows[~(np.abs(found - at)[rows] <= _SETTLED_BY_SECANT * at[rows])]
    for start in range(0, rows.size, CHUNK):
        some = rows[start : start + CHUNK]
        found[some], slope[some] = _halved(Puts.of(inputs.piece(some)), highest[some])
    root = np.sqrt(inputs.years)
    return np.array([found / root, _EPSILON * given / (slope * root)])


def american_implied_volatility(
    price: Numbers,
    *,
    spot: Numbers,
    strike: Numbers,
    years: Numbers,
    right: Rights,
    rate: Numbers = 0.0,
    dividend_yield: Numbers = 0.0,
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
    flat = inputs.flat
    *columns, codes = by_chunk(flat, _implied_columns, 6, size=CHUNK)
    both = np.where(codes == Unsolved.SOLVED, _settled(flat, tuple(columns)), np.nan)
    values, rounding = both.reshape(2, *inputs.shape)
    reasons = codes.astype(np.int8).reshape(inputs.shape)
    found = ImpliedVolatility(values=values, rounding=rounding, reasons=reasons)
    return dividend_volatility(inputs, dividends, found) if dividends else found


@attrs.frozen(kw_only=True, eq=False)
class _Early:
    """What early exercise adds to price, delta and gamma, of shape (rows,), and where it is due."""

    price: Floats
    delta: Floats
    gamma: Floats
    now: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, inputs: Inputs, puts: Puts) -> "_Early":
        value, slope, bend = np.zeros((3, *inputs.shape))
        now = np.zeros(inputs.shape, dtype=np.bool_)
        rows = np.flatnonzero(puts.rate > 0)
        if rows.size:
            deviation = np.clip(inputs.given * np.sqrt(inputs.years), LEAST, MOST)
            terms = PutTerms(
                deviation=np.broadcast_to(deviation, inputs.shape)[rows],
                rate=puts.rate[rows],
                dividend=puts.dividend[rows],
            )
            found = premium_slopes((puts.share / puts.money)[rows], terms, _SHARP)
            value[rows], slope[rows], bend[rows], now[rows] = found.value, found.slope, found.bend, found.now
        share, money = puts.share, puts.money
        call = np.broadcast_to(inputs.sign > 0, inputs.shape)
        # Homogeneous of the first degree in share and money: the slope in one gives that in the other.
        return cls(
            price=money * value,
            delta=np.where(call, value - share / money * slope, slope),
            gamma=np.where(call, (share / money) ** 2 * bend, bend) / money,
            now=now,
        )


def _rate_slope(inputs: Inputs) -> Floats:
    """Change of price a unit of interest, by a central difference; upwards alone next to rates that have no price."""
    higher = attrs.evolve(inputs, rate=inputs.rate + _RATE_BUMP)
    lower = attrs.evolve(inputs, rate=inputs.rate - _RATE_BUMP)
    is_edge = Puts.of(lower).has_two_boundaries
    below = np.where(is_edge, _total(inputs, inputs.given), _total(lower, inputs.given))
    return (_total(higher, inputs.given) - below) / np.where(is_edge, _RATE_BUMP, 2.0 * _RATE_BUMP)


def _volatility_slope(inputs: Inputs) -> Floats:
    """Change of price a unit of volatility, by a central difference."""
    by = _VOLATILITY_BUMP * inputs.given
    return (_total(inputs, inputs.given + by) - _total(inputs, inputs.given - by)) / (2.0 * by)


def _decay(inputs: Inputs, price: Floats, delta: Floats, gamma: Floats) -> Floats:
    """Change of price a year, by the equation that every price not due for exercise obeys."""
    spot, carry = inputs.spot, inputs.rate - inputs.dividend_yield
    return inputs.rate * price - carry * spot * delta - 0.5 * (inputs.given * spot) ** 2 * gamma


def _greek_columns(inputs: Inputs) -> tuple[Floats, ...]:
    puts, european = Puts.of(inputs), greeks_of(greek_columns(inputs))
    early = _Early.of(inputs, puts)
    # Far out of the money a price may be 0, as what exercise brings is: nothing is due there.
    due = (puts.intrinsic > 0) & (early.now | (european.price + early.price <= puts.intrinsic))
    price = np.where(due, puts.intrinsic, european.price + early.price)
    delta = np.where(due, inputs.sign, european.delta + early.delta)
    gamma = np.where(due, 0.0, european.gamma + early.gamma)
    columns = (
        price,
        delta,
        gamma,
        np.where(due, 0.0, _decay(inputs, price, delta, gamma) / _DAYS_A_YEAR),
        np.where(due, 0.0, _volatility_slope(inputs) / _POINTS),
        np.where(due, 0.0, _rate_slope(inputs) / _POINTS),
    )
    return with_reasons(inputs, columns, puts.has_two_boundaries)


@np.errstate(all="ignore")
def _stepped_columns(group: Group) -> tuple[Floats, ...]:
    """Price, delta, gamma, theta, vega and rho of rows with dividends in cash."""
    terms = group.terms
    volatility, spot, rate = terms.volatility[:, 0], terms.spot[:, 0], terms.rate[:, 0]
    at = group.at(volatility)
    by = _STEPPED_VOLATILITY_BUMP * volatility
    vega = (group.at(volatility + by).price - group.at(volatility - by).price) / (2.0 * by)
    rho = group.at_rate(_STEPPED_RATE_BUMP).price - group.at_rate(-_STEPPED_RATE_BUMP).price
    carry = (rate - terms.dividend_yield[:, 0]) * spot * at.delta
    theta = rate * at.price - carry - 0.5 * (volatility * spot) ** 2 * at.gamma
    due = at.price <= terms.exercised(terms.spot)[:, 0]
    return (
        at.price,
        at.delta,
        at.gamma,
        np.where(due, 0.0, theta / _DAYS_A_YEAR),
        np.where(due, 0.0, vega / _POINTS),
        np.where(due, 0.0, rho / (2.0 * _STEPPED_RATE_BUMP * _POINTS)),
    )


def american_greeks(
    volatility: Numbers,
    *,
    spot: Numbers,
    strike: Numbers,
    years: Numbers,
    right: Rights,
    rate: Numbers = 0.0,
    dividend_yield: Numbers = 0.0,
    dividends: Sequence[CashDividend] = (),
) -> GreekColumns:
    """Price and sensitivities of American options.

    Where exercise is due, delta is 1 or -1 and the other sensitivities are 0. Theta is that of the
    moment, between dividends in cash.

    Args:
        volatility: A year, a fraction, above 0.
        spot: Price of the underlying per share, above 0.
        strike: Per share, above 0.
        years: Time to expiry, above 0.
        right: `Right.CALL` or `Right.PUT`, or an array of "C" and "P".
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.
        dividends: In cash, beside the yield; see `american_price`.

    Returns:
        Columns of the inputs' common shape; NaN with a reason where an input is out of its domain, and
        where exercise could pay between two prices and no dividend in cash comes before expiry.

    Raises:
        InvalidInput: The shapes do not fit, or a right is neither call nor put.
    """
    inputs = Inputs.of(volatility, spot, strike, years, right, rate, dividend_yield)
    columns = by_chunk(inputs, _greek_columns, 7, size=CHUNK)
    if dividends:
        columns = _with_dividends(inputs, dividends, columns)
    return greeks_of(columns)


def _with_dividends(
    inputs: Inputs, dividends: Sequence[CashDividend], columns: tuple[Floats, ...]
) -> tuple[Floats, ...]:
    flat = [column.ravel().copy() for column in columns]
    usable = (inputs.flat.reasons() == Unsolved.SOLVED) & (inputs.given > 0)
    for group in dividend_groups(inputs, dividends, usable):
        found = np.array(_stepped_columns(group))
        solved = np.isfinite(found).all(axis=0)
        for target, column in zip(flat, np.where(solved, found, np.nan), strict=False):
            target[group.rows] = column
        flat[-1][group.rows] = np.where(solved, Unsolved.SOLVED, Unsolved.OUT_OF_DOMAIN)
    return tuple(column.reshape(inputs.shape) for column in flat)
