"""Order ids that were used, from what the journal knows."""

from ibkeel.journal.records import FillSeen, OrderUpdate
from ibkeel.journal.sparing import SparingReader
from ibkeel.journal.store import Journal


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
        if isinstance(entry.record, OrderUpdate) and entry.record.report.client_id == client_id:
            highest = max(highest, entry.record.report.order_id)
    for entry in reader.events(FillSeen):
        if isinstance(entry.record, FillSeen):
            highest = max(highest, entry.record.execution.order_id)
    return highest
