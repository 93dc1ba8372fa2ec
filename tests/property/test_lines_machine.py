"""Whoever asks, listens, leaves and is cut off, in whatever order: every line that was taken comes back.

The story is drawn first and played on virtual time against the simulated Gateway, whose count of
open lines is the judge. The model counts who listens to what, and knows no leases.
"""

import asyncio
import gc
from contextlib import aclosing, suppress
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.errors import IbkeelError
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Stock
from ibkeel.sim import SimulatedGateway, faults
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

CAPACITY = 2
SYMBOLS = ("SPY", "QQQ", "AAPL")
UNKNOWN = "NOSUCH"
MARKET = SeededMarket(7, date(2026, 1, 5), symbols=SYMBOLS)
SETTLED = 90.0  # seconds after which a session that was cut off is back, and its streams with it

symbols = st.sampled_from([*SYMBOLS, UNKNOWN])
waits = st.sampled_from([0.0, 0.001, 0.05, 0.3, 2.0, 40.0])
STEPS = st.one_of(
    st.tuples(st.just("quote"), symbols, waits),
    st.tuples(st.just("listen"), symbols, waits),
    st.tuples(st.just("leave"), st.integers(0, 9), waits),
    st.tuples(st.just("give_up"), st.integers(0, 9), waits),
    st.tuples(st.just("cut_off"), st.sampled_from(["socket", "restart", "1101", "1102", "farm"]), waits),
    st.tuples(st.just("start_anew"), st.none(), waits),
)


class World:
    """A broker with few lines, those who use it, and the Gateway that counts."""

    def __init__(self, broker, gateway):
        self.broker, self.gateway = broker, gateway
        self.listening = []  # (symbol, task)
        self.asking = []

    async def quote(self, symbol):
        self.asking.append(asyncio.create_task(self._ask(symbol)))

    async def listen(self, symbol):
        self.listening.append((symbol, asyncio.create_task(self._read(symbol))))

    async def leave(self, number):
        if self.listening:
            _, task = self.listening.pop(number % len(self.listening))
            await ended(task)

    async def give_up(self, number):
        if self.asking:
            await ended(self.asking.pop(number % len(self.asking)))

    async def cut_off(self, how):
        match how:
            case "socket":
                self.gateway.drop(1)
            case "restart":
                self.gateway.inject(faults.Restart(duration=5.0))
            case "farm":
                self.gateway.inject(faults.FarmBroken(duration=2.0, revives=False))
            case _:
                self.gateway.inject(faults.UpstreamLost(duration=5.0, restores_as=int(how)))

    async def start_anew(self, _):
        await self.broker.disconnect()
        assert self.broker.open_lines == {}
        await asyncio.sleep(0.5)  # what was on its way to the Gateway has arrived
        assert self.gateway.counters.open_lines == 0
        with suppress(IbkeelError):
            await self.broker.connect()

    async def _ask(self, symbol):
        with suppress(IbkeelError):
            await self.broker.quote(Stock(symbol))

    async def _read(self, symbol):
        with suppress(IbkeelError):
            async with aclosing(self.broker.stream_quotes(Stock(symbol))) as quotes:
                async for _ in quotes:
                    pass

    def check(self):
        """What holds at every moment."""
        counters = self.gateway.counters
        assert counters.max_open_lines <= CAPACITY
        assert len(self.broker.open_lines) <= CAPACITY
        assert counters.errors_sent[101] == 0
        assert counters.errors_sent[300] == 0  # nothing was cancelled that had ended
        assert counters.failures == 0

    def check_at_rest(self):
        """What holds once nothing is under way: one line for each contract that is listened to, if there are so many."""
        self.check()
        wanted = {symbol for symbol, task in self.listening if not task.done()}
        assert len(self.broker.open_lines) == self.gateway.counters.open_lines
        assert len(self.broker.open_lines) == min(CAPACITY, len(wanted))
        assert set(self.broker.open_lines.values()) <= wanted
        assert UNKNOWN not in wanted


async def ended(task):
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def play(story):
    await asyncio.sleep(600)
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    gateway = SimulatedGateway(market=MARKET, clock=virtual_clock())
    config = IBKRConfig(market_data_lines=CAPACITY, line_patience=3600.0)
    broker = IBKRBroker(config, clock=virtual_clock(), jitter=lambda: 0.0)
    async with gateway.listening("127.0.0.1", 4002), broker:
        world = World(broker, gateway)
        for name, argument, wait in story:
            await getattr(world, name)(argument)
            await asyncio.sleep(wait)
            world.check()
        await asyncio.sleep(SETTLED)
        world.check_at_rest()

        for task in [*world.asking, *(task for _, task in world.listening)]:
            await ended(task)
        await asyncio.sleep(1)
        assert (broker.open_lines, gateway.counters.open_lines) == ({}, 0)
        assert len(broker._link.requests) == 0
        world.check()
    gc.collect()
    assert complaints == []


@settings(max_examples=20)
@given(st.lists(STEPS, max_size=12))
def test_every_line_comes_back(story):
    run_virtual(play(story))
