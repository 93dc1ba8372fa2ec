"""Time on the virtual loop."""

import asyncio
from datetime import UTC, datetime, timedelta

from ibkeel.errors import InvalidInput

__all__ = ["VirtualClock"]


class VirtualClock:
    """A `Clock` that reads a loop's own time, so that both move together.

    Args:
        loop: The loop whose `time()` is monotonic seconds.
        start: Wall time at loop time 0, aware.

    Raises:
        InvalidInput: `start` has no time zone.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime) -> None:
        if start.tzinfo is None:
            raise InvalidInput(f"virtual time cannot start at {start!r}: it has no time zone")
        self._loop = loop
        self.start = start.astimezone(UTC)
        self._shown = (0.0, self.start)  # asked for far more often than time passes

    def monotonic(self) -> float:
        """Seconds since the loop was made."""
        return self._loop.time()

    def now(self) -> datetime:
        """Wall time, aware, in UTC, to the microsecond."""
        time, shown = self._loop.time(), self._shown
        if shown[0] != time:
            self._shown = shown = time, self.start + timedelta(seconds=time)
        return shown[1]
