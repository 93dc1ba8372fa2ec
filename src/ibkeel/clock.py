"""What every part of ibkeel means by time.

Code that waits takes monotonic seconds from its event loop; code that stamps records takes wall
time from a `Clock`. Both can be replaced, so a trading day can run in a second, twice alike.
"""

from datetime import datetime
from typing import Protocol

__all__ = ["Clock"]


class Clock(Protocol):
    """A source of time; `ibkeel.system.SystemClock` is the machine's."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never runs backwards."""
        ...

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...
