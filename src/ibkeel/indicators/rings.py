"""Streaming indicators that look at every bar of their window anew: exact, in O(period) a bar."""

from collections import deque
from math import fsum, log, sqrt
from typing import NamedTuple

from ibkeel.errors import InvalidInput
from ibkeel.indicators.checks import checked_period, checked_positive, not_finite


class Band(NamedTuple):
    """Bollinger bands at one bar, per share."""

    lower: float
    middle: float
    upper: float


class _Window:
    """The last `period` values."""

    __slots__ = ("_values", "period")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self._values: deque[float] = deque(maxlen=period)

    def _take(self, value: float) -> bool:
        """Take the next value; whether there are `period` of them.

        Raises:
            InvalidInput: The value is not finite; nothing is taken.
        """
        if value - value != 0.0:
            raise not_finite(value)
        self._values.append(value)
        return len(self._values) == self.period


class RollingHigh(_Window):
    """Greatest of the last `period` values, the one just taken included."""

    __slots__ = ("value",)

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

    __slots__ = ("value",)

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

    __slots__ = ("value", "width")

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

    __slots__ = ("_previous", "_scale", "_window", "period", "value")

    def __init__(self, period: int, *, bars_a_year: float) -> None:
        self.period = checked_period(period, least=2)
        self.value: float | None = None
        self._scale = sqrt(checked_positive("bars_a_year", bars_a_year))
        self._previous: float | None = None
        self._window: deque[float] = deque(maxlen=period)

    def update(self, close: float) -> float | None:
        """Take the next close; the volatility, or None before `period + 1` closes.

        Raises:
            InvalidInput: The close is not finite or not above 0; nothing is taken.
        """
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
