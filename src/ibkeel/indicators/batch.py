"""Indicators over whole columns: floats of shape `(n,)` in, the same shape out, NaN while warming up."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput
from ibkeel.indicators.smoothing import (
    Floats,
    as_column,
    as_columns,
    checked_period,
    checked_positive,
    smoothed,
    wilder_strength,
)

_BLOCK: Final = 8192  # values at a time: what is made of them stays in the processor's cache


class Bands(NamedTuple):
    """Bollinger bands, per share: arrays of shape `(n,)`, each NaN while warming up."""

    lower: Floats
    middle: Floats
    upper: Floats


def sma(values: npt.ArrayLike, period: int) -> Floats:
    """Simple moving average; the first `period - 1` values are NaN.

    Raises:
        InvalidInput: A value is not finite, or the period not above zero.
    """
    return _filled(as_column(values), checked_period(period), _means)


def volume_mean(volumes: npt.ArrayLike, period: int) -> Floats:
    """Mean volume of the last `period` bars, the present one included; NaN for the first `period - 1`.

    A rule that holds a bar's volume against the mean of the bars before it looks at the element
    before: `volumes[1:] / volume_mean(volumes, period)[:-1]`.

    Raises:
        InvalidInput: A volume is negative or not finite, or the period not above zero.
    """
    return _filled(_not_negative(as_column(volumes)), checked_period(period), _means)


def rolling_high(values: npt.ArrayLike, period: int) -> Floats:
    """Greatest of the last `period` values, the present one included; NaN for the first `period - 1`.

    Raises:
        InvalidInput: A value is not finite, or the period not above zero.
    """
    return _extreme(as_column(values), checked_period(period), np.maximum)


def rolling_low(values: npt.ArrayLike, period: int) -> Floats:
    """Least of the last `period` values, the present one included; NaN for the first `period - 1`.

    Raises:
        InvalidInput: A value is not finite, or the period not above zero.
    """
    return _extreme(as_column(values), checked_period(period), np.minimum)


def ema(values: npt.ArrayLike, period: int) -> Floats:
    """Exponential moving average with weight 2 / (period + 1), seeded with a simple average.

    The first `period - 1` values are NaN; value `period - 1` is the simple average.

    Raises:
        InvalidInput: A value is not finite, or the period not above zero.
    """
    return smoothed(as_column(values), checked_period(period), 2.0 / (period + 1))


def rsi(closes: npt.ArrayLike, period: int = 14) -> Floats:
    """Relative strength index, 0 to 100; the first `period` values are NaN.

    Averages of gains and losses start as plain means of the first `period` changes. 50 when
    nothing moved at all: neither side was stronger.

    Raises:
        InvalidInput: A value is not finite, or the period not above zero.

    Source:
        J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """
    return wilder_strength(as_column(closes), checked_period(period))


def atr(high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike, period: int = 14) -> Floats:
    """Average true range, per share, smoothed as Wilder did; the first `period` values are NaN.

    The first bar has no previous close, so its range is left out of the first average.

    Raises:
        InvalidInput: A value is not finite, lengths differ, or the period is not above zero.

    Source:
        J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """
    top, bottom, closes = as_columns(high, low, close)
    if not len(top):
        return np.empty(0)
    reach = np.empty(len(top) - 1)
    for first in range(0, len(reach), _BLOCK):
        last = min(first + _BLOCK, len(reach))
        part, before = reach[first:last], closes[first:last]
        np.maximum(top[first + 1 : last + 1], before, out=part)
        part -= np.minimum(bottom[first + 1 : last + 1], before)
    return smoothed(reach, checked_period(period), 1.0 / period, skip=1)


def bollinger(values: npt.ArrayLike, period: int = 20, width: float = 2.0) -> Bands:
    """Simple moving average and, on either side of it, `width` population standard deviations.

    Args:
        values: Prices, shape `(n,)`.
        period: Bars of the average and of the deviation.
        width: Standard deviations from the middle to each band, above 0.

    Raises:
        InvalidInput: A value is not finite, or period or width are not above zero.

    Source:
        J. Bollinger, Bollinger on Bollinger Bands, 2001.
    """
    column = as_column(values)
    middle = _filled(column, checked_period(period), _means)
    reach = deviations(column, period, 0) * checked_positive("width", width)
    return Bands(middle - reach, middle, middle + reach)


def realised_volatility(closes: npt.ArrayLike, period: int, *, bars_a_year: float) -> Floats:
    """Annualised standard deviation of log returns; the first `period` values are NaN.

    Args:
        closes: Prices above 0, shape `(n,)`.
        period: Returns to look at, 2 or more; the deviation is that of a sample.
        bars_a_year: 252 for daily bars, 252 x 390 for one-minute bars of regular hours.

    Returns:
        Fractions a year: 0.25 is 25 %.

    Raises:
        InvalidInput: A close is not above 0, or period or `bars_a_year` are out of range.
    """
    column = as_column(closes)
    if (column <= 0).any():
        raise InvalidInput("closes hold a number that is not above 0: it has no logarithm")
    result = np.full(len(column), np.nan)
    checked_period(period, least=2)
    scale = float(np.sqrt(checked_positive("bars_a_year", bars_a_year)))
    if len(column):
        result[1:] = deviations(np.log(column[1:] / column[:-1]), period, 1) * scale
    return result


def sessions_of(at: npt.NDArray[np.datetime64], timezone: str = "America/New_York") -> npt.NDArray[np.int64]:
    """Number of the local calendar day of each instant: equal within a session, ascending.

    Args:
        at: Instants in UTC, shape `(n,)`.
        timezone: IANA name of the exchange's time zone.
    """
    zone = ZoneInfo(timezone)
    # Zones differ by multiples of a quarter of an hour, and days begin with one of them.
    quarters, position = np.unique(np.asarray(at, "datetime64[15m]"), return_inverse=True)
    days = [
        datetime.fromtimestamp(quarter * 900, UTC).astimezone(zone).toordinal()
        for quarter in quarters.astype(np.int64).tolist()
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
    top, bottom, closes, volumes, labels = as_columns(high, low, close, volume, sessions)
    traded = _not_negative(volumes).copy()
    paid = (top + bottom + closes) / 3.0 * traded
    starts = np.flatnonzero(np.diff(labels, prepend=np.nan) != 0)
    for start, end in pairwise([*starts.tolist(), len(top)]):
        traded[start:end].cumsum(out=traded[start:end])
        paid[start:end].cumsum(out=paid[start:end])
    result = np.full(len(top), np.nan)
    np.divide(paid, traded, out=result, where=traded > 0)
    return result


def _not_negative(volumes: Floats) -> Floats:
    if (volumes < 0).any():
        raise InvalidInput("volume holds a negative number; valid: 0 or more")
    return volumes


def _blocks(column: Floats, period: int) -> Iterator[tuple[Floats, slice]]:
    """Overlapping parts of the column, and where in the result their windows end."""
    width = max(_BLOCK, 4 * period)
    for first in range(0, len(column) - period + 1, width):
        block = column[first : first + width + period - 1]
        yield block, slice(first + period - 1, first + len(block))


def _filled(column: Floats, period: int, windowed: Callable[[Floats, int], Floats]) -> Floats:
    result = np.full(len(column), np.nan)
    for block, ends in _blocks(column, period):
        result[ends] = windowed(block, period)
    return result


def _extreme(column: Floats, period: int, greater: "np.ufunc") -> Floats:
    return _filled(column, period, lambda block, span: _extremes(block, span, greater))


def deviations(column: Floats, period: int, freedom: int) -> Floats:
    """Standard deviation of each window over `period - freedom`; NaN before the first whole one."""

    def windowed(block: Floats, span: int) -> Floats:
        return np.asarray(np.sqrt(_squares(block, span) / (span - freedom)), dtype=np.float64)

    return _filled(column, period, windowed)


def _means(block: Floats, period: int) -> Floats:
    count = len(block) - period + 1
    level, size, covered, total = block, 1, 0, np.zeros(count)
    while True:
        if period & size:
            total += level[covered : covered + count]
            covered += size
        if covered == period:
            total /= period
            return total
        level = level[:-size] + level[size:]
        size *= 2


def _extremes(block: Floats, period: int, greater: "np.ufunc") -> Floats:
    """Two windows of a power of two cover each window; that they overlap does not matter."""
    count = len(block) - period + 1
    level, size = block, 1
    while 2 * size <= period:
        level = greater(level[:-size], level[size:])
        size *= 2
    return np.asarray(greater(level[:count], level[period - size : period - size + count]))


def _squares(block: Floats, period: int) -> Floats:
    """Sum of squared distances from each window's mean, of which no part is negative.

    Source: T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm
    for computing sample variances" (1979).
    """
    count = len(block) - period + 1
    sums, spread, size = block - block[0], np.zeros(len(block)), 1
    total, apart, covered = np.zeros(count), np.zeros(count), 0
    while True:
        if period & size:
            part = slice(covered, covered + count)
            if covered:
                gap = sums[part] / size - total / covered
                apart += gap * gap * (covered * size / (covered + size))
            apart += spread[part]
            total += sums[part]
            covered += size
        if covered == period:
            return apart
        gap = sums[size:] - sums[:-size]
        spread = spread[:-size] + spread[size:] + gap * gap / (2 * size)
        sums = sums[:-size] + sums[size:]
        size *= 2
