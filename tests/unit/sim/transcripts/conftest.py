"""A short session of an unmodified client with a simulated Gateway, written down."""

import asyncio
from datetime import date, timedelta

import pytest

from ibkeel.ibkr.client import library
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.transcripts import Header, Recorder, Transcript
from ibkeel.virtual import run_virtual, virtual_clock

MARKET = SeededMarket(7, date(2026, 1, 5))
START = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0].opens_at + timedelta(hours=1)


async def talk(port):
    """What the client of these tests does; what it saw."""
    ib = library.IB()
    await ib.connectAsync("127.0.0.1", port, clientId=1)
    [spy] = await ib.qualifyContractsAsync(library.Stock("SPY", "SMART", "USD"))
    [ticker] = await ib.reqTickersAsync(spy)
    bars = await ib.reqHistoricalDataAsync(spy, "", "3600 S", "5 mins", "TRADES", useRTH=True)
    bought = ib.placeOrder(spy, library.LimitOrder("BUY", 10, round(ticker.ask + 0.5, 2), orderRef="my-ref"))
    resting = ib.placeOrder(spy, library.LimitOrder("BUY", 10, 1.0))
    await asyncio.sleep(5)
    ib.cancelOrder(resting.order)
    await asyncio.sleep(1)
    ib.disconnect()
    await asyncio.sleep(1)
    return ticker.bid, [bar.close for bar in bars], bought.orderStatus.status, resting.orderStatus.status


async def _recorded():
    clock, entries = virtual_clock(), []
    gateway = SimulatedGateway(market=MARKET, clock=clock, account="DU7654321", seed=7)
    began_at = clock.now()
    gateway.listen_in(Recorder(began_at, entries.append))
    async with gateway.listening("127.0.0.1", 4002):
        seen = await talk(4002)
    header = Header(began_at=began_at, notes={"seed": 7, "date": "2026-01-05"})
    return Transcript(header=header, entries=tuple(entries)), seen


@pytest.fixture(scope="session")
def market():
    return MARKET


@pytest.fixture(scope="session")
def recorded():
    """A transcript, and what its client saw."""
    return run_virtual(_recorded(), start=START)


@pytest.fixture(scope="session")
def transcript(recorded):
    return recorded[0]


@pytest.fixture(scope="session")
def start():
    """The instant at which the transcript began."""
    return START


@pytest.fixture(scope="session", name="talk")
def talk_of_the_client():
    return talk
