"""The file that a transcript is written to, line by line, while it is made."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from ibkeel.errors import ConfigurationError
from ibkeel.sim.transcripts.values import Entry, Header, as_line

__all__ = ["TranscriptFile"]


class TranscriptFile:
    """Writes entries as they come; readable by its owner alone.

    Args:
        path: Where; a file that is there already is never touched.
        header: What it is about.

    Raises:
        ConfigurationError: It cannot be written.
    """

    def __init__(self, path: Path, header: Header) -> None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise ConfigurationError(f"{path} is there already; move it, or choose another name") from error
        except OSError as error:
            raise ConfigurationError(f"cannot write the transcript {path}: {error.strerror}") from error
        self._path = path
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        self._file.write(header.as_line() + "\n")
        self.entries = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, entry: Entry) -> None:
        """Add one line."""
        self._file.write(as_line(entry) + "\n")
        self.entries += 1

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()

    def close(self) -> None:
        """End the file; one without an entry is removed. Idempotent."""
        if not self._file.closed:
            self._file.close()
            if not self.entries:
                self._path.unlink(missing_ok=True)
