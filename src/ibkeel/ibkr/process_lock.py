"""One process at a time for each host, port and client id.

Orders are bound to a client id, so two programs under the same one see and change each other's.
The Gateway refuses the second after a time-out, and only as long as the first is connected; a lock
of the operating system refuses it at once, and ends with its process, however that ends.
"""

import hashlib
import ipaddress
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ibkeel.clock import Clock
from ibkeel.errors import AnotherProcess, ConfigurationError
from ibkeel.locks import Holder, LockFile


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
