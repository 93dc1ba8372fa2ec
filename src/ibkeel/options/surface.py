"""The volatility surface: smiles of several expiries, what lies between, and where they contradict each other.

And where today's volatility stands among those of the past.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt
from typing_extensions import override

from ibkeel.errors import InvalidInput
from ibkeel.options.inputs import Floats, Numbers
from ibkeel.options.smile import ExpectedMove, Smile

_FEWEST: Final = 20
_PLACES: Final = 401
# Less than these is the fit's own doubt.
_LEAST_DENSITY: Final = -0.05
_LEAST_VOLATILITY: Final = 1e-4


class ArbitrageKind(StrEnum):
    """What could be had for nothing."""

    BUTTERFLY = "butterfly"
    CALENDAR = "calendar"


@attrs.frozen(kw_only=True)
class ArbitrageWarning:
    """A range of strikes in which the surface contradicts itself.

    Args:
        kind: BUTTERFLY: the smile implies a probability below 0. CALENDAR: less total variance for more
            time.
        expiry: Of the smile; of a calendar the later one.
        low: Strike at which the range begins.
        high: Strike at which it ends.
        worst: BUTTERFLY: the lowest ratio of the implied density to the lognormal one. CALENDAR: by how
            much the later volatility is too low, a fraction.
    """

    kind: ArbitrageKind
    expiry: date
    low: float
    high: float
    worst: float

    @override
    def __str__(self) -> str:
        what = "density ratio" if self.kind is ArbitrageKind.BUTTERFLY else "volatility too low by"
        return f"{self.kind.value} {self.expiry}: strikes {self.low:.2f} to {self.high:.2f}, {what} {self.worst:.4f}"


@attrs.frozen(kw_only=True)
class TermPoint:
    """One expiry of the term structure.

    Args:
        expiry: Expiration date.
        years: To expiry.
        forward: Per share.
        atm_volatility: At the forward, a fraction; NaN when it is not covered.
        forward_volatility: Of the time since the expiry before, which has to pass first; NaN when total
            variance falls.
        move: How far the underlying is expected to go.
    """

    expiry: date
    years: float
    forward: float
    atm_volatility: float
    forward_volatility: float
    move: ExpectedMove


def _by_time(smiles: Iterable[Smile]) -> tuple[Smile, ...]:
    return tuple(sorted(smiles, key=lambda smile: smile.years))


@attrs.frozen(kw_only=True, eq=False)
class Surface:
    """Implied volatility by strike and time.

    Between two expiries, total variance at one ln(strike / forward) grows in proportion to time. Before
    the first and after the last there is no number unless asked for by `extrapolate=True`; then the
    nearest smile's volatilities are used.

    Args:
        smiles: One an expiry, in any order; kept by time.

    Raises:
        InvalidInput: No smile, or two with the same time to expiry.
    """

    smiles: tuple[Smile, ...] = attrs.field(converter=_by_time)

    def __attrs_post_init__(self) -> None:
        times = [smile.years for smile in self.smiles]
        if not times or len(set(times)) != len(times):
            raise InvalidInput(f"smiles with times to expiry {times}; valid: one or more, each another")

    def smile(self, expiry: date) -> Smile:
        """The smile of an expiry.

        Raises:
            InvalidInput: There is none.
        """
        for smile in self.smiles:
            if smile.expiry == expiry:
                return smile
        known = ", ".join(str(smile.expiry) for smile in self.smiles)
        raise InvalidInput(f"no smile of {expiry}; valid: {known}")

    def term_structure(self) -> tuple[TermPoint, ...]:
        """Volatility at the forward, by expiry."""
        variance = np.array([smile.atm_volatility**2 * smile.years for smile in self.smiles])
        years = np.array([smile.years for smile in self.smiles])
        with np.errstate(invalid="ignore"):
            between = np.sqrt(np.diff(variance, prepend=0.0) / np.diff(years, prepend=0.0))
        return tuple(
            TermPoint(
                expiry=smile.expiry,
                years=smile.years,
                forward=smile.forward,
                atm_volatility=smile.atm_volatility,
                forward_volatility=ahead,
                move=smile.expected_move,
            )
            for smile, ahead in zip(self.smiles, between.tolist(), strict=True)
        )

    def forward(self, years: npt.ArrayLike) -> Floats:
        """Forward at any time, its logarithm straight between expiries, the spot at 0.

        After the last expiry it grows as between the last two known.
        """
        first = self.smiles[0]
        times = np.array([0.0, *(smile.years for smile in self.smiles)])
        logs = np.log([first.spot, *(smile.forward for smile in self.smiles)])
        given = np.asarray(years, dtype=np.float64)
        pace = (logs[-1] - logs[-2]) / (times[-1] - times[-2])
        beyond = pace * np.maximum(given - times[-1], 0.0)
        return np.asarray(np.exp(np.interp(given, times, logs) + beyond))

    def volatility(self, strike: Numbers, years: Numbers, *, extrapolate: bool = False) -> Floats:
        """Implied volatility at any strike and time.

        Args:
            strike: Per share, above 0.
            years: To expiry, above 0.
            extrapolate: Whether to answer beyond the quoted strikes and expiries, too.

        Returns:
            Fractions, of the inputs' common shape; NaN beyond what is quoted, unless extrapolated, and
            where a strike is not above 0. A point between two expiries needs both of their smiles.
        """
        strikes, times = np.broadcast_arrays(
            np.asarray(strike, dtype=np.float64), np.asarray(years, dtype=np.float64)
        )
        moneyness = np.log(np.where(strikes > 0, strikes, np.nan) / self.forward(times))
        known = np.array([smile.years for smile in self.smiles])
        clipped = np.clip(times, known[0], known[-1])
        later = np.clip(np.searchsorted(known, clipped), min(1, known.size - 1), known.size - 1)
        variance = np.full(strikes.shape, np.nan)
        for index in np.unique(later).tolist():
            rows = later == index
            variance[rows] = self._between(
                max(index - 1, 0), index, moneyness[rows], clipped[rows], extrapolate
            )
        found = np.sqrt(variance / clipped)
        return found if extrapolate else np.where(times == clipped, found, np.nan)

    def _between(
        self, earlier: int, later: int, moneyness: Floats, years: Floats, extrapolate: bool
    ) -> Floats:
        """Total variance at a time from that of one expiry to that of the next."""
        near, far = self.smiles[earlier], self.smiles[later]
        first = near.volatility_at(moneyness, extrapolate=extrapolate) ** 2 * near.years
        if earlier == later:
            return first
        last = far.volatility_at(moneyness, extrapolate=extrapolate) ** 2 * far.years
        part = (years - near.years) / (far.years - near.years)
        # At an expiry itself the other smile has no say, not even by a strike that it lacks.
        mixed = np.where(part == 0, first, np.where(part == 1, last, (1 - part) * first + part * last))
        return np.asarray(mixed)

    def warnings(self) -> tuple[ArbitrageWarning, ...]:
        """Where the fitted surface would let somebody profit without risk, butterflies first.

        It is the curve that is judged, at mid: the market's own quotes may well leave no profit.
        """
        found = [warning for smile in self.smiles for warning in _butterfly_warnings(smile)]
        for near, far in pairwise(self.smiles):
            found += _calendar_warnings(near, far)
        return tuple(found)


def _butterfly_warnings(smile: Smile) -> tuple[ArbitrageWarning, ...]:
    """Ranges in which the smile implies a probability below 0.

    Source:
        V. Durrleman, From implied to spot volatilities, 2004; J. Gatheral, A. Jacquier, Arbitrage-free
        SVI volatility surfaces, 2014, Lemma 2.2.
    """
    places = np.linspace(smile.curve.x[0], smile.curve.x[-1], _PLACES)
    variance, slope, bend = smile.curve.at(places)
    ratio = (1 - places * slope / (2 * variance)) ** 2 - slope**2 / 4 * (1 / variance + 0.25) + bend / 2
    return tuple(
        ArbitrageWarning(
            kind=ArbitrageKind.BUTTERFLY,
            expiry=smile.expiry,
            low=smile.forward * float(np.exp(places[rows[0]])),
            high=smile.forward * float(np.exp(places[rows[-1]])),
            worst=float(ratio[rows].min()),
        )
        for rows in _runs(ratio < _LEAST_DENSITY)
    )


def _calendar_warnings(near: Smile, far: Smile) -> tuple[ArbitrageWarning, ...]:
    """Ranges, at strikes in proportion to the forwards, in which later options have less variance."""
    low = max(near.curve.x[0], far.curve.x[0])
    high = min(near.curve.x[-1], far.curve.x[-1])
    if low >= high:
        return ()
    places = np.linspace(low, high, _PLACES)
    lacking: Floats = np.sqrt(near.total_variance(places) / far.years)
    lacking -= np.sqrt(far.total_variance(places) / far.years)
    return tuple(
        ArbitrageWarning(
            kind=ArbitrageKind.CALENDAR,
            expiry=far.expiry,
            low=far.forward * float(np.exp(places[rows[0]])),
            high=far.forward * float(np.exp(places[rows[-1]])),
            worst=float(lacking[rows].max()),
        )
        for rows in _runs(lacking > _LEAST_VOLATILITY)
    )


def _runs(wrong: npt.NDArray[np.bool_]) -> Iterator[npt.NDArray[np.intp]]:
    """Stretches of neighbours."""
    rows = np.flatnonzero(wrong)
    if rows.size:
        yield from np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)


@attrs.frozen(kw_only=True)
class VolatilityStanding:
    """Today's implied volatility among those of the past.

    Args:
        rank: Where it lies between the lowest and the highest: 0 at the low, 1 at the high; below 0 or
            above 1 on a day that goes beyond. One spike in the history presses all other days to 0.
        percentile: Share of the past days that were lower, from 0 to 1. A spike is one day among many.
        low: Lowest of the past.
        high: Highest of the past.
        days: How many past days had a value.
    """

    rank: float
    percentile: float
    low: float
    high: float
    days: int


def volatility_standing(current: float, history: Numbers, *, fewest: int = _FEWEST) -> VolatilityStanding:
    """IV rank and IV percentile.

    Args:
        current: Today's volatility, in the unit of the history.
        history: One value a past day, in any order, today left out; a year of them (252) is usual. NaN
            is a day without a value: it plays no part.
        fewest: How many values the history must hold.

    Returns:
        Rank and percentile.

    Raises:
        InvalidInput: Too few values, all alike, or `current` is no number above 0.

    Examples:
        >>> volatility_standing(0.25, [0.125, 0.25, 0.375], fewest=3).rank
        0.5
    """
    past = np.asarray(history, dtype=np.float64).ravel()
    past = past[~np.isnan(past)]
    if not (np.isfinite(current) and current > 0):
        raise InvalidInput(f"current volatility is {current!r}; valid: a finite number above 0")
    if past.size < max(fewest, 1) or not np.isfinite(past).all():
        raise InvalidInput(
            f"the history holds {past.size} values; valid: {fewest} or more, finite (NaN is left out)"
        )
    low, high = float(past.min()), float(past.max())
    if low == high:
        raise InvalidInput(f"all {past.size} values of the history are {low}; a rank needs a range")
    return VolatilityStanding(
        rank=(current - low) / (high - low),
        percentile=float((past < current).mean()),
        low=low,
        high=high,
        days=past.size,
    )
