"""Indicators: what a bar costs a stream, what a million bars cost a column, and how far the two differ."""

import gc
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.environments import MissingPeer, version
from benchmarks.interleaved import in_turns, median_ratio
from benchmarks.report import Bar, Report
from ibkeel.indicators import (
    Atr,
    Bollinger,
    Ema,
    RealisedVolatility,
    RollingHigh,
    Rsi,
    SessionVwap,
    Sma,
    VolumeMean,
    atr,
    bollinger,
    ema,
    realised_volatility,
    rolling_high,
    rsi,
    session_vwap,
    sessions_of,
    sma,
    volume_mean,
)

__all__ = ["run"]

Floats = npt.NDArray[np.float64]
Pass = Callable[[], float]
BARS = 1_000_000
BARRED = ("ema20", "sma20", "rsi14")  # those that the bar is about


def bare(_: float) -> float:
    return 0.0


def run(*, quick: bool) -> Report:
    """Measure streams, columns, their agreement, and the peers that are here."""
    rounds, count = (3, 20_000) if quick else (15, 200_000)
    missing: list[str] = []
    market = _Market(BARS)
    streams = _streams(market, count, missing)
    calls = in_turns(streams, rounds)
    columns = {
        name: in_turns(subjects, 3 if quick else 15) for name, subjects in _columns(market, missing).items()
    }
    per_call = {name: median_ratio(values, calls["bare"]) for name, values in calls.items() if name != "bare"}
    vs_talib = {
        name: median_ratio(values["ibkeel"], values["talib"])
        for name, values in columns.items()
        if "talib" in values
    }
    again = {
        name: median_ratio(values["ibkeel again"], values["talib"])
        for name, values in columns.items()
        if "talib" in values
    }
    errors = _errors(market)
    figures: dict[str, Any] = {
        "missing": missing,
        "stream_calls": per_call,
        "bare_ns": sorted(calls["bare"])[len(calls["bare"]) // 2],
        "column_ms": {
            name: {subject: sorted(taken)[len(taken) // 2] for subject, taken in values.items()}
            for name, values in columns.items()
        },
        "batch_vs_talib": vs_talib,
        "batch_stream_error": errors,
        "bars": market.count,
    }
    worst = max(BARRED, key=lambda name: vs_talib.get(name, 0.0))
    return Report(
        name="indicators",
        figures=figures,
        bars=(
            Bar(
                name="stream_calls",
                value=per_call["ibkeel"],
                op="<=",
                limit=24,
                strays=abs(per_call["ibkeel"] - per_call["ibkeel again"]),
            ),
            Bar(name="memory_growth", value=_growth(market, count), op="==", limit=0),
            Bar(
                name="batch_vs_talib",
                value=vs_talib.get(worst),
                op="<=",
                limit=6,
                strays=abs(vs_talib.get(worst, 0.0) - again.get(worst, 0.0)),
            ),
            Bar(name="batch_stream_error", value=max(errors.values()), op="<=", limit=1e-12),
        ),
    )


class _Market:
    """A random walk of one-minute bars, 390 a session."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(7)
        self.count = count
        self.close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 4e-4, count)))
        reach = rng.uniform(0.01, 0.2, count)
        self.high, self.low = self.close + reach, self.close - reach
        self.volume = rng.integers(1, 5_000, count).astype(float)
        minutes = np.arange(count)
        at = np.datetime64("2020-01-01T14:30", "s") + (minutes // 390 * 1440 + minutes % 390) * 60
        self.session = sessions_of(at)

    def rows(self, count: int) -> list[tuple[float, float, float, float, int]]:
        columns = (self.high, self.low, self.close, self.volume, self.session)
        return list(zip(*(column[:count].tolist() for column in columns), strict=True))


def _timed(step: Callable[..., object], rows: list[Any]) -> float:
    """CPU nanoseconds a bar."""
    started = time.process_time()
    for row in rows:
        step(row)
    return (time.process_time() - started) / len(rows) * 1e9


def _four(rows: list[tuple[float, float, float, float, int]]) -> float:
    """EMA, SMA, RSI and VWAP of every bar."""
    average, simple, strength, vwap = Ema(20).update, Sma(20).update, Rsi(14).update, SessionVwap().update
    started = time.process_time()
    for high, low, close, volume, session in rows:
        average(close)
        simple(close)
        strength(close)
        vwap(high, low, close, volume, session)
    return (time.process_time() - started) / len(rows) * 1e9


def _streams(market: _Market, count: int, missing: list[str]) -> dict[str, Pass]:
    rows = market.rows(count)
    closes = [row[2] for row in rows]
    subjects: dict[str, Pass] = {
        "bare": partial(_timed, bare, closes),
        "ibkeel": partial(_four, rows),
        "ibkeel again": partial(_four, rows),
    }
    for name, make in (("ema20", Ema(20)), ("sma20", Sma(20)), ("rsi14", Rsi(14))):
        subjects[f"ibkeel {name}"] = partial(_timed, make.update, closes)
    try:
        subjects[f"talipp {version('talipp')}"] = partial(_talipp, rows[: min(count, 20_000)])
    except MissingPeer as peer:
        missing.append(str(peer))
    return subjects


def _talipp(rows: list[tuple[float, float, float, float, int]]) -> float:
    """The same four; its VWAP never begins anew, and all of them keep every value."""
    from talipp.indicators import EMA, RSI, SMA, VWAP
    from talipp.ohlcv import OHLCV

    average, simple, strength, vwap = EMA(20).add, SMA(20).add, RSI(14).add, VWAP().add
    bars = [OHLCV(close, high, low, close, volume) for high, low, close, volume, _ in rows]
    started = time.process_time()
    for (_, _, close, _, _), bar in zip(rows, bars, strict=True):
        average(close)
        simple(close)
        strength(close)
        vwap(bar)
    return (time.process_time() - started) / len(rows) * 1e9


def _columns(market: _Market, missing: list[str]) -> dict[str, dict[str, Pass]]:
    close, high, low, volume = market.close, market.high, market.low, market.volume
    ours: dict[str, Callable[[], object]] = {
        "ema20": lambda: ema(close, 20),
        "sma20": lambda: sma(close, 20),
        "rsi14": lambda: rsi(close, 14),
        "atr14": lambda: atr(high, low, close, 14),
        "high20": lambda: rolling_high(close, 20),
        "bollinger20": lambda: bollinger(close, 20),
        "volatility20": lambda: realised_volatility(close, 20, bars_a_year=252),
        "vwap": lambda: session_vwap(high, low, close, volume, market.session),
    }
    subjects: dict[str, dict[str, Pass]] = {
        name: {"ibkeel": partial(_once, call), "ibkeel again": partial(_once, call)}
        for name, call in ours.items()
    }
    for peer, made in (("talib", _talib), ("pandas", _pandas)):
        try:
            version({"talib": "TA-Lib"}.get(peer, peer))
        except MissingPeer as error:
            missing.append(str(error))
            continue
        for name, call in made(market).items():
            subjects[name][peer] = partial(_once, call)
    return subjects


def _once(call: Callable[[], object]) -> float:
    """CPU milliseconds of one pass over the column."""
    started = time.process_time()
    call()
    return (time.process_time() - started) * 1e3


def _talib(market: _Market) -> dict[str, Callable[[], object]]:
    import talib

    close, high, low = market.close, market.high, market.low
    return {
        "ema20": lambda: talib.EMA(close, 20),
        "sma20": lambda: talib.SMA(close, 20),
        "rsi14": lambda: talib.RSI(close, 14),
        "atr14": lambda: talib.ATR(high, low, close, 14),
        "high20": lambda: talib.MAX(close, 20),
        "bollinger20": lambda: talib.BBANDS(close, 20),
    }


def _pandas(market: _Market) -> dict[str, Callable[[], object]]:
    import pandas as pd

    close = pd.Series(market.close)

    def strength() -> object:
        change = close.diff()
        gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
        loss = (-change).clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
        return 100 - 100 / (1 + gain / loss)

    return {
        "ema20": lambda: close.ewm(span=20, adjust=False).mean(),
        "sma20": lambda: close.rolling(20).mean(),
        "rsi14": strength,
        "high20": lambda: close.rolling(20).max(),
    }


def _errors(market: _Market) -> dict[str, float]:
    """Greatest relative difference between a column and its stream, over every bar."""
    close, high, low = market.close, market.high, market.low
    bands = bollinger(close, 20)
    pairs: dict[str, tuple[Floats, Callable[..., Any], tuple[Any, ...]]] = {
        "ema20": (ema(close, 20), Ema(20).update, (close,)),
        "sma20": (sma(close, 20), Sma(20).update, (close,)),
        "rsi14": (rsi(close, 14), Rsi(14).update, (close,)),
        "atr14": (atr(high, low, close, 14), Atr(14).update, (high, low, close)),
        "high20": (rolling_high(close, 20), RollingHigh(20).update, (close,)),
        "volume20": (volume_mean(market.volume, 20), VolumeMean(20).update, (market.volume,)),
        "vwap": (
            session_vwap(high, low, close, market.volume, market.session),
            SessionVwap().update,
            (high, low, close, market.volume, market.session),
        ),
    }
    few = slice(0, market.count // 10)  # these look at their whole window for each bar
    band, volatility = Bollinger(20), RealisedVolatility(20, bars_a_year=252)
    pairs["bollinger20"] = (bands.upper[few], lambda v: (band.update(v) or (None,))[-1], (close[few],))
    pairs["volatility20"] = (
        realised_volatility(close[few], 20, bars_a_year=252),
        volatility.update,
        (close[few],),
    )
    return {name: _apart(*pair) for name, pair in pairs.items()}


def _apart(column: Floats, update: Callable[..., Any], inputs: tuple[Any, ...]) -> float:
    rows = zip(*(values.tolist() for values in inputs), strict=True)
    stream = np.array([update(*row) for row in rows], dtype=np.float64)
    if not np.array_equal(np.isnan(column), np.isnan(stream)):
        return float("inf")
    known = ~np.isnan(column)
    return float(np.max(np.abs(column[known] - stream[known]) / np.abs(stream[known])))


def _growth(market: _Market, count: int) -> int:
    """Bytes that the four streams hold more after all bars than after a tenth of them."""
    rows = market.rows(count)
    tracemalloc.start()
    average, simple, strength, vwap = Ema(20), Sma(20), Rsi(14), SessionVwap()
    held = []
    for part in (rows[: count // 10], rows[count // 10 :]):
        for high, low, close, volume, session in part:
            average.update(close)
            simple.update(close)
            strength.update(close)
            vwap.update(high, low, close, volume, session)
        gc.collect()
        held.append(sum(trace.size for trace in _of_indicators()))
    tracemalloc.stop()
    return held[1] - held[0]


def _of_indicators() -> list[tracemalloc.Statistic]:
    taken = tracemalloc.take_snapshot()
    inside = taken.filter_traces(
        [tracemalloc.Filter(inclusive=True, filename_pattern="*/ibkeel/indicators/*")]
    )
    return inside.statistics("filename")
