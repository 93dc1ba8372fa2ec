"""What was said on connections, by whom and when: entries, the names of their fields, and the file that keeps them."""

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final

import attrs

from ibkeel.errors import ConfigurationError
from ibkeel.sim.codec import REPLIES, REQUESTS, Kind, Message
from ibkeel.sim.codec.layout import Constant, Field, Given, Item, Repeat
from ibkeel.sim.wire import GREETING, frame

CLIENT: Final = "client"
GATEWAY: Final = "gateway"
_LONGEST_NUMBER: Final = 5  # digits of the number of a message
_LONGEST_COUNT: Final = 7  # of the number of rows
_REPLIES: Final = {message.number: message for message in REPLIES.values()}


@attrs.frozen(kw_only=True)
class Label:
    """One field of one message.

    Args:
        name: Its name; `bars.open` in rows that repeat, `bars` where their number is said, empty for a
            field that never says anything.
        text: As it is on the wire.
        kind: Its type; None: text that is always the same, or a field beyond the layout.
        row: Number of the row, from 0; None: outside rows.
        is_beyond: Whether the layout of this version has no such field.
    """

    name: str
    text: str
    kind: Kind | None = None
    row: int | None = None
    is_beyond: bool = False


@attrs.frozen(kw_only=True)
class Reading:
    """The fields of one message.

    Args:
        labels: In the order of the wire, all that are there.
        lacks: Name of the first field that is missing; empty: none is.
    """

    labels: tuple[Label, ...]
    lacks: str = ""


class _EndsEarly(Exception):
    """The message has no more fields; the argument is the name of the one that is missing."""


def message_of(sender: str, number: str) -> Message | None:
    """The layout of a message by who sends it and the text of its number; None: not in our tables."""
    known = whole_number(number, _LONGEST_NUMBER)
    return None if known is None else (REQUESTS if sender == CLIENT else _REPLIES).get(known)


def whole_number(text: str, longest: int) -> int | None:
    """A number of at most so many digits, below zero too; None for any other text, since int() has a limit."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= longest else None


def reading(message: Message, texts: Sequence[str], version: int) -> Reading:
    """The fields of a message, as far as they go."""
    labels: list[Label] = []
    rest, lacks = iter(texts), ""
    try:
        for label in _walk(message.layout, version, rest, {}):
            labels.append(label)  # noqa: PERF402 - what came before an early end counts
    except _EndsEarly as missing:
        lacks = str(missing)
    labels.extend(Label(name="", text=text, is_beyond=True) for text in rest)
    return Reading(labels=tuple(labels), lacks=lacks)


def _walk(
    items: Sequence[Item],
    version: int,
    texts: Iterator[str],
    seen: dict[str, str],
    within: str = "",
    row: int | None = None,
) -> Iterator[Label]:
    """The fields of items and their texts; raises _EndsEarly where the texts end before them."""
    for item in items:
        if not item.admits(version):
            continue
        if isinstance(item, Given):
            if _holds(item, seen):
                yield from _walk(item.items, version, texts, seen, within, row)
            continue
        own, kind = _named(item)
        name, text = f"{within}{own}" if own else "", next(texts, None)
        if text is None:
            raise _EndsEarly(name or "a field")
        yield Label(name=name, text=text, kind=kind, row=row)
        seen[own] = text
        if isinstance(item, Repeat):
            for number in range(whole_number(text, _LONGEST_COUNT) or 0):
                yield from _walk(item.items, version, texts, {}, f"{name}.", number)


def _named(item: Constant | Field | Repeat) -> tuple[str, Kind | None]:
    if isinstance(item, Constant):
        return "", None
    return item.name, item.kind if isinstance(item, Field) else Kind.INTEGER


def _holds(item: Given, seen: dict[str, str]) -> bool:
    try:
        return item.test(seen.get(item.name, ""))
    except ValueError:  # a number that is none
        return False


_FORMAT: Final = 1
_LATEST: Final = 1e7  # seconds: months


class Form(Enum):
    """What an entry is."""

    OPENED = "opened"
    HELLO = "hello"  # the client's greeting and versions
    HANDSHAKE = "handshake"  # the Gateway's version and time
    MESSAGE = "message"
    BYTES = "bytes"  # anything that is no frame, or the beginning of one that never ended
    CLOSED = "closed"


@attrs.frozen(kw_only=True)
class Entry:
    """One thing that happened on one connection.

    Args:
        at: Seconds since the transcript began.
        connection: Number of the connection, from 1.
        form: What it is.
        sender: `client` or `gateway`; empty for the ends of a connection.
        payload: The bytes, the length before a frame left out.
        version: Of the server, as the handshake settled it; 0 before.
        client_id: Of the session; None before it started.
        name: Of the message, as the tables of the simulator have it; empty where they have none.
    """

    at: float
    connection: int
    form: Form
    sender: str = ""
    payload: bytes = b""
    version: int = 0
    client_id: int | None = None
    name: str = ""

    @property
    def wire(self) -> bytes:
        """The bytes as they were on the wire."""
        if self.form is Form.HELLO:
            return GREETING + frame(self.payload)
        return self.payload if self.form is Form.BYTES else frame(self.payload)

    @property
    def texts(self) -> tuple[str, ...]:
        """The fields of a message, its number first; bytes that are no UTF-8 stay recognizable."""
        return tuple(self.payload.decode(errors="surrogateescape").removesuffix("\0").split("\0"))

    @property
    def labels(self) -> tuple[Label, ...] | None:
        """The fields of a message in the order of the wire; None for what the tables do not know."""
        message = message_of(self.sender, self.texts[0]) if self.form is Form.MESSAGE else None
        return None if message is None else reading(message, self.texts[1:], self.version).labels

    def payload_with(self, texts: Iterable[str]) -> bytes:
        """The payload, with other texts in the fields behind the number."""
        end = b"\0" if self.payload.endswith(b"\0") else b""
        return "\0".join([self.texts[0], *texts]).encode(errors="surrogateescape") + end

    @property
    def fields(self) -> dict[str, Any]:
        """Values of the named fields that hold something; rows as lists of such values."""
        named: dict[str, Any] = {}
        for label in self.labels or ():
            if not label.name or (not label.text and label.row is None):
                continue
            if label.row is None:
                named[label.name] = label.text
            else:
                _put(named, label.name.split("."), label.row, label.text)
        return named


def _put(named: dict[str, Any], path: list[str], row: int, text: str) -> None:
    """Put a text into its row; rows within rows are left flat, which is enough to read them."""
    rows = named[path[0]] if isinstance(named.get(path[0]), list) else []
    named[path[0]] = rows
    if len(path) > 2 or len(rows) <= row:  # a row within a row
        rows.extend({} for _ in range(row + 1 - len(rows)))
    if text:
        rows[row][".".join(path[1:])] = text


@attrs.frozen(kw_only=True)
class Header:
    """What a transcript is about.

    Args:
        began_at: The instant of its first second, aware.
        source: `simulator`, or `gateway` for what a proxy heard.
        is_redacted: Whether what is private was hidden before it was written.
        notes: What a simulator needs to play it again: seed, date and the like.
    """

    began_at: datetime
    source: str = "simulator"
    is_redacted: bool = False
    notes: Mapping[str, Any] = attrs.field(factory=dict)

    def as_line(self) -> str:
        """The first line of the file."""
        return json.dumps(
            {
                "ibkeel_transcript": _FORMAT,
                "began_at": self.began_at.isoformat(),
                "source": self.source,
                "is_redacted": self.is_redacted,
                "notes": dict(self.notes),
            }
        )


@attrs.frozen(kw_only=True)
class Transcript:
    """Everything that was said on some connections, in order."""

    header: Header
    entries: tuple[Entry, ...]

    @property
    def connections(self) -> tuple[int, ...]:
        """Numbers of the connections, in order of opening."""
        return tuple(dict.fromkeys(entry.connection for entry in self.entries))

    def of(self, connection: int) -> tuple[Entry, ...]:
        """What happened on one connection."""
        return tuple(entry for entry in self.entries if entry.connection == connection)

    def save(self, path: Path) -> None:
        """Write it as JSON lines."""
        lines = [self.header.as_line(), *map(as_line, self.entries)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Transcript":
        """Read a file; a last line that was cut short is left out.

        Raises:
            ConfigurationError: There is no such file, or it is no transcript; says in which line.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read the transcript {path}: {error}") from error
        whole = text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]
        rows = _numbered(whole, path)
        return cls(
            header=_header(rows, path), entries=tuple(_entry(row, number, path) for number, row in rows)
        )


def as_line(entry: Entry) -> str:
    """One line of the file: when, where, who, what, in words, and every byte of it."""
    row: dict[str, Any] = {"t": round(entry.at, 6), "connection": entry.connection, "event": entry.form.value}
    if entry.client_id is not None:
        row["client_id"] = entry.client_id
    if entry.sender:
        row["from"] = entry.sender
    if entry.version:
        row["version"] = entry.version
    if entry.name:
        row |= {"message": entry.name, "fields": entry.fields}
    if entry.form is Form.BYTES:
        row["base64"] = base64.b64encode(entry.payload).decode()
    elif entry.payload or entry.sender:
        row |= {"texts": entry.texts} | ({} if entry.payload.endswith(b"\0") else {"is_ended": False})
    return json.dumps(row)


def _numbered(lines: Iterable[str], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{path}, line {number}: no JSON object: {error}") from error
        if not isinstance(row, dict):
            raise ConfigurationError(f"{path}, line {number}: no JSON object")
        yield number, row


def _header(rows: Iterator[tuple[int, dict[str, Any]]], path: Path) -> Header:
    _, row = next(rows, (0, {}))
    if row.get("ibkeel_transcript") != _FORMAT:
        raise ConfigurationError(f"{path} is no transcript: its first line names no format {_FORMAT}")
    try:
        began_at, notes = datetime.fromisoformat(row["began_at"]), dict(row.get("notes", {}))
        _bounded(int(notes.get("seed", 0)), math.inf)
        date.fromisoformat(notes.get("date", "20260105"))
        return Header(
            began_at=began_at,
            source=row.get("source", "gateway"),
            is_redacted=bool(row.get("is_redacted", False)),
            notes=notes,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ConfigurationError(f"{path}, line 1: {error!r}") from error


def _bounded(value: float, most: float) -> float:
    if 0 <= value <= most:
        return value
    raise ValueError(f"{value}; valid: 0 to {most:g}")


def _entry(row: Mapping[str, Any], number: int, path: Path) -> Entry:
    try:
        form, sender = Form(row["event"]), str(row.get("from", ""))
        payload = _payload(row)
        texts = payload.decode(errors="surrogateescape").split("\0")
        message = message_of(sender, texts[0]) if form is Form.MESSAGE else None
        return Entry(
            at=_bounded(float(row["t"]), _LATEST),
            connection=int(row["connection"]),
            form=form,
            sender=sender,
            payload=payload,
            version=int(row.get("version", 0)),
            client_id=row.get("client_id"),
            name="" if message is None else message.name,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ConfigurationError(f"{path}, line {number}: {error!r}") from error


def _payload(row: Mapping[str, Any]) -> bytes:
    if "base64" in row:
        return base64.b64decode(row["base64"], validate=True)
    if "texts" not in row:
        return b""
    end = "" if row.get("is_ended") is False else "\0"
    return ("\0".join(row["texts"]) + end).encode(errors="surrogateescape")
