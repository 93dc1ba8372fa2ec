"""What every part of ibkeel means by time.

Code that waits takes monotonic seconds from its event loop; code that stamps records takes wall
time from a `Clock`. Both can be replaced, so a trading day can run in a second, twice alike.
"""

from datetime import datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "OffsetClock"]


class Clock(Protocol):
    """A source of time; `ibkeel.system.SystemClock` is the machine's."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never runs backwards."""
        ...

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class OffsetClock:
    """A clock that runs like another, or so many times faster, and shows a wall time of our choice.

    Args:
        clock: The clock that it follows.
        start: What it shows now.
        speed: Its seconds in one of the other's.
    """

    def __init__(self, clock: Clock, start: datetime, *, speed: float = 1.0) -> None:
        self._clock, self._speed = clock, speed
        self.show(start)

    def show(self, now: datetime) -> None:
        """Set the wall time, from where it runs on."""
        self._start, self._began = now, self._clock.monotonic()

    def monotonic(self) -> float:
        """Seconds, as the other clock has them."""
        return self._clock.monotonic()

    def now(self) -> datetime:
        """The chosen wall time, moved on."""
        return self._start + timedelta(seconds=(self._clock.monotonic() - self._began) * self._speed)
