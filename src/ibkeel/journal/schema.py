"""The journal's file: who may read and write it, its tables, and the way from each version of them to the next."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Final

from ibkeel.errors import JournalError, JournalInUse, UnwritableRecord
from ibkeel.journal.looks import KIND, RECORDS, Look, data_of
from ibkeel.journal.records import Record, kind_of, reference_of, symbol_of, to_row
from ibkeel.locks import LockFile
from ibkeel.model.checks import as_utc

_OWNER_ONLY: Final = 0o600

Row = tuple[int, str, str, str, str, str]
"""Number, instant, kind, symbol, reference, data."""

INSERT: Final = "INSERT INTO events (seq, at, kind, symbol, reference, data) VALUES (?, ?, ?, ?, ?, ?)"
LAST_NUMBER: Final = "SELECT max(seq) FROM events"
SELECT: Final = (
    "SELECT seq, kind, at, symbol, data FROM events "
    "WHERE seq > :after AND (:kind = '' OR kind IN (:kind, :whole)) "
    "AND (:symbol = '' OR symbol = :symbol) AND at >= :since AND at < :until ORDER BY seq LIMIT :page"
)
SELECT_LAST: Final = (
    "SELECT seq, kind, at, symbol, data FROM events "
    "WHERE kind IN (?, ?) AND (? = '' OR symbol = ?) ORDER BY seq DESC LIMIT 1"
)
COUNT: Final = "SELECT count(*) FROM events WHERE ? = '' OR kind = ?"
_CODE: Final = "SELECT count(*) FROM sqlite_master WHERE type IN ('view', 'trigger')"
APPLICATION_ID: Final = 0x69626B6C
"""Marks the file as an ibkeel journal in SQLite's header: the letters `ibkl`."""

# Entry n leads from version n to n + 1. Never edit one that was released; append.
_MIGRATIONS: Final = (
    (
        """
        CREATE TABLE events (
            seq INTEGER PRIMARY KEY,
            at TEXT NOT NULL,
            kind TEXT NOT NULL,
            symbol TEXT NOT NULL,
            reference TEXT NOT NULL,
            data TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX events_by_kind ON events (kind, seq)",
        "CREATE INDEX events_by_reference ON events (reference, seq) WHERE reference <> ''",
    ),
    (),  # rows of the kind `look`, which a reader of version 1 does not know
)

SCHEMA_VERSION: Final = len(_MIGRATIONS)
"""Version that this ibkeel reads and writes."""


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def check(connection: sqlite3.Connection, path: str) -> int:
    """The file's version; 0 for a new file."""
    version, owner = _pragma(connection, "user_version"), _pragma(connection, "application_id")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and (owner or version or tables):
        raise JournalError(f"{path} is a database, but not an ibkeel journal; give another path")
    if connection.execute(_CODE).fetchone()[0]:
        raise JournalError(
            f"{path} has views or triggers, which no ibkeel made; they may do anything, so it is not read"
        )
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{path} has journal version {version}, this ibkeel reads up to {SCHEMA_VERSION}; upgrade ibkeel"
        )
    return version


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a file to the present version, whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = check(connection, path)
        for script in _MIGRATIONS[version:]:
            for statement in script:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise


def stamp(instant: datetime) -> str:
    """Text that sorts as the instants do."""
    return as_utc(instant).isoformat(timespec="microseconds")


def row_of(number: int, record: Record | Look) -> Row:
    """The row of a record under a number.

    Raises:
        JournalError: The journal keeps no such record.
        ValueError: It holds a number that is NaN or infinite.
    """
    if isinstance(record, Look):
        return number, stamp(record.at), KIND, record.symbol, "", data_of(record)
    text = json.dumps(to_row(record), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return number, stamp(record.at), kind_of(record), symbol_of(record), reference_of(record), text


def rows_of(records: Sequence[Record | Look]) -> list[Row]:
    """The rows of records, numbered from 1 on.

    Raises:
        UnwritableRecord: One of them holds what cannot be written as data.
    """
    return [_row_to_write(number, record) for number, record in zip(steps(records), records, strict=True)]


def _row_to_write(number: int, record: Record | Look) -> Row:
    try:
        row = row_of(number, record)
        for text in row[1:]:
            if not text.isascii():
                text.encode()
    except Exception as error:  # a signal is somebody else's: what is in it may raise anything
        words = f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()
        raise UnwritableRecord(
            f"this {type(record).__name__} cannot be written as data: {words}; valid: finite numbers, and text that "
            "UTF-8 can hold",
            record=record,
        ) from error
    return row


def steps(records: Iterable[Record | Look]) -> Iterator[int]:
    """Numbers from 1 on; a look takes up as many as it is made of records, and bears the last."""
    return accumulate(RECORDS if type(record) is Look else 1 for record in records)


def create(path: Path) -> None:
    """Make the file, readable by its owner alone, before SQLite makes one that is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
    path.chmod(_OWNER_ONLY)


def taken(path: Path) -> LockFile:
    """The lock of whoever writes; every path to one file has the same."""
    file = path.resolve()
    lock = LockFile(file.with_name(f"{file.name}.lock"))
    holder = lock.acquire()
    if holder is None:
        return lock
    who, when = holder.words("part")
    raise JournalInUse(
        f"journal {path} is written by {who}{when}, and a journal has one writer: its orders would be taken for "
        "those of the other. End that one, or give this bot a journal, or a state directory, of its own. To read it "
        "meanwhile open it read-only, as `ibkeel journal show` does",
        pid=holder.pid,
        since=holder.since,
    )


def inode(path: Path) -> tuple[int, int]:
    """Which file a path leads to."""
    found = os.stat(path)  # noqa: PTH116 - before each write; a `Path` asks the same by a longer way
    return found.st_dev, found.st_ino
