"""Reading past what cannot be read, for those who must go on all the same."""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from ibkeel.errors import UnreadableRecord
from ibkeel.journal.store import Entry, Journal

_LOG: Final = logging.getLogger("ibkeel.journal")


class SparingReader:
    """Reads a journal past what is no record, and tells what it passed over.

    Args:
        journal: Which one.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.skipped: dict[int, UnreadableRecord] = {}
        """What could not be read, by its number."""

    def events(
        self,
        kind: type[Any] | str | None = None,
        *,
        after: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Entry]:
        """As `Journal.events`, but for what is no record.

        Args:
            kind: A record type or its stored name; None for all.
            after: Number of the last record that is not wanted.
            since: Earliest instant, inclusive.
            until: Latest instant, exclusive.

        Raises:
            JournalError: The file cannot be read.
        """
        while True:
            try:
                for entry in self._journal.events(kind, after=after, since=since, until=until):
                    yield entry
                    after = entry.seq
            except UnreadableRecord as error:
                if error.seq not in self.skipped:
                    _LOG.warning("record skipped error=%s", error)
                self.skipped[error.seq] = error
                after = error.seq
            else:
                return
