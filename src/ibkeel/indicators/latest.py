"""Indicators of the last bar alone: what a decision asks for in each cycle, over a window in hand.

Each equals the last element of its batch form, within rounding, at a fraction of its cost: an average with
fixed weights is one product, whose weights are the same in every cycle. Nothing is carried from one call to
the next, so that equal windows give equal figures, after a restart too.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import nan
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput
from ibkeel.indicators.smoothing import EVEN, STILL, Floats, checked_period, not_finite

_KEPT: Final = 256  # windows of as many lengths, periods and zones
_HOUR: Final = timedelta(hours=1)
_SECONDS: Final = np.dtype("datetime64[s]")


def last_emas(values: Floats, periods: Sequence[int]) -> list[float]:
    """Exponential moving averages of several periods, each as `ema` has it at the last value.

    Args:
        values: Shape `(n,)`.
        periods: One or more, each above zero.

    Returns:
        One average a period; NaN for a period above n.

    Raises:
        InvalidInput: A value is not finite, or a period not above zero.
    """
    values = np.asarray(values, np.float64)
    count = len(values)
    weights = _ema_weights(count, tuple(periods))
    if not count:
        return [nan for _ in periods]
    first = values.item(0)
    # What is averaged is the distance from the first value: equal values give exactly that value.
    averages: list[float] = weights.dot(values - first).tolist()
    for average in averages:
        if average - average != 0.0:
            raise not_finite(average)
    return [
        first + average if period <= count else nan for period, average in zip(periods, averages, strict=True)
    ]


def last_rsi(closes: Floats, period: int = 14) -> float:
    """Wilder's relative strength index, 0 to 100, as `rsi` has it at the last close.

    Args:
        closes: Shape `(n,)`.
        period: Above zero.

    Returns:
        NaN for fewer than `period + 1` closes; 50 when nothing moved at all.

    Raises:
        InvalidInput: A close is not finite, or the period not above zero.
    """
    closes = np.asarray(closes, np.float64)
    weights = _wilder_weights(len(closes), period)
    if weights is None:
        return nan
    changes = closes[1:] - closes[:-1]
    net, moved = float(changes.dot(weights)), float(np.abs(changes).dot(weights))
    if moved - moved != 0.0:
        raise not_finite(moved)
    return 50.0 * (1.0 + net / moved) if moved > STILL else EVEN


def last_session_vwap(high: Floats, low: Floats, close: Floats, volume: Floats, start: int = 0) -> float:
    """Volume-weighted average of the typical price from a bar on, as `session_vwap` has it at the last bar.

    Args:
        high: Highest prices, shape `(n,)`.
        low: Lowest prices.
        close: Last prices.
        volume: Shares or contracts, 0 or more.
        start: Index of the session's first bar, such as `session_start` gives.

    Returns:
        Per share; NaN while nothing traded.

    Raises:
        InvalidInput: A value is not finite.
    """
    high, low, close, volume = (np.asarray(each, np.float64)[start:] for each in (high, low, close, volume))
    paid, traded = float((high + low + close).dot(volume)), float(np.add.reduce(volume))
    if paid - paid != 0.0 or traded - traded != 0.0:
        raise not_finite(paid, traded)
    return paid / (3.0 * traded) if traded > 0.0 else nan


def session_start(at: npt.NDArray[np.datetime64], timezone: str = "America/New_York") -> int:
    """Index of the first bar of the session that the last bar is of; sessions as `sessions_of` tells them.

    Args:
        at: Instants in UTC, ascending, shape `(n,)`; 0 when there are none.
        timezone: IANA name of the exchange's time zone.
    """
    if not len(at):
        return 0
    seconds = np.asarray(at, _SECONDS)
    first: datetime = seconds.item(0)  # type: ignore[assignment]  # of seconds, an item is an instant
    last: datetime = seconds.item(-1)  # type: ignore[assignment]
    begin = _day_begin(last.replace(minute=0, second=0), timezone)
    return 0 if begin <= first else int(seconds.searchsorted(np.datetime64(begin, "s")))


@lru_cache(maxsize=_KEPT)
def _ema_weights(count: int, periods: tuple[int, ...]) -> Floats:
    """One row a period, of one weight a value; zeros where there are too few."""
    rows = np.zeros((len(periods), count))
    for row, period in zip(rows, periods, strict=True):
        if checked_period(period) <= count:
            row[:] = _weights(count, period, 2.0 / (period + 1))
    return rows


@lru_cache(maxsize=_KEPT)
def _wilder_weights(count: int, period: int) -> Floats | None:
    """One weight a change; None for too few."""
    checked_period(period)
    return _weights(count - 1, period, 1.0 / period) if count > period else None


def _weights(count: int, period: int, weight: float) -> Floats:
    """What each value counts in a smoothing that begins with the mean of the first `period`."""
    decay = 1.0 - weight
    steps = count - period
    later = weight * decay ** np.arange(steps - 1, -1, -1)
    return np.concatenate((np.full(period, decay**steps / period), later))


@lru_cache(maxsize=_KEPT)
def _day_begin(hour: datetime, timezone: str) -> datetime:
    """The first full hour, in UTC, of the local day that an hour is of."""
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError) as error:
        raise InvalidInput(f"timezone is {timezone!r}; valid: an IANA name") from error
    day = hour.replace(tzinfo=UTC).astimezone(zone).date()
    begin = hour
    while (begin - _HOUR).replace(tzinfo=UTC).astimezone(zone).date() == day:
        begin -= _HOUR
    return begin
