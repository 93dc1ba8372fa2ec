"""A broker, a simulated Gateway, and between them a switchboard that a test can speak through."""

import asyncio
from contextlib import asynccontextmanager
from datetime import date, timedelta
from itertools import cycle
from types import MappingProxyType

import attrs
import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Option, Right, Stock
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.codec import REPLIES
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.session import Request, Session
from ibkeel.sim.values import ContractPattern
from ibkeel.sim.wire import FrameReader, frame, split
from ibkeel.virtual import virtual_clock

PORT, BEHIND = 4002, 4902
FIRST_MINUTES = 600.0
_MARKET = SeededMarket(7, date(2026, 1, 5))  # the day on which virtual time starts


def _numbers(names):
    return {str(REPLIES[name].number) for name in names}


class Switchboard:
    """Between client and Gateway: notes requests, drops or doubles replies, and can speak itself."""

    def __init__(self):
        self.requests = []
        self.kept_back = set()
        self.doubled = set()
        self.altered = bytes
        """What becomes of a reply on its way."""
        self._client = None

    def __call__(self):
        self._client = _ClientSide(self)
        return self._client

    def asked(self, name):
        """Values of the requests of one kind, in the order in which they were sent."""
        return [request.values for request in self.requests if request.name == name]

    def say(self, name, **values):
        """Send the client a message that the Gateway never sent."""
        self._client.transport.write(self._client.session.encode(name, values))

    def names_two(self, con_id):
        """A second definition with a number of its own comes behind that of `con_id`."""
        self.doubled = {"contract_data"}
        is_second = cycle((False, True))

        def altered(payload):
            was, other = str(con_id).encode(), str(con_id + 1).encode()
            return payload.replace(was, other) if was in payload and next(is_second) else payload

        self.altered = altered

    def hang_up(self):
        """End the client's connection as a network failure would."""
        self._client.transport.close()

    def times(self, payload):
        """How often a reply passes."""
        number = split(payload)[0]
        if number in _numbers(self.kept_back):
            return 0
        return 2 if number in _numbers(self.doubled) else 1


class _ClientSide(asyncio.Protocol):
    def __init__(self, board):
        self.board, self.session = board, Session()

    def connection_made(self, transport):
        self.transport = transport
        loop, self.behind = asyncio.get_running_loop(), None
        try:
            self.behind = loop.network.connect(loop, _GatewaySide(self), "127.0.0.1", BEHIND)
        except ConnectionRefusedError:
            transport.close()

    def data_received(self, data):
        events = self.session.receive(data)
        self.board.requests += [event for event in events if isinstance(event, Request)]
        if self.behind is not None:
            self.behind.write(data)

    def connection_lost(self, error):
        if self.behind is not None:
            self.behind.close()


class _GatewaySide(asyncio.Protocol):
    def __init__(self, client):
        self.client, self.reader = client, FrameReader()

    def data_received(self, data):
        for payload in self.reader.payloads(data):
            for _ in range(self.client.board.times(payload)):
                self.client.transport.write(frame(self.client.board.altered(payload)))

    def connection_lost(self, error):
        self.client.transport.close()


class Told:
    """An observer that keeps what it was told."""

    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)

    def of(self, name):
        """Events of one kind."""
        return [event for event in self.events if type(event).__name__ == name]


@attrs.frozen(kw_only=True)
class Stage:
    """What a test plays on."""

    broker: IBKRBroker
    gateway: SimulatedGateway
    board: Switchboard
    told: Told
    stock: Stock
    option: Option


def _option():
    """The call of the first expiry after today whose strike is nearest to the price."""
    stock = _MARKET.find(ContractPattern(symbol="SPY", sec_type="STK"))[0]
    session = _MARKET.sessions(_MARKET.session_date, _MARKET.session_date)[0]
    spot = _MARKET.quote(stock, session.opens_at + timedelta(minutes=10)).last
    calls = _MARKET.find(ContractPattern(symbol="SPY", sec_type="OPT", right="C"))
    best = min(
        calls,
        key=lambda row: (row.expiry <= _MARKET.session_date, row.expiry, abs(row.strike - spot), row.strike),
    )
    return Option("SPY", best.expiry, best.strike, Right.CALL, trading_class=best.trading_class)


@pytest.fixture(scope="session")
def market():
    return _MARKET


@pytest.fixture(scope="session")
def listed_call():
    return _option()


@pytest.fixture
def stage(listed_call):
    """Opens a connected broker ten minutes into the session; takes settings, its own clock and configuration."""

    @asynccontextmanager
    async def opened(
        *,
        settings=None,
        account="DU1234567",
        further_accounts=MappingProxyType({}),
        kept_back=(),
        market=_MARKET,
        own_clock=None,
        altered=bytes,
        **config,
    ):
        await asyncio.sleep(FIRST_MINUTES)
        clock, board, told = virtual_clock(), Switchboard(), Told()
        board.kept_back, board.altered = set(kept_back), altered
        gateway = SimulatedGateway(
            market=market,
            clock=clock,
            settings=settings,
            account=account,
            further_accounts=further_accounts,
        )
        broker = IBKRBroker(
            IBKRConfig(**{"orders": "PAPER", "port": PORT, **config}),
            clock=own_clock or clock,
            observer=told,
            jitter=lambda: 0.0,
        )
        server = await asyncio.get_running_loop().create_server(board, "127.0.0.1", PORT)
        try:
            async with gateway.listening("127.0.0.1", BEHIND), broker:
                yield Stage(
                    broker=broker,
                    gateway=gateway,
                    board=board,
                    told=told,
                    stock=Stock("SPY"),
                    option=listed_call,
                )
        finally:
            server.close()

    return opened
