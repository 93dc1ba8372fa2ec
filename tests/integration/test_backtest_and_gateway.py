"""A backtest and the adapter over the simulated Gateway, side by side: the same day, runner and strategy."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import attrs
import pytest
from tests.integration.test_backtests import generated_day

from ibkeel.backtest import VenueBroker, backtest
from ibkeel.backtest.prices import MarketSessions
from ibkeel.errors import NoData
from ibkeel.ibkr import IBKRBroker, IBKRConfig, OrderMode
from ibkeel.journal import CommissionSeen, CycleDone, Decision, Failure, FillSeen, Intent, Journal
from ibkeel.model import BarKind, BarSpec, Direction, Index, Option, Right, Signal, Stock
from ibkeel.runner import RiskConfig, Runner, RunnerConfig, Safety
from ibkeel.sim import GatewaySettings, Latency, SimulatedGateway
from ibkeel.sim.market import ReplayMarket, SeededMarket
from ibkeel.sim.venue import Venue, VenueSettings
from ibkeel.strategy import Needs
from ibkeel.virtual import run_virtual, virtual_clock

AT_ONCE = Latency(local=0, account=0, definitions=0, first_tick=0, book=0, history=0, orders=0)
GOOG = RunnerConfig(symbols=("GOOG",), preset="thin", min_dte=0)
RISK = RiskConfig(stop_fraction=0.05, take_profit_fraction=0.05, cooldown=300.0)
SEEN = datetime(2024, 9, 5, 16, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Turning:
    """Up and down, in turn, every quarter of an hour."""

    name: str = "turning"

    def needs(self):
        return Needs()

    def decide(self, context):
        quarter = context.now.minute // 15
        return Signal(direction=(Direction.UP, Direction.NONE, Direction.DOWN)[quarter % 3], confidence=0.5)


class Trouble(ReplayMarket):
    """Few contracts on show all day; for a quarter of an hour nobody bids for an option, for half an hour no new quote comes."""

    def quote(self, contract, at):
        if contract.sec_type == "OPT" and at.hour == 16:
            at = min(at, at.replace(minute=30, second=0, microsecond=0))
        shown = super().quote(contract, at)
        if contract.sec_type != "OPT" or shown.bid is None:
            return shown
        shown = shown._replace(bid_size=3, ask_size=4)
        return shown._replace(bid=0.0) if (at.hour, at.minute // 15) == (15, 2) else shown


async def over_the_gateway(market, config, risk, journal):
    clock = virtual_clock()
    venue = Venue(market, cash=100_000.0, settings=VenueSettings(settles_expiries=True))
    async with adapter(market, venue) as broker:
        runner = Runner(
            broker,
            Turning(),
            config,
            journal,
            risk=risk,
            calendar=MarketSessions(market),
            clock=clock,
            mode="BACKTEST",
            run="backtest",
            safety=Safety.of(risk),
        )
        await runner.run(sessions=1)
    return venue.valuation(clock.now()).net_liquidation


@asynccontextmanager
async def adapter(market, venue):
    """The adapter, connected to a Gateway whose answers take no time."""
    clock, answers = virtual_clock(), GatewaySettings(latency=AT_ONCE)
    gateway = SimulatedGateway(market=market, venue=venue, clock=clock, settings=answers)
    address = IBKRConfig(host="127.0.0.1", port=4002, client_id=1, orders=OrderMode.PAPER)
    async with (
        gateway.listening("127.0.0.1", 4002),
        IBKRBroker(address, clock=clock, jitter=lambda: 0.0) as broker,
    ):
        yield broker


def told(journal):
    """What happened, to the minute; what a fill cost comes with it in a backtest, and after it over the wire."""
    rows = [entry.record for entry in journal.events()]
    fills = [row.execution for row in rows if isinstance(row, FillSeen)]
    costs = [row for row in (*rows, *fills) if isinstance(row, CommissionSeen) or row in fills]
    return {
        "signals": [
            (row.symbol, row.signal.direction, row.outcome) for row in rows if isinstance(row, Decision)
        ],
        "cycles": [row.outcome for row in rows if isinstance(row, CycleDone)],
        "intents": [
            (to_minute(row.at), row.client_order_id, row.purpose, row.order)
            for row in rows
            if isinstance(row, Intent)
        ],
        "fills": [
            (to_minute(row.at), str(row.contract), row.side, row.quantity, row.price, row.client_order_id)
            for row in fills
        ],
        "costs": [row.commission for row in costs if row.commission is not None],
        "failures": [(to_minute(row.at), row.kind, row.service) for row in rows if isinstance(row, Failure)],
    }


def to_minute(at):
    return at.replace(second=0, microsecond=0)


@pytest.mark.parametrize("kind", [ReplayMarket, Trouble])
def test_a_recorded_day_ends_alike_in_a_backtest_and_over_the_gateway(tmp_path, kind):
    folder = generated_day(tmp_path)
    market = kind(folder, day=date(2015, 12, 24), symbols=["GOOG"])
    opens_at = market.sessions(market.session_date, market.session_date)[0].opens_at

    with Journal.in_memory() as here, Journal.in_memory() as there:
        report = backtest(Turning(), market, GOOG, risk=RISK, journal=here)
        worth = run_virtual(
            over_the_gateway(market, GOOG, RISK, there), start=opens_at - timedelta(minutes=5), travel=False
        )
        ours, theirs = told(here), told(there)

    assert len(ours["fills"]) >= 4
    assert ours == theirs
    assert report.figures.end_equity == pytest.approx(worth, abs=0.005)


# What is asked for, beside the runner.

SPY = Stock("SPY")
CALL = Option("SPY", date(2024, 9, 6), Decimal(480), Right.CALL)
BARS = [
    *(BarSpec(duration="1 M", size="1 day", kind=kind) for kind in BarKind),
    *(BarSpec(duration="600 S", size="5 secs", kind=kind) for kind in BarKind),
    BarSpec(duration="1 D", size="5 mins"),
    BarSpec(duration="1 W", size="1 hour"),
]


async def answers_of(broker):
    """What a broker says of bars, each at an instant of its own, and of the chain."""
    clock, at, told = virtual_clock(), SEEN, []
    for contract in (SPY, CALL, Index("VIX")):
        for spec in BARS:
            at += timedelta(seconds=20)
            await asyncio.sleep((at - clock.now()).total_seconds())
            told.append(await seen(broker, contract, spec))
    chain = await broker.option_chain(SPY)
    return told, [(row.exchange, row.trading_class) for row in chain.classes]


async def seen(broker, contract, spec):
    """The columns of bars; None where there are none, as an index has no bid."""
    try:
        bars = await broker.bars(contract, spec)
    except NoData:
        return contract, spec, None
    return (
        contract,
        spec,
        *(getattr(bars, name).tolist() for name in ("at", "open", "low", "close", "volume")),
    )


def test_bars_and_chains_are_those_of_the_adapter():
    market = SeededMarket(7, SEEN.date())

    async def here():
        async with VenueBroker(market, clock=virtual_clock()) as broker:
            return await answers_of(broker)

    async def there():
        async with adapter(market, Venue(market, cash=100_000.0)) as broker:
            return await answers_of(broker)

    (bars, chain), (their_bars, their_chain) = (
        run_virtual(run(), start=SEEN - timedelta(minutes=1), travel=False) for run in (here, there)
    )

    assert sum(row[2] is not None for row in bars) > 20
    assert bars == their_bars
    assert chain == their_chain
    assert chain[0][0] == "SMART"


class Bidless(SeededMarket):
    """Nobody bids for anything, which the market shows as no size at no price."""

    def quote(self, contract, at):
        return super().quote(contract, at)._replace(bid=0.0, bid_size=0)


def test_a_side_without_a_price_has_no_size():
    async def quoted():
        async with VenueBroker(Bidless(7, SEEN.date()), clock=virtual_clock()) as broker:
            return await broker.quote(CALL)

    quote = run_virtual(quoted(), start=SEEN, travel=False)

    assert (quote.bid, quote.bid_size) == (None, None)
    assert quote.ask_size
