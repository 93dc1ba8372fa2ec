"""Events into a file, one line of JSON each, written by a thread of its own."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from typing_extensions import override

from ibkeel.telemetry import Event, Observer, event_line

_CAPACITY: Final = 20_000
_OWNER_ONLY: Final = 0o600
_PAUSE: Final = 0.2
_PARTING: Final = 5.0


class EventLog(Observer):
    """Writes events to a file; one that is slow or full loses events, never time.

    What is told waits in memory, up to 20,000 events; beyond that, and while the file cannot be
    written, the oldest are dropped and counted.

    Args:
        path: The file; it is appended to, and readable for its owner only.
        megabytes: Size at which it is put aside, as one with `.1` behind its name.
        failed: Told, in the writer's thread, why the file cannot be written, once for each trouble.
    """

    def __init__(
        self, path: Path, megabytes: float = 50.0, failed: Callable[[str], None] = lambda _: None
    ) -> None:
        self._path, self._most, self._failed = path, int(megabytes * 1e6), failed
        self._waiting: deque[Event] = deque(maxlen=_CAPACITY)
        self._told = self._taken = 0
        self._trouble = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ibkeel event log", daemon=True)
        self.unwritable = 0
        """Events that were lost because the file could not be written."""

    @property
    def overrun(self) -> int:
        """Events that were lost because the writer did not keep up."""
        return max(0, self._told - self._taken - len(self._waiting))

    @override
    def on_event(self, event: Event) -> None:
        self._told += 1
        self._waiting.append(event)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and stop; a disk that hangs is not waited for."""
        self._stop.set()
        self._thread.join(_PARTING)

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Write what waits; for the writer's thread, and for tests without one."""
        batch: list[Event] = []
        with contextlib.suppress(IndexError):
            while len(batch) < _CAPACITY:
                batch.append(self._waiting.popleft())
        if not batch:
            return
        self._taken += len(batch)
        try:
            self._write(batch)
        except OSError as error:
            self.unwritable += len(batch)
            self._tell(error.strerror or type(error).__name__)
        else:
            self._trouble = ""

    def _write(self, batch: Sequence[Event]) -> None:
        text = "".join(f"{event_line(event)}\n" for event in batch)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _OWNER_ONLY)
        # What a broken path's name brings along, half a character, is written as JSON escapes it.
        with os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
            size = stream.tell()
        if size > self._most:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._failed(trouble)
