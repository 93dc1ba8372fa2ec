r"""The Gateway's socket protocol, without IO: bytes to messages and back, and how instants are written in them.

A message is a big-endian 32-bit length and that many bytes of fields, each ended by a NUL. A
client opens with four bytes `API\0` and one frame that names the versions it speaks.
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from ibkeel.errors import WireError

GREETING = b"API\0"
_MAX_MESSAGE = 0xFFFFFF  # the official client drops anything larger, and leaves its read loop
MAX_WRITE = 64 * 1024  # ib_insync slices its buffer per message: quadratic in the chunk size
_RECEIVE_BUFFER = 4096  # the official client loses a burst of exactly n of these
_FILLER = 64  # room for what is appended to a write
_LENGTH = struct.Struct(">I")
_pack = _LENGTH.pack
_SHORT = tuple(map(_pack, range(256)))  # the lengths of nearly all messages, packed
_VERSIONS = re.compile(r"v(\d{1,9})(?:\.\.(\d{1,9}))?(?: (.*))?", re.DOTALL)


@attrs.frozen(kw_only=True)
class Hello:
    """The range of server versions that a client speaks, both ends included."""

    minimum: int
    maximum: int
    options: str = ""


def frame(payload: bytes) -> bytes:
    """One message from its payload; a WireError when that is larger than any client accepts."""
    return framed((payload,))[0]


def framed(payloads: Sequence[bytes]) -> list[bytes]:
    """A message from each payload; a WireError when one is larger than any client accepts."""
    try:
        return [_SHORT[len(payload)] + payload for payload in payloads]  # as nearly always
    except IndexError:
        longest = max(map(len, payloads))
    if longest > _MAX_MESSAGE:
        raise WireError(f"a message of {longest} bytes; the most is {_MAX_MESSAGE}")
    return [_pack(len(payload)) + payload for payload in payloads]


def encode(fields: Sequence[str]) -> bytes:
    """One message from its fields.

    Raises:
        WireError: There are no fields, a field holds a NUL, or the message is too large.
    """
    if not fields:
        raise WireError("a message has at least one field")
    payload = ("\0".join(fields) + "\0").encode()
    if payload.count(b"\0") != len(fields):
        raise WireError(f"a field of message {fields[0]!r} holds a NUL")
    return frame(payload)


def parse_hello(payload: bytes) -> Hello:
    """What the first frame of a client says, as in `v157..176 +PACEAPI`."""
    match = _VERSIONS.fullmatch(payload.decode(errors="replace").rstrip("\0"))
    if match is None:
        raise WireError(f"{payload[:40]!r} does not name versions; v157..176 would")
    lowest, highest, options = match.groups()
    return Hello(minimum=int(lowest), maximum=int(highest or lowest), options=options or "")


class FrameReader:
    """Collects bytes until they complete messages, whose payloads have `limit` bytes at most."""

    def __init__(self, limit: int = _MAX_MESSAGE) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes received that do not complete a message yet."""
        return len(self._buffer)

    @property
    def rest(self) -> bytes:
        """The bytes of a message that is not complete."""
        return bytes(self._buffer)

    def receive(self, data: bytes) -> list[tuple[str, ...]]:
        """Feed bytes; get every message they complete, in order.

        Raises:
            WireError: A message is longer than the limit; the stream cannot be read on.
        """
        return [split(payload) for payload in self.payloads(data)]

    def payloads(self, data: bytes) -> list[bytes]:
        """Feed bytes; get every payload they complete, in order."""
        return list(self.each(data))

    def each(self, data: bytes) -> Iterator[bytes]:
        """Feed bytes; get every payload they complete one by one, those before an error too."""
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(self._buffer, start)
                if length > self._limit:
                    raise WireError(f"a message of {length} bytes; the most is {self._limit}")
                end = start + _LENGTH.size + length
                if len(self._buffer) < end:
                    break
                payload = bytes(self._buffer[start + _LENGTH.size : end])
                start = end
                yield payload
        finally:
            del self._buffer[:start]


def split(payload: bytes) -> tuple[str, ...]:
    """The fields of a payload; a last field without its NUL counts too."""
    text = payload.decode(errors="backslashreplace")
    return tuple(text.removesuffix("\0").split("\0"))


def writes(frames: Sequence[bytes], filler: Callable[[], bytes]) -> Iterator[bytes]:
    """Join frames into writes that every known client survives.

    Args:
        frames: Whole frames, in order.
        filler: Makes a harmless frame; it is appended where a write would be a multiple of 4096
            bytes, which the official client discards when nothing follows.

    Yields:
        Writes of whole frames, at most 64 KB each unless one frame is larger.
    """
    whole = b"".join(frames)
    if len(whole) + _FILLER <= MAX_WRITE:  # as nearly always
        if whole:
            yield _padded(whole, filler)
        return
    batch = bytearray()
    for piece in frames:
        if batch and len(batch) + len(piece) + _FILLER > MAX_WRITE:
            yield _padded(batch, filler)
            batch = bytearray()
        batch += piece
    if batch:
        yield _padded(batch, filler)


def _padded(batch: bytes | bytearray, filler: Callable[[], bytes]) -> bytes:
    return bytes(batch + filler()) if len(batch) % _RECEIVE_BUFFER == 0 else bytes(batch)


_ZONES_SINCE: Final = 174  # older clients cannot read a zone name after the time
_YEARS: Final = range(1900, 9999)  # the longest requests go back 68 years, and no farther than year 1
_SHOWN: Final = 60  # characters of a text that is refused
_INSTANT: Final = re.compile(r"(\d{8})(-| +)(\d{2}:\d{2}:\d{2})(?: (\S+))?")


def parse_zone(name: str) -> ZoneInfo:
    """The time zone of that name; a WireError when there is none."""
    try:
        return ZoneInfo(name)
    except (
        ZoneInfoNotFoundError,
        OSError,
        ValueError,
    ) as error:  # OSError: a folder of zones, or a long name
        raise WireError(f"{name[:_SHOWN]!r} is not a time zone") from error


@lru_cache(maxsize=16_384)  # a bar is asked for as many times as there are later ones
def zoned(at: datetime, zone: str, version: int) -> str:
    """An instant in the Gateway's zone, with the zone's name for versions that read it."""
    local = at.astimezone(parse_zone(zone))
    if version < _ZONES_SINCE:
        return f"{local:%Y%m%d  %H:%M:%S}"
    return f"{local:%Y%m%d %H:%M:%S} {zone}"


def clock_text(at: datetime, zone: str) -> str:
    """The time of day, as in account updates."""
    return f"{at.astimezone(parse_zone(zone)):%H:%M}"


def compact(day: date | None) -> str:
    """A date as YYYYMMDD; empty for None."""
    return "" if day is None else f"{day:%Y%m%d}"


def parse_instant(text: str, zone: str) -> datetime | None:
    """An instant that a client sent; None when it sent an empty text, which means now.

    Forms: `YYYYMMDD HH:MM:SS Zone/Name`, `YYYYMMDD-HH:MM:SS` (UTC), and `YYYYMMDD HH:MM:SS`, which
    is in the Gateway's own zone.
    """
    if not text.strip():
        return None
    match, shown = _INSTANT.fullmatch(text.strip()), text[:_SHOWN]
    if match is None:
        raise WireError(f"{shown!r} is not an instant; 20260105 15:30:00 US/Eastern would be")
    day, separator, time, name = match.groups()
    try:
        local = datetime.strptime(day + time, "%Y%m%d%H:%M:%S")  # noqa: DTZ007 - zone comes below
    except ValueError as error:
        raise WireError(f"{shown!r} is not an instant: {error}") from error
    if local.year not in _YEARS:
        raise WireError(f"{shown!r} is out of reach; years go from {_YEARS[0]} to {_YEARS[-1]}")
    is_utc = name is None and separator == "-"
    place = UTC if is_utc else parse_zone(name or zone)
    return local.replace(tzinfo=place).astimezone(UTC)
