"""The client's side of a transcript, played against a simulated Gateway at the recorded instants."""

import asyncio
from collections.abc import Mapping
from typing import Final

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError
from ibkeel.sim.gateway import SimulatedGateway
from ibkeel.sim.settings import GatewaySettings
from ibkeel.sim.transcripts.labels import CLIENT, message_of, reading
from ibkeel.sim.transcripts.scribe import Recorder
from ibkeel.sim.transcripts.values import Entry, Form, Header, Transcript
from ibkeel.sim.values import ContractPattern, Market
from ibkeel.sim.wire import frame

_AFTERWARDS: Final = 15.0  # seconds to wait for answers after the last word
_PATIENCE: Final = 5.0  # seconds to wait for a handshake
_HOST: Final = "127.0.0.1"
_HIGHEST: Final = 200


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
            transport.write(self._said(entry))
            if entry.form is Form.HELLO:
                await self._handshake()
        await self._until(self._entries[-1].at + (_AFTERWARDS if self._is_cut else 0.0))
        transport.close()

    @property
    def _is_cut(self) -> bool:
        """Whether the recording ended before the connection did."""
        return self._entries[-1].form is not Form.CLOSED

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(self._began + at - asyncio.get_running_loop().time(), 0.0))

    async def _handshake(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._answered.wait()
        except TimeoutError:
            return

    def _said(self, entry: Entry) -> bytes:
        """The bytes to send: ids of contracts are those of the simulated market."""
        message = message_of(CLIENT, entry.texts[0]) if entry.form is Form.MESSAGE else None
        if message is None:
            return entry.wire
        labels = reading(message, entry.texts[1:], entry.version).labels
        texts = [
            self._numbers.get(each.text, each.text) if _names_contract(each.name) else each.text
            for each in labels
        ]
        end = "\0" if entry.payload.endswith(b"\0") else ""
        return frame(("\0".join([entry.texts[0], *texts]) + end).encode(errors="surrogateescape"))


def _names_contract(name: str) -> bool:
    return name.rpartition(".")[2] in {"con_id", "under_con_id"}


def _account(recorded: Transcript) -> str:
    """The account that the recorded Gateway named first."""
    told = (entry.fields.get("accounts") for entry in recorded.entries if entry.name == "managed_accounts")
    return next((str(accounts).split(",")[0] for accounts in told if accounts), "DU1234567")


@attrs.frozen
class _Identity:
    """What names a contract in every market."""

    symbol: str
    sec_type: str
    expiry: str
    strike: str
    right: str


def _contract_ids(recorded: Transcript, market: Market) -> dict[str, str]:
    """The simulated market's ids of contracts, by the recorded ones; 0 where it has none."""
    found: dict[str, str] = {}
    for entry in recorded.entries:
        fields = entry.fields
        con_id = fields.get("con_id")
        if isinstance(con_id, str) and con_id != "0" and fields.get("symbol"):
            known = con_id in found and found[con_id] != "0"
            found[con_id] = found[con_id] if known else _contract_id(_identity(fields), market)
    return found


def _identity(fields: Mapping[str, str]) -> _Identity:
    names = ("symbol", "sec_type", "expiry", "strike", "right")
    return _Identity(*(str(fields.get(name, "")) for name in names))


def _contract_id(identity: _Identity, market: Market) -> str:
    try:
        strike = float(identity.strike or 0)
    except ValueError:
        return "0"
    pattern = ContractPattern(
        symbol=identity.symbol,
        sec_type=identity.sec_type,
        expiry=identity.expiry[:8],
        strike=strike,
        right=identity.right[:1].replace("?", "").replace("0", ""),
    )
    [*contracts] = market.find(pattern)
    return str(contracts[0].con_id) if contracts else "0"
