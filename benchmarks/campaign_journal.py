"""A journal whose every boundary can be the last: before a write, within it, and after it."""

import shutil
import sqlite3
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

from typing_extensions import override

from ibkeel.journal import Journal, Look
from ibkeel.journal.records import kind_of

__all__ = ["Boundary", "BoundaryJournal", "copied"]


class Boundary(StrEnum):
    """Where in a write."""

    BEFORE = "before"
    WITHIN = "within"
    AFTER = "after"


class BoundaryJournal(Journal):
    """A journal that says when it comes to a boundary; SQLite itself says when, not our code."""

    def __init__(self, connection: sqlite3.Connection, path: Path, **more: Any) -> None:
        super().__init__(connection, path, **more)
        self.hear: Callable[[Boundary, str], None] = lambda _, __: None
        """Called at each boundary with the kinds of the records, joined by plus signs."""
        self._kinds = ""
        connection.set_trace_callback(self._traced)

    @override
    def record_all(self, records: Iterable[Any]) -> tuple[int, ...]:
        batch = tuple(records)
        self._kinds = "+".join(dict.fromkeys(map(_kind_of, batch)))
        numbers = super().record_all(batch)
        self.hear(Boundary.AFTER, self._kinds)
        return numbers

    def _traced(self, statement: str) -> None:
        if statement.startswith("BEGIN"):
            self.hear(Boundary.BEFORE, self._kinds)
        elif statement.startswith("COMMIT"):
            self.hear(Boundary.WITHIN, self._kinds)


def _kind_of(record: Any) -> str:
    """Its kind; a look is kept as several."""
    return "look" if isinstance(record, Look) else kind_of(record)


def copied(path: Path, folder: Path) -> Path:
    """The database and its write-ahead log as they are at this instant, for the next process."""
    folder.mkdir()
    for suffix in ("", "-wal"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            shutil.copyfile(source, folder / source.name)
    return folder / path.name
