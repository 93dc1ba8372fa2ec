import sqlite3
import stat
import threading
from contextlib import closing

import attrs
import pytest

from ibkeel.errors import JournalError
from ibkeel.journal import Journal, back_up


def test_a_copy_holds_what_is_still_in_the_companion_file(journal, records, tmp_path):
    journal.record_all(records)
    target = tmp_path / "copy.sqlite"

    count = back_up(journal.path, target)

    assert journal.path.with_name(journal.path.name + "-wal").stat().st_size > 0
    assert count == len(records)
    with Journal.open(target, read_only=True) as copy:
        assert list(copy.events()) == list(journal.events())


def test_a_copy_is_one_file_for_its_owner_alone(journal, records, tmp_path):
    journal.record_all(records)
    folder = tmp_path / "backups"
    folder.mkdir()

    back_up(journal.path, folder / "copy.sqlite")

    [only] = folder.iterdir()
    assert stat.S_IMODE(only.stat().st_mode) == 0o600


def test_a_copy_ends_while_a_bot_writes_on_and_on(journal, records, tmp_path):
    journal.record_all([attrs.evolve(records[6], message="x" * 200_000)] * 200)
    copied, is_enough = threading.Event(), threading.Event()

    def copy():
        back_up(journal.path, tmp_path / "copy.sqlite")
        copied.set()

    def write():
        while not is_enough.is_set():
            journal.record(records[9])

    threads = [threading.Thread(target=copy), threading.Thread(target=write)]
    for thread in threads:
        thread.start()

    has_ended = copied.wait(timeout=40)

    is_enough.set()
    for thread in threads:
        thread.join()
    assert has_ended
    with Journal.open(tmp_path / "copy.sqlite", read_only=True) as copy:
        copy.check_integrity()
        assert 200 <= copy.count() <= journal.count()


def test_a_copy_restored_is_a_journal_to_write_on(journal, records, tmp_path):
    journal.record_all(records)
    back_up(journal.path, tmp_path / "copy.sqlite")
    restored = tmp_path / "restored.sqlite"

    back_up(tmp_path / "copy.sqlite", restored)

    with Journal.open(restored) as again:
        assert again.record(records[0]) == len(records) + 1


def test_a_file_that_is_there_is_never_replaced(journal, records, tmp_path):
    journal.record_all(records)
    target = tmp_path / "copy.sqlite"
    target.write_text("precious")

    with pytest.raises(JournalError, match=r"copy\.sqlite exists; a backup never replaces a file"):
        back_up(journal.path, target)

    assert target.read_text() == "precious"


@pytest.mark.parametrize("damage", ["a record", "another program's", "missing"])
def test_a_source_that_is_no_whole_journal_leaves_no_copy(tmp_path, records, damage):
    source, folder = tmp_path / "journal.sqlite", tmp_path / "backups"
    folder.mkdir()
    if damage == "a record":
        with Journal.open(source) as journal:
            journal.record_all(records)
        with closing(sqlite3.connect(source)) as connection, connection:
            connection.execute("UPDATE events SET data = 'no json' WHERE seq = 2")
    elif damage == "another program's":
        with closing(sqlite3.connect(source)) as connection, connection:
            connection.execute("CREATE TABLE songs (name TEXT)")

    with pytest.raises(JournalError):
        back_up(source, folder / "copy.sqlite")

    assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(journal, records, tmp_path):
    journal.record_all(records)

    with pytest.raises(JournalError, match="cannot be copied"):
        back_up(journal.path, tmp_path / "nowhere" / "copy.sqlite")
