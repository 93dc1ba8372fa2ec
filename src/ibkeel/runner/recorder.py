"""What must be written before something happens, and what must happen though it cannot be written."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final

from ibkeel.errors import JournalError, UnwritableRecord
from ibkeel.journal import Intent, Journal, Look, Purpose, Record

_LOG: Final = logging.getLogger("ibkeel.runner")
_MOST: Final = 100
_LONGEST: Final = 1.0
_EXIT_PATIENCE: Final = 1.0
ENTRY_PATIENCE: Final = 10.0
"""Seconds after which what would open a position is given up where it cannot be written."""


_Line = tuple[Record | Look, "asyncio.Future[None] | None"]
"""A record on its way, and who waits for it to be on disk."""


class Recorder:
    """Writes a run's records in order; those that could not be written wait for the next one.

    A record that can never be written, for what it holds, is put aside and holds up no other: who waits for it is
    refused, and of any other `lost` is told.

    With an executor of one thread a slow disk delays only those who wait for a record; without one
    the caller's thread writes, and equal runs are equal in every turn of the loop.

    Args:
        journal: Where they go.
        executor: Does the writing; None writes in the caller's thread.
    """

    def __init__(self, journal: Journal, executor: Executor | None = None) -> None:
        self._journal, self._executor = journal, executor
        self.lost: Callable[[JournalError], None] | None = None
        """Told of each record, for which nobody waited, that never can be written, and when none can be any more."""
        self._is_stuck = False
        self._waiting: list[_Line] = []
        self._writing: asyncio.Future[object] | None = None
        self._since = 0.0  # when the first of those that wait was noted

    @property
    def waiting(self) -> int:
        """Records that are not in the journal yet."""
        return len(self._waiting)

    def note(self, record: Record | Look) -> None:
        """Write what was seen or decided and sends nothing, with the records that come next.

        It is written before any other record that comes after it, when 100 wait, with the first one that comes a
        second later, and at the end of a cycle (`flush`): so much the end of the process may lose, and no order.
        """
        now = asyncio.get_running_loop().time()
        if not self._waiting:
            self._since = now
        self._waiting.append((record, None))
        if len(self._waiting) >= _MOST or now - self._since > _LONGEST:
            self.flush()

    def keep(self, record: Record) -> None:
        """Write a record of what happens in any case; one that cannot be written waits for the next."""
        self._waiting.append((record, None))
        self.flush()

    async def record(self, record: Record, patience: float | None = None) -> None:
        """Write a record without which its cause must not happen, and wait until it is written.

        Args:
            record: What it announces must not happen when this fails, though it may be written later.
            patience: Seconds to wait; None for as long as it takes.

        Raises:
            UnwritableRecord: It never can be written, for what it holds.
            JournalError: It could not be written, or those that wait for it could not, or not in time.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, done))
        self.flush()
        try:
            async with asyncio.timeout(patience):
                await done
        except TimeoutError:
            raise JournalError(
                f"the journal did not write {type(record).__name__} within {patience:g} s, so that what it announces "
                "was not done; is the disk slow, or full?"
            ) from None

    async def announce(self, intent: Intent) -> None:
        """Write what is about to be sent, before it is: what closes a position leaves soon in any case.

        Raises:
            JournalError: An entry that could not be written, or not in time: it must not leave.
        """
        if intent.purpose is Purpose.ENTRY:
            await self.record(intent, ENTRY_PATIENCE)
        else:
            await self.try_record(intent, _EXIT_PATIENCE)

    async def try_record(self, record: Record, patience: float) -> None:
        """Wait for a record to be written, but not for ever: what it announces happens in any case."""
        self.keep(record)
        try:
            async with asyncio.timeout(patience):
                # What is being written may be an earlier batch, and this record in the one after it.
                while self._writing is not None and any(row is record for row, _ in self._waiting):
                    await asyncio.wait([self._writing])
        except TimeoutError:
            return

    async def drain(self) -> None:
        """Wait until nothing is being written; what cannot be written is not waited for."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    def flush(self) -> None:
        """Write what waits."""
        if self._writing is not None or not self._waiting:
            return
        if self._executor is None:
            self._write_here()
            return
        batch = tuple(self._waiting)
        records = [record for record, _ in batch]
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._executor, self._journal.record_all, records)
        self._writing.add_done_callback(lambda future: self._came_back(batch, future))

    def _write_here(self) -> None:
        lost: list[UnwritableRecord] = []
        while batch := tuple(self._waiting):
            try:
                self._journal.record_all([record for record, _ in batch])
            except UnwritableRecord as error:
                lost += self._put_aside(batch, error)
                continue
            except JournalError as error:
                self._failed(batch, error)
            else:
                self._written(batch)
            break
        self._tell(lost)

    def _came_back(self, batch: Sequence[_Line], future: "asyncio.Future[object]") -> None:
        self._writing = None
        error = None if future.cancelled() else future.exception()
        if isinstance(error, UnwritableRecord):
            lost = self._put_aside(batch, error)
            self.flush()
            self._tell(lost)
        elif error is None and not future.cancelled():
            self._written(batch)
            self.flush()
        elif self._failed(batch, JournalError(f"the journal could not be written: {error}")):
            self.flush()

    def _written(self, batch: Sequence[_Line]) -> None:
        del self._waiting[: len(batch)]
        self._is_stuck = False
        for _, done in batch:
            if done is not None and not done.done():
                done.set_result(None)

    def _put_aside(self, batch: Sequence[_Line], error: UnwritableRecord) -> Sequence[UnwritableRecord]:
        """Take out the record that can never be written; what is to be told of it, when nobody waits for it."""
        number = next(number for number, (record, _) in enumerate(batch) if record is error.record)
        _, done = self._waiting.pop(number)
        if done is None:
            _LOG.error("record lost kind=%s", type(error.record).__name__, exc_info=error)
            return (error,)
        if not done.done():
            done.set_exception(error)
        return ()

    def _tell(self, lost: Sequence[JournalError]) -> None:
        for error in lost:
            if self.lost is not None:
                self.lost(error)

    def _failed(self, batch: Sequence[_Line], error: JournalError) -> bool:
        """Whoever waits is refused, and the record with it; the others stay for the next attempt.

        Returns:
            Whether records that came meanwhile have had no attempt yet.
        """
        refused = [done for _, done in batch if done is not None]
        kept = [line for line in batch if line[1] is None]
        self._waiting[: len(batch)] = kept
        for done in refused:
            if not done.done():
                done.set_exception(error)
        if kept:
            kind = type(kept[-1][0]).__name__
            _LOG.error("record kept in memory kind=%s waiting=%d", kind, self.waiting, exc_info=error)
            if not self._is_stuck:
                self._is_stuck = True
                self._tell((error,))
        return self.waiting > len(kept)
