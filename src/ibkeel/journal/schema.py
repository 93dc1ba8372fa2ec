"""Tables of the journal and the way from each version of them to the next."""

import sqlite3
from typing import Final

from ibkeel.errors import JournalError

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "check", "migrate"]

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
)

SCHEMA_VERSION: Final = len(_MIGRATIONS)
"""Version that this ibkeel reads and writes."""


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def check(connection: sqlite3.Connection, path: str) -> int:
    """The file's version; 0 for a new file.

    Raises:
        JournalError: It is another program's database, or of a newer ibkeel.
    """
    version, owner = _pragma(connection, "user_version"), _pragma(connection, "application_id")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and (owner or version or tables):
        raise JournalError(f"{path} is a database, but not an ibkeel journal; give another path")
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{path} has journal version {version}, this ibkeel reads up to {SCHEMA_VERSION}; upgrade ibkeel"
        )
    return version


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a file to the present version, whole or not at all.

    Raises:
        JournalError: It is another program's database, or of a newer ibkeel.
    """
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
