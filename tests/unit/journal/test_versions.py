"""One way from each version of the file to the present one; `version-N.sql` holds a file of version N."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ibkeel.errors import JournalError
from ibkeel.journal import CommissionSeen, Journal, LimitsTaken, schema

FILES = sorted(Path(__file__).parent.glob("version-*.sql"))
SECOND = ("ALTER TABLE events ADD COLUMN note TEXT NOT NULL DEFAULT ''", "CREATE INDEX n ON events (note)")
BROKEN = ("ALTER TABLE events ADD COLUMN note TEXT NOT NULL DEFAULT ''", "CREATE INDEX n ON nowhere (note)")


def number(file):
    return int(re.search(r"[0-9]+", file.stem)[0])


@pytest.fixture
def old(tmp_path):
    """A file of an older version, made from its script."""

    def made(script):
        path = tmp_path / "journal.sqlite"
        with closing(sqlite3.connect(path)) as file:
            file.executescript(script.read_text(encoding="utf-8"))
            file.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            file.execute(f"PRAGMA user_version = {number(script)}")
        return path

    return made


def pragma(path, name):
    with closing(sqlite3.connect(path)) as file:
        return file.execute(f"PRAGMA {name}").fetchone()[0]


LATER = (CommissionSeen, LimitsTaken)
"""Kinds of record that no file of an earlier day holds."""


def test_there_is_a_file_of_every_version_that_was_ever_written():
    assert [number(file) for file in FILES] == list(range(1, schema.SCHEMA_VERSION + 1))


@pytest.mark.parametrize("script", FILES, ids=lambda file: file.stem)
def test_a_file_of_each_version_is_brought_forward_with_all_that_it_holds(old, records, script):
    path = old(script)

    with Journal.open(path) as journal:
        kept = [entry.record for entry in journal.events()]
        journal.record(records[0])

        assert kept == [record for record in records if not isinstance(record, LATER)][: len(kept)]
        assert len(kept) >= 12
        assert journal.count() == len(kept) + 1
    assert pragma(path, "user_version") == schema.SCHEMA_VERSION
    assert pragma(path, "integrity_check") == "ok"


def test_a_further_version_is_reached_step_by_step_and_once(old, records, monkeypatch):
    path = old(FILES[0])
    monkeypatch.setattr(schema, "_MIGRATIONS", (*schema._MIGRATIONS, SECOND))
    monkeypatch.setattr(schema, "SCHEMA_VERSION", schema.SCHEMA_VERSION + 1)

    for _ in range(2):
        with Journal.open(path) as journal:
            assert next(journal.events()).record == records[0]

    assert pragma(path, "user_version") == schema.SCHEMA_VERSION


def test_a_step_that_fails_leaves_the_file_as_it_was(old, monkeypatch):
    path = old(FILES[0])
    monkeypatch.setattr(schema, "_MIGRATIONS", (*schema._MIGRATIONS, BROKEN))
    monkeypatch.setattr(schema, "SCHEMA_VERSION", schema.SCHEMA_VERSION + 1)

    with pytest.raises(JournalError, match="nowhere"):
        Journal.open(path)

    assert pragma(path, "user_version") == 1
    with closing(sqlite3.connect(path)) as file:
        assert "note" not in [row[1] for row in file.execute("PRAGMA table_info(events)")]


def test_a_newer_version_is_named_with_what_to_do(old):
    path = old(FILES[-1])
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 99")

    for read_only in (False, True):
        with pytest.raises(
            JournalError, match=r"has journal version 99, this ibkeel reads up to [0-9]+; upgrade ibkeel"
        ):
            Journal.open(path, read_only=read_only)
