"""What a restart reads: past what cannot be read, which order ids were used, and which fills are known."""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from ibkeel.errors import UnreadableRecord
from ibkeel.journal.records import CommissionSeen, Entry, FillSeen, OrderUpdate, R_co
from ibkeel.journal.store import Journal
from ibkeel.model import ExecId

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
        kind: type[R_co] | str | None = None,
        *,
        after: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Entry[R_co]]:
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


def highest_order_id(journal: Journal, client_id: int) -> int:
    """The highest order id that a client is known to have used; 0 when none is.

    A Gateway that restarted may hand out ids again from below it.

    Args:
        journal: Of all runs.
        client_id: Whose ids: each client counts its own. A fill does not name its client, so those of
            all count.

    Raises:
        JournalError: The journal cannot be read.
    """
    highest, reader = 0, SparingReader(journal)
    for entry in reader.events(OrderUpdate):
        if entry.record.report.client_id == client_id:
            highest = max(highest, entry.record.report.order_id)
    for fill in reader.events(FillSeen):
        highest = max(highest, fill.record.execution.order_id)
    return highest


def fills_of(reader: SparingReader, since: datetime) -> dict[ExecId, bool]:
    """Fills since an instant, and whether what each cost is known.

    Raises:
        JournalError: The journal cannot be read.
    """
    executions = (entry.record.execution for entry in reader.events(FillSeen, since=since))
    fills = {execution.exec_id: execution.commission is not None for execution in executions}
    for entry in reader.events(CommissionSeen, since=since):
        fills[entry.record.exec_id] = True
    return fills
