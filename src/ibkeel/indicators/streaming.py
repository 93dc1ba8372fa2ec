"""Indicators one bar at a time, in constant memory; None while warming up.

The checks and the averages are written out in each `update`: a function call would cost more than
all of its arithmetic. A number less itself is 0 unless it is NaN or infinite.
"""

from itertools import pairwise

from typing_extensions import override

from ibkeel.errors import InvalidInput
from ibkeel.indicators.checks import checked_period, not_finite
from ibkeel.indicators.smoothing import EVEN, STILL, seed_of, strength

__all__ = ["Atr", "Ema", "Rsi", "SessionVwap", "Sma", "VolumeMean"]


class Sma:
    """Simple moving average of the last `period` values."""

    __slots__ = ("_next", "_sum", "_window", "period", "value")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self.value: float | None = None
        self._window: list[float] = []
        self._next = 0
        self._sum = 0.0

    def update(self, value: float) -> float | None:
        """Take the next value; the average, or None before `period` values.

        Raises:
            InvalidInput: The value is not finite; nothing is taken.
        """
        if value - value != 0.0:
            raise not_finite(value)
        if self.value is None:
            return self._filled(value)
        window, place = self._window, self._next
        self._sum += value - window[place]
        window[place] = value
        place += 1
        if place == self.period:
            # A full turn of the ring: add up anew, so that rounding cannot pile up.
            place = 0
            self._sum = sum(window)
        self._next = place
        self.value = average = self._sum / self.period
        return average

    def _filled(self, value: float) -> float | None:
        self._window.append(value)
        if len(self._window) == self.period:
            self._sum = sum(self._window)
            self.value = self._sum / self.period
        return self.value


class VolumeMean(Sma):
    """Mean volume of the last `period` bars, the one just taken included."""

    __slots__ = ()

    @override
    def update(self, value: float) -> float | None:
        """Take the next bar's volume; the mean, or None before `period` bars.

        Raises:
            InvalidInput: The volume is negative or not finite; nothing is taken.
        """
        if value < 0.0:
            raise InvalidInput(f"volume is {value!r}; valid: 0 or more")
        return super().update(value)


class Ema:
    """Exponential moving average with weight 2 / (period + 1), seeded with a simple average."""

    __slots__ = ("_first", "_weight", "period", "value")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self.value: float | None = None
        self._weight = 2.0 / (period + 1)
        self._first: list[float] = []

    def update(self, value: float) -> float | None:
        """Take the next value; the average, or None before `period` values.

        Raises:
            InvalidInput: The value is not finite; nothing is taken.
        """
        if value - value != 0.0:
            raise not_finite(value)
        average = self.value
        if average is None:
            return self._seeded(value)
        self.value = average = average + self._weight * (value - average)
        return average

    def _seeded(self, value: float) -> float | None:
        self._first.append(value)
        if len(self._first) == self.period:
            self.value = seed_of(self._first)
            self._first = []
        return self.value


class Rsi:
    """Wilder's relative strength index, 0 to 100; 50 when nothing moved at all."""

    __slots__ = ("_first", "_gain", "_loss", "_previous", "_weight", "period", "value")

    def __init__(self, period: int = 14) -> None:
        self.period = checked_period(period)
        self.value: float | None = None
        self._weight = 1.0 / period
        self._gain = self._loss = self._previous = 0.0
        self._first: list[float] = []

    def update(self, close: float) -> float | None:
        """Take the next close; the index, or None before `period + 1` closes.

        Raises:
            InvalidInput: The close is not finite; nothing is taken.
        """
        if close - close != 0.0:
            raise not_finite(close)
        if self.value is None:
            return self._seeded(close)
        change, weight = close - self._previous, self._weight
        gain, loss = self._gain, self._loss
        if change > 0.0:
            gain += weight * (change - gain)
            loss -= weight * loss
        else:
            gain -= weight * gain
            loss -= weight * (change + loss)
        self._previous, self._gain, self._loss = close, gain, loss
        moved = gain + loss
        self.value = index = 100.0 * (gain / moved) if moved > STILL else EVEN
        return index

    def _seeded(self, close: float) -> float | None:
        self._first.append(close)
        if len(self._first) > self.period:
            changes = [later - earlier for earlier, later in pairwise(self._first)]
            self._gain = seed_of([max(change, 0.0) for change in changes])
            self._loss = seed_of([max(-change, 0.0) for change in changes])
            self._previous, self._first = close, []
            self.value = strength(self._gain, self._loss)
        return self.value


class Atr:
    """Wilder's average true range, per share."""

    __slots__ = ("_first", "_previous", "_weight", "period", "value")

    def __init__(self, period: int = 14) -> None:
        self.period = checked_period(period)
        self.value: float | None = None
        self._weight = 1.0 / period
        self._previous: float | None = None
        self._first: list[float] = []

    def update(self, high: float, low: float, close: float) -> float | None:
        """Take the next bar; the average range, or None before `period + 1` bars.

        Raises:
            InvalidInput: A price is not finite; nothing is taken.
        """
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

    __slots__ = ("_paid", "_session", "_traded", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        self._session: object = None
        self._paid = self._traded = 0.0

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
        total = high + low + close
        if total - total + (volume - volume) != 0.0:
            raise not_finite(high, low, close, volume)
        if volume < 0.0:
            raise InvalidInput(f"volume is {volume!r}; valid: 0 or more")
        if session != self._session:
            self._session, self._paid, self._traded, self.value = session, 0.0, 0.0, None
        self._paid = paid = self._paid + total / 3.0 * volume
        self._traded = traded = self._traded + volume
        if traded > 0.0:
            self.value = paid / traded
        return self.value
