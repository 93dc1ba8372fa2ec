"""What an adapter tells its observer on a bad day, on virtual time: the material that the page is tried with."""

import asyncio
import contextlib
import logging
from datetime import timedelta

from ibkeel.errors import ConnectionFailure, RequestFailed
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import BarSpec, Stock
from ibkeel.resilience import Backoff
from ibkeel.sim import Scenario, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")
MARKET = SeededMarket(seed=7, symbols=("SPY",))
ROUNDS = 56


class Kept:
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


def events_of(name):
    """Everything that was told of a scenario, in order."""
    scenario = Scenario.named(name)
    session = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0]
    logging.disable(logging.CRITICAL)  # the client library writes an account of every misfortune
    try:
        return run_virtual(_played(scenario), start=session.opens_at + timedelta(minutes=5), travel=False)
    finally:
        logging.disable(logging.NOTSET)


async def _played(scenario):
    kept, clock = Kept(), virtual_clock()
    gateway = SimulatedGateway(market=MARKET, clock=clock, scenario=scenario)
    config = IBKRConfig(orders="PAPER", port=4902, connect_backoff=Backoff(attempts=None))
    broker = IBKRBroker(config, clock=clock, observer=kept, jitter=lambda: 0.0)
    async with gateway.listening("127.0.0.1", 4902):
        with contextlib.suppress(ConnectionFailure):
            await broker.connect()
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # a library's own callbacks
        for _ in range(ROUNDS):
            await _worked(broker)
            await asyncio.sleep(30)
        told = tuple(kept.events)
        await broker.disconnect()
    return told


async def _worked(broker):
    """What a bot does in half a minute."""
    with contextlib.suppress(ConnectionFailure, RequestFailed):
        await broker.health()
    for ask in (
        lambda: broker.quote(SPY),
        lambda: broker.bars(SPY, BarSpec()),
        broker.positions,
        broker.open_orders,
    ):
        with contextlib.suppress(ConnectionFailure, RequestFailed):
            await ask()
