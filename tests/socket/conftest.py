"""A simulated Gateway on loopback in a thread of its own, for clients that block."""

import asyncio
import queue
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.sim import GatewaySettings, Latency, SimulatedGateway
from ibkeel.sim.market import SeededMarket

SYMBOLS = ("SPY", "QQQ", "AAPL", "MSFT")
AT_ONCE = Latency(account=0, definitions=0, first_tick=0, history=0, orders=0, local=0)


class ShiftedClock:
    """The machine's clock, but it began at eleven on a trading day."""

    def __init__(self):
        self._began = time.perf_counter()

    def monotonic(self):
        return time.perf_counter() - self._began

    def now(self):
        return datetime(2026, 1, 5, 16, tzinfo=UTC) + timedelta(seconds=self.monotonic())


class WaitingClock(ShiftedClock):
    """It is twelve seconds to the close until it is let go: then it runs as every clock does."""

    def __init__(self):
        super().__init__()
        self._let_go_at = None

    def let_go(self):
        self._let_go_at = self.monotonic()

    def now(self):
        passed = 0.0 if self._let_go_at is None else self.monotonic() - self._let_go_at
        return datetime(2026, 1, 5, 20, 59, 48, tzinfo=UTC) + timedelta(seconds=passed)


class ToldCounter(Counter):
    """Tells another thread of every message, by its kind."""

    def __init__(self):
        super().__init__()
        self.told = queue.SimpleQueue()

    def __setitem__(self, kind, count):
        super().__setitem__(kind, count)
        self.told.put(kind)

    def wait_for(self, kind):
        """Return when one more message of that kind has arrived."""
        while self.told.get(timeout=10) != kind:
            pass


@attrs.frozen(kw_only=True)
class Served:
    """What a test knows of the Gateway that it talks to."""

    gateway: SimulatedGateway
    loop: asyncio.AbstractEventLoop
    port: int
    clock: ShiftedClock

    @property
    def requests(self):
        """Messages by kind."""
        return self.gateway.counters.requests


@contextmanager
def serving(settings, clock):
    """A Gateway, from the moment that it listens until the block ends."""
    listening, ended = queue.SimpleQueue(), asyncio.Event()
    market = SeededMarket(seed=7, session_date=date(2026, 1, 5), symbols=SYMBOLS)
    gateway = SimulatedGateway(market=market, clock=clock, settings=settings)
    gateway.counters.requests = ToldCounter()

    async def serve():
        async with gateway.listening() as port:
            listening.put((asyncio.get_running_loop(), port))
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="gateway")
    thread.start()
    loop, port = listening.get(timeout=10)
    try:
        yield Served(gateway=gateway, loop=loop, port=port, clock=clock)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(timeout=10)
    assert gateway.counters.failures == 0


@pytest.fixture
def served(request):
    """Answers at once and counts no messages, unless a test says otherwise by `parametrize`."""
    latency = attrs.evolve(AT_ONCE, **getattr(request, "param", {}))
    settings = GatewaySettings(latency=latency, messages_per_second=100_000)
    with serving(settings, ShiftedClock()) as served:
        yield served


@pytest.fixture
def served_at_the_close():
    """The same, twelve seconds before the close: who takes its time from there has to be ready by then."""
    with serving(GatewaySettings(latency=AT_ONCE, messages_per_second=100_000), WaitingClock()) as served:
        yield served
