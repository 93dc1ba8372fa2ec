"""Files that one holder has at a time, by a lock of the operating system: it ends with its process.

One process at a time for each host, port and client id: orders are bound to a client id, so two programs under
the same one see and change each other's. The Gateway refuses the second after a time-out, and only as long as
the first is connected; a lock refuses it at once. And files that are replaced whole.
"""

import errno
import hashlib
import ipaddress
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from platform import node
from typing import Any, Final, Protocol

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import AnotherProcess, ConfigurationError
from ibkeel.system import SystemClock

_HELD: Final = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})
# Windows locks bytes, and nobody else may read those: one far behind the text.
_LOCKED_BYTE: Final = 1 << 20


def replace_file(path: Path, data: object) -> None:
    """Replace a file by data as JSON, whole or not at all, for its owner alone.

    Raises:
        ConfigurationError: It cannot be written, or holds what is no JSON.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(data, stream)
        beside.replace(path)
    except (OSError, TypeError) as error:
        with suppress(OSError):
            beside.unlink()
        raise ConfigurationError(f"cannot write {path}: {getattr(error, 'strerror', error)}") from error


class FileLock(Protocol):
    """How an operating system locks an open file."""

    def take(self, descriptor: int) -> bool:
        """Lock it without waiting; False when somebody else has."""
        ...

    def give_back(self, descriptor: int) -> None:
        """Unlock it."""
        ...


class WholeFileLock(FileLock):
    """POSIX: `flock`, which also keeps apart two holders within a process."""

    def __init__(self, fcntl: Any) -> None:
        self._fcntl = fcntl

    @override
    def take(self, descriptor: int) -> bool:
        try:
            self._fcntl.flock(descriptor, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)
        except OSError as error:
            return _is_free(error)
        return True

    @override
    def give_back(self, descriptor: int) -> None:
        self._fcntl.flock(descriptor, self._fcntl.LOCK_UN)


class ByteLock(FileLock):
    """Windows: a lock on one byte."""

    def __init__(self, msvcrt: Any) -> None:
        self._msvcrt = msvcrt

    @override
    def take(self, descriptor: int) -> bool:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            self._msvcrt.locking(descriptor, self._msvcrt.LK_NBLCK, 1)
        except OSError as error:
            return _is_free(error)
        return True

    @override
    def give_back(self, descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        self._msvcrt.locking(descriptor, self._msvcrt.LK_UNLCK, 1)


def _is_free(error: OSError) -> bool:
    """False when the lock is held; what else went wrong is raised."""
    if error.errno in _HELD:
        return False
    raise error


def system_lock(platform: str) -> FileLock:
    """How files are locked on a platform, as `sys.platform` names it."""
    if platform == "win32":
        return ByteLock(import_module("msvcrt"))
    return WholeFileLock(import_module("fcntl"))


@attrs.frozen(kw_only=True)
class Holder:
    """Who has a lock, as far as it said so.

    Args:
        pid: Its process; None when it is not known.
        since: When it took the lock, aware, in UTC; None when it is not known.
        host: The machine or container whose process that is; empty for this one.
    """

    pid: int | None = None
    since: datetime | None = None
    host: str = ""

    def words(self, what: str) -> tuple[str, str]:
        """Who it is, `what` being a holder in this process, and since when; the second may be empty."""
        who = "another process" if self.pid is None else f"process {self.pid}"
        if self.host:  # where each bot may be process 1
            who += f" on {self.host}"
        elif self.pid == os.getpid():
            who = f"another {what} of this process ({self.pid})"
        elif self.pid is not None and _has_ended(self.pid):
            who = f"a child of process {self.pid}, which itself has ended,"
        return who, "" if self.since is None else f" since {self.since:%Y-%m-%d %H:%M:%S} UTC"


def _has_ended(pid: int) -> bool:
    """Whether no process has that number; on Windows, where to ask could end it, nobody asks."""
    if sys.platform == "win32":
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.ESRCH
    return False


class LockFile:
    """A file that one holder has at a time, within a process too.

    The operating system ends the lock with the process, also after SIGKILL. The file stays, for to delete
    it would let two processes hold two files of the same name.

    Args:
        path: The file; made when it is not there, readable by its owner alone.
        clock: Stamps the lock, for the message to others.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self.path = path
        self._clock = clock or SystemClock()
        self._system = system_lock(sys.platform)
        self._descriptor: int | None = None
        self._owner = 0

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock, for this process; a forked child shares that of its parent."""
        return self._descriptor is not None and self._owner == os.getpid()

    @property
    def is_in_place(self) -> bool:
        """Whether the path still leads to the file that this object holds; else others may hold one too."""
        if self._descriptor is None:
            return False
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self.path))  # noqa: PTH116 - as the journal's
        return False

    def acquire(self) -> Holder | None:
        """Take the lock without waiting; does nothing when this object has it.

        Returns:
            Who else has it; None when it is ours now.

        Raises:
            OSError: The file cannot be made, or not be locked at all.
        """
        if self.is_held:
            return None
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            is_ours = self._system.take(descriptor)
            holder = None if is_ours else _signature(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if holder is not None:
            os.close(descriptor)
            return holder
        with suppress(OSError):  # a full disk takes no signature, and the lock holds all the same
            self._sign(descriptor)
        self._descriptor, self._owner = descriptor, os.getpid()
        return None

    def _sign(self, descriptor: int) -> None:
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        since = self._clock.now().isoformat(timespec="seconds")
        os.write(descriptor, json.dumps({"pid": os.getpid(), "since": since, "host": node()}).encode())

    def release(self) -> None:
        """Give the lock back; does nothing when this object has it not."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            # A forked child shares the lock with its parent, and must not end it.
            if self._owner == os.getpid():
                with suppress(OSError):  # a broken disk keeps the signature, and the lock ends all the same
                    os.ftruncate(descriptor, 0)
                with suppress(OSError):
                    self._system.give_back(descriptor)
        finally:
            with suppress(OSError):
                os.close(descriptor)


def _signature(descriptor: int) -> Holder:
    """Who holds it and since when; the holder may not have written it yet."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        signed = json.loads(os.read(descriptor, 4096))
        since, host = datetime.fromisoformat(signed["since"]).astimezone(UTC), str(signed.get("host", ""))
        return Holder(pid=int(signed["pid"]), since=since, host="" if host == node() else host)
    except (ValueError, KeyError, TypeError):
        return Holder()


def lock_folder(environ: Mapping[str, str], platform: str, home: Path) -> Path:
    """Where locks are when nobody says: the folder that `IBKEEL_LOCKS` names, else `locks` in the state folder.

    That is the platform's, not the bot's: two bots must see each other.
    """
    given = environ.get("IBKEEL_LOCKS")
    if given:
        return Path(given)
    if platform == "win32":
        state = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif platform == "darwin":
        state = home / "Library" / "Application Support"
    else:
        state = Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    return state / "ibkeel" / "locks"


def _normal(host: str) -> str:
    """One spelling of a host; every way to name this machine is the same, and no name is looked up."""
    name = host.strip().rstrip(".").lower()
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return "127.0.0.1" if name == "localhost" else name
    return "127.0.0.1" if address.is_loopback or address.is_unspecified else str(address)


class ProcessLock:
    """Held by whoever uses a client id at a Gateway; the next one is refused.

    The operating system ends it with the process, also after SIGKILL. Two programs see each other's locks
    when they use the same folder.

    Args:
        host: Host of the Gateway; every name of this machine counts as the same.
        port: Its port.
        client_id: The client id.
        folder: Where lock files are; None means `lock_folder`.
        clock: Stamps the lock, for the message to others.
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: int,
        folder: Path | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._where = f"{_normal(host)}:{port}"
        self._client_id = client_id
        folder = folder or lock_folder(os.environ, sys.platform, Path.home())
        name = hashlib.sha256(f"{self._where} {client_id}".encode()).hexdigest()
        self._file = LockFile(folder / f"{name[:20]}.lock", clock=clock)
        self.path = self._file.path

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file.is_held

    def acquire(self) -> None:
        """Take the lock without waiting; does nothing when this object has it.

        Raises:
            AnotherProcess: Somebody else has it; the message says who and since when.
            ConfigurationError: The file cannot be made.
        """
        try:
            holder = self._file.acquire()
        except OSError as error:
            raise ConfigurationError(
                f"cannot lock {self.path}: {error.strerror}; set IBKEEL_LOCKS to a folder that can be written to, "
                "on a disk of this machine"
            ) from error
        if holder is not None:
            raise self._refusal(holder)

    def release(self) -> None:
        """Give the lock back; does nothing when this object has it not."""
        self._file.release()

    def _refusal(self, holder: Holder) -> AnotherProcess:
        who, when = holder.words("broker")
        return AnotherProcess(
            f"client id {self._client_id} at {self._where} is in use{when} by {who}; nothing was sent. End that "
            "one, share its broker, or choose another client id (which does not see the orders of this one). "
            f"The lock, {self.path}, ends with its process and need not be deleted",
            pid=holder.pid,
            since=holder.since,
        )
