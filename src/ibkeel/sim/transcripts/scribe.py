"""Writes a transcript line by line in a thread of its own, so that those who talk never wait for the disk."""

import logging
import os
import queue
import threading
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ibkeel.errors import ConfigurationError
from ibkeel.sim.transcripts.redaction import Redactor
from ibkeel.sim.transcripts.transcriber import Recorder
from ibkeel.sim.transcripts.values import Entry, Header, as_line


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


_logger: Final = logging.getLogger("ibkeel.sim")
_Heard = tuple[str, int, str, bytes, datetime]  # what happened, connection, sender, bytes, instant


class Scribe:
    """A listener that reads, hides and writes elsewhere than where it hears.

    Args:
        file: Where entries go; the scribe closes it.
        began_at: The instant from which seconds count.
        redactor: Hides what is private before it is written; None: nothing is hidden.
    """

    def __init__(self, file: TranscriptFile, began_at: datetime, redactor: Redactor | None = None) -> None:
        self._file, self._redactor = file, redactor
        self._recorder = Recorder(began_at, self._write)
        self._heard: queue.SimpleQueue[_Heard | None] = queue.SimpleQueue()
        self._is_broken = False
        self._thread = threading.Thread(target=self._run, name="ibkeel-transcript", daemon=True)
        self._thread.start()

    def opened(self, connection: int, at: datetime) -> None:
        """A connection begins."""
        self._heard.put(("opened", connection, "", b"", at))

    def heard(self, connection: int, sender: str, data: bytes, at: datetime) -> None:
        """One side has sent bytes."""
        self._heard.put(("heard", connection, sender, bytes(data), at))

    def closed(self, connection: int, at: datetime) -> None:
        """A connection ends."""
        self._heard.put(("closed", connection, "", b"", at))

    def stop(self, at: datetime) -> int:
        """Write what is left and close the file; the number of entries in it."""
        self._heard.put(("stop", 0, "", b"", at))
        self._heard.put(None)
        self._thread.join()
        self._file.close()
        return self._file.entries

    def _run(self) -> None:
        while (heard := self._heard.get()) is not None:
            self._take(*heard)
            if self._heard.empty() and not self._is_broken:
                self._file.flush()

    def _take(self, what: str, connection: int, sender: str, data: bytes, at: datetime) -> None:
        match what:
            case "opened":
                self._recorder.opened(connection, at)
            case "heard":
                self._recorder.heard(connection, sender, data, at)
            case "closed":
                self._recorder.closed(connection, at)
            case _:
                self._recorder.stop(at)

    def _write(self, entry: Entry) -> None:
        if self._is_broken:
            return
        try:
            self._file.write(entry if self._redactor is None else self._redactor.entry(entry))
        except OSError:
            # A full disk ends the recording, not the session that is recorded.
            self._is_broken = True
            _logger.exception("transcript not written on")
