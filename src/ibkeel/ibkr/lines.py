"""The ledger of market data lines: which request holds one, and what it is for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ibkeel.clock import Clock
from ibkeel.errors import PacingExceeded
from ibkeel.telemetry import LineClosed, LineOpened, Observer, is_observed


class Lines:
    """Leases of market data lines, in the order of asking; an asker waits so many seconds for a free one."""

    def __init__(self, capacity: int, clock: Clock, observer: Observer, *, patience: float = 60.0) -> None:
        self._capacity, self._patience = capacity, patience
        self._free = asyncio.Semaphore(capacity)
        self._clock = clock
        self._observer, self._is_observed = observer, is_observed(observer)
        self._open: dict[int, str] = {}
        self.most_open = 0

    def begin(self) -> None:
        """Belong to the loop that runs from now on; no line of an earlier loop is out any more."""
        self._free = asyncio.Semaphore(self._capacity)
        self._open.clear()

    @property
    def capacity(self) -> int:
        """How many may be out at once."""
        return self._capacity

    @property
    def open(self) -> dict[int, str]:
        """Request id and subject of each line that is out."""
        return dict(self._open)

    @asynccontextmanager
    async def lease(self, subject: str, request_id: Callable[[], int]) -> AsyncIterator[int]:
        """Hold one line, whose id is drawn once it is ours; waits, in order of asking, while all are out."""
        free = self._free
        try:
            async with asyncio.timeout(self._patience):
                await free.acquire()
        except TimeoutError as late:
            holders = ", ".join(sorted(set(self._open.values()))[:5])
            raise PacingExceeded(
                f"no market data line for {subject} within {self._patience:g} s: all {len(self._open)} are out, for "
                f"{holders}; close streams, or raise IBKRConfig.market_data_lines if your account has more"
            ) from late
        try:
            key = request_id()
            self._enter(key, subject)
            try:
                yield key
            finally:
                self._leave(key)
        finally:
            free.release()

    def _enter(self, key: int, subject: str) -> None:
        self._open[key] = subject
        self.most_open = max(self.most_open, len(self._open))
        if self._is_observed:
            event = LineOpened(at=self._clock.now(), subject=subject, open_lines=len(self._open))
            self._observer.on_event(event)

    def _leave(self, key: int) -> None:
        subject = self._open.pop(key, None)
        if subject is None:
            return  # it was of an earlier loop
        if self._is_observed:
            event = LineClosed(at=self._clock.now(), subject=subject, open_lines=len(self._open))
            self._observer.on_event(event)
