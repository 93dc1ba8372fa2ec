"""Indicators one bar at a time, in constant memory; None while warming up."""

from typing import Final

from ibkeel.errors import InvalidInput
from ibkeel.indicators.checks import checked_number, checked_period

__all__ = ["Atr", "Ema", "Rsi", "SessionVwap", "Sma", "strength"]

_EVEN: Final = 50.0


def strength(gain: float, loss: float) -> float:
    """Relative strength index of an average gain and an average loss; 50 when both are 0."""
    moved = gain + loss
    return 100.0 * (gain / moved) if moved > 0.0 else _EVEN


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
        checked_number(value)
        if len(self._window) < self.period:
            self._window.append(value)
        else:
            self._sum += value - self._window[self._next]
            self._window[self._next] = value
            self._next = (self._next + 1) % self.period
        if len(self._window) == self.period:
            # A full turn of the ring: add up anew, so that rounding cannot pile up.
            if self._next == 0:
                self._sum = sum(self._window)
            self.value = self._sum / self.period
        return self.value


class _Smoothing:
    """Exponential smoothing, seeded with the mean of the first `period` values."""

    __slots__ = ("_count", "_period", "_weight", "value")

    def __init__(self, period: int, weight: float) -> None:
        self._period, self._weight = period, weight
        self._count, self.value = 0, 0.0

    def update(self, value: float) -> float | None:
        if self._count >= self._period:
            self.value += self._weight * (value - self.value)
            return self.value
        self._count += 1
        self.value += value
        if self._count < self._period:
            return None
        self.value /= self._period
        return self.value


class Ema:
    """Exponential moving average with weight 2 / (period + 1), seeded with a simple average."""

    __slots__ = ("_smoothing", "period", "value")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self.value: float | None = None
        self._smoothing = _Smoothing(period, 2.0 / (period + 1))

    def update(self, value: float) -> float | None:
        """Take the next value; the average, or None before `period` values.

        Raises:
            InvalidInput: The value is not finite; nothing is taken.
        """
        self.value = self._smoothing.update(checked_number(value))
        return self.value


class Rsi:
    """Wilder's relative strength index, 0 to 100; 50 when nothing moved at all."""

    __slots__ = ("_gain", "_loss", "_previous", "period", "value")

    def __init__(self, period: int = 14) -> None:
        self.period = checked_period(period)
        self.value: float | None = None
        self._previous: float | None = None
        self._gain = _Smoothing(period, 1.0 / period)
        self._loss = _Smoothing(period, 1.0 / period)

    def update(self, close: float) -> float | None:
        """Take the next close; the index, or None before `period + 1` closes.

        Raises:
            InvalidInput: The close is not finite; nothing is taken.
        """
        checked_number(close)
        if self._previous is not None:
            change = close - self._previous
            gain = self._gain.update(max(change, 0.0))
            loss = self._loss.update(max(-change, 0.0))
            if gain is not None and loss is not None:
                self.value = strength(gain, loss)
        self._previous = close
        return self.value


class Atr:
    """Wilder's average true range, per share."""

    __slots__ = ("_previous", "_smoothing", "period", "value")

    def __init__(self, period: int = 14) -> None:
        self.period = checked_period(period)
        self.value: float | None = None
        self._previous: float | None = None
        self._smoothing = _Smoothing(period, 1.0 / period)

    def update(self, high: float, low: float, close: float) -> float | None:
        """Take the next bar; the average range, or None before `period + 1` bars.

        Raises:
            InvalidInput: A price is not finite; nothing is taken.
        """
        for price in (high, low, close):
            checked_number(price)
        if self._previous is not None:
            reach = max(high, self._previous) - min(low, self._previous)
            self.value = self._smoothing.update(reach)
        self._previous = close
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
        for number in (high, low, close, volume):
            checked_number(number)
        if volume < 0:
            raise InvalidInput(f"volume is {volume!r}; valid: 0 or more")
        if session != self._session:
            self._session, self._paid, self._traded, self.value = session, 0.0, 0.0, None
        self._paid += (high + low + close) / 3.0 * volume
        self._traded += volume
        if self._traded > 0:
            self.value = self._paid / self._traded
        return self.value
