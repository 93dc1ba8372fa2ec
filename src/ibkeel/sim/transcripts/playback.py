"""A Gateway that says what a transcript says: to a request like a recorded one, the recorded answers."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import attrs
from typing_extensions import override

from ibkeel.errors import ConfigurationError, WireError
from ibkeel.sim.codec import REPLIES
from ibkeel.sim.transcripts.exchanges import Exchange, exchanges, number_of
from ibkeel.sim.transcripts.labels import CLIENT, message_of, reading
from ibkeel.sim.transcripts.scribe import Transcriber
from ibkeel.sim.transcripts.values import Entry, Form, Transcript
from ibkeel.sim.wire import encode, frame, parse_hello

_logger: Final = logging.getLogger("ibkeel.sim")
_IDS: Final = frozenset({"request_id", "order_id", "parent_id"})
_ALIKE: Final = ("symbol", "sec_type", "expiry", "strike", "right", "what", "bar_size", "duration", "action")
_UNANSWERED: Final = 322


class Playback:
    """Answers clients as a transcript did.

    A client may use other ids than the recorded one, and ask in another order: each request gets the
    answers of the recorded request of its kind that is most like it and was not given yet, or else was
    given longest ago. A kind that the transcript does not have gets error 322.

    Args:
        transcript: What to say.
        speed: How many times faster than it was.

    Raises:
        ConfigurationError: The transcript has no session in it.
    """

    def __init__(self, transcript: Transcript, speed: float = 1.0) -> None:
        self._sessions = [
            session
            for number in transcript.connections
            if (session := _Session.of(transcript.of(number))) is not None
        ]
        if not self._sessions:
            raise ConfigurationError("the transcript has no session: no client ever started one")
        self._speed = speed
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._taken = 0
        self.answered = 0
        self.unknown = 0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; the port that is bound.

        Raises:
            OSError: The address cannot be bound.
        """
        self._server = await asyncio.get_running_loop().create_server(self._accept, host, port)
        bound: int = self._server.sockets[0].getsockname()[1] if self._server.sockets else port
        return bound

    async def stop(self) -> None:
        """Close every connection and listen no more."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in tuple(self._connections):
            connection.end()

    def _accept(self) -> asyncio.Protocol:
        """The next recorded session for the next client; after the last, the first again."""
        session = self._sessions[self._taken % len(self._sessions)]
        self._taken += 1
        connection = _Connection(self, session, self._speed)
        self._connections.add(connection)
        return connection

    def forget(self, connection: "_Connection") -> None:
        """A client has gone."""
        self._connections.discard(connection)

    def count(self, *, is_known: bool) -> None:
        """Count a request."""
        self.answered += is_known
        self.unknown += not is_known


@attrs.frozen(kw_only=True)
class _Session:
    """One recorded connection."""

    handshake: Entry
    by_name: Mapping[str, Sequence[Exchange]]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> "_Session | None":
        handshake = next((entry for entry in entries if entry.form is Form.HANDSHAKE), None)
        made = exchanges(entries)
        if handshake is None or not made:
            return None
        by_name: dict[str, list[Exchange]] = defaultdict(list)
        for exchange in made:
            by_name[exchange.request.name].append(exchange)
        return cls(handshake=handshake, by_name=by_name)


class _Connection(asyncio.Protocol):
    """One client of the playback."""

    def __init__(self, house: Playback, session: _Session, speed: float) -> None:
        self._house, self._session, self._speed = house, session, speed
        self._reader = Transcriber(1)
        self._given: dict[int, int] = {}  # how often each exchange was given, by identity
        self._ids: dict[str, str] = {}  # the client's ids by the recorded ones
        self._planned: dict[int | None, list[asyncio.TimerHandle]] = defaultdict(list)  # by the client's ids
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        for entry in self._reader.heard(CLIENT, data, 0.0):
            if entry.form is Form.HELLO:
                self._greet(entry)
            elif entry.form is Form.BYTES:
                self.end()
            elif entry.form is Form.MESSAGE:
                self._answer(attrs.evolve(entry, version=self._reader.version))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for number in tuple(self._planned):
            self._forget(number)
        self._house.forget(self)

    def end(self) -> None:
        """Close."""
        if self._transport is not None:
            self._transport.close()

    def _greet(self, entry: Entry) -> None:
        """Say the recorded handshake, unless the client does not speak that version."""
        version = self._session.handshake.version
        try:
            hello = parse_hello(entry.payload)
        except WireError as error:
            return self._turn_away(str(error))
        if not hello.minimum <= version <= hello.maximum:
            return self._turn_away(f"the transcript is of version {version}")
        self._write(self._session.handshake.wire)
        self._reader.version = version
        return None

    def _turn_away(self, reason: str) -> None:
        _logger.warning("connection refused: %s", reason)
        self.end()

    def _answer(self, asked: Entry) -> None:
        exchange = self._like(asked)
        self._house.count(is_known=exchange is not None)
        if exchange is None:
            self._refuse(asked)
            return
        self._given[id(exchange)] = self._given.get(id(exchange), 0) + 1
        recorded, now = number_of(exchange.request), number_of(asked)
        if recorded is not None and now is not None:
            self._ids[str(recorded)] = str(now)
        if asked.name.startswith("cancel_") and asked.name != "cancel_order":
            self._forget(now)
        loop = asyncio.get_running_loop()
        for answer in exchange.answers:
            seconds = max(answer.at - exchange.request.at, 0.0) / self._speed
            self._planned[now].append(loop.call_later(seconds, self._write, self._translated(answer)))

    def _forget(self, number: int | None) -> None:
        """Say nothing more to a request."""
        for timer in self._planned.pop(number, ()):
            timer.cancel()

    def _like(self, asked: Entry) -> Exchange | None:
        """The recorded request that is most like this one, of those that were given least often."""
        candidates = self._session.by_name.get(asked.name, ()) if asked.name else ()
        wanted = asked.fields

        def rank(exchange: Exchange) -> tuple[int, int, float]:
            fields = exchange.request.fields
            unlike = sum(fields.get(name) != wanted.get(name) for name in _ALIKE)
            return unlike, self._given.get(id(exchange), 0), exchange.request.at

        return min(candidates, key=rank, default=None)

    def _refuse(self, asked: Entry) -> None:
        number = number_of(asked)
        if number is None or asked.name.startswith("cancel_"):
            return
        text = f"the transcript has no {asked.name or f'message {asked.texts[0]}'}"
        values = {"request_id": number, "code": _UNANSWERED, "text": text, "at_millis": 0}
        self._write(encode(REPLIES["error"].build(values, asked.version)))

    def _translated(self, answer: Entry) -> bytes:
        """A recorded answer with the ids that this client uses."""
        message = message_of(answer.sender, answer.texts[0])
        if message is None:
            return answer.wire
        labels = reading(message, answer.texts[1:], answer.version).labels
        texts = [self._ids.get(each.text, each.text) if each.name in _IDS else each.text for each in labels]
        end = "\0" if answer.payload.endswith(b"\0") else ""
        return frame(("\0".join([answer.texts[0], *texts]) + end).encode(errors="surrogateescape"))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
