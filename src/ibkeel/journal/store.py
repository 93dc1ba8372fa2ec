"""The journal's file: appended to by one bot, read by any number of monitors."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

from ibkeel.errors import JournalError, UnreadableRecord
from ibkeel.journal import schema
from ibkeel.journal.export import write_csv, write_jsonl, write_parquet
from ibkeel.journal.records import (
    Entry,
    FillSeen,
    Intent,
    LossGuardKept,
    OrderSettled,
    OrderUpdate,
    R_co,
    Record,
    RunStarted,
    from_row,
    kind_of,
)
from ibkeel.journal.schema import (
    KIND,
    PARTS,
    RECORDS,
    Look,
    Row,
    create,
    inode,
    parts,
    rows_of,
    stamp,
    taken,
)
from ibkeel.locks import LockFile

_BARRED: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
_BUSY_SECONDS: Final = 5.0
_PAGE: Final = 500
_DURABLE: Final = frozenset({FillSeen, Intent, LossGuardKept, OrderSettled, OrderUpdate, RunStarted})
_FIRST, _LAST = "", "~"
_MEMORY: Final = Path(":memory:")


@contextmanager
def _told(path: Path, doing: str) -> Iterator[None]:
    """Turn SQLite's and the system's errors into ours."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"journal {path} cannot be {doing}: {error}") from error


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection to a journal that was looked at, and brought up to date if it may be written."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    try:
        return _connected(uri, path, read_only=read_only)
    except sqlite3.OperationalError as error:
        # SQLite would make files beside it, and may not. Without a `-wal` there nobody writes it now.
        is_barred = read_only and error.sqlite_errorcode & 0xFF in _BARRED
        if not is_barred or Path(f"{path.resolve()}-wal").exists():
            raise
        return _connected(f"{uri}&immutable=1", path, read_only=True)


def _connected(uri: str, path: Path, *, read_only: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        (_check if read_only else _prepare)(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if not schema.check(connection, path):
        raise JournalError(f"{path} is empty: no ibkeel journal was written there yet")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    schema.migrate(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")


class Journal:
    """An append-only log of records; open it with `Journal.open`. Any thread may use it.

    A record of an order, a fill, the loss guard or the start of a run is on disk when `record` returns. Others
    survive the end of the process at once, and a loss of power from the next of those on.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        read_only: bool,
        writing: LockFile | None = None,
    ) -> None:
        self.path = path
        self._writing = writing
        self.is_read_only = read_only
        self._connection = connection
        self._lock = threading.Lock()
        self._is_durable: bool | None = None  # as SQLite was told last
        self._file = None if path == _MEMORY else path.absolute()
        self._inode = None if self._file is None else inode(self._file)

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False) -> Self:
        """Open a journal; made, with its folder, when it is not there, readable by its owner alone.

        It has one writer: a file beside it, ending in `.lock`, is held by whoever writes, and ends with its process.

        Args:
            path: The file.
            read_only: For monitors: never writes, and the file must be there. Any number may read.

        Raises:
            JournalInUse: Somebody else writes it.
            JournalError: The path cannot be read or written, is not a journal, or is a newer ibkeel's.
        """
        file = Path(path)
        with _told(file, "opened"):
            if read_only:
                if not file.exists():
                    raise JournalError(f"there is no journal at {file}; a bot writes it when it runs")
                if file.is_dir():
                    raise JournalError(f"{file} is a directory; name the journal in it")
                return cls(connect(file, read_only=True), file, read_only=True)
            writing = taken(file)
            try:
                create(file)
                return cls(connect(file, read_only=False), file, read_only=False, writing=writing)
            except BaseException:
                writing.release()
                raise

    @classmethod
    def in_memory(cls) -> Self:
        """A journal that is gone when it is closed, for rehearsals such as a backtest."""
        with _told(_MEMORY, "opened"):
            connection = sqlite3.connect(_MEMORY, isolation_level=None, check_same_thread=False)
            _prepare(connection, _MEMORY)
        return cls(connection, _MEMORY, read_only=False)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with self._lock:
            self._connection.close()
            if self._writing is not None:
                self._writing.release()
                self._writing = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def record(self, record: Record | Look) -> int:
        """Append one record and return its number; a look has three, of which this is the last.

        Raises:
            JournalError: It could not be written; nothing was.
        """
        return self.record_all((record,))[0]

    def record_all(self, records: Iterable[Record | Look]) -> tuple[int, ...]:
        """Append records, all of them or none, and return their numbers.

        Raises:
            UnwritableRecord: One of them never can be, for what it holds; none was.
            JournalError: They could not be written; none was.
        """
        batch = tuple(records)
        rows = rows_of(batch)
        is_durable = any(type(record) in _DURABLE for record in batch)
        with self._lock, _told(self.path, "written"):
            self._check_place()
            if is_durable is not self._is_durable:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
                self._is_durable = is_durable
            return self._append(rows)

    def _check_place(self) -> None:
        """What SQLite writes to a file that was deleted or moved, nobody finds again."""
        if self._file is not None and inode(self._file) != self._inode:
            raise JournalError(f"journal {self.path} was replaced by another file; start again")
        if self._writing is None:
            return
        if not self._writing.is_held:
            raise JournalError(
                f"journal {self.path} is written by the process that this one was forked from; open another one here"
            )
        if not self._writing.is_in_place:
            raise JournalError(
                f"{self._writing.path}, which keeps other writers from the journal, was deleted or replaced: another "
                "process may write now; start again"
            )

    def _append(self, rows: list[Row]) -> tuple[int, ...]:
        """Write rows whose numbers count from the last one in the file."""
        try:  # a commit by `with` is no statement, and nobody could be killed before it in a test
            self._connection.execute("BEGIN IMMEDIATE")
            last: int = self._connection.execute(schema.LAST_NUMBER).fetchone()[0] or 0
            numbers = tuple(last + row[0] for row in rows)
            self._connection.executemany(
                schema.INSERT, [(number, *row[1:]) for number, row in zip(numbers, rows, strict=True)]
            )
            self._connection.execute("COMMIT")
        except BaseException:
            # A full disk has ended it already, or another writer let none begin.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return numbers

    def events(
        self,
        kind: type[R_co] | str | None = None,
        *,
        symbol: str | None = None,
        after: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
        alive_on: date | None = None,
    ) -> Iterator[Entry[R_co]]:
        """Records in the order of writing; more may be written meanwhile.

        Those that a look is made of are taken together, by the instant at which it ended.

        Args:
            kind: A record type or its stored name; None for all.
            symbol: Ticker; None for all.
            after: Number of the last record that is not wanted.
            since: Earliest instant, inclusive.
            until: Latest instant, exclusive.
            alive_on: Leaves out orders in options that expired before that day, and what was said of those.

        Raises:
            UnreadableRecord: It holds what is no record; a `SparingReader` reads on.
            JournalError: The file cannot be read.
        """
        for seq, name, data in self._rows(kind, symbol, after, since, until, alive_on):
            yield self._entry(seq, name, data)

    def _rows(
        self,
        kind: type[Any] | str | None = None,
        symbol: str | None = None,
        after: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
        alive_on: date | None = None,
    ) -> Iterator[tuple[int, str, dict[str, Any]]]:
        name = "" if kind is None else kind_of(kind)
        wanted: dict[str, Any] = {
            "kind": name,
            "whole": KIND if name in PARTS else name,
            "symbol": symbol or "",
            "after": after,
            "since": _FIRST if since is None else stamp(since),
            "until": _LAST if until is None else stamp(until),
            "expiry": "" if alive_on is None else alive_on.isoformat(),
            "page": _PAGE,
        }
        while page := self._page(wanted):
            for row in page:
                yield from self._read(*row, name=name, after=after)
            wanted["after"] = page[-1][0]

    def _read(
        self, seq: int, stored: str, at: str, symbol: str, text: str, *, name: str = "", after: int = 0
    ) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """What a row holds: one record, or those that a look is made of."""
        data = self._parsed(seq, text)
        if stored != KIND:
            yield seq, stored, data
            return
        try:
            whole = zip(PARTS, parts(at, symbol, data), strict=True)
        except (TypeError, ValueError) as error:
            raise self._damaged(seq, error) from error
        for number, (part, plain) in enumerate(whole, start=seq - RECORDS + 1):
            if number > after and name in ("", part):
                yield number, part, plain

    def _page(self, wanted: dict[str, Any]) -> list[tuple[int, str, str, str, str]]:
        with self._lock, _told(self.path, "read"):
            return self._connection.execute(schema.SELECT, wanted).fetchall()

    def _parsed(self, seq: int, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._damaged(seq, error) from error

    def _entry(self, seq: int, name: str, data: Mapping[str, Any]) -> Entry[Any]:
        try:
            return Entry(seq, from_row(name, data))
        except JournalError as error:
            raise self._damaged(seq, error) from error

    def _damaged(self, seq: int, error: Exception) -> UnreadableRecord:
        return UnreadableRecord(f"record {seq} of {self.path} is damaged: {error}", seq=seq)

    def last(self, kind: type[R_co] | str, *, symbol: str | None = None) -> Entry[R_co] | None:
        """The latest record of a kind; None when there is none.

        Args:
            kind: A record type or its stored name.
            symbol: Ticker; None for all.

        Raises:
            JournalError: The file cannot be read, or holds what is no record.
        """
        name = kind_of(kind)
        row = self._one(schema.SELECT_LAST, name, KIND if name in PARTS else name, symbol or "", symbol)
        found = () if row is None else self._read(*row, name=name)
        return next((self._entry(*row) for row in found), None)

    def count(self, kind: type[Any] | str | None = None) -> int:
        """How many records there are.

        Raises:
            JournalError: The file cannot be read.
        """
        wanted = "" if kind is None else kind_of(kind)
        rows: int = self._one(schema.COUNT, wanted, wanted)[0]
        looks: int = self._one(schema.COUNT, KIND, KIND)[0]
        if not wanted:
            return rows + (RECORDS - 1) * looks
        return rows + looks if wanted in PARTS else rows

    def highest_order_id(self, client_id: int) -> int:
        """As the function of this name tells it."""
        return self._one(schema.HIGHEST_ORDER_ID, client_id)[0] or 0

    def _one(self, query: str, *values: object) -> Any:
        with self._lock, _told(self.path, "read"):
            return self._connection.execute(query, values).fetchone()

    def check_integrity(self) -> None:
        """Read every page and index of the file, and every record; reading holds up no bot that writes.

        Raises:
            JournalError: The file is damaged; the message says where.
        """
        with self._lock, _told(self.path, "read"):
            rows = self._connection.execute("PRAGMA integrity_check").fetchall()
        said = "; ".join(str(row[0]) for row in rows[:3])
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
        """Write `seq,at,kind,symbol,data` rows, data as JSON, to a new file, and return how many.

        Raises:
            JournalError: The journal cannot be read, or the file exists or cannot be written.
        """
        with _told(Path(path), "exported"):
            return write_csv(self._rows(), Path(path), full=full)

    def export_parquet(self, path: Path | str, *, full: bool = False) -> int:
        """As `export_csv`, in Parquet.

        Raises:
            JournalError: pyarrow is not installed, the journal cannot be read, or the file exists
                or cannot be written.
        """
        with _told(Path(path), "exported"):
            return write_parquet(self._rows(), Path(path), full=full)
