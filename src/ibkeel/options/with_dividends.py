"""The rows of a chain that live to see a dividend in cash."""

from collections.abc import Iterator, Sequence
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.boundary import LEAST, MOST
from ibkeel.options.greeks import ImpliedVolatility, implied_greeks
from ibkeel.options.inputs import CashDividend, Floats, Inputs, Unsolved, ascending, escrowed_spot
from ibkeel.options.stepping import Stepped, Terms, stepped

Indices = npt.NDArray[np.intp]

# 64 rows of 201 nodes stay in the second-level cache.
_ROWS: Final = 64
_EPSILON: Final = float(np.finfo(np.float64).eps)
_ROUNDING: Final = 8 * _EPSILON
_MOST_STEPS: Final = 30
# Of the volatility; the price itself is not known better.
_SMALL_MOVE: Final = 1e-8
_SMALL_MISS: Final = 1e-8
_TINY: Final = 1e-300
# Of the strike: less time value than this is lost in the grid's own error.
_RESOLVED: Final = 1e-6
# Deviations: the most that is searched.
_HIGHEST: Final = 5.0
_POINTS: Final = 100.0
# Where the European option has no volatility, or hardly feels it.
_LEAST_SLOPE: Final = 1e-3
_LOWEST_START: Final = 0.01
_ANY_START: Final = 0.3
_ANY_SLOPE: Final = 0.2


@attrs.frozen(kw_only=True, eq=False)
class Group:
    """Rows of one expiry, by their place in the chain, with the dividends before it, ascending."""

    rows: Indices
    terms: Terms
    dividends: tuple[CashDividend, ...]

    def at(self, volatility: Floats) -> Stepped:
        """Values at other volatilities, of shape (rows,)."""
        least, most = LEAST / np.sqrt(self.terms.years), MOST / np.sqrt(self.terms.years)
        clipped = np.clip(volatility, least, most)[:, np.newaxis]
        return stepped(attrs.evolve(self.terms, volatility=clipped), self.dividends)

    def at_rate(self, change: float) -> Stepped:
        """Values with another rate of interest."""
        return stepped(attrs.evolve(self.terms, rate=self.terms.rate + change), self.dividends)


def dividend_groups(
    inputs: Inputs, dividends: Sequence[CashDividend], usable: npt.NDArray[np.bool_]
) -> Iterator[Group]:
    """The usable rows that outlive the first dividend, by expiry, in pieces that fit the cache."""
    known = tuple(one for one in ascending(dividends) if one.amount > 0)
    if not known:
        return
    years = np.broadcast_to(inputs.years, (inputs.size,))
    touched = usable.ravel() & (years > known[0].years)
    for until in np.unique(years[touched]).tolist():
        rows = np.flatnonzero(touched & (years == until))
        for start in range(0, rows.size, _ROWS):
            yield _group(inputs, rows[start : start + _ROWS], until, known)


def _group(inputs: Inputs, rows: Indices, years: float, known: tuple[CashDividend, ...]) -> Group:
    def pick(column: Floats) -> Floats:
        return np.broadcast_to(column, (inputs.size,))[rows][:, np.newaxis]

    volatility = np.clip(pick(inputs.given), LEAST / years**0.5, MOST / years**0.5)
    terms = Terms(
        sign=pick(inputs.sign),
        volatility=volatility,
        spot=pick(inputs.spot),
        strike=pick(inputs.strike),
        rate=pick(inputs.rate),
        dividend_yield=pick(inputs.dividend_yield),
        years=years,
    )
    return Group(rows=rows, terms=terms, dividends=tuple(one for one in known if one.years < years))


def dividend_price(inputs: Inputs, dividends: Sequence[CashDividend], without: Floats) -> Floats:
    """Prices, given those without dividends in cash."""
    found = without.ravel().copy()
    usable = inputs.flat.reasons() == Unsolved.SOLVED
    for group in dividend_groups(inputs, dividends, usable):
        found[group.rows] = group.at(group.terms.volatility[:, 0]).price
    return found.reshape(inputs.shape)


def dividend_volatility(
    inputs: Inputs, dividends: Sequence[CashDividend], without: ImpliedVolatility
) -> ImpliedVolatility:
    """Implied volatilities, given those without dividends in cash."""
    values, rounding = without.values.ravel().copy(), without.rounding.ravel().copy()
    reasons = without.reasons.ravel().copy()
    given = np.broadcast_to(inputs.given, (inputs.size,))
    usable = inputs.flat.reasons() == Unsolved.SOLVED
    for group in dividend_groups(inputs, dividends, usable):
        rows = group.rows
        values[rows], rounding[rows], reasons[rows] = _solve(group, given[rows])
    return ImpliedVolatility(
        values=values.reshape(inputs.shape),
        rounding=rounding.reshape(inputs.shape),
        reasons=reasons.reshape(inputs.shape),
    )


@attrs.frozen(kw_only=True, eq=False)
class _Search:
    """A secant on the logarithm of time value, kept between a volatility too low and one too high.

    Time value rises with volatility, but there is none where exercise is due: there the middle is tried.
    """

    low: Floats
    high: Floats
    at: Floats
    slope: Floats
    last: tuple[Floats, Floats] | None = None
    is_open: npt.NDArray[np.bool_]
    steps: int = 0

    def after(self, miss: Floats, is_near: npt.NDArray[np.bool_]) -> "_Search":
        """One step on, given how far the logarithm at `at` is too high, and whether that will do."""
        low, high = np.where(miss < 0, self.at, self.low), np.where(miss < 0, self.high, self.at)
        slope = self.slope
        if self.last is not None:
            at, missed = self.last
            steeper = (miss - missed) / np.where(self.at == at, np.nan, self.at - at)
            slope = np.where(steeper > 0, steeper, slope)
        is_open = self.is_open & ~is_near & (high - low > _SMALL_MOVE * self.at)
        guess = self.at - miss / slope
        guess = np.where((guess > low) & (guess < high), guess, 0.5 * (low + high))
        return _Search(
            low=low,
            high=high,
            at=np.where(is_open, guess, self.at),
            slope=slope,
            last=(self.at, miss),
            is_open=is_open,
            steps=self.steps + 1,
        )


def _solve(group: Group, given: Floats) -> tuple[Floats, Floats, npt.NDArray[np.int8]]:
    """Volatility, its rounding and the reason of each row, from the escrowed European volatility on."""
    with np.errstate(all="ignore"):
        reasons, search, slope = _search(group, given)
        reasons = np.where(search.is_open | ~np.isfinite(search.at), np.int8(Unsolved.NOT_FOUND), reasons)
        solved = reasons == Unsolved.SOLVED
        rounding = _EPSILON * given / slope
    return np.where(solved, search.at, np.nan), np.where(solved, rounding, np.nan), reasons


def _search(group: Group, given: Floats) -> tuple[npt.NDArray[np.int8], _Search, Floats]:
    """The first verdict on each row, where the search ended, and the slope of the price there."""
    root = group.terms.years**0.5
    low, high = np.full(given.size, LEAST / root), np.full(given.size, _HIGHEST / root)
    reasons = _reasons(group, given, low, high)
    intrinsic = np.maximum(group.terms.exercised(group.terms.spot)[:, 0], 0.0)
    wanted = np.maximum(given - intrinsic, _TINY)
    at, slope = _start(group, given)
    search = _Search(low=low, high=high, at=at, slope=slope / wanted, is_open=reasons == Unsolved.SOLVED)
    while search.is_open.any() and search.steps < _MOST_STEPS:
        price = group.at(search.at).price
        miss = np.log(np.maximum(price - intrinsic, 0.0) / wanted)
        search = search.after(miss, np.abs(price - given) <= _SMALL_MISS * given)
    return reasons, search, search.slope * wanted


def _start(group: Group, given: Floats) -> tuple[Floats, Floats]:
    """Volatility and its slope for the European option on the spot less the dividends' present value."""
    terms = group.terms
    left = escrowed_spot(terms.spot, group.dividends, years=terms.years, rate=terms.rate)[:, 0]
    found = implied_greeks(
        given,
        spot=left,
        strike=terms.strike[:, 0],
        years=terms.years,
        right=terms.rights[:, 0],
        rate=terms.rate[:, 0],
        dividend_yield=terms.dividend_yield[:, 0],
    )
    slope = found.greeks.vega * _POINTS
    at = np.clip(found.volatility.values, _LOWEST_START, _HIGHEST / terms.years**0.5)
    usable = slope > _LEAST_SLOPE * terms.strike[:, 0]
    share = terms.spot[:, 0] * terms.years**0.5
    return np.where(usable, at, _ANY_START), np.where(usable, slope, _ANY_SLOPE * share)


def _reasons(group: Group, given: Floats, low: Floats, high: Floats) -> npt.NDArray[np.int8]:
    terms = group.terms
    below, above = group.at(low).price - given, group.at(high).price - given
    intrinsic = np.maximum(terms.exercised(terms.spot)[:, 0], 0.0)
    lost = given - intrinsic <= _RESOLVED * terms.strike[:, 0]
    why = np.select(
        [given < intrinsic * (1.0 - _ROUNDING), (below >= 0) | lost, above <= 0],
        [Unsolved.BELOW_INTRINSIC, Unsolved.NO_TIME_VALUE, Unsolved.ABOVE_MAXIMUM],
        Unsolved.SOLVED,
    )
    return why.astype(np.int8)
