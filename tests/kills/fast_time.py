"""A day on real sockets in seconds: one clock for all processes, and a loop that lives by it."""

import asyncio
import selectors
import time
from datetime import UTC, datetime, timedelta

FACTOR = 10.0
machine_seconds = time.monotonic  # noqa: TID251 - the one reading that separate processes share


class FastClock:
    """Runs ten times as fast as the machine's; equal in every process that is given the same start.

    Args:
        began: Reading of the machine's monotonic clock at `start`.
        start: The instant shown then.
    """

    def __init__(self, began: float, start: datetime) -> None:
        self._began, self._start = began, start

    def monotonic(self) -> float:
        """Seconds, as the loop counts them."""
        return FACTOR * machine_seconds()

    def now(self) -> datetime:
        """The shown instant."""
        return self._start + timedelta(seconds=FACTOR * (machine_seconds() - self._began))


class _FastSelector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else timeout / FACTOR)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds are those of `FastClock`."""

    def __init__(self) -> None:
        super().__init__(_FastSelector())

    def time(self) -> float:
        """Seconds, as `FastClock.monotonic` counts them."""
        return FACTOR * machine_seconds()


def instant(text: str) -> datetime:
    """An instant as it stands in a job."""
    return datetime.fromisoformat(text).astimezone(UTC)
