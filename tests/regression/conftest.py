import asyncio
from contextlib import asynccontextmanager
from datetime import date

import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import virtual_clock

_MARKET = SeededMarket(7, date(2026, 1, 5))  # the day on which virtual time starts


@pytest.fixture
def connected():
    """Opens a broker in paper mode on a simulated Gateway, ten minutes into the session."""

    @asynccontextmanager
    async def opened(*, settings=None, observer=None, **config):
        await asyncio.sleep(600)
        gateway = SimulatedGateway(market=_MARKET, clock=virtual_clock(), settings=settings)
        broker = IBKRBroker(
            IBKRConfig(**{"orders": "PAPER", **config}),
            clock=virtual_clock(),
            observer=observer,
            jitter=lambda: 0.0,
        )
        async with gateway.listening("127.0.0.1", 4002), broker:
            yield broker, gateway

    return opened
