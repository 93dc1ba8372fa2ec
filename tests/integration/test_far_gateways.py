"""A Gateway at the far end of a tunnel: its answers come late, one after the other, or not at all."""

import asyncio
from contextlib import asynccontextmanager
from datetime import date

import pytest

from ibkeel.errors import GatewayMute
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Grade
from ibkeel.resilience import Backoff
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import virtual_clock

PORT, BEHIND = 4002, 4902
PIECE = 50  # bytes
MARKET = SeededMarket(7, date(2026, 1, 5))


class Tunnel:
    """Passes on what each side writes: later, and down to the client no faster than its rate."""

    def __init__(self, *, delay=0.0, rate=0.0):
        self.delay, self.rate, self.stalled_until = delay, rate, 0.0

    def __call__(self):
        self.near = _Near(self)
        return self.near

    def cut(self):
        self.near.transport.close()


class _Near(asyncio.Protocol):
    def __init__(self, tunnel):
        self.tunnel, self.is_free_at = tunnel, 0.0

    def connection_made(self, transport):
        self.transport, loop = transport, asyncio.get_running_loop()
        self.far = loop.network.connect(loop, _Far(self), "127.0.0.1", BEHIND)

    def data_received(self, data):
        asyncio.get_running_loop().call_later(self.tunnel.delay, self.far.write, data)

    def pass_down(self, data):
        loop = asyncio.get_running_loop()
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            takes = len(piece) / self.tunnel.rate if self.tunnel.rate else 1e-6
            self.is_free_at = max(self.is_free_at, loop.time(), self.tunnel.stalled_until) + takes
            loop.call_at(self.is_free_at + self.tunnel.delay, self.transport.write, piece)

    def connection_lost(self, error):
        self.far.close()


class _Far(asyncio.Protocol):
    def __init__(self, near):
        self.data_received = near.pass_down
        self.near = near

    def connection_lost(self, error):
        self.near.transport.close()


@asynccontextmanager
async def far(tunnel, **config):
    clock = virtual_clock()
    gateway = SimulatedGateway(market=MARKET, clock=clock)
    server = await asyncio.get_running_loop().create_server(tunnel, "127.0.0.1", PORT)
    try:
        async with gateway.listening("127.0.0.1", BEHIND):
            yield IBKRBroker(IBKRConfig(orders="PAPER", port=PORT, **config), clock=clock, jitter=lambda: 0.0)
    finally:
        server.close()


@pytest.mark.parametrize("tunnel", [Tunnel(delay=1.6), Tunnel(rate=100.0)], ids=["late", "narrow"])
async def test_a_start_up_that_goes_on_may_take_longer_than_its_deadline(tunnel):
    async with far(tunnel) as broker, broker:
        assert 10.0 < asyncio.get_running_loop().time() < 60.0
        assert broker.is_connected


async def test_a_start_up_that_goes_on_for_ever_is_given_up():
    async with far(Tunnel(rate=20.0)) as broker:
        with pytest.raises(GatewayMute, match="start-up within 10 s, or 6 times as long while bytes came"):
            await broker.connect()
        assert 180.0 < asyncio.get_running_loop().time() < 300.0


async def test_a_tunnel_that_is_cut_in_the_start_up_is_not_taken_for_another_program():
    async with far(tunnel := Tunnel(delay=0.75), connect_backoff=Backoff(attempts=1)) as broker:
        asyncio.get_running_loop().call_later(1.8, tunnel.cut)  # the greeting was answered

        with pytest.raises(GatewayMute, match="closed it during the start-up"):
            await broker.connect()


async def test_an_answer_that_was_held_up_says_nothing_against_the_clock():
    async with far(tunnel := Tunnel(delay=0.2)) as broker, broker:
        await asyncio.sleep(5)
        tunnel.stalled_until = asyncio.get_running_loop().time() + 7.0

        assert (await broker.health()).check("clock") is None  # nobody answered
        await asyncio.sleep(1)
        held_up = await broker.health()

    assert held_up.check("clock").grade is Grade.OK
    assert held_up.round_trip == pytest.approx(7.0, abs=0.5)
