"""What must be written before something happens, and what must happen though it cannot be written."""

import logging
from typing import Final

from ibkeel.errors import JournalError
from ibkeel.journal import Journal, Record

__all__ = ["Recorder"]

_LOG: Final = logging.getLogger("ibkeel.runner")


class Recorder:
    """Writes a run's records; those that could not be written wait for the next one.

    Args:
        journal: Where they go.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[Record] = []

    @property
    def waiting(self) -> int:
        """Records that are not in the journal yet."""
        return len(self._waiting)

    def record(self, record: Record) -> None:
        """Write a record without which its cause must not happen.

        Raises:
            JournalError: It could not be written, or those that wait for it could not.
        """
        self._journal.record_all((*self._waiting, record))
        self._waiting.clear()

    def keep(self, record: Record) -> None:
        """Write a record of what happens in any case; one that cannot be written waits for the next."""
        self._waiting.append(record)
        try:
            self._journal.record_all(self._waiting)
        except JournalError:
            _LOG.exception("record kept in memory kind=%s waiting=%d", type(record).__name__, self.waiting)
        else:
            self._waiting.clear()
