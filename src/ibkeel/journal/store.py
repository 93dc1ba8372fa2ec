"""The journal's file: appended to by one bot, read by any number of monitors."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

import attrs

from ibkeel.errors import JournalError
from ibkeel.journal import schema
from ibkeel.journal.export import write_csv, write_jsonl, write_parquet
from ibkeel.journal.records import (
    FillSeen,
    Intent,
    LossGuardKept,
    OrderSettled,
    OrderUpdate,
    Record,
    RunStarted,
    from_row,
    kind_of,
    reference_of,
    symbol_of,
    to_row,
)
from ibkeel.model.checks import as_utc

__all__ = ["Entry", "Journal"]

_OWNER_ONLY: Final = 0o600
_BUSY_SECONDS: Final = 5.0
_PAGE: Final = 500
_SHOWN: Final = 3
_DURABLE: Final = (FillSeen, Intent, LossGuardKept, OrderSettled, OrderUpdate, RunStarted)
_INSERT: Final = "INSERT INTO events (at, kind, symbol, reference, data) VALUES (?, ?, ?, ?, ?)"
_SELECT: Final = (
    "SELECT seq, kind, data FROM events WHERE seq > :after AND (:kind = '' OR kind = :kind) "
    "AND (:symbol = '' OR symbol = :symbol) AND at >= :since AND at < :until ORDER BY seq LIMIT :page"
)
_SELECT_LAST: Final = (
    "SELECT seq, kind, data FROM events WHERE kind = ? AND (? = '' OR symbol = ?) ORDER BY seq DESC LIMIT 1"
)
_FIRST, _LAST = "", "~"
_MEMORY: Final = Path(":memory:")


@attrs.frozen
class Entry:
    """A record and its number, counted from 1 in the order of writing."""

    seq: int
    record: Record


@contextmanager
def _told(path: Path, doing: str) -> Iterator[None]:
    """Turn SQLite's and the system's errors into ours."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"journal {path} cannot be {doing}: {error}") from error


def _row(record: Record) -> tuple[str, str, str, str, str]:
    text = json.dumps(to_row(record), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return _stamp(record.at), kind_of(record), symbol_of(record), reference_of(record), text


def _stamp(instant: datetime) -> str:
    """Text that sorts as the instants do."""
    return as_utc(instant).isoformat(timespec="microseconds")


def _create(path: Path) -> None:
    """Make the file, readable by its owner alone, before SQLite makes one that is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
    path.chmod(_OWNER_ONLY)


def _inode(path: Path) -> tuple[int, int]:
    """Which file a path leads to."""
    found = path.stat()
    return found.st_dev, found.st_ino


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        prepare = _check if read_only else _prepare
        prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if not schema.check(connection, str(path)):
        raise JournalError(f"{path} is empty: no ibkeel journal was written there yet")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    schema.migrate(connection, str(path))
    connection.execute("PRAGMA journal_mode = WAL")


class Journal:
    """An append-only log of records; open it with `Journal.open`. Any thread may use it.

    A record of an order, a fill, the loss guard or the start of a run is on disk when `record` returns. Others
    survive the end of the process at once, and a loss of power from the next of those on.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.is_read_only = read_only
        self._connection = connection
        self._lock = threading.Lock()
        self._file = None if path == _MEMORY else path.absolute()
        self._inode = None if self._file is None else _inode(self._file)

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False) -> Self:
        """Open a journal; made, with its folder, when it is not there, readable by its owner alone.

        Args:
            path: The file.
            read_only: For monitors: never writes, and the file must be there.

        Raises:
            JournalError: The path cannot be read or written, is not a journal, or is a newer
                ibkeel's.
        """
        file = Path(path)
        with _told(file, "opened"):
            if not read_only:
                _create(file)
            return cls(_connect(file, read_only=read_only), file, read_only=read_only)

    @classmethod
    def in_memory(cls) -> Self:
        """A journal that is gone when it is closed, for rehearsals such as a backtest."""
        with _told(_MEMORY, "opened"):
            connection = sqlite3.connect(str(_MEMORY), isolation_level=None, check_same_thread=False)
            _prepare(connection, _MEMORY)
        return cls(connection, _MEMORY, read_only=False)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def record(self, record: Record) -> int:
        """Append one record and return its number.

        Raises:
            JournalError: It could not be written; nothing was.
        """
        return self.record_all((record,))[0]

    def record_all(self, records: Iterable[Record]) -> tuple[int, ...]:
        """Append records, all of them or none, and return their numbers.

        Raises:
            JournalError: They could not be written; none was.
        """
        batch = tuple(records)
        rows = [_row(record) for record in batch]
        durable = any(isinstance(record, _DURABLE) for record in batch)
        with self._lock, _told(self.path, "written"):
            self._check_place()
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            return self._append(rows)

    def _check_place(self) -> None:
        """What SQLite writes to a file that was deleted or moved, nobody finds again."""
        if self._file is not None and _inode(self._file) != self._inode:
            raise JournalError(f"journal {self.path} was replaced by another file; start again")

    def _append(self, rows: list[tuple[str, str, str, str, str]]) -> tuple[int, ...]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            numbers = tuple(self._connection.execute(_INSERT, row).lastrowid or 0 for row in rows)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk has ended it already
                self._connection.execute("ROLLBACK")
            raise
        return numbers

    def events(
        self,
        kind: type[Any] | str | None = None,
        *,
        symbol: str | None = None,
        after: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Entry]:
        """Records in the order of writing; more may be written meanwhile.

        Args:
            kind: A record type or its stored name; None for all.
            symbol: Ticker; None for all.
            after: Number of the last record that is not wanted.
            since: Earliest instant, inclusive.
            until: Latest instant, exclusive.

        Raises:
            JournalError: The file cannot be read, or holds what is no record.
        """
        for seq, name, data in self._rows(kind, symbol, after, since, until):
            yield Entry(seq, from_row(name, data))

    def _rows(
        self,
        kind: type[Any] | str | None = None,
        symbol: str | None = None,
        after: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[tuple[int, str, dict[str, Any]]]:
        wanted: dict[str, Any] = {
            "kind": "" if kind is None else kind_of(kind),
            "symbol": symbol or "",
            "after": after,
            "since": _FIRST if since is None else _stamp(since),
            "until": _LAST if until is None else _stamp(until),
            "page": _PAGE,
        }
        while page := self._page(wanted):
            for seq, name, text in page:
                yield seq, name, self._parsed(seq, text)
            wanted["after"] = page[-1][0]

    def _page(self, wanted: dict[str, Any]) -> list[tuple[int, str, str]]:
        with self._lock, _told(self.path, "read"):
            return self._connection.execute(_SELECT, wanted).fetchall()

    def _parsed(self, seq: int, text: str) -> dict[str, Any]:
        try:
            data: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError as error:
            raise JournalError(f"record {seq} of {self.path} is damaged: {error}") from error
        return data

    def last(self, kind: type[Any] | str, *, symbol: str = "") -> Entry | None:
        """The latest record of a kind; None when there is none.

        Args:
            kind: A record type or its stored name.
            symbol: Ticker; empty for any.

        Raises:
            JournalError: The file cannot be read, or holds what is no record.
        """
        with self._lock, _told(self.path, "read"):
            row = self._connection.execute(_SELECT_LAST, (kind_of(kind), symbol, symbol)).fetchone()
        return None if row is None else Entry(row[0], from_row(row[1], self._parsed(row[0], row[2])))

    def count(self, kind: type[Any] | str | None = None) -> int:
        """How many records there are.

        Raises:
            JournalError: The file cannot be read.
        """
        wanted = "" if kind is None else kind_of(kind)
        query = "SELECT count(*) FROM events WHERE ? = '' OR kind = ?"
        with self._lock, _told(self.path, "read"):
            number: int = self._connection.execute(query, (wanted, wanted)).fetchone()[0]
        return number

    def check_integrity(self) -> None:
        """Read every page and index of the file, and every record; reading holds up no bot that writes.

        Raises:
            JournalError: The file is damaged; the message says where.
        """
        with self._lock, _told(self.path, "read"):
            rows = self._connection.execute("PRAGMA integrity_check").fetchall()
        said = "; ".join(str(row[0]) for row in rows[:_SHOWN])
        if said != "ok":
            raise JournalError(f"journal {self.path} is damaged: {said}")
        for _ in self.events():
            pass

    def export_jsonl(self, stream: TextIO, *, full: bool = False) -> int:
        """Write one JSON object a line and return how many; equal journals give equal bytes.

        Args:
            stream: Where to.
            full: Account ids whole rather than masked.

        Raises:
            JournalError: The journal cannot be read.
        """
        return write_jsonl(self._rows(), stream, full=full)

    def export_csv(self, path: Path | str, *, full: bool = False) -> int:
        """Write `seq,at,kind,symbol,data` rows, data as JSON, and return how many.

        Raises:
            JournalError: The journal cannot be read, or the file not written.
        """
        with _told(Path(path), "exported"):
            return write_csv(self._rows(), Path(path), full=full)

    def export_parquet(self, path: Path | str, *, full: bool = False) -> int:
        """As `export_csv`, in Parquet.

        Raises:
            JournalError: pyarrow is not installed, the journal cannot be read, or the file not
                written.
        """
        with _told(Path(path), "exported"):
            return write_parquet(self._rows(), Path(path), full=full)
