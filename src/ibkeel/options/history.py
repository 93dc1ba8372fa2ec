"""Where today's implied volatility stands among those of the past."""

from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput

_FEWEST: Final = 20


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


def volatility_standing(
    current: float, history: npt.ArrayLike, *, fewest: int = _FEWEST
) -> VolatilityStanding:
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
