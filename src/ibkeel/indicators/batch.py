"""Indicators over whole columns: floats of shape `(n,)` in, the same shape out, NaN while warming up."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput
from ibkeel.indicators.checks import as_column, as_columns, checked_period
from ibkeel.indicators.streaming import strength

__all__ = ["atr", "ema", "rsi", "session_vwap", "sessions_of", "sma"]

Floats = npt.NDArray[np.float64]


def _unknown(length: int) -> Floats:
    return np.full(length, np.nan)


def sma(values: npt.ArrayLike, period: int) -> Floats:
    """Simple moving average; the first `period - 1` values are NaN.

    Raises:
        InvalidInput: A value is not finite, or the period not above zero.
    """
    column, result = as_column(values), _unknown(np.size(values))
    if len(column) >= checked_period(period):
        windows = np.lib.stride_tricks.sliding_window_view(column, period)
        result[period - 1 :] = windows.mean(axis=1)
    return result


def _smoothed(column: Floats, period: int, weight: float) -> Floats:
    """Exponential smoothing seeded with the mean of the first `period` values."""
    result = _unknown(len(column))
    if len(column) < period:
        return result
    average = sum(column[:period].tolist()) / period
    result[period - 1] = average
    rest = []
    for value in column[period:].tolist():
        average += weight * (value - average)
        rest.append(average)
    result[period:] = rest
    return result


def ema(values: npt.ArrayLike, period: int) -> Floats:
    """Exponential moving average with weight 2 / (period + 1), seeded with a simple average.

    The first `period - 1` values are NaN; value `period - 1` is the simple average.

    Raises:
        InvalidInput: A value is not finite, or the period not above zero.
    """
    return _smoothed(as_column(values), checked_period(period), 2.0 / (period + 1))


def rsi(closes: npt.ArrayLike, period: int = 14) -> Floats:
    """Relative strength index, 0 to 100; the first `period` values are NaN.

    Averages of gains and losses start as plain means of the first `period` changes. 50 when
    nothing moved at all: neither side was stronger.

    Raises:
        InvalidInput: A value is not finite, or the period not above zero.

    Source:
        J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """
    column = as_column(closes)
    change = np.diff(column)
    weight = 1.0 / checked_period(period)
    gains = _smoothed(np.maximum(change, 0.0), period, weight)
    losses = _smoothed(np.maximum(-change, 0.0), period, weight)
    result = _unknown(len(column))
    known = ~np.isnan(gains)
    pairs = zip(gains[known].tolist(), losses[known].tolist(), strict=True)
    result[1:][known] = [strength(gain, loss) for gain, loss in pairs]
    return result


def atr(high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike, period: int = 14) -> Floats:
    """Average true range, per share, smoothed as Wilder did; the first `period` values are NaN.

    The first bar has no previous close, so its range is left out of the first average.

    Raises:
        InvalidInput: A value is not finite, lengths differ, or the period is not above zero.

    Source:
        J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """
    highs, lows, closes = as_columns(high, low, close)
    result = _unknown(len(highs))
    if len(highs):
        reach = np.maximum(highs[1:], closes[:-1]) - np.minimum(lows[1:], closes[:-1])
        result[1:] = _smoothed(reach, checked_period(period), 1.0 / period)
    return result


def sessions_of(at: npt.NDArray[np.datetime64], timezone: str = "America/New_York") -> npt.NDArray[np.int64]:
    """Number of the local calendar day of each instant: equal within a session, ascending.

    Args:
        at: Instants in UTC, shape `(n,)`.
        timezone: IANA name of the exchange's time zone.
    """
    zone = ZoneInfo(timezone)
    hours, position = np.unique(at.astype("datetime64[h]"), return_inverse=True)
    days = [
        datetime.fromtimestamp(hour * 3600, UTC).astimezone(zone).toordinal()
        for hour in hours.astype(np.int64).tolist()
    ]
    return np.array(days, dtype=np.int64)[position]


def session_vwap(
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    volume: npt.ArrayLike,
    sessions: npt.ArrayLike,
) -> Floats:
    """Volume-weighted average of the typical price since each session began.

    Args:
        high: Highest prices, shape `(n,)`.
        low: Lowest prices.
        close: Last prices.
        volume: Shares or contracts, 0 or more.
        sessions: Label of each bar's session, such as `sessions_of` gives.

    Returns:
        Per share, shape `(n,)`; NaN until something traded in the session.

    Raises:
        InvalidInput: A value is not finite, a volume negative, or lengths differ.
    """
    highs, lows, closes, volumes, labels = as_columns(high, low, close, volume, sessions)
    if (volumes < 0).any():
        raise InvalidInput("volume holds a negative number; valid: 0 or more")
    result = _unknown(len(highs))
    starts = np.flatnonzero(np.diff(labels, prepend=np.nan) != 0)
    for start, end in pairwise([*starts.tolist(), len(highs)]):
        part = slice(start, end)
        typical = (highs[part] + lows[part] + closes[part]) / 3.0
        traded = np.cumsum(volumes[part])
        paid = np.cumsum(typical * volumes[part])
        np.divide(paid, traded, out=result[part], where=traded > 0)
    return result
