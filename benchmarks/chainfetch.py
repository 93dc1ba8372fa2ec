"""Fetching from a chain of 427 strikes: one option by its delta, and windows of quotes, in the Gateway's limits."""

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import attrs

from benchmarks.chain_surface import DAYS, EXPIRY, STRIKES, SYMBOL, SurfaceMarket, reference_put
from benchmarks.report import Bar, Report
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Option, Quote, Right, Stock
from ibkeel.options import DeltaRule, nearest_strikes, pick_by_delta
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.settings import GatewaySettings, Latency
from ibkeel.virtual import DEFAULT_START, run_virtual, virtual_clock

__all__ = ["run"]

_HOST: Final = "127.0.0.1"
_PORT: Final = 4002
_START: Final = DEFAULT_START + timedelta(minutes=30)
_TARGET: Final = 0.30
_CONFIG: Final = IBKRConfig(host=_HOST, port=_PORT)
_UNDERLYING: Final = Stock(SYMBOL)
_RULE: Final = DeltaRule(delta=_TARGET, right=Right.PUT, target_dte=DAYS)
_WINDOWS: Final = (6, 40, 100, 427)
_MESSAGES: Final = 50
_LINES: Final = 100
_PROFILES: Final = {"documented": Latency.documented(), "measured": Latency.measured()}


@attrs.frozen(kw_only=True)
class Stage:
    """A connected broker and the Gateway behind it."""

    market: SurfaceMarket
    gateway: SimulatedGateway
    broker: IBKRBroker


@attrs.frozen(kw_only=True)
class Spent:
    """What a fetch cost; `figures` are its own."""

    seconds: float
    quotes: int
    violations: int
    lines_left: int
    figures: dict[str, Any] = attrs.field(factory=dict)


def run(*, quick: bool) -> Report:
    """Both latency profiles; the bars are those of the documented one. Virtual time: two runs are equal."""
    surfaces = 10 if quick else 100
    picks = {
        name: [_played(_pick(seed, latency)) for seed in range(surfaces)]
        for name, latency in _PROFILES.items()
    }
    windows = {
        name: {size: _played(_window(size, latency)) for size in _WINDOWS}
        for name, latency in _PROFILES.items()
    }
    figures: dict[str, Any] = {
        name: {
            "delta": _delta_figures(picks[name]),
            "windows": _window_figures(windows[name], _PROFILES[name]),
        }
        for name in _PROFILES
    }
    everything = [spent for each in picks.values() for spent in each]
    everything += [spent for each in windows.values() for spent in each.values()]
    delta, ratios = figures["documented"]["delta"], figures["documented"]["windows"]
    bars = (
        Bar(name="delta_quotes", value=delta["quotes_most"], op="<=", limit=14),
        Bar(name="delta_seconds", value=delta["seconds_most"], op="<=", limit=3.5),
        Bar(name="delta_misses", value=delta["misses"], op="==", limit=0),
        *(
            Bar(name=f"window_{size}", value=ratios[f"{size}"]["ratio"], op="<=", limit=1.05)
            for size in _WINDOWS
        ),
        Bar(name="violations", value=sum(spent.violations for spent in everything), op="==", limit=0),
        Bar(name="lines_left", value=max(spent.lines_left for spent in everything), op="==", limit=0),
    )
    return Report(name="chainfetch", figures=figures, bars=bars)


def lower_bound(number: int, hold: float) -> float:
    """Seconds that no schedule can beat: streams, each cancelled only when its line is wanted again.

    So many requests, and a cancel for each line that is used twice, leave in windows of one second; a
    line is held until bid and ask are in.

    Args:
        number: How many contracts.
        hold: Seconds from a request until bid and ask are in.
    """
    leaving = number - 1 + max(0, number - _LINES)
    rounds = -(-number // _LINES) - 1
    return max(float(leaving // _MESSAGES), rounds * hold) + hold


def _played(main: Any) -> Spent:
    spent: Spent = run_virtual(main, start=_START)
    return spent


@asynccontextmanager
async def _stage(seed: int, latency: Latency, *, is_complete: bool = False) -> AsyncIterator[Stage]:
    clock = virtual_clock()
    market = SurfaceMarket(seed, clock.now(), is_complete=is_complete)
    gateway = SimulatedGateway(market=market, clock=clock, settings=GatewaySettings(latency=latency))
    broker = IBKRBroker(_CONFIG, clock=clock, jitter=lambda: 0.0)
    async with gateway.listening(_HOST, _PORT), broker:
        await asyncio.sleep(2)  # what connecting sent is out of every window
        yield Stage(market=market, gateway=gateway, broker=broker)


async def _spent(stage: Stage, began: float, quotes: int, figures: dict[str, Any]) -> Spent:
    seconds = asyncio.get_running_loop().time() - began
    counters = stage.gateway.counters
    asked = counters.requests["market_data"] - quotes
    await asyncio.sleep(2)  # the last cancels
    return Spent(
        seconds=seconds,
        quotes=asked,
        violations=counters.pacing_violations,
        lines_left=counters.open_lines,
        figures=figures,
    )


async def _pick(seed: int, latency: Latency) -> Spent:
    """From nothing but a connection: definitions and price of the underlying together, then the waves."""
    async with _stage(seed, latency) as stage:
        broker, clock = stage.broker, virtual_clock()
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            chain = group.create_task(broker.option_chain(_UNDERLYING))
            spot = group.create_task(broker.quote(_UNDERLYING))
        pick = await pick_by_delta(
            broker, _UNDERLYING, _RULE, clock=clock, chain=chain.result(), spot=spot.result().mid
        )
        right = reference_put(stage.market, _TARGET, _years(clock.now()))
        found = None if pick.chosen is None else float(pick.chosen.option.strike)
        figures = {"waves": pick.waves, "is_proven": pick.is_proven, "is_right": found == right}
        return await _spent(stage, began, 0, figures)


def _years(now: datetime) -> float:
    closes = datetime(EXPIRY.year, EXPIRY.month, EXPIRY.day, 21, tzinfo=now.tzinfo)
    return (closes - now).total_seconds() / (365 * 86_400)


async def _window(size: int, latency: Latency) -> Spent:
    """Quotes of the puts nearest the spot."""
    async with _stage(0, latency, is_complete=True) as stage:
        strikes = nearest_strikes(map(Decimal, STRIKES), Decimal(str(stage.market.spot)), size)
        puts = [Option(SYMBOL, EXPIRY, strike, Right.PUT, trading_class=SYMBOL) for strike in strikes]
        began = asyncio.get_running_loop().time()
        answers = await stage.broker.quotes(puts)
        priced = sum(isinstance(answer, Quote) for answer in answers.values())
        return await _spent(stage, began, 0, {"priced": priced})


def _delta_figures(picks: list[Spent]) -> dict[str, Any]:
    return {
        "surfaces": len(picks),
        "misses": sum(not pick.figures["is_right"] for pick in picks),
        "proven": sum(pick.figures["is_proven"] for pick in picks),
        "waves_most": max(pick.figures["waves"] for pick in picks),
        "quotes_median": statistics.median(pick.quotes for pick in picks),
        "quotes_most": max(pick.quotes for pick in picks),
        "seconds_median": statistics.median(pick.seconds for pick in picks),
        "seconds_most": max(pick.seconds for pick in picks),
    }


def _window_figures(windows: dict[int, Spent], latency: Latency) -> dict[str, Any]:
    hold = max(latency.first_tick, latency.book)
    figures = {}
    for size, spent in windows.items():
        # The Gateway's own rules; the margin that the broker adds to its windows is its own affair.
        bound = lower_bound(size, hold)
        figures[f"{size}"] = {
            "seconds": spent.seconds,
            "lower_bound": bound,
            "ratio": spent.seconds / bound,
            **spent.figures,
        }
    return figures
