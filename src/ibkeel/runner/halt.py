"""The kill switch: no entries until it is lifted. Exits always pass."""

import contextlib
import os
from datetime import datetime
from pathlib import Path
from typing import Final

from ibkeel.errors import ConfigurationError

HALT_FILE: Final = "halt"
"""Name of the file in the state directory."""

_OWNER_ONLY: Final = 0o600


class Halt:
    """Whether entries are halted, by this process or by a file that another one made.

    Args:
        path: The file: halted while it is there, whoever made it, and after a restart too; None keeps
            the halt within this object.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._reason = ""

    @property
    def may_change(self) -> bool:
        """Whether another process can turn it."""
        return self._path is not None

    @property
    def reason(self) -> str:
        """Why entries are halted; empty when they are not."""
        if self._reason or self._path is None:
            return self._reason
        try:
            return self._path.read_text(encoding="utf-8").strip() or f"{self._path} is there"
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:  # it is there, or nobody can say
            return f"{self._path} cannot be read: {error}"

    def halt(self, reason: str, at: datetime) -> None:
        """Halt entries from now on, also after a restart where there is a file.

        Args:
            reason: Why, in words.
            at: When.

        Raises:
            ConfigurationError: The file cannot be written; this process is halted all the same.
        """
        self._reason = f"{reason}, since {at:%Y-%m-%d %H:%M:%S} UTC"
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(self._reason + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise ConfigurationError(f"cannot write {self._path}: {error.strerror}") from error
        self._reason = ""  # the file says it from here on, and whoever removes it lifts this halt too

    def lift(self) -> bool:
        """Let entries pass again; tells whether they were halted.

        Raises:
            ConfigurationError: The file cannot be removed.
        """
        was_halted, self._reason = bool(self.reason), ""
        if self._path is not None:
            try:
                with contextlib.suppress(FileNotFoundError):
                    self._path.unlink()
            except OSError as error:
                raise ConfigurationError(f"cannot remove {self._path}: {error.strerror}") from error
        return was_halted
