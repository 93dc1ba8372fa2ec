"""The first bot's phases, each through the adapter and the simulated Gateway on virtual time."""

import asyncio
import os
from datetime import date, timedelta
from types import SimpleNamespace

import attrs
import pytest

from ibkeel.model import BarSpec, Direction, Right, Signal, Stock
from ibkeel.options import at_the_money, is_liquid, preset, select
from ibkeel.runner import RunnerConfig
from ibkeel.sim import Scenario
from ibkeel.sim.market import Mood, SeededMarket, universe
from ibkeel.sim.values import ContractPattern
from ibkeel.strategy import Needs

DAY = date(2025, 3, 12)
FOUR_HOURS = 23_400 - 4 * 3600 - 60  # before the close: no cycle begins at or after it
AT_A_QUARTER_TO_MIDNIGHT = """
title = "The nightly restart"
[[faults]]
kind = "restart"
after = 40440
duration = 90
"""
LIVE = SimpleNamespace(spot=689.40, strikes=427, at_the_money=689, liquid=11)
NIGHTLY = pytest.mark.skipif(
    not os.environ.get("IBKEEL_NIGHTLY"), reason="takes more than 5 s: nox -s nightly"
)


class AsOnTheDay(SeededMarket):
    """The chain of the first phase: more strikes than any expiry has, as the real answer is a union."""

    def option_classes(self, under_con_id):
        rows = super().option_classes(under_con_id)
        return [attrs.evolve(row, strikes=self._padded(row.strikes)) for row in rows]

    def _padded(self, strikes):
        further = (strikes[-1] + 5.0 * step for step in range(1, LIVE.strikes))
        return (*strikes, *(strike for strike, _ in zip(further, range(LIVE.strikes - len(strikes)))))  # noqa: B905 - an endless row


def opens_at(market):
    return market.sessions(market.session_date, market.session_date)[0].opens_at


def assert_kept_to_the_rules(world):
    assert world.report.errors == ()
    assert world.report.timeouts == 0
    assert world.report.orders_sent == world.counters.requests["place_order"] == 0
    assert dict(world.counters.violations) == {}
    assert world.counters.failures == 0
    assert world.counters.max_open_lines <= 100
    assert world.open_lines == 0


def test_phase_1_finds_the_strike_at_the_money_and_11_liquid_ones_among_427(play, says, monkeypatch):
    plain = SeededMarket(7, DAY, mood=Mood(volatility=1.0, movement=0.0))
    [spy] = plain.find(ContractPattern(symbol="SPY", sec_type="STK"))
    row = universe.TABLE["SPY"]
    ratio = LIVE.spot / plain.quote(spy, opens_at(plain)).last
    rows = {**universe.TABLE, "SPY": attrs.evolve(row, price=row.price * ratio)}
    monkeypatch.setattr(universe, "TABLE", rows)
    market = AsOnTheDay(7, DAY, mood=Mood(volatility=1.0, movement=0.0))
    rule = preset("weekly")

    async def before(broker):
        await asyncio.sleep(3600)
        chain, quote = await broker.option_chain(Stock("SPY")), await broker.quote(Stock("SPY"))
        options = select(chain, spot=quote.mid, today=DAY, right=Right.CALL, rule=rule)
        return SimpleNamespace(chain=chain, spot=quote.mid, quotes=await broker.quotes(options))

    world = play(RunnerConfig(preset="weekly", interval=3600), strategy=says(), market=market, before=before)

    strikes = {strike for each in world.found.chain.classes for strike in each.strikes}
    assert world.found.spot == pytest.approx(LIVE.spot, abs=0.02)
    assert len(strikes) == LIVE.strikes
    assert at_the_money(strikes, world.found.spot) == LIVE.at_the_money
    liquid = [quote for quote in world.found.quotes.values() if is_liquid(quote, rule.liquidity)]
    assert len(liquid) == len(world.found.quotes) == LIVE.liquid
    assert world.report.intents >= 1
    assert_kept_to_the_rules(world)


def test_phase_2_goes_over_three_symbols_together_for_three_cycles(play):
    config = RunnerConfig(
        symbols=("SPY", "QQQ", "AAPL"), concurrency=3, interval=180, first_cycle=0, flatten_before_close=23_400 - 420
    )  # fmt: skip

    world = play(config)

    assert world.report.cycles == 3
    assert [row.cycle for row in world.cycles] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert_kept_to_the_rules(world)


@pytest.mark.parametrize(
    ("symbols", "interval", "cycles"),
    [
        pytest.param(("SPY", "QQQ", "AAPL"), 180, 81, id="180 s, three symbols", marks=NIGHTLY),
        pytest.param(("SPY",), 600, 25, id="600 s, one symbol"),
    ],
)
def test_phase_3_outlasts_four_hours_without_a_time_out(play, symbols, interval, cycles):
    config = RunnerConfig(
        symbols=symbols, interval=interval, first_cycle=0, flatten_before_close=FOUR_HOURS, concurrency=2
    )

    world = play(config)

    assert world.report.cycles == cycles
    assert len(world.cycles) == cycles * len(symbols)
    assert_kept_to_the_rules(world)


@NIGHTLY
def test_phase_4_lasts_a_day_and_a_night_with_five_symbols_through_the_restart(play):
    symbols = ("SPY", "QQQ", "AAPL", "MSFT", "IWM")
    config = RunnerConfig(symbols=symbols, interval=600, concurrency=2)
    night = Scenario.parse(AT_A_QUARTER_TO_MIDNIGHT)

    world = play(config, scenario=night, sessions=None, hours=24, starts=3 * 3600 + 60)

    assert world.counters.connections == 2
    assert {row.at.date().isoformat() for row in world.cycles} == {"2025-03-12", "2025-03-13"}
    assert world.report.cycles == 19 + 18  # from 12:40 to 15:40 and from 09:40 to 12:30
    assert len(world.cycles) == world.report.cycles * len(symbols)
    assert_kept_to_the_rules(world)


@attrs.frozen
class Steady:
    """Looks at a day of bars of each symbol, and wants nothing."""

    name: str = "steady"

    def needs(self):
        return Needs(bars=(BarSpec(duration="1 D", size="5 mins"),))

    def decide(self, _):
        return Signal(direction=Direction.NONE)


def bound(messages):
    """Least seconds for so many messages: 50 in any second."""
    return (messages - 1) // 50


async def loaded(broker, symbols):
    """Seconds until bars of 30 seconds, for which the strict rule holds, are there for every symbol."""
    gate, began = asyncio.Semaphore(50), asyncio.get_running_loop().time()

    async def load(symbol):
        async with gate:
            return await broker.bars(Stock(symbol), BarSpec(duration="1800 S", size="30 secs"))

    found = await asyncio.gather(*map(load, symbols))
    assert all(len(bars) for bars in found)
    return asyncio.get_running_loop().time() - began


@NIGHTLY
def test_a_thousand_symbols_are_loaded_and_gone_over_within_every_limit(play):
    symbols = tuple(f"Z{number:03}" for number in range(1000))
    config = RunnerConfig(
        symbols=symbols, interval=600, first_cycle=0, flatten_before_close=21_500, concurrency=50, symbol_gap=0.0
    )  # fmt: skip
    market = SeededMarket(7, DAY, symbols=symbols)

    world = play(
        config,
        strategy=Steady(),
        market=market,
        starts=-3 * 3600,
        before=lambda broker: loaded(broker, symbols),
        patience=700.0,
    )

    done = {number: [row for row in world.cycles if row.cycle == number] for number in range(1, 5)}
    assert {number: len(rows) for number, rows in done.items()} == dict.fromkeys(range(1, 5), 1000)
    began = [min(row.at - timedelta(seconds=row.seconds) for row in rows) for rows in done.values()]
    ended = [max(row.at for row in rows) for rows in done.values()]
    took = [(end - start).total_seconds() for start, end in zip(began, ended, strict=True)]
    assert 9600 <= world.found < 1.05 * 9600
    assert all(bound(3000) <= seconds < 1.1 * bound(3000) for seconds in took)
    assert_kept_to_the_rules(world)
