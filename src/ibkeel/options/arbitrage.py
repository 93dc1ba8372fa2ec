"""Where a fitted smile, or two of them, contradict each other."""

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt
from typing_extensions import override

from ibkeel.options.inputs import Floats
from ibkeel.options.smile import Smile

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


def butterfly_warnings(smile: Smile) -> tuple[ArbitrageWarning, ...]:
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


def calendar_warnings(near: Smile, far: Smile) -> tuple[ArbitrageWarning, ...]:
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
