import errno
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibkeel.errors import AnotherProcess, ClientIdInUse, ConfigurationError
from ibkeel.locks import ByteLock, ProcessLock, WholeFileLock, lock_folder

HOME = Path("/home/trader")


class StandingClock:
    def monotonic(self):
        return 0.0

    def now(self):
        return datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


class Msvcrt:
    """One byte range of one file, locked as Windows does: by whoever came first."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self, fails_with=errno.EACCES):
        self.holder, self.places, self.fails_with = None, [], fails_with

    def locking(self, descriptor, mode, nbytes):
        self.places.append((os.lseek(descriptor, 0, os.SEEK_CUR), nbytes))
        if mode == self.LK_UNLCK:
            self.holder = None
        elif self.holder is None:
            self.holder = descriptor
        else:
            raise OSError(self.fails_with, "refused")


class BrokenFcntl:
    LOCK_EX, LOCK_NB = 2, 4

    def flock(self, descriptor, operation):
        raise OSError(errno.ENOLCK, "no locks available")


def lock(folder, host="127.0.0.1", port=4002, client_id=7):
    return ProcessLock(host, port, client_id, folder, clock=StandingClock())


@pytest.fixture
def held(tmp_path):
    held = lock(tmp_path)
    held.acquire()
    yield held
    held.release()


def test_a_second_broker_of_the_process_is_refused_with_who_since_when_and_what_to_do(held, tmp_path):
    with pytest.raises(AnotherProcess) as caught:
        lock(tmp_path).acquire()

    error = caught.value
    assert isinstance(error, ClientIdInUse)
    assert (error.pid, error.since) == (os.getpid(), StandingClock().now())
    assert f"another broker of this process ({os.getpid()})" in str(error)
    assert "client id 7 at 127.0.0.1:4002 is in use since 2026-01-05 14:30:00 UTC" in str(error)
    assert "choose another client id" in str(error)


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST.", "::1", "[::1]", "127.0.0.1", "127.0.1.1", "0.0.0.0"]
)
def test_every_name_of_this_machine_is_the_same(held, tmp_path, name):
    with pytest.raises(AnotherProcess):
        lock(tmp_path, host=name).acquire()


@pytest.mark.parametrize("other", [{"host": "gateway.lan"}, {"port": 4001}, {"client_id": 8}])
def test_another_host_port_or_client_id_is_not_in_the_way(held, tmp_path, other):
    free = lock(tmp_path, **other)

    free.acquire()

    assert free.is_held
    free.release()


def test_what_was_released_can_be_taken(held, tmp_path):
    held.release()
    held.release()
    again = lock(tmp_path)

    again.acquire()
    again.acquire()

    assert (held.is_held, again.is_held) == (False, True)
    again.release()


def test_a_disk_that_has_become_read_only_does_not_keep_a_lock(held, tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", refused)
        held.release()
    again = lock(tmp_path)
    again.acquire()

    assert (held.is_held, again.is_held) == (False, True)
    again.release()


def test_a_holder_that_did_not_sign_yet_is_named_as_far_as_it_is_known(held, tmp_path):
    held.path.write_text("")

    with pytest.raises(AnotherProcess, match="in use by another process") as caught:
        lock(tmp_path).acquire()

    assert (caught.value.pid, caught.value.since) == (None, None)


def test_a_holder_in_another_container_is_not_taken_for_this_process_which_has_its_number(held, tmp_path):
    signed = json.loads(held.path.read_text())
    held.path.write_text(json.dumps({**signed, "host": "another-box"}))

    with pytest.raises(AnotherProcess, match=f"by process {os.getpid()} on another-box; nothing was sent"):
        lock(tmp_path).acquire()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match="set IBKEEL_LOCKS"):
        lock(tmp_path / "file").acquire()


def test_a_file_that_cannot_be_locked_is_no_holder(tmp_path, monkeypatch):
    broken = lock(tmp_path)
    monkeypatch.setattr(broken._file, "_system", WholeFileLock(BrokenFcntl()))

    with pytest.raises(ConfigurationError, match="no locks available"):
        broken.acquire()

    assert not broken.is_held


def test_a_lock_is_only_readable_by_its_user(held):
    assert held.path.stat().st_mode & 0o077 == 0


def test_windows_has_a_lock_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt())
    monkeypatch.setattr(sys, "platform", "win32")

    first, second = lock(tmp_path), lock(tmp_path)
    first.acquire()

    with pytest.raises(AnotherProcess, match=f"process .{os.getpid()}."):
        second.acquire()
    first.release()


def test_windows_locks_a_byte_that_nobody_reads(tmp_path):
    msvcrt = Msvcrt()
    system = ByteLock(msvcrt)
    with (tmp_path / "file").open("w+") as file:
        taken = [system.take(file.fileno()), system.take(file.fileno())]
        system.give_back(file.fileno())
        taken.append(system.take(file.fileno()))

    assert taken == [True, False, True]
    assert msvcrt.places == [(1 << 20, 1)] * 4


@pytest.mark.parametrize(
    ("environ", "platform", "folder"),
    [
        ({"IBKEEL_LOCKS": "/var/bot"}, "linux", Path("/var/bot")),
        ({}, "linux", HOME / ".local" / "state" / "ibkeel" / "locks"),
        ({"XDG_STATE_HOME": "/state"}, "linux", Path("/state/ibkeel/locks")),
        ({}, "darwin", HOME / "Library" / "Application Support" / "ibkeel" / "locks"),
        ({}, "win32", HOME / "AppData" / "Local" / "ibkeel" / "locks"),
        ({"LOCALAPPDATA": "/local"}, "win32", Path("/local/ibkeel/locks")),
    ],
)
def test_locks_are_in_the_state_folder(environ, platform, folder):
    assert lock_folder(environ, platform, HOME) == folder


def test_nobody_need_name_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IBKEEL_LOCKS", str(tmp_path))

    assert ProcessLock("127.0.0.1", 4002, 7).path.parent == tmp_path
