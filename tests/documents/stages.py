"""What the Python of a page may take for granted: a Gateway that listens, and names that its text speaks of.

A stage may also use, after the last block, what the page only defines.
"""

import asyncio
import os
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from examples.surface import look, wanted
from tests.documents.blocks import name_of

from ibkeel import BarSpec, Option, Quote, Right, Stock
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.ibkr.library import library
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.transcripts import Header, Recorder, Transcript
from ibkeel.system import SystemClock
from ibkeel.testing import GatewayMaker, simulated_gateway
from ibkeel.virtual import DEFAULT_START, run_virtual, virtual_clock, virtual_process

IB, TheirStock = library.IB, library.Stock
PORT, SERVED = 4002, 4902
SPY = Stock("SPY")


@contextmanager
def gateway():
    """The process is on virtual time, and a Gateway listens on every port that the pages name."""
    with ExitStack() as stack:
        GatewayMaker(stack).play(start="11:00")
        asyncio.get_event_loop().network.alias([SERVED], port=PORT)
        yield {}


@contextmanager
def connected():
    """And a broker is connected that may send orders on paper."""
    with gateway():
        loop = asyncio.get_event_loop()
        broker = IBKRBroker(IBKRConfig(port=PORT, client_id=77, orders="PAPER"))
        loop.run_until_complete(broker.connect())
        yield {"broker": broker, "page_somebody": print}
        loop.run_until_complete(broker.disconnect())


@contextmanager
def asking():
    """And a contract is at hand to ask for."""
    with connected() as names:
        yield names | {"asyncio": asyncio, "contract": SPY}


@contextmanager
def notebook():
    """And the broker of the last cell is left connected, as in a notebook."""
    with gateway() as names:
        yield names
        _waited(names["broker"].disconnect())


@contextmanager
def condor():
    """And today's listed options are at hand."""
    with connected() as names:
        chain, spot = _waited(_chain_and_spot(names["broker"]))
        expiry = chain.expiries[1]

        def option(away, right):
            return Option("SPY", expiry, Decimal(round(spot) + away), right)

        names |= {"p456": option(-10, Right.PUT), "p465": option(-5, Right.PUT)}
        names |= {"c494": option(5, Right.CALL), "c504": option(10, Right.CALL), "today": _today()}
        yield names


@contextmanager
def smiles():
    """And the options of one expiry, and a year of volatilities."""
    with connected() as names:
        broker, clock = names["broker"], SystemClock()
        chain, spot = _waited(_chain_and_spot(broker))
        row = chain.of_class("SPY")
        expiry = next(one for one in row.expiries if one >= _today() + timedelta(days=30))
        names |= {"underlying": SPY, "row": row, "expiry": expiry, "today": _today(), "Quote": Quote}
        names |= {"options": [*dict.fromkeys(wanted(chain, row, expiry, spot))], "spot": spot, "clock": clock}
        names |= {"smiles": _waited(look(broker, _today(), clock)).smiles}
        names |= {"last_year": [0.1 + 0.001 * day for day in range(252)]}
        yield names


@contextmanager
def picking():
    """What is defined to pick an option picks one."""
    with connected() as names:
        yield names
        pick = _waited(names["find"](names["broker"], SystemClock()))
        assert pick.chosen is not None
        assert names["differences"](pick, pick.forward, years=45 / 365) is not None
        option, quote = pick.chosen.option, pick.chosen.quote
        names["good"]([option], {option: quote}, pick.forward, _today())


@contextmanager
def hardened():
    """The contract of the page is one of the client library."""
    with gateway():
        yield {"contract": TheirStock("SPY", "SMART", "USD")}


@contextmanager
def market():
    """A market and a clock for a Gateway of the reader's."""
    with virtual_process(DEFAULT_START) as loop:
        yield {"market": SeededMarket(7), "clock": loop.clock}


@contextmanager
def transcript():
    """The file of the page is there: what a client said to a simulated Gateway."""
    run_virtual(_record(Path("monday.jsonl")))
    yield {}


@contextmanager
def hour_of_bars():
    """The strategy that the page only defines is played over an hour of bars."""
    names = {}
    yield names
    names["play"](run_virtual(_hour_of_bars()))


@contextmanager
def recordings():
    """Where there are recordings, the page reads them."""
    names = {}
    yield names
    if os.environ.get("IBKEEL_DATA"):
        assert names["first_quote"](Path(os.environ["IBKEEL_DATA"])) > 0


def _waited(coroutine):
    return asyncio.get_event_loop().run_until_complete(coroutine)


def _today():
    return SystemClock().now().date()


async def _chain_and_spot(broker):
    return await broker.option_chain(SPY), (await broker.quote(SPY)).mid


async def _hour_of_bars():
    async with simulated_gateway(), IBKRBroker(IBKRConfig(port=PORT), clock=virtual_clock()) as broker:
        return await broker.bars(SPY, BarSpec(duration="3600 S", size="1 min"))


async def _record(path):
    clock, entries = virtual_clock(), []
    gateway = SimulatedGateway(market=SeededMarket(7), clock=clock)
    began_at = clock.now()
    gateway.listen_in(Recorder(began_at, entries.append))
    ib = IB()
    async with gateway.listening("127.0.0.1", PORT):
        await ib.connectAsync("127.0.0.1", PORT, clientId=1)
        ib.disconnect()
    Transcript(header=Header(began_at=began_at), entries=tuple(entries)).save(path)


STAGES = {
    "README.md": gateway,
    "docs/explanation/deadlines.md": asking,
    "docs/how-to/ask-the-doctor.md": gateway,
    "docs/how-to/backtest-a-strategy.md": hour_of_bars,
    "docs/how-to/build-a-structure.md": condor,
    "docs/how-to/choose-client-ids.md": connected,
    "docs/how-to/draw-a-surface.md": smiles,
    "docs/how-to/find-out-why-there-is-no-data.md": connected,
    "docs/how-to/follow-an-order.md": connected,
    "docs/how-to/survive-the-nightly-restart.md": connected,
    "docs/how-to/harden-an-existing-program.md": hardened,
    "docs/how-to/pick-an-option-by-delta.md": picking,
    "docs/how-to/plain-ib-insync.md": gateway,
    "docs/how-to/record-a-gateway.md": transcript,
    "docs/how-to/replay-recorded-data.md": recordings,
    "docs/how-to/send-a-bracket.md": connected,
    "docs/how-to/stay-within-the-limits.md": connected,
    "docs/how-to/threads-loops-and-notebooks.md": notebook,
    "docs/how-to/use-several-accounts.md": connected,
    "docs/how-to/watch-the-session.md": connected,
    "docs/reference/scenarios.md": market,
    "docs/tutorials/first-chain.md": gateway,
}


LOOPING = """
from ib_insync import IB, MarketOrder, Stock

ib = IB()
spy = Stock("SPY", "SMART", "USD")
while True:
    try:
        if not ib.isConnected():
            ib.connect("127.0.0.1", 4002, clientId=1)
            ib.reqMktData(*ib.qualifyContracts(spy))
            ib.placeOrder(spy, MarketOrder("BUY", 10))
        ib.sleep(60)
    except OSError:
        ib.sleep(60)
"""
MY_FACTORY = """
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Option, Right, Stock
from ibkeel.sim.market import SeededMarket
from ibkeel.testing import World, simulated_gateway
from ibkeel.virtual import virtual_clock

SPY = Stock("SPY")


@asynccontextmanager
async def my_factory():
    config = IBKRConfig(port=4002, orders="PAPER")
    async with simulated_gateway(), IBKRBroker(config, clock=virtual_clock()) as broker:
        chain = await broker.option_chain(SPY)
        spot = (await broker.quote(SPY)).mid
        option = Option("SPY", chain.expiries[1], Decimal(round(spot)), Right.CALL)
        yield broker, World(stock=SPY, option=option)
"""
FILES = {
    "docs/how-to/rehearse-a-script.md": {"bot.py": LOOPING},
    "docs/how-to/test-your-bot.md": {"my_broker.py": MY_FACTORY},
}


def files_of(page, folder):
    """Make the files that a page takes for granted, beside it in the reader's folder."""
    for name, text in FILES.get(name_of(page), {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    if STAGES.get(name_of(page)) is transcript:
        run_virtual(_record(folder / "monday.jsonl"))


def is_served(page):
    """Whether the scripts of a page find a Gateway here, as they do once they are saved and run."""
    return STAGES.get(name_of(page)) is gateway


def stage_of(page):
    """The context in which the Python of a page runs; it gives the names."""
    stage = STAGES.get(name_of(page))
    return nullcontext({}) if stage is None else stage()
