"""What must be written before something happens, and what must happen though it cannot be written."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Final

import attrs

from ibkeel.errors import JournalError
from ibkeel.journal import Journal, Record

__all__ = ["Recorder"]

_LOG: Final = logging.getLogger("ibkeel.runner")


@attrs.define(eq=False)
class _Line:
    """A record on its way; `done` when somebody waits for it to be on disk."""

    record: Record
    done: "asyncio.Future[None] | None" = None

    @property
    def is_awaited(self) -> bool:
        return self.done is not None


class Recorder:
    """Writes a run's records in order; those that could not be written wait for the next one.

    With an executor of one thread a slow disk delays only those who wait for a record; without one
    the caller's thread writes, and equal runs are equal in every turn of the loop.

    Args:
        journal: Where they go.
        executor: Does the writing; None writes in the caller's thread.
    """

    def __init__(self, journal: Journal, executor: Executor | None = None) -> None:
        self._journal, self._executor = journal, executor
        self._waiting: list[_Line] = []
        self._writing: asyncio.Future[object] | None = None

    @property
    def waiting(self) -> int:
        """Records that are not in the journal yet."""
        return len(self._waiting)

    def keep(self, record: Record) -> None:
        """Write a record of what happens in any case; one that cannot be written waits for the next."""
        self._waiting.append(_Line(record))
        self._write()

    async def record(self, record: Record) -> None:
        """Write a record without which its cause must not happen, and wait until it is written.

        Raises:
            JournalError: It could not be written, or those that wait for it could not.
        """
        line = _Line(record, asyncio.get_running_loop().create_future())
        self._waiting.append(line)
        self._write()
        assert line.done is not None
        await line.done

    async def try_record(self, record: Record, patience: float) -> None:
        """Wait for a record to be written, but not for ever: what it announces happens in any case.

        Args:
            record: It is written later when it cannot be written now.
            patience: Seconds to wait.
        """
        self.keep(record)
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=patience)

    async def drain(self) -> None:
        """Wait until nothing is being written; what cannot be written is not waited for."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    def _write(self) -> None:
        if self._writing is not None or not self._waiting:
            return
        batch = tuple(self._waiting)
        records = [line.record for line in batch]
        if self._executor is None:
            try:
                self._journal.record_all(records)
            except JournalError as error:
                self._failed(batch, error)
            else:
                self._written(batch)
            return
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._executor, self._journal.record_all, records)
        self._writing.add_done_callback(lambda future: self._came_back(batch, future))

    def _came_back(self, batch: Sequence[_Line], future: "asyncio.Future[object]") -> None:
        self._writing = None
        error = None if future.cancelled() else future.exception()
        if error is None and not future.cancelled():
            self._written(batch)
            self._write()
            return
        self._failed(batch, JournalError(f"the journal could not be written: {error}"))
        if any(line.is_awaited for line in self._waiting):  # came meanwhile, and wants an answer
            self._write()

    def _written(self, batch: Sequence[_Line]) -> None:
        del self._waiting[: len(batch)]
        for line in batch:
            if line.done is not None and not line.done.done():
                line.done.set_result(None)

    def _failed(self, batch: Sequence[_Line], error: JournalError) -> None:
        """Whoever waits is refused, and the record with it; the others stay for the next attempt."""
        refused = [line for line in batch if line.is_awaited]
        self._waiting = [line for line in self._waiting if line not in refused]
        for line in refused:
            if line.done is not None and not line.done.done():
                line.done.set_exception(error)
        if len(refused) < len(batch):
            kind = type(batch[-1].record).__name__
            _LOG.error("record kept in memory kind=%s waiting=%d", kind, self.waiting, exc_info=error)
