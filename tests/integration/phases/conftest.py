"""A bot in dry run through adapter, wire and simulated Gateway, on virtual time."""

import asyncio
from datetime import date, timedelta
from functools import partial
from types import SimpleNamespace

import attrs
import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.journal import CycleDone, Intent, Journal
from ibkeel.model import Direction, Signal
from ibkeel.runner import Runner
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.strategy import Needs, Scalp
from ibkeel.virtual import run_virtual, virtual_clock

HOST, PORT = "127.0.0.1", 4002
DAY = date(2025, 3, 12)


@attrs.frozen
class Says:
    """Says the same of every symbol."""

    direction: Direction = Direction.UP
    name: str = "says"

    def needs(self):
        return Needs()

    def decide(self, _):
        return Signal(direction=self.direction, confidence=0.5)


def opens_at(market):
    return market.sessions(market.session_date, market.session_date)[0].opens_at


def _play(
    tmp_path,
    config,
    *,
    strategy=None,
    market=None,
    scenario=None,
    sessions=1,
    hours=None,
    starts=-300,
    before=None,
    patience=60.0,
):
    """Runs a bot in dry run; what it reports, what the Gateway counted, and the cycles of its journal."""
    market = market or SeededMarket(7, DAY)

    async def main():
        clock = virtual_clock()
        gateway = SimulatedGateway(market=market, seed=7, clock=clock, scenario=scenario)
        address = IBKRConfig(host=HOST, port=PORT, client_id=1, pacing_patience=patience)
        broker = IBKRBroker(address, clock=clock, jitter=lambda: 0.0)
        async with gateway.listening(HOST, PORT):
            async with broker:
                found = await before(broker) if before else None
                with Journal.open(tmp_path / "phase.sqlite") as journal:
                    runner = Runner(broker, strategy or Scalp(), config, journal, clock=clock)
                    await lasted(runner, sessions, hours)
                    cycles = [entry.record for entry in journal.events(CycleDone)]
                    intents = [entry.record for entry in journal.events(Intent)]
            open_lines = gateway.counters.open_lines
        return SimpleNamespace(
            report=runner.report(),
            counters=gateway.counters,
            cycles=cycles,
            intents=intents,
            found=found,
            open_lines=open_lines,
        )

    return run_virtual(main(), start=opens_at(market) + timedelta(seconds=starts))


async def lasted(runner, sessions, hours):
    try:
        async with asyncio.timeout(None if hours is None else hours * 3600):
            await runner.run(sessions=sessions)
    except TimeoutError:
        return


@pytest.fixture
def play(tmp_path):
    """Runs a bot; see `_play`."""
    return partial(_play, tmp_path)


@pytest.fixture
def says():
    """A strategy that says the same of every symbol."""
    return Says
