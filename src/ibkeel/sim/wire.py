r"""Framing of the Gateway's socket protocol: bytes to messages and back, without IO.

A message is a big-endian 32-bit length and that many bytes of fields, each ended by a NUL. A
client opens with four bytes `API\0` and one frame that names the versions it speaks.
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence

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
