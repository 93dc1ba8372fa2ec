"""A transcript said again, by either side.

`Playback` is a Gateway: to a request like a recorded one, it says the recorded answers. `played` is the
client, and speaks to a simulated Gateway at the recorded instants.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError, WireError
from ibkeel.sim.codec import REPLIES
from ibkeel.sim.door import ListeningPort
from ibkeel.sim.gateway import SimulatedGateway
from ibkeel.sim.settings import GatewaySettings
from ibkeel.sim.transcripts.exchanges import Exchange, exchanges, number_of
from ibkeel.sim.transcripts.scribe import Recorder, Transcriber
from ibkeel.sim.transcripts.values import CLIENT, Entry, Form, Header, Transcript
from ibkeel.sim.values import ContractPattern, Market
from ibkeel.sim.wire import encode, frame, parse_hello

_logger: Final = logging.getLogger("ibkeel.sim")
_IDS: Final = frozenset({"request_id", "order_id", "parent_id"})
_ALIKE: Final = ("symbol", "sec_type", "expiry", "strike", "right", "what", "bar_size", "duration", "action")
_UNANSWERED: Final = 322
_AFTERWARDS: Final = 15.0  # seconds to wait for answers after the last word
_PATIENCE: Final = 5.0  # seconds to wait for a handshake
_HOST: Final = "127.0.0.1"
_HIGHEST: Final = 200


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
        self._port = ListeningPort(self._accept)
        self._connections: set[_Connection] = set()
        self._taken = 0
        self.answered = 0
        self.unknown = 0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; the port that is bound.

        Raises:
            OSError: The address cannot be bound.
        """
        return await self._port.open(host, port)

    async def stop(self) -> None:
        """Close every connection and listen no more."""
        self._port.shut()
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
            data = _rewritten(answer, _IDS.__contains__, self._ids)
            self._planned[now].append(loop.call_later(seconds, self._write, data))

    def _forget(self, number: int | None) -> None:
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

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def played(recorded: Transcript, market: Market, clock: Clock) -> Transcript:
    """What a simulated Gateway says to the client of a transcript.

    Best on virtual time, where an hour takes no time; the market should be of the recorded day.

    Args:
        recorded: What to play.
        market: Of the simulated Gateway.
        clock: Wall time, which should begin where the transcript does.

    Raises:
        ConfigurationError: The transcript has a session of a version that no simulator speaks.
    """
    version = max((entry.version for entry in recorded.entries), default=0) or _HIGHEST
    if version > _HIGHEST:
        raise ConfigurationError(
            f"the transcript is of version {version}; the highest that is text is {_HIGHEST}"
        )
    gateway = SimulatedGateway(
        market=market,
        clock=clock,
        account=_account(recorded),
        seed=int(recorded.header.notes.get("seed", 0)),
        settings=GatewaySettings(highest_version=max(version, 157)),
    )
    heard: list[Entry] = []
    recorder = Recorder(clock.now(), heard.append)
    stop = gateway.listen_in(recorder)
    numbers = _contract_ids(recorded, market)
    async with gateway.listening(_HOST) as port, asyncio.TaskGroup() as group:
        began = asyncio.get_running_loop().time()
        for connection in recorded.connections:
            player = _Player(recorded.of(connection), began, numbers)
            group.create_task(player.play(port))
    stop()
    recorder.stop(clock.now())
    return Transcript(header=Header(began_at=recorded.header.began_at), entries=tuple(heard))


class _Player(asyncio.Protocol):
    """One connection of a client, as it was."""

    def __init__(self, entries: tuple[Entry, ...], began: float, numbers: Mapping[str, str]) -> None:
        self._entries, self._began, self._numbers = entries, began, numbers
        self._answered = asyncio.Event()

    @override
    def data_received(self, data: bytes) -> None:
        self._answered.set()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._answered.set()

    async def play(self, port: int) -> None:
        """Say everything at its time, then wait a little for the answers."""
        loop = asyncio.get_running_loop()
        await self._until(self._entries[0].at)
        transport, _ = await loop.create_connection(lambda: self, _HOST, port)
        for entry in self._entries:
            if entry.form is Form.CLOSED:
                break
            if entry.sender != CLIENT:
                continue
            await self._until(entry.at)
            # Ids of contracts are those of the simulated market.
            transport.write(_rewritten(entry, _names_contract, self._numbers))
            if entry.form is Form.HELLO:
                await self._handshake()
        last = self._entries[-1]
        is_cut = last.form is not Form.CLOSED  # the recording ended before the connection did
        await self._until(last.at + (_AFTERWARDS if is_cut else 0.0))
        transport.close()

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(self._began + at - asyncio.get_running_loop().time(), 0.0))

    async def _handshake(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._answered.wait()
        except TimeoutError:
            return


def _rewritten(entry: Entry, is_number: Callable[[str], bool], numbers: Mapping[str, str]) -> bytes:
    """An entry on the wire, with other numbers in the fields whose name says that they hold one."""
    labels = entry.labels
    if labels is None:
        return entry.wire
    texts = [numbers.get(each.text, each.text) if is_number(each.name) else each.text for each in labels]
    return frame(entry.payload_with(texts))


def _names_contract(name: str) -> bool:
    return name.rpartition(".")[2] in {"con_id", "under_con_id"}


def _account(recorded: Transcript) -> str:
    """The account that the recorded Gateway named first."""
    told = (entry.fields.get("accounts") for entry in recorded.entries if entry.name == "managed_accounts")
    return next((str(accounts).split(",")[0] for accounts in told if accounts), "DU1234567")


def _contract_ids(recorded: Transcript, market: Market) -> dict[str, str]:
    """The simulated market's ids of contracts, by the recorded ones; 0 where it has none."""
    found: dict[str, str] = {}
    for entry in recorded.entries:
        fields = entry.fields
        con_id = fields.get("con_id")
        if isinstance(con_id, str) and con_id != "0" and fields.get("symbol"):
            known = con_id in found and found[con_id] != "0"
            found[con_id] = found[con_id] if known else _contract_id(fields, market)
    return found


def _contract_id(fields: Mapping[str, Any], market: Market) -> str:
    try:
        strike = float(fields.get("strike", 0))
    except ValueError:
        return "0"
    pattern = ContractPattern(
        symbol=fields["symbol"],
        sec_type=fields.get("sec_type", ""),
        expiry=fields.get("expiry", "")[:8],
        strike=strike,
        right=fields.get("right", "")[:1].strip("?0"),
    )
    contracts = market.find(pattern)
    return str(contracts[0].con_id) if contracts else "0"
