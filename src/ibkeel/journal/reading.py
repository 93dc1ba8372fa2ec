"""What a restart reads, past what cannot be read; which days and runs are told of; and a copy that is whole."""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from ibkeel.errors import JournalError, UnreadableRecord
from ibkeel.journal.export import claim
from ibkeel.journal.records import (
    CommissionSeen,
    CycleDone,
    Entry,
    Failure,
    FillSeen,
    LossGuardKept,
    R_co,
    Record,
    RunStarted,
)
from ibkeel.journal.store import Journal, connect
from ibkeel.model import ExecId
from ibkeel.model.checks import NEW_YORK

_LOG: Final = logging.getLogger("ibkeel.journal")
_BESIDE: Final = ("-wal", "-shm")


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
        alive_on: date | None = None,
    ) -> Iterator[Entry[R_co]]:
        """As `Journal.events`, but for what is no record.

        Args:
            kind: A record type or its stored name; None for all.
            after: Number of the last record that is not wanted.
            since: Earliest instant, inclusive.
            until: Latest instant, exclusive.
            alive_on: Leaves out orders in options that expired before that day, and what was said of those.

        Raises:
            JournalError: The file cannot be read.
        """
        while True:
            try:
                for entry in self._journal.events(
                    kind, after=after, since=since, until=until, alive_on=alive_on
                ):
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

    A Gateway that restarted may hand out ids again from below it. What is no record tells nothing.

    Args:
        journal: Of all runs.
        client_id: Whose ids: each client counts its own. A fill does not name its client, so those of
            all count.

    Raises:
        JournalError: The journal cannot be read.
    """
    return journal.highest_order_id(client_id)


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


def back_up(source: Path | str, target: Path | str) -> int:
    """Copy a journal by SQLite's own means, check every record of the copy, and then give it its name.

    A copy of the file alone would lack what is still in the `-wal` file beside it. Restoring is the same with
    the two paths exchanged, while no bot runs.

    Args:
        source: A journal; it may be written to meanwhile.
        target: A file that is not there yet; readable by its owner alone.

    Returns:
        How many records the copy holds.

    Raises:
        JournalError: The source is no journal or is damaged, the target exists, or it cannot be written. No
            target is left behind then.
    """
    origin, wanted = Path(source), Path(target)
    with Journal.open(origin, read_only=True):
        pass  # says in our words what is wrong with the source
    draft = wanted.with_name(f"{wanted.name}.{os.getpid()}.part")
    try:
        claim(wanted)
        with _cleared(draft, *(draft.with_name(draft.name + suffix) for suffix in _BESIDE)):
            return _copied(origin, draft, wanted)
    except FileExistsError as error:
        raise JournalError(
            f"{error.filename} exists; a backup never replaces a file: choose another name"
        ) from error
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"journal {origin} cannot be copied to {wanted}: {error}") from error


@contextlib.contextmanager
def _cleared(*paths: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def _copied(origin: Path, draft: Path, wanted: Path) -> int:
    try:
        _copy(origin, draft)
        with Journal.open(draft, read_only=True) as copy:
            copy.check_integrity()
            count = copy.count()
        draft.replace(wanted)
    except BaseException:
        wanted.unlink(missing_ok=True)
        raise
    return count


def _copy(origin: Path, draft: Path) -> None:
    claim(draft)
    reading = connect(origin, read_only=True)
    writing = sqlite3.connect(draft)
    with contextlib.closing(reading), contextlib.closing(writing):
        # All at once: a reader of a journal keeps no bot from writing, while a copy in parts begins anew after each write.
        reading.backup(writing)
        # One file, without companions: it is to be carried away.
        writing.execute("PRAGMA journal_mode = DELETE")
    handle = os.open(draft, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
