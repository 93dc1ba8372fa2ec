"""Which days a journal tells of, and which runs traded on each: a run of weeks says only once that it began."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ibkeel.journal import CycleDone, Failure, Journal, LossGuardKept, Record, RunStarted, SparingReader

NEW_YORK: Final = ZoneInfo("America/New_York")


def sessions_of(journal: Journal) -> tuple[date, ...]:
    """Trading dates that a journal tells of, in order, each once.

    Raises:
        JournalError: It cannot be read.
    """
    kept = (entry.record.guard.session for entry in SparingReader(journal).events(LossGuardKept))
    return tuple(sorted({*filter(None, kept), *(row.session for row in _starts(journal))}))


def records_of(journal: Journal, session: date) -> Iterator[Record]:
    """What was written from the midnight before the session to the one after it, New York time.

    Of what cannot be read only that is told.
    """
    begin = datetime.combine(session, datetime.min.time(), NEW_YORK)
    reader, last = SparingReader(journal), begin
    for entry in reader.events(since=begin, until=begin + timedelta(days=1)):
        last = entry.record.at
        yield entry.record
    for error in reader.skipped.values():
        yield Failure(at=last, symbol="", kind="unreadable record", message=str(error))


def runs_on(journal: Journal, session: date, records: Sequence[Record]) -> tuple[RunStarted, ...]:
    """The runs of a day, of which these are the records; with its own also the one that went on from before."""
    starts = [row for row in _starts(journal) if row.session <= session]
    own = [row for row in starts if row.session == session]
    cycles = [row.at for row in records if isinstance(row, CycleDone)]
    has_more = min(cycles, default=own[0].at) < own[0].at if own else records
    before = [row for row in starts if row.session < session]
    return (*(before[-1:] if has_more else ()), *own)


def _starts(journal: Journal) -> Iterator[RunStarted]:
    return (entry.record for entry in SparingReader(journal).events(RunStarted))
