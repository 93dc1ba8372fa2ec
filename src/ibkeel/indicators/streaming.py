"""Indicators one bar at a time; None while warming up. Most take constant memory, some keep their window.

An `update` in constant memory is written out in full: a call would cost more than its arithmetic. What it
carries on is NaN while warming up, so that one test, whether a number less itself is 0, finds both a bar
that comes too early and a number that is not finite. Those that look at every bar of their window anew are
exact, in O(period) a bar.
"""

from collections import deque
from itertools import pairwise
from math import fsum, isfinite, log, nan, sqrt
from typing import NamedTuple

from typing_extensions import override

from ibkeel.errors import InvalidInput
from ibkeel.indicators.smoothing import (
    EVEN,
    STILL,
    checked_period,
    checked_positive,
    not_finite,
    seed_of,
    strength,
)


class Sma:
    """Simple moving average of the last `period` values."""

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self._window = [0.0] * self.period  # a ring, gone round backwards
        self._place = self.period - 1
        self._sum = nan

    @property
    def value(self) -> float | None:
        """The average, or None before `period` values."""
        return self._sum / self.period if isfinite(self._sum) else None

    def update(self, value: float) -> float | None:
        """Take the next value; the average, or None before `period` values.

        Raises:
            InvalidInput: The value is not finite; nothing is taken.
        """
        value = float(value)
        window = self._window
        place = self._place
        total = self._sum + (value - window[place])
        if total - total != 0.0:
            return self._begin(value)
        window[place] = value
        if place:
            self._place = place - 1
        else:
            # A full turn of the ring: add up anew, so that rounding cannot pile up.
            self._place = self.period - 1
            total = sum(window)
        self._sum = total
        return total / self.period

    def _begin(self, value: float) -> float | None:
        if isfinite(self._sum) or not isfinite(value):
            raise not_finite(value)
        self._window[self._place] = value
        self._place -= 1
        if self._place < 0:
            self._place = self.period - 1
            self._sum = sum(self._window)
        return self.value


class VolumeMean(Sma):
    """Mean volume of the last `period` bars, the one just taken included."""

    @override
    def update(self, value: float) -> float | None:
        """Take the next bar's volume; the mean, or None before `period` bars.

        Args:
            value: Shares or contracts, 0 or more.

        Raises:
            InvalidInput: The volume is negative or not finite; nothing is taken.
        """
        if value < 0.0:
            raise InvalidInput(f"volume is {value!r}; valid: 0 or more")
        return super().update(value)


class Ema:
    """Exponential moving average with weight 2 / (period + 1), seeded with a simple average."""

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self._weight = 2.0 / (self.period + 1)
        self._average = nan
        self._first: list[float] = []

    @property
    def value(self) -> float | None:
        """The average, or None before `period` values."""
        return self._average if isfinite(self._average) else None

    def update(self, value: float) -> float | None:
        """Take the next value; the average, or None before `period` values.

        Raises:
            InvalidInput: The value is not finite; nothing is taken.
        """
        value = float(value)
        average = self._average
        average += self._weight * (value - average)
        if average - average != 0.0:
            return self._begin(value)
        self._average = average
        return average

    def _begin(self, value: float) -> float | None:
        if isfinite(self._average) or not isfinite(value):
            raise not_finite(value)
        self._first.append(value)
        if len(self._first) == self.period:
            self._average = seed_of(self._first)
            self._first = []
        return self.value


class Rsi:
    """Wilder's relative strength index, 0 to 100; 50 when nothing moved at all."""

    def __init__(self, period: int = 14) -> None:
        self.period = checked_period(period)
        self._weight = 1.0 / self.period
        self._decay = 1.0 - self._weight
        self._gain = self._moved = 0.0  # averages of gains, and of gains and losses
        self._previous = nan
        self._first: list[float] = []

    @property
    def value(self) -> float | None:
        """The index, or None before `period + 1` closes."""
        return strength(self._gain, self._moved) if isfinite(self._previous) else None

    def update(self, close: float) -> float | None:
        """Take the next close; the index, or None before `period + 1` closes.

        Raises:
            InvalidInput: The close is not finite; nothing is taken.
        """
        close = float(close)
        change = self._weight * (close - self._previous)
        if change - change != 0.0:
            return self._begin(close)
        decay = self._decay
        self._previous = close
        if change > 0.0:
            self._gain = gain = decay * self._gain + change
            self._moved = moved = decay * self._moved + change
        else:
            self._gain = gain = decay * self._gain
            self._moved = moved = decay * self._moved - change
        return 100.0 * (gain / moved) if moved > STILL else EVEN

    def _begin(self, close: float) -> float | None:
        if isfinite(self._previous) or not isfinite(close):
            raise not_finite(close)
        self._first.append(close)
        if len(self._first) > self.period:
            changes = [later - earlier for earlier, later in pairwise(self._first)]
            self._gain = seed_of([max(change, 0.0) for change in changes])
            self._moved = seed_of([abs(change) for change in changes])
            self._previous, self._first = close, []
        return self.value


class Atr:
    """Wilder's average true range, per share."""

    def __init__(self, period: int = 14) -> None:
        self.period = checked_period(period)
        self.value: float | None = None
        self._weight = 1.0 / self.period
        self._previous: float | None = None
        self._first: list[float] = []

    def update(self, high: float, low: float, close: float) -> float | None:
        """Take the next bar; the average range, or None before `period + 1` bars.

        Args:
            high: Highest price.
            low: Lowest price.
            close: Last price.

        Raises:
            InvalidInput: A price is not finite; nothing is taken.
        """
        high, low, close = float(high), float(low), float(close)
        total = high + low + close
        if total - total != 0.0:
            raise not_finite(high, low, close)
        previous, self._previous = self._previous, close
        if previous is None:
            return None
        reach = max(high, previous) - min(low, previous)
        if self.value is not None:
            self.value += self._weight * (reach - self.value)
            return self.value
        self._first.append(reach)
        if len(self._first) == self.period:
            self.value = seed_of(self._first)
            self._first = []
        return self.value


class SessionVwap:
    """Volume-weighted average of the typical price since the session began."""

    def __init__(self) -> None:
        self._session: object = None
        self._paid = self._traded = 0.0

    @property
    def value(self) -> float | None:
        """The average, or None until something traded in the session."""
        return self._paid / self._traded if self._traded else None

    def update(self, high: float, low: float, close: float, volume: float, session: object) -> float | None:
        """Take the next bar; the average, or None until something traded in its session.

        Args:
            high: Highest price.
            low: Lowest price.
            close: Last price.
            volume: Shares or contracts, 0 or more.
            session: Label of the bar's session; another label starts anew.

        Raises:
            InvalidInput: A number is not finite, or the volume negative; nothing is taken.
        """
        volume = float(volume)
        paid = (float(high) + float(low) + float(close)) / 3.0 * volume
        if paid - paid != 0.0:
            raise not_finite(high, low, close, volume)
        if volume < 0.0:
            raise InvalidInput(f"volume is {volume!r}; valid: 0 or more")
        if session == self._session:
            self._paid = paid = self._paid + paid
            self._traded = volume = self._traded + volume
        else:
            self._session, self._paid, self._traded = session, paid, volume
        return paid / volume if volume else None


class Band(NamedTuple):
    """Bollinger bands at one bar, per share."""

    lower: float
    middle: float
    upper: float


class _Window:
    """The last `period` values."""

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self._values: deque[float] = deque(maxlen=self.period)

    def _take(self, value: float) -> bool:
        """Take the next value, or nothing of one that is not finite; whether there are `period` of them."""
        value = float(value)
        if value - value != 0.0:
            raise not_finite(value)
        self._values.append(value)
        return len(self._values) == self.period


class RollingHigh(_Window):
    """Greatest of the last `period` values, the one just taken included."""

    def __init__(self, period: int) -> None:
        super().__init__(period)
        self.value: float | None = None

    def update(self, value: float) -> float | None:
        """Take the next value; the greatest, or None before `period` values.

        Raises:
            InvalidInput: The value is not finite; nothing is taken.
        """
        if self._take(value):
            self.value = max(self._values)
        return self.value


class RollingLow(_Window):
    """Least of the last `period` values, the one just taken included."""

    def __init__(self, period: int) -> None:
        super().__init__(period)
        self.value: float | None = None

    def update(self, value: float) -> float | None:
        """Take the next value; the least, or None before `period` values.

        Raises:
            InvalidInput: The value is not finite; nothing is taken.
        """
        if self._take(value):
            self.value = min(self._values)
        return self.value


class Bollinger(_Window):
    """Simple moving average and `width` population standard deviations on either side of it."""

    def __init__(self, period: int = 20, width: float = 2.0) -> None:
        super().__init__(period)
        self.width = checked_positive("width", width)
        self.value: Band | None = None

    def update(self, value: float) -> Band | None:
        """Take the next value; the bands, or None before `period` values.

        Raises:
            InvalidInput: The value is not finite; nothing is taken.
        """
        if self._take(value):
            middle = fsum(self._values) / self.period
            reach = self.width * _deviation(self._values, 0)
            self.value = Band(middle - reach, middle, middle + reach)
        return self.value


class RealisedVolatility:
    """Annualised sample standard deviation of the last `period` log returns, a fraction a year."""

    def __init__(self, period: int, *, bars_a_year: float) -> None:
        self.period = checked_period(period, least=2)
        self.value: float | None = None
        self._scale = sqrt(checked_positive("bars_a_year", bars_a_year))
        self._previous: float | None = None
        self._window: deque[float] = deque(maxlen=self.period)

    def update(self, close: float) -> float | None:
        """Take the next close; the volatility, or None before `period + 1` closes.

        Raises:
            InvalidInput: The close is not finite or not above 0; nothing is taken.
        """
        close = float(close)
        if close - close != 0.0:
            raise not_finite(close)
        if close <= 0.0:
            raise InvalidInput(f"close is {close!r}; valid: above 0, it has no logarithm otherwise")
        previous, self._previous = self._previous, close
        if previous is not None:
            self._window.append(log(close / previous))
        if len(self._window) == self.period:
            self.value = self._scale * _deviation(self._window, 1)
        return self.value


def _deviation(values: deque[float], freedom: int) -> float:
    """Standard deviation; distances are taken from the first value, for prices lie close together."""
    first, count = values[0], len(values)
    apart = [value - first for value in values]
    mean = fsum(apart) / count
    return sqrt(fsum((distance - mean) ** 2 for distance in apart) / (count - freedom))
