import json
import os
import sqlite3
import stat
import tempfile
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibkeel.errors import JournalError, UnreadableRecord
from ibkeel.journal import CycleDone, Entry, Failure, Intent, Journal, back_up, store
from ibkeel.journal.schema import APPLICATION_ID, SCHEMA_VERSION

AT = datetime(2024, 3, 4, 17, tzinfo=UTC)


def test_what_was_recorded_is_read_back_in_order(journal, records):
    numbers = [journal.record(record) for record in records]

    assert numbers == list(range(1, len(records) + 1))
    assert list(journal.events()) == [Entry(n, record) for n, record in zip(numbers, records, strict=True)]


def test_the_journal_is_readable_by_its_owner_alone(journal, records):
    journal.record(records[0])

    for file in journal.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_file_with_wider_rights_is_narrowed(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.touch(mode=0o644)

    Journal.open(path).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_records_are_there_after_a_restart(tmp_path, records):
    path = tmp_path / "state" / "journal.sqlite"
    with Journal.open(path) as journal:
        journal.record_all(records)

    with Journal.open(path) as journal:
        assert [entry.record for entry in journal.events()] == list(records)
        assert journal.record(records[0]) == len(records) + 1


def test_events_can_be_narrowed(journal, records):
    journal.record_all(records)
    last = records[-1].at

    def kinds(**wanted):
        return [type(entry.record).__name__ for entry in journal.events(**wanted)]

    assert kinds(kind=Intent) == ["Intent", "Intent"]
    assert kinds(kind="cycle_done") == ["CycleDone"]
    assert kinds(symbol="QQQ") == ["Failure"]
    assert kinds(after=9) == ["CycleDone", "OrderSettled", "LimitsTaken", "CommissionSeen", "RunEnded"]
    assert kinds(since=last) == ["RunEnded"]
    assert kinds(since=last - timedelta(seconds=8), until=last) == [
        "CycleDone",
        "OrderSettled",
        "LimitsTaken",
        "CommissionSeen",
    ]


def test_the_latest_record_of_a_kind_can_be_asked_for(journal, records):
    journal.record_all(records)

    assert journal.last(Intent).record.client_order_id == "ibk-2"
    assert journal.last("intent", symbol="QQQ") is None
    assert journal.last("loss_guard_kept").record.guard.start_equity == 1000


def test_counts_are_by_kind_or_of_all(journal, records):
    journal.record_all(records)

    assert (journal.count(), journal.count(Intent)) == (len(records), 2)


def test_long_journals_are_read_page_by_page(journal, records):
    (done,) = (record for record in records if isinstance(record, CycleDone))
    journal.record_all([done] * 1201)

    assert [entry.seq for entry in journal.events()] == list(range(1, 1202))


def test_a_batch_is_written_whole_or_not_at_all(journal, records):
    class Odd(CycleDone):
        """A record the journal does not keep."""

    with pytest.raises(JournalError, match="keeps no"):
        journal.record_all([records[0], Odd(at=records[0].at, symbol="SPY", cycle=1, outcome="x")])

    assert journal.count() == 0


def test_a_failed_write_leaves_nothing_half_written(journal, records):
    with sqlite3.connect(journal.path) as other:
        other.execute(
            "CREATE TRIGGER odd BEFORE INSERT ON events WHEN NEW.kind = 'quote_seen' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    other.close()

    with pytest.raises(JournalError, match="cannot be written: no"):
        journal.record_all(records[:2])

    assert journal.count() == 0


def test_a_monitor_reads_while_the_bot_writes_and_cannot_write(journal, records):
    journal.record(records[0])

    with Journal.open(journal.path, read_only=True) as monitor:
        journal.record(records[1])

        assert monitor.is_read_only
        assert monitor.count() == 2
        with pytest.raises(JournalError, match="readonly"):
            monitor.record(records[0])


def test_other_threads_may_record(journal, records):
    threads = [threading.Thread(target=journal.record, args=(records[0],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [entry.seq for entry in journal.events()] == [1, 2, 3, 4]


def test_closing_twice_does_nothing_and_a_closed_journal_says_so(journal, records):
    journal.close()
    journal.close()

    with pytest.raises(JournalError, match="closed"):
        journal.record(records[0])


def test_a_folder_cannot_be_a_journal(tmp_path):
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal.open(tmp_path)


def test_a_path_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(JournalError, match="cannot be opened"):
        Journal.open(tmp_path / "file" / "journal.sqlite")


def test_a_monitor_makes_no_file(tmp_path):
    with pytest.raises(
        JournalError, match=r"there is no journal at .*none\.sqlite; a bot writes it when it runs"
    ):
        Journal.open(tmp_path / "none.sqlite", read_only=True)

    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_journal_to_a_monitor(tmp_path):
    (tmp_path / "empty").touch()

    with pytest.raises(JournalError, match="no ibkeel journal was written"):
        Journal.open(tmp_path / "empty", read_only=True)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("buy low, sell high\n" * 100)

    with pytest.raises(JournalError, match="not a database"):
        Journal.open(path)


def test_another_programs_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE songs (name TEXT)")
    other.close()

    with pytest.raises(JournalError, match="not an ibkeel journal"):
        Journal.open(path)

    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]
    other.close()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW more AS WITH RECURSIVE all_of AS (SELECT 1 UNION ALL SELECT 1 FROM all_of) SELECT * FROM all_of",
        "CREATE TRIGGER loss AFTER INSERT ON events BEGIN DELETE FROM events; END",
    ],
)
@pytest.mark.parametrize("read_only", [True, False])
def test_a_journal_that_brings_code_is_refused(journal, statement, read_only):
    journal.close()
    with sqlite3.connect(journal.path) as crafted:
        crafted.execute(statement)
    crafted.close()

    with pytest.raises(JournalError, match="has views or triggers"):
        Journal.open(journal.path, read_only=read_only)


@pytest.mark.parametrize("data", ["[" * 100_000, '{"code": ' + "9" * 5000 + "}"], ids=["deep", "long"])
def test_data_that_no_parser_takes_is_a_damaged_record(journal, data):
    journal.record(Failure(at=AT, kind="x", message="y"))
    with sqlite3.connect(journal.path) as crafted:
        crafted.execute("UPDATE events SET data = ?", (data,))
    crafted.close()

    with pytest.raises(UnreadableRecord, match=r"record 1 of .* is damaged"):
        list(journal.events())


def test_a_newer_journal_is_refused(tmp_path, journal):
    journal.close()
    with sqlite3.connect(journal.path) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()

    with pytest.raises(JournalError, match="upgrade ibkeel"):
        Journal.open(journal.path)


def test_the_file_says_whose_it_is(journal):
    with sqlite3.connect(journal.path) as file:
        assert file.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()


@pytest.mark.parametrize(("text", "match"), [("{", "damaged"), (json.dumps({"at": 1}), "cannot be read")])
def test_a_damaged_record_is_told_and_not_skipped(journal, records, text, match):
    journal.record(records[0])
    with sqlite3.connect(journal.path) as file:
        file.execute("UPDATE events SET data = ?", (text,))
    file.close()

    with pytest.raises(JournalError, match=match):
        list(journal.events())


def test_a_log_that_was_cut_off_anywhere_reads_back_as_whole_batches(journal, records, tmp_path):
    """What a loss of power leaves: the log up to some byte, and no index of it."""
    batches = [records[:3], records[3:5], records[5:]]
    for batch in batches:
        journal.record_all(batch)
    database, log = journal.path.read_bytes(), Path(f"{journal.path}-wal").read_bytes()
    whole, path, counts = [0, 3, 5, len(records)], tmp_path / "cut" / "journal.sqlite", []
    path.parent.mkdir()

    for end in [*range(0, len(log), 997), len(log)]:
        path.write_bytes(database)
        Path(f"{path}-wal").write_bytes(log[:end])
        with Journal.open(path) as cut:
            counts.append(cut.count())
            assert [entry.record for entry in cut.events()] == list(records[: counts[-1]])
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        path.unlink()

    assert counts == sorted(counts)
    assert sorted(set(counts)) == whole


def test_a_page_of_garbage_is_told(journal, records):
    journal.record_all(records * 20)
    journal.close()
    with journal.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 3 * 4096)

    with (
        pytest.raises(JournalError, match=r"cannot be (opened|read): database disk image is malformed"),
        Journal.open(journal.path) as damaged,
    ):
        list(damaged.events())


def test_a_journal_that_another_process_is_writing_cannot_be_opened_for_writing(
    journal, records, monkeypatch
):
    monkeypatch.setattr(store, "_BUSY_SECONDS", 0.01)
    journal.close()
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(JournalError, match="cannot be opened: database is locked"):
            Journal.open(journal.path)

    with Journal.open(journal.path) as again:
        assert again.record(records[0]) == 1


@pytest.fixture
def as_nobody():
    """Rights count for nothing when root asks, so somebody else does."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.fixture
def public_folder():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_file_that_may_not_be_written_cannot_be_opened(public_folder, request):
    path = public_folder / "journal.sqlite"
    path.touch()
    path.chmod(0o444)
    request.getfixturevalue("as_nobody")

    with pytest.raises(JournalError, match=r"cannot be opened: .*Permission denied"):
        Journal.open(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_a_folder_that_may_not_be_written_cannot_hold_a_journal(public_folder, request):
    public_folder.chmod(0o555)
    request.getfixturevalue("as_nobody")

    with pytest.raises(JournalError, match=r"cannot be opened: .*Permission denied"):
        Journal.open(public_folder / "journal.sqlite")


class Interrupted:
    """A connection after whose first statement of a kind somebody presses Ctrl-C."""

    def __init__(self, connection, statement):
        self.connection, self.statement = connection, statement

    def __getattr__(self, name):
        return getattr(self.connection, name)

    def execute(self, statement, *values):
        result = self.connection.execute(statement, *values)
        if statement.startswith(self.statement):
            self.statement = "nothing more"
            raise KeyboardInterrupt
        return result


@pytest.mark.parametrize("statement", ["BEGIN", "SELECT"])
def test_a_write_that_is_interrupted_leaves_no_transaction_open(journal, records, statement):
    whole = journal._connection
    journal._connection = Interrupted(whole, statement)

    with pytest.raises(KeyboardInterrupt):
        journal.record(records[0])

    assert not whole.in_transaction
    assert journal.record(records[1]) == 1


def test_a_batch_that_finds_no_room_leaves_the_journal_fit_for_the_next(journal, records):
    connection = journal._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    many = list(records) * 50

    with pytest.raises(JournalError, match="cannot be written: database or disk is full"):
        journal.record_all(many)
    connection.execute("PRAGMA max_page_count = 100000")

    assert journal.record_all(many) == tuple(range(1, len(many) + 1))


def test_a_journal_that_was_closed_is_read_where_nothing_may_be_written(tmp_path, records):
    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as journal:
        journal.record_all(records)
    path.with_name(
        f"{path.name}-shm"
    ).mkdir()  # as on a disk mounted read-only: SQLite can make no file there

    with Journal.open(path, read_only=True) as journal:
        assert [entry.record for entry in journal.events()] == list(records)
    assert back_up(path, tmp_path / "copy.sqlite") == len(records)


def test_a_journal_whose_companion_file_cannot_be_read_is_not_read_without_it(tmp_path, records):
    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as journal:
        journal.record_all(records)
    path.with_name(f"{path.name}-wal").mkdir()

    with pytest.raises(JournalError, match="unable to open"):
        Journal.open(path, read_only=True)


def test_an_index_that_misses_a_record_is_damage_and_named(journal, records):
    journal.record_all(records)
    with closing(sqlite3.connect(journal.path)) as file, file:
        file.execute("PRAGMA writable_schema = ON")
        file.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, '(kind,', '(symbol,') WHERE name = 'events_by_kind'"
        )

    with (
        Journal.open(journal.path, read_only=True) as damaged,
        pytest.raises(
            JournalError, match=r"journal\.sqlite is damaged: row 1 missing from index events_by_kind"
        ),
    ):
        damaged.check_integrity()


def test_the_last_of_all_symbols_is_asked_for_as_those_of_all_are(journal, records):
    for record in records:
        journal.record(record)

    for kind in {type(record) for record in records}:
        assert journal.last(kind, symbol=None) == list(journal.events(kind, symbol=None))[-1]
