"""Which days a journal tells of, and which runs traded on each: a run of weeks says only once that it began."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ibkeel.journal import CycleDone, Failure, Journal, LossGuardKept, Record, RunStarted, SparingReader

_NEW_YORK: Final = ZoneInfo("America/New_York")


def sessions_of(journal: Journal) -> tuple[date, ...]:
    """Trading dates that a journal tells of, in order, each once.

    Raises:
        JournalError: It cannot be read.
    """
    began = (row.session for row in _starts(journal))
    read = (entry.record for entry in SparingReader(journal).events(LossGuardKept))
    guarded = (row.guard.session for row in read if isinstance(row, LossGuardKept))
    return tuple(sorted({*began, *(day for day in guarded if day is not None)}))


def records_of(journal: Journal, session: date) -> Iterator[Record]:
    """What was written from the midnight before the session to the one after it, New York time.

    Of what cannot be read only that is told.
    """
    begin = datetime.combine(session, datetime.min.time(), _NEW_YORK)
    reader, last = SparingReader(journal), begin
    for entry in reader.events(since=begin, until=begin + timedelta(days=1)):
        last = entry.record.at
        yield entry.record
    for error in reader.skipped.values():
        yield Failure(at=last, symbol="", kind="unreadable record", message=str(error))


def runs_on(journal: Journal, session: date, records: Sequence[Record]) -> tuple[RunStarted, ...]:
    """The runs of a day, in order; with those that began for it also the one that went on from before.

    Args:
        journal: Says when each began.
        session: The day.
        records: What was written on it; none without a run of its own tells of no run.
    """
    starts = tuple(_starts(journal))
    own = tuple(row for row in starts if row.session == session)
    before = tuple(row for row in starts if row.session < session)[-1:]
    if own and not _has_cycle(records, own[0].at):
        return own
    return (*before, *own) if records else own


def _has_cycle(records: Iterable[Record], until: datetime) -> bool:
    return any(isinstance(row, CycleDone) and row.at < until for row in records)


def _starts(journal: Journal) -> Iterator[RunStarted]:
    found = (entry.record for entry in SparingReader(journal).events(RunStarted))
    return (row for row in found if isinstance(row, RunStarted))
