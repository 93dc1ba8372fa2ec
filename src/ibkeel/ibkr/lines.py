"""The ledger of market data lines: which request holds one, and what it is for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ibkeel.clock import Clock
from ibkeel.telemetry import LineClosed, LineOpened, Observer

__all__ = ["Lines"]


class Lines:
    """Leases of market data lines, in the order of asking.

    Args:
        capacity: How many may be open at once.
        clock: Stamps what the observer is told.
        observer: Told when a line opens or closes.
    """

    def __init__(self, capacity: int, clock: Clock, observer: Observer) -> None:
        self._free = asyncio.Semaphore(capacity)
        self._clock = clock
        self._observer = observer
        self._open: dict[int, str] = {}
        self.most_open = 0

    @property
    def open(self) -> dict[int, str]:
        """Request id and subject of each line that is out."""
        return dict(self._open)

    @asynccontextmanager
    async def lease(self, subject: str, request_id: Callable[[], int]) -> AsyncIterator[int]:
        """Hold one line; waits, in order of asking, while all are out.

        Args:
            subject: What it is for.
            request_id: Draws the id, once the line is ours.
        """
        async with self._free:
            key = request_id()
            self._open[key] = subject
            self.most_open = max(self.most_open, len(self._open))
            self._observer.on_event(
                LineOpened(at=self._clock.now(), subject=subject, open_lines=len(self._open))
            )
            try:
                yield key
            finally:
                del self._open[key]
                self._observer.on_event(
                    LineClosed(at=self._clock.now(), subject=subject, open_lines=len(self._open))
                )
