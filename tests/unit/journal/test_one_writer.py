"""A journal has one writer, which the operating system sees to; any number may read."""

import errno
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from ibkeel.errors import JournalError, JournalInUse
from ibkeel.journal import Journal
from ibkeel.locks import LockFile

WRITER = """
import sys
from ibkeel.journal import Journal

with Journal.open(sys.argv[1]):
    print("mine", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another_writer(path):
    """A process that has the journal open for writing, until it reads a line or is killed."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "mine\n"
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_by_name_until_the_first_was_killed(tmp_path):
    path = tmp_path / "journal.sqlite"

    with another_writer(path) as writer:
        with pytest.raises(JournalInUse) as caught:
            Journal.open(path)
        with Journal.open(path, read_only=True) as reader:
            count = reader.count()
        writer.send_signal(signal.SIGKILL)
        writer.wait(timeout=10)
        Journal.open(path).close()

    assert count == 0
    assert caught.value.pid == writer.pid
    assert caught.value.since is not None
    assert f"is written by process {writer.pid} since" in str(caught.value)
    assert "a state directory, of its own" in str(caught.value)


def test_another_part_of_the_process_is_refused_too_also_by_another_path(journal, tmp_path):
    link = tmp_path / "link.sqlite"
    link.symlink_to(journal.path)

    for path in (journal.path, link):
        with pytest.raises(JournalInUse, match=rf"another part of this process \({os.getpid()}\)"):
            Journal.open(path)


def test_who_was_refused_or_could_not_open_it_holds_nothing(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.write_text("no database, but long enough to be taken for one" * 100)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal.open(path)
    path.unlink()

    Journal.open(path).close()
    Journal.open(path).close()


def test_a_lock_that_cannot_be_signed_for_want_of_room_holds_all_the_same(journal, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(LockFile, "_sign", full)
    with (
        Journal.open(tmp_path / "other.sqlite"),
        pytest.raises(JournalInUse, match="written by another process,"),
    ):
        Journal.open(tmp_path / "other.sqlite")


def test_a_file_system_without_locks_is_no_place_for_a_journal(tmp_path, monkeypatch):
    def without(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(LockFile, "acquire", without)

    with pytest.raises(JournalError, match=r"cannot be opened: .*no locks available"):
        Journal.open(tmp_path / "journal.sqlite")


def test_a_journal_in_memory_has_no_lock():
    with Journal.in_memory(), Journal.in_memory() as second:
        assert second.count() == 0


def test_a_writer_whose_lock_was_deleted_writes_no_more(tmp_path, records):
    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as journal:
        journal.record(records[0])
        path.with_name("journal.sqlite.lock").unlink()

        with pytest.raises(JournalError, match="another process may write now"):
            journal.record(records[0])


def test_a_lock_is_in_place_only_while_its_file_is_held_and_still_there(tmp_path):
    path = tmp_path / "x.lock"
    lock = LockFile(path)
    seen = [lock.is_in_place]

    lock.acquire()
    seen.append(lock.is_in_place)
    path.unlink()
    seen.append(lock.is_in_place)
    path.touch()
    seen.append(lock.is_in_place)
    lock.release()
    lock.release()
    seen.append(lock.is_in_place)

    assert seen == [False, True, False, False, False]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_is_a_second_writer_and_may_not_write(tmp_path):
    forking = f"""
import os
from datetime import UTC, datetime
from ibkeel.errors import JournalError
from ibkeel.journal import Failure, Journal

journal = Journal.open({str(tmp_path / "journal.sqlite")!r})
child = os.fork()
try:
    journal.record(Failure(at=datetime(2026, 1, 5, tzinfo=UTC), kind="NoData", message="none"))
except JournalError as error:
    print(error, flush=True)
if child:
    os.waitpid(child, 0)
    print(journal.count(), flush=True)
else:
    journal.close()
    os._exit(0)
"""

    done = subprocess.run([sys.executable, "-c", forking], capture_output=True, text=True, check=True)

    refused, count = done.stdout.splitlines()
    assert "is written by the process that this one was forked from" in refused
    assert count == "1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children share locks where there is fork")
def test_a_lock_that_a_child_keeps_for_a_process_that_ended_says_so(tmp_path):
    path, code = tmp_path / "file.lock", "import sys; sys.exit()"
    with subprocess.Popen([sys.executable, "-c", code]) as ended:
        ended.wait()
    lock = LockFile(path)
    lock.acquire()
    path.write_text(f'{{"pid": {ended.pid}, "since": "2026-01-05T14:30:00+00:00"}}')

    holder = LockFile(path).acquire()
    lock.release()

    assert holder.words("part")[0] == f"a child of process {ended.pid}, which itself has ended,"
