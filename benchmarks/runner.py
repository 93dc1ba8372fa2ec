"""The runner's own cost a symbol and cycle, and the loop of backtests over bars beside other backtesters."""

import gc
import statistics
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.backtest_peers import BARS, FAST, SIZE, SLOW, columns
from benchmarks.environments import MissingPeer, run_apart, version
from benchmarks.interleaved import in_turns, median_ratio
from benchmarks.report import Bar, Report
from benchmarks.runner_floor import floor_rate
from benchmarks.runner_stub import StubBroker, names
from ibkeel.backtest import BarSettings, SeededData, backtest, backtest_bars
from ibkeel.cli.demo import DemoOptions, play
from ibkeel.clock import Clock
from ibkeel.ibkr import OrderMode
from ibkeel.indicators import Sma
from ibkeel.journal import Journal
from ibkeel.model import Bars, BarSpec, Stock
from ibkeel.runner import LiquidHours, Runner, RunnerConfig
from ibkeel.sim.venue import CommissionPlan
from ibkeel.strategy import Scalp
from ibkeel.telemetry import Event
from ibkeel.virtual import run_virtual, virtual_clock

__all__ = ["run"]

OPENS_AT: Final = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
HOURS: Final = 6.5
PEERS: Final = {"backtesting_py": "backtesting==0.6.6", "nautilus": "nautilus_trader==1.221.0"}
MANY: Final = 1000
REPEATS: Final = 3
FREE: Final = CommissionPlan(per_unit=0.0, minimum=0.0)


class Counting:
    """An observer that counts what it is told."""

    def __init__(self) -> None:
        self.events = 0

    def on_event(self, event: Event) -> None:
        self.events += 1


class SmaCross:
    """Long above, short below."""

    def __init__(self) -> None:
        self._fast, self._slow = Sma(FAST), Sma(SLOW)

    def on_bar(self, bar: Any) -> float | None:
        fast, slow = self._fast.update(bar.close), self._slow.update(bar.close)
        if slow is None or fast is None:
            return None
        return SIZE if fast > slow else -SIZE


def run(*, quick: bool) -> Report:
    """Measure the runner and the loop over bars."""
    cycles, rounds = (20, 1) if quick else (150, 3)
    loops = _runner_rates(cycles, rounds)
    memory = _bytes_per_symbol(10 if quick else MANY)
    backtests, missing = _backtests(4_000 if quick else BARS, 1 if quick else 5)
    ours, again = loops["ibkeel, 3 symbols"], loops["ibkeel again, 3 symbols"]
    figures = {
        "versions": {"pandas": version("pandas"), **PEERS},
        "missing": missing,
        "symbol_cycles_a_second": {name: statistics.median(values) for name, values in loops.items()},
        "seed_as_measured_on_its_own_code": "930 to 1170",
        "vs_seed_loop_with_1000_symbols": median_ratio(
            loops["ibkeel, 1000 symbols"], loops["seed, 3 symbols"]
        ),
        "floor_vs_seed_loop": median_ratio(loops["floor, 3 symbols"], loops["seed, 3 symbols"]),
        "bytes_per_symbol": memory,
        "full_path_cycles_a_second": _full_path(),
        "bars_a_second": {name: statistics.median(values) for name, values in backtests.items()},
    }
    stray = abs(median_ratio(ours, again) - 1)
    vs_seed = median_ratio(ours, loops["seed, 3 symbols"])
    drop = median_ratio(ours, loops["ibkeel, 1000 symbols"])
    return Report(
        name="runner",
        figures=figures,
        bars=(
            Bar(name="vs_seed_loop", value=vs_seed, op=">=", limit=100.0, strays=stray * vs_seed),
            Bar(name="drop_1000", value=drop, op="<=", limit=2.0, strays=stray * drop),
            Bar(name="bytes_per_symbol", value=memory, op="<=", limit=10_240.0),
            *(_bar(name, backtests, limit) for name, limit in (("backtesting_py", 1.0), ("nautilus", 5.0))),
        ),
    )


def _bar(peer: str, rates: dict[str, list[float]], limit: float) -> Bar:
    name = f"backtest_vs_{peer}"
    if peer not in rates:
        return Bar(name=name, value=None, op=">=", limit=limit)
    ratio = median_ratio(rates["ibkeel"], rates[peer])
    stray = abs(median_ratio(rates["ibkeel"], rates["ibkeel again"]) - 1) * ratio
    return Bar(name=name, value=ratio, op=">=", limit=limit, strays=stray)


def _runner_rates(cycles: int, rounds: int) -> dict[str, list[float]]:
    from benchmarks.runner_seed import seed_cycles

    few = max(cycles // 15, 2)
    return in_turns(
        {
            "ibkeel, 3 symbols": lambda: _rate(names(3), cycles),
            "seed, 3 symbols": lambda: seed_cycles(names(3), cycles),
            "ibkeel again, 3 symbols": lambda: _rate(names(3), cycles),
            "ibkeel, 1000 symbols": lambda: _rate(names(MANY), few),
            "floor, 3 symbols": lambda: floor_rate(names(3), cycles, OPENS_AT),
        },
        rounds,
    )


def _rate(symbols: tuple[str, ...], cycles: int) -> float:
    """Symbol-cycles a second of CPU time: journal in a file, events counted, failures kept apart."""
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "journal.sqlite") as journal:
        return run_virtual(_session(symbols, cycles, journal), start=OPENS_AT, travel=False)


async def _session(symbols: tuple[str, ...], cycles: int, journal: Journal) -> float:
    clock = virtual_clock()
    broker = _stub(symbols, clock, cycles)
    observer = Counting()
    runner = _runner(broker, symbols, cycles, journal, observer)
    started = time.process_time()
    report = await runner.run(sessions=1)
    seconds = time.process_time() - started
    assert not report.errors, report.errors[0]
    assert observer.events >= report.cycles
    return report.cycles * len(symbols) / seconds


def _stub(symbols: tuple[str, ...], clock: Clock, cycles: int) -> StubBroker:
    """Two more of everything than there are cycles: for the warm-up, and in case that one more is begun."""
    spec = Scalp().needs().bars[0]
    return StubBroker(symbols, clock, OPENS_AT, HOURS, spec=spec, cycles=cycles + 2)


def _runner(broker: Any, symbols: tuple[str, ...], cycles: int, journal: Journal, observer: Any) -> Runner:
    flatten = 600.0
    config = RunnerConfig(
        symbols=symbols,
        interval=(HOURS * 3600 - flatten) / (cycles + 0.5),
        flatten_before_close=flatten,
        symbol_gap=0.0,
        concurrency=50,
    )
    hours = LiquidHours(broker.hours)
    return Runner(broker, Scalp(), config, journal, calendar=hours, clock=virtual_clock(), observer=observer)


def _bytes_per_symbol(count: int) -> float:
    """What a runner keeps for each symbol after two cycles, the stub's own values apart."""
    few, many = _kept(names(3)), _kept(names(count + 3))
    return (many - few) / count


def _kept(symbols: tuple[str, ...]) -> int:
    async def measured(journal: Journal) -> int:
        broker = _stub(symbols, virtual_clock(), 2)
        gc.collect()
        tracemalloc.start()
        runner = _runner(broker, symbols, 2, journal, Counting())
        report = await runner.run(sessions=1)
        assert not report.errors
        del report
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return kept

    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "journal.sqlite") as journal:
        return run_virtual(measured(journal), start=OPENS_AT, travel=False)


def _full_path() -> dict[str, float]:
    """Symbol-cycles a second of a whole day, orders and fills included: on the venue, and over the wire."""
    started = time.process_time()
    report = backtest(Scalp(), SeededData(seed=7), RunnerConfig(symbols=("SPY", "QQQ")))
    venue = report.counts["cycles"] * 2 / (time.process_time() - started)
    return {"venue": venue, "adapter_wire_simulator": _over_the_wire()}


def _over_the_wire() -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        options = DemoOptions(symbols=("SPY", "QQQ"), journal=path, orders=OrderMode.PAPER)
        started = time.process_time()
        done = play(options)
        return done.report.cycles * 2 / (time.process_time() - started)


def _backtests(count: int, rounds: int) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Bars a second of CPU time, with orders; a peer that could not be run is named with the reason."""
    bars = _bars(count)
    rates: dict[str, list[float]] = {"ibkeel": [], "ibkeel again": []}
    missing: dict[str, str] = {}
    _bars_rate(bars)
    for _ in range(rounds):
        rates["ibkeel"].append(_bars_rate(bars))
        for peer, requirement in PEERS.items():
            if peer in missing:
                continue
            try:
                rates.setdefault(peer, []).append(_peer_rate(peer, requirement, count))
            except MissingPeer as error:
                missing[peer] = str(error)
                rates.pop(peer, None)
        rates["ibkeel again"].append(_bars_rate(bars))
    return rates, missing


def _peer_rate(peer: str, requirement: str, count: int) -> float:
    arguments = {"peer": peer, "bars": count, "rounds": REPEATS}
    told = run_apart("benchmarks.backtest_peers", requirements=(requirement,), arguments=arguments)
    return count / statistics.median(told["seconds"])


def _bars(count: int) -> Bars:
    at = np.datetime64("2024-01-02T14:30", "s") + 60 * np.arange(count).astype("timedelta64[s]")
    volume = np.full(count, 1000.0)
    return Bars(contract=Stock("SPY"), spec=BarSpec(), at=at, volume=volume, **columns(count))


def _bars_rate(bars: Bars) -> float:
    """Median of a few; the report with its trades, curve and figures is part of the time."""
    return len(bars) / statistics.median(_bars_seconds(bars) for _ in range(REPEATS))


def _bars_seconds(bars: Bars) -> float:
    settings = BarSettings(cash=1_000_000.0, commission=FREE)
    started = time.process_time()
    report = backtest_bars(SmaCross(), bars, settings)
    seconds = time.process_time() - started
    assert report.figures.trades
    return seconds
