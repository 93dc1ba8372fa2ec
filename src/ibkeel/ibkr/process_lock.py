"""One process at a time for each host, port and client id.

Orders are bound to a client id, so two programs under the same one see and change each other's.
The Gateway refuses the second after a time-out, and only as long as the first is connected; a lock
of the operating system refuses it at once, and ends with its process, however that ends.
"""

import errno
import hashlib
import ipaddress
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import AnotherProcess, ConfigurationError
from ibkeel.system import SystemClock

__all__ = ["ByteLock", "FileLock", "ProcessLock", "WholeFileLock", "lock_folder"]

_HELD: Final = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})
# Windows locks bytes, and nobody else may read those: one far behind the text.
_LOCKED_BYTE: Final = 1 << 20


class FileLock(Protocol):
    """How an operating system locks an open file."""

    def take(self, descriptor: int) -> bool:
        """Lock it without waiting; False when somebody else has."""
        ...

    def give_back(self, descriptor: int) -> None:
        """Unlock it."""
        ...


class WholeFileLock(FileLock):
    """POSIX: `flock`, which also keeps apart two holders within a process.

    Args:
        fcntl: The module of that name.
    """

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
    """Windows: a lock on one byte.

    Args:
        msvcrt: The module of that name.
    """

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


def _system_lock(platform: str) -> FileLock:
    if platform == "win32":
        return ByteLock(import_module("msvcrt"))
    return WholeFileLock(import_module("fcntl"))


def lock_folder(environ: Mapping[str, str], platform: str, home: Path) -> Path:
    """Where locks are when nobody says: `locks` in the state folder.

    Args:
        environ: `IBKEEL_LOCKS` names the folder; else it is in the state folder of the platform, not of the bot:
            two bots must see each other.
        platform: As `sys.platform` says.
        home: The user's home directory.
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

    The operating system ends it with the process, also after SIGKILL. The file stays, for to delete
    it would let two processes hold two files of the same name. Two programs see each other's locks
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
        self.path = folder / f"{name[:20]}.lock"
        self._clock = clock or SystemClock()
        self._system = _system_lock(sys.platform)
        self._descriptor: int | None = None
        self._owner = 0

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock without waiting; does nothing when this object has it.

        Raises:
            AnotherProcess: Somebody else has it; the message says who and since when.
            ConfigurationError: The file cannot be made.
        """
        if self.is_held:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            with _closing_unless_kept(descriptor):
                self._take(descriptor)
        except AnotherProcess:  # a ConnectionError, which is an OSError too
            raise
        except OSError as error:
            raise ConfigurationError(
                f"cannot lock {self.path}: {error.strerror}; set IBKEEL_LOCKS to a folder that can be written to, "
                "on a disk of this machine"
            ) from error
        self._descriptor, self._owner = descriptor, os.getpid()

    def _take(self, descriptor: int) -> None:
        if not self._system.take(descriptor):
            raise self._refusal(descriptor)
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        text = json.dumps({"pid": os.getpid(), "since": self._clock.now().isoformat(timespec="seconds")})
        os.write(descriptor, text.encode())

    def release(self) -> None:
        """Give the lock back; does nothing when this object has it not."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            # A forked child shares the lock with its parent, and must not end it.
            if self._owner == os.getpid():
                os.ftruncate(descriptor, 0)
                self._system.give_back(descriptor)
        finally:
            os.close(descriptor)

    def _refusal(self, descriptor: int) -> AnotherProcess:
        pid, since = _signature(descriptor)
        who = "another process" if pid is None else f"process {pid}"
        if pid == os.getpid():
            who = f"another broker of this process ({pid})"
        when = "" if since is None else f" since {since:%Y-%m-%d %H:%M:%S} UTC"
        return AnotherProcess(
            f"client id {self._client_id} at {self._where} is in use{when} by {who}; nothing was sent. End that "
            "one, share its broker, or choose another client id (which does not see the orders of this one). "
            f"The lock, {self.path}, ends with its process and need not be deleted",
            pid=pid,
            since=since,
        )


@contextmanager
def _closing_unless_kept(descriptor: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise


def _signature(descriptor: int) -> tuple[int | None, datetime | None]:
    """Who holds it and since when; the holder may not have written it yet."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        signed = json.loads(os.read(descriptor, 4096))
        return int(signed["pid"]), datetime.fromisoformat(signed["since"]).astimezone(UTC)
    except (ValueError, KeyError, TypeError):
        return None, None
