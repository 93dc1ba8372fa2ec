"""The file in a state directory that says where the bot's API is."""

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any, Final

from ibkeel.errors import ConfigurationError

API_FILE: Final = "api.json"
"""Name of the file in the state directory that says where a bot's API is, and by which token."""

_OWNER_ONLY: Final = 0o600
_HOST: Final = "127.0.0.1"
_KNOCK: Final = 0.2


class Sign:
    """Names one bot's API, and leaves those of others alone.

    Args:
        path: The file.
        token: What a reader must know.
    """

    def __init__(self, path: Path, token: str) -> None:
        self._path, self.token = path, token

    def put_up(self, port: int) -> None:
        """Write the file, for its owner's eyes only; another's is replaced.

        Args:
            port: On which the API listens.

        Raises:
            ConfigurationError: It cannot be written.
        """
        address = {"host": _HOST, "port": port, "token": self.token, "pid": os.getpid()}
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(address, stream)
            new.replace(self._path)
        except OSError as error:
            raise ConfigurationError(f"cannot write {self._path}: {error.strerror}") from error

    def look_after(self, port: int) -> None:
        """Put the file up again when it is gone, or names a bot that is.

        Args:
            port: On which the API listens.
        """
        address = self._read()
        if address.get("token") == self.token or _is_listening(address.get("port")):
            return
        with contextlib.suppress(ConfigurationError):  # a full disk; the next look may do better
            self.put_up(port)

    def take_down(self) -> None:
        """Remove the file, if it is still this one."""
        if self._read().get("token") == self.token:
            self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            address = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return address if isinstance(address, dict) else {}


def _is_listening(port: object) -> bool:
    """Another program on a dead bot's port passes for it; that is no worse than the bot itself."""
    if not isinstance(port, int):
        return False
    try:
        with socket.create_connection((_HOST, port), _KNOCK):
            return True
    except (OSError, OverflowError):
        return False
