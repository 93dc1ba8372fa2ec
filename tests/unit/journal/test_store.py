import json
import sqlite3
import stat
import threading
from datetime import timedelta

import pytest

from ibkeel.errors import JournalError
from ibkeel.journal import CycleDone, Entry, Intent, Journal
from ibkeel.journal.schema import APPLICATION_ID, SCHEMA_VERSION


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
    assert kinds(after=9) == ["CycleDone", "OrderSettled", "RunEnded"]
    assert kinds(since=last) == ["RunEnded"]
    assert kinds(since=last - timedelta(seconds=8), until=last) == ["CycleDone", "OrderSettled"]


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
    with pytest.raises(JournalError, match="unable to open"):
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
