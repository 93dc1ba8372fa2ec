"""One client's side of the protocol, without IO: bytes in, events out, replies to bytes.

A shell feeds `receive` with whatever the transport delivers and acts on the events that it
returns; `encode` turns a reply into the layout of this client's version. The session knows no
market, no clock and no socket.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Final

import attrs

from ibkeel.errors import WireError
from ibkeel.sim.codec import REPLIES, REQUESTS, Form, Values
from ibkeel.sim.wire import GREETING, FrameReader, Hello, encode, frame, parse_hello, split

MIN_VERSION: Final = 157
MAX_VERSION: Final = 200  # the last version whose messages are all text
_START_API: Final = 71
_IDS: Final = ("request_id", "order_id")
_ASKS_IN_VAIN: Final = 503  # the code by which clients themselves report versions that do not fit
_LONGEST_NUMBER: Final = 5  # digits of the number of a message; int() has a limit
_LONGEST_ID: Final = 10  # the largest id is 2147483647


class State(Enum):
    """Where a connection is."""

    GREETING = auto()
    NEGOTIATED = auto()
    STARTED = auto()
    CLOSED = auto()


@attrs.frozen(kw_only=True)
class Negotiated:
    """The versions fit; send the handshake reply, and nothing else before `Started`."""

    hello: Hello
    version: int


@attrs.frozen(kw_only=True)
class Refused:
    """The connection cannot go on; send `reply` and close."""

    reason: str
    reply: bytes = b""


@attrs.frozen(kw_only=True)
class Started:
    """The client asks to begin under an id."""

    client_id: int


@attrs.frozen(kw_only=True)
class Request:
    """A message of a known kind, parsed."""

    name: str
    values: dict[str, Any]


@attrs.frozen(kw_only=True)
class Unknown:
    """A message whose number this Gateway does not serve."""

    number: str


@attrs.frozen(kw_only=True)
class Malformed:
    """A known message that cannot be parsed or comes twice; `request_id` is -1 when there is none to read."""

    name: str
    request_id: int
    reason: str


Event = Negotiated | Refused | Started | Request | Unknown | Malformed


def negotiate(hello: Hello, highest: int = MAX_VERSION) -> int | None:
    """The version to speak with a client, or None when there is none in common.

    158 is never chosen: ib_insync and ib_async read `duration` in openOrder only from 159 on.
    """
    version = min(hello.maximum, highest, MAX_VERSION)
    if version == 158:  # a fact about this one version
        version = 157
    return version if version >= max(MIN_VERSION, hello.minimum) else None


class Session:
    """The protocol state of one connection."""

    def __init__(self, highest_version: int = MAX_VERSION) -> None:
        self.state = State.GREETING
        self.version = 0
        self.client_id: int | None = None
        self._highest = highest_version
        self._reader = FrameReader()
        self._head = bytearray()

    def receive(self, data: bytes) -> list[Event]:
        """Feed bytes; get the events they complete, in order.

        Bytes that are not the protocol yield one `Refused` after what came before them, and close the
        session; it is the same however the bytes are cut.
        """
        events: list[Event] = []
        if self.state is State.CLOSED:
            return events
        try:
            for event in self._events(data):
                events.append(event)  # noqa: PERF402 - what came before an error counts
        except WireError as error:
            self.state = State.CLOSED
            events.append(Refused(reason=str(error)))
        return events

    def handshake(self, at: str) -> bytes:
        """The reply to a `Negotiated` client.

        Args:
            at: The Gateway's time of day, as text with its zone.
        """
        return encode((str(self.version), at))

    def encode(self, name: str, values: Values) -> bytes:
        """One reply in the layout of this client's version."""
        return frame(REPLIES[name].payload(values, self.version))

    def form(self, name: str, known: Values) -> Form:
        """One reply in the same layout, of which some values are always the same."""
        return REPLIES[name].form(self.version, known)

    def close(self) -> None:
        """Answer nothing more."""
        self.state = State.CLOSED

    def _events(self, data: bytes) -> Iterator[Event]:
        if len(self._head) < len(GREETING):
            wanted = len(GREETING) - len(self._head)
            self._head += data[:wanted]
            data = data[wanted:]
            if not GREETING.startswith(self._head):
                raise WireError(f"a client begins with {GREETING!r}, not {bytes(self._head)!r}")
        for payload in self._reader.each(data):
            if self.state is State.GREETING:
                yield self._greet(payload)
            elif self.state is not State.CLOSED:
                yield self._message(split(payload))

    def _greet(self, payload: bytes) -> Event:
        hello = parse_hello(payload)
        version = negotiate(hello, self._highest)
        if version is None:
            self.state = State.CLOSED
            reason = (
                f"the client speaks versions {hello.minimum} to {hello.maximum}, "
                f"this Gateway {MIN_VERSION} to {self._highest}"
            )
            return Refused(reason=reason, reply=encode(("4", "2", "-1", str(_ASKS_IN_VAIN), reason)))
        self.state, self.version = State.NEGOTIATED, version
        return Negotiated(hello=hello, version=version)

    def _message(self, texts: tuple[str, ...]) -> Event:
        message = REQUESTS.get(_number(texts[0], _LONGEST_NUMBER))
        if message is None:
            return Unknown(number=texts[0][:20])
        try:
            values = message.parse(texts[1:], self.version)
        except WireError as error:
            return Malformed(name=message.name, request_id=_guess_id(texts, self.version), reason=str(error))
        if message.number == _START_API:
            if self.state is State.STARTED:
                return Malformed(name=message.name, request_id=-1, reason="the session has begun already")
            self.state = State.STARTED
            self.client_id = values["client_id"] or 0
            return Started(client_id=self.client_id)
        if any(values.get(name, 0) is None for name in _IDS):
            return Malformed(name=message.name, request_id=-1, reason="the id is empty")
        return Request(name=message.name, values=values)


def _guess_id(texts: tuple[str, ...], version: int) -> int:
    """The request id of a message that could not be parsed, for the error to carry."""
    message = REQUESTS[_number(texts[0], _LONGEST_NUMBER)]
    layout = [item for item in message.layout if item.admits(version)]
    position = next((at for at, item in enumerate(layout) if getattr(item, "name", "").endswith("_id")), None)
    if position is None or position + 1 >= len(texts):
        return -1
    return _number(texts[position + 1], _LONGEST_ID)


def _number(text: str, longest: int) -> int:
    """A number of at most so many digits; -1 for any other text."""
    return int(text) if text.isdecimal() and len(text) <= longest else -1
