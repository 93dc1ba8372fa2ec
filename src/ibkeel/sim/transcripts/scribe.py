"""Streams of bytes become entries, and entries lines of a file.

Nothing is lost, whatever the streams hold. The file is written in a thread of its own, so that those who talk
never wait for the disk.
"""

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import attrs
from typing_extensions import override

from ibkeel.errors import ConfigurationError, WireError
from ibkeel.sim.door import Listener
from ibkeel.sim.transcripts.redaction import Redactor
from ibkeel.sim.transcripts.values import (
    CLIENT,
    GATEWAY,
    Entry,
    Form,
    Header,
    as_line,
    message_of,
    whole_number,
)
from ibkeel.sim.wire import GREETING, FrameReader

_OF_HANDSHAKE = 2  # fields: the version and the time
_START_API = "start_api"
_CLIENT_ID = 2  # where startApi has it
_LONGEST_VERSION = 9  # digits
_LONGEST_ID = 10

_logger: Final = logging.getLogger("ibkeel.sim")


class Transcriber:
    """Reads both directions of one connection, without IO.

    Args:
        connection: Its number.
    """

    def __init__(self, connection: int) -> None:
        self.connection = connection
        self.version = 0
        self.client_id: int | None = None
        self._head = bytearray()
        self._has_greeted = False
        self._said_hello = False
        self._readers = {CLIENT: FrameReader(), GATEWAY: FrameReader()}
        self._lost: set[str] = set()  # senders whose stream cannot be read on

    def opened(self, at: float) -> Entry:
        """The connection begins."""
        return self._entry(at, Form.OPENED)

    def closed(self, at: float) -> list[Entry]:
        """The connection ends; what was not complete comes as bytes."""
        rest = [
            (CLIENT, bytes(self._head) + self._readers[CLIENT].rest),
            (GATEWAY, self._readers[GATEWAY].rest),
        ]
        self._head.clear()
        left = [self._entry(at, Form.BYTES, sender, data) for sender, data in rest if data]
        return [*left, self._entry(at, Form.CLOSED)]

    def heard(self, sender: str, data: bytes, at: float) -> list[Entry]:
        """Feed bytes of one side; get what they complete.

        Args:
            sender: `client` or `gateway`.
            data: The bytes.
            at: Seconds since the transcript began.
        """
        if sender == CLIENT and not self._has_greeted:
            data = self._greeting(data)
        if not data:
            return []
        if sender in self._lost:
            return [self._entry(at, Form.BYTES, sender, data)]
        return list(self._frames(sender, data, at))

    def _greeting(self, data: bytes) -> bytes:
        """Take the bytes before the first frame; what is left, or all of it when they are none."""
        self._head += data
        if not GREETING.startswith(self._head[: len(GREETING)]):
            self._lost.add(CLIENT)
        elif len(self._head) < len(GREETING):
            return b""
        self._has_greeted = True
        head, self._head = bytes(self._head), bytearray()
        return head if CLIENT in self._lost else head[len(GREETING) :]

    def _frames(self, sender: str, data: bytes, at: float) -> Iterator[Entry]:
        reader = self._readers[sender]
        try:
            for payload in reader.each(data):
                yield self._frame(sender, payload, at)
        except WireError:
            self._lost.add(sender)
            yield self._entry(at, Form.BYTES, sender, reader.rest)
            self._readers[sender] = FrameReader()

    def _frame(self, sender: str, payload: bytes, at: float) -> Entry:
        texts = payload.decode(errors="surrogateescape").removesuffix("\0").split("\0")
        if not self.version:
            if sender == CLIENT and not self._said_hello:
                self._said_hello = True
                return self._entry(at, Form.HELLO, sender, payload)
            version = whole_number(texts[0], _LONGEST_VERSION)
            if sender == GATEWAY and len(texts) == _OF_HANDSHAKE and version is not None:
                self.version = version
                return self._entry(at, Form.HANDSHAKE, sender, payload)
        message = message_of(sender, texts[0])
        name = "" if message is None else message.name
        if name == _START_API and len(texts) > _CLIENT_ID:
            client_id = whole_number(texts[_CLIENT_ID], _LONGEST_ID)
            self.client_id = self.client_id if client_id is None else client_id
        return self._entry(at, Form.MESSAGE, sender, payload, name)

    def _entry(self, at: float, form: Form, sender: str = "", payload: bytes = b"", name: str = "") -> Entry:
        return Entry(
            at=at,
            connection=self.connection,
            form=form,
            sender=sender,
            payload=payload,
            version=self.version,
            client_id=self.client_id,
            name=name,
        )


class Recorder(Listener):
    """Hears connections and tells what was said on them.

    Args:
        began_at: The instant from which seconds count.
        tell: Called with each entry.
    """

    def __init__(self, began_at: datetime, tell: Callable[[Entry], None]) -> None:
        self._began_at, self._tell = began_at, tell
        self._transcribers: dict[int, Transcriber] = {}

    @override
    def opened(self, connection: int, at: datetime) -> None:
        transcriber = self._transcribers[connection] = Transcriber(connection)
        self._tell(transcriber.opened(self._seconds(at)))

    @override
    def heard(self, connection: int, sender: str, data: bytes, at: datetime) -> None:
        """One side has sent bytes; nothing is told of connections that began before this heard them."""
        transcriber = self._transcribers.get(connection)
        for entry in () if transcriber is None else transcriber.heard(sender, data, self._seconds(at)):
            self._tell(entry)

    @override
    def closed(self, connection: int, at: datetime) -> None:
        transcriber = self._transcribers.pop(connection, None)
        for entry in () if transcriber is None else transcriber.closed(self._seconds(at)):
            self._tell(entry)

    def stop(self, at: datetime) -> None:
        """Nothing more will be heard: every connection ends."""
        for connection in tuple(self._transcribers):
            self.closed(connection, at)

    def _seconds(self, at: datetime) -> float:
        return (at - self._began_at).total_seconds()


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
        self.path = path
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
                self.path.unlink(missing_ok=True)


class Scribe(Listener):
    """A listener that reads, hides and writes elsewhere than where it hears.

    Args:
        file: Where entries go; the scribe closes it.
        began_at: The instant from which seconds count.
        redactor: Hides what is private before it is written; None: nothing is hidden.
        warn: Told once, from another thread, when the file will not be complete; None: only the log is.
    """

    def __init__(
        self,
        file: TranscriptFile,
        began_at: datetime,
        redactor: Redactor | None = None,
        *,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._file, self._redactor, self._warn = file, redactor, warn
        self.failure: str | None = None  # why the file is not complete
        self._recorder = Recorder(began_at, self._write)
        self._heard: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ibkeel-transcript", daemon=True)
        self._thread.start()

    @override
    def opened(self, connection: int, at: datetime) -> None:
        self._heard.put(partial(self._recorder.opened, connection, at))

    @override
    def heard(self, connection: int, sender: str, data: bytes, at: datetime) -> None:
        self._heard.put(partial(self._recorder.heard, connection, sender, bytes(data), at))

    @override
    def closed(self, connection: int, at: datetime) -> None:
        self._heard.put(partial(self._recorder.closed, connection, at))

    def stop(self, at: datetime) -> int:
        """Write what is left and close the file; the number of entries in it."""
        self._heard.put(partial(self._recorder.stop, at))
        self._heard.put(None)
        self._thread.join()
        try:
            self._file.close()
        except OSError as error:
            self._fail(error)
        return self._file.entries

    def _run(self) -> None:
        while (take := self._heard.get()) is not None:
            if self.failure is not None:
                continue
            try:
                take()
                if self._heard.empty():
                    self._file.flush()
            except Exception as error:  # noqa: BLE001 - ends the recording, not the session: `_fail` tells of it
                self._fail(error)

    def _write(self, entry: Entry) -> None:
        try:
            self._put(entry)
        except (LookupError, TypeError, ValueError):
            _logger.exception("entry of the transcript kept as bytes")
            self._put(attrs.evolve(entry, form=Form.BYTES, payload=entry.wire, name=""))

    def _put(self, entry: Entry) -> None:
        self._file.write(entry if self._redactor is None else self._redactor.entry(entry))

    def _fail(self, error: Exception) -> None:
        if self.failure is not None:
            return
        reason = error.strerror if isinstance(error, OSError) else None
        self.failure = f"the transcript {self._file.path} is incomplete: {reason or repr(error)}"
        _logger.error("transcript not written on", exc_info=error)
        if self._warn is not None:
            self._warn(f"{self.failure}; the session goes on without it")
