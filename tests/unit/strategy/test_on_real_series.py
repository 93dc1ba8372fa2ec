"""Every strategy along recorded series, against references that are slow, plain and not of this code."""

import csv
import gzip
import os
import re
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ibkeel.model import Bar, Bars, BarSpec, Direction, Index, Quote, Stock
from ibkeel.strategy import (
    Confirmed,
    DailyVolume,
    Regime,
    Scalp,
    StrategyContext,
    VixRegime,
    Whale,
    walk_forward,
)

DATA = Path(os.environ.get("IBKEEL_DATA", ""))
PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "vix-regimes.md"
NEW_YORK = ZoneInfo("America/New_York")
MINUTE, HOUR, DAY = (
    BarSpec(duration="1 D", size="1 min"),
    BarSpec(duration="1 W", size="1 hour"),
    BarSpec(duration="1 Y", size="1 day"),
)
MINUTES = [
    ("SPY", "equity/spy_minute_trades_2013-10-04_2013-10-11.csv.gz"),
    ("SPY", "equity/spy_minute_trades_2020-12-15_2020-12-18.csv.gz"),
    ("SPY", "equity/spy_minute_trades_2023-08-03.csv.gz"),
    ("AAPL", "equity/aapl_minute_trades_2014-06-05_2014-06-09.csv.gz"),
]
DAILY = [
    ("SPY", "daily/spy_daily_unadjusted_1998_2021.csv.gz"),
    ("AAPL", "daily/aapl_daily_unadjusted_1998_2021.csv.gz"),
    ("GOOG", "daily/goog_daily_unadjusted_2004_2021.csv.gz"),
]


# What the rules say, written down once more without arrays and without our indicators.


def slow_ema(values, period):
    average = sum(values[:period]) / period
    for value in values[period:]:
        average = value * 2 / (period + 1) + average * (1 - 2 / (period + 1))
    return average


def slow_rsi(closes):
    changes = [b - a for a, b in pairwise(closes)]
    gain = sum(max(c, 0) for c in changes[:14]) / 14
    loss = sum(max(-c, 0) for c in changes[:14]) / 14
    for change in changes[14:]:
        gain, loss = (gain * 13 + max(change, 0)) / 14, (loss * 13 + max(-change, 0)) / 14
    return 50.0 if gain + loss == 0 else 100 * gain / (gain + loss)


def slow_scalp(rows):
    rows = rows[-60:]
    if len(rows) < 30:
        return Direction.NONE, 0.0
    closes = [row.close for row in rows]
    fast, slow, strength = slow_ema(closes, 8), slow_ema(closes, 21), slow_rsi(closes)
    today = [
        row for row in rows if row.at.astimezone(NEW_YORK).date() == rows[-1].at.astimezone(NEW_YORK).date()
    ]
    traded = sum(row.volume for row in today)
    vwap = (
        sum((row.high + row.low + row.close) / 3 * row.volume for row in today) / traded if traded else None
    )
    gap = abs(fast / slow - 1)
    if fast > slow and vwap is not None and closes[-1] > vwap and 45 <= strength <= 70:
        return Direction.UP, min(1, 0.6 * min(1, 500 * gap) + 0.4 * (strength - 45) / 25)
    if fast < slow or strength < 40:
        gap = max(0.0, (slow - fast) / fast)
        return Direction.DOWN, min(1, 0.6 * min(1, 500 * gap) + 0.4 * max(0, (40 - strength) / 40))
    return Direction.NONE, 0.0


def slow_whale(rows):
    before, last = rows[:-1][-60:], rows[-1]
    if len(before) < 19:
        return Direction.NONE, 0.0
    ratio = last.volume / (sum(row.volume for row in before) / len(before))
    top, bottom = max(row.high for row in before), min(row.low for row in before)
    if ratio > 1.2 and last.close > top:
        return Direction.UP, min(1, 0.6 * min(1, 100 * (last.close / top - 1)) + 0.4 * min(1, ratio))
    if ratio > 1.2 and last.close < bottom:
        return Direction.DOWN, min(1, 0.6 * min(1, 100 * (1 - last.close / bottom)) + 0.4 * min(1, ratio))
    return Direction.NONE, 0.0


def slow_daily_volume(rows):
    before, last = rows[-11:-1], rows[-1]
    if len(before) < 10:
        return Direction.NONE, 0.0
    ratio = last.volume / (sum(row.volume for row in before) / 10)
    distance = last.close / (sum(row.close for row in before) / 10) - 1
    if ratio < 0.8 or abs(distance) <= 0.001:
        return Direction.NONE, 0.0
    return (Direction.UP if distance > 0 else Direction.DOWN), min(1, 0.5 + 0.1 * ratio)


def slow_vix(level):
    if level < 15:
        return Regime.COMPLACENCY
    if level < 20:
        return Regime.NORMAL
    return Regime.ELEVATED if level < 30 else Regime.PEAK_FEAR


# The series.


def rows_of(name):
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def bar(at, row):
    return Bar(at, *(float(row[name]) for name in ("open", "high", "low", "close", "volume")))


def minutes_of(symbol, name):
    stamped = [(datetime.fromisoformat(row["ts"]), row) for row in rows_of(name)]
    regular = [bar(at, row) for at, row in stamped if time(9, 30) <= at.time() < time(16)]
    return Bars.from_rows(regular, contract=Stock(symbol), spec=MINUTE)


def days_of(symbol, name):
    rows = []
    for row in rows_of(name):
        day = datetime.fromisoformat(next(iter(row.values()))[:10])
        rows.append(bar(day.replace(hour=9, minute=30, tzinfo=NEW_YORK), row))
    return Bars.from_rows(rows, contract=Stock(symbol), spec=DAY)


def hours_of(minutes):
    grouped = {}
    for row in minutes:
        local = row.at.astimezone(NEW_YORK)
        opened = local.replace(hour=9, minute=30)
        grouped.setdefault(opened + (local - opened) // timedelta(hours=1) * timedelta(hours=1), []).append(
            row
        )
    rows = [
        Bar(
            at,
            part[0].open,
            max(r.high for r in part),
            min(r.low for r in part),
            part[-1].close,
            sum(r.volume for r in part),
        )
        for at, part in grouped.items()
    ]
    return Bars.from_rows(rows, contract=minutes.contract, spec=HOUR)


def generated(spec, seed):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 2e-3, 400)))
    at = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
    rows = [
        Bar(at + timedelta(seconds=n * spec.size_seconds), c, c * 1.001, c * 0.999, c, float(volume))
        for n, (c, volume) in enumerate(zip(close, rng.integers(1, 5000, 400), strict=True))
    ]
    return Bars.from_rows(rows, contract=Stock("SPY"), spec=spec)


def check(strategy, reference, bars):
    """Every signal is the reference's, and the series says something both ways."""
    rows, said = list(bars), Counter()
    for n, step in enumerate(walk_forward(strategy, bars), start=1):
        direction, confidence = reference(rows[:n][-200:])
        assert step.signal.direction is direction, rows[n - 1]
        assert step.signal.confidence == pytest.approx(confidence, rel=1e-9, abs=1e-9), rows[n - 1]
        said[direction] += 1
    return said


ON_BARS = [
    pytest.param(Scalp(), slow_scalp, id="scalp"),
    pytest.param(Whale(), slow_whale, id="whale"),
    pytest.param(DailyVolume(), slow_daily_volume, id="daily_volume"),
]


@pytest.mark.parametrize(("strategy", "reference"), ON_BARS)
def test_a_made_up_series_gets_the_references_signals(strategy, reference):
    said = check(strategy, reference, generated(MINUTE, 3))

    assert min(said[Direction.UP], said[Direction.DOWN]) > 0


@pytest.mark.data
@pytest.mark.parametrize(("symbol", "name"), MINUTES)
def test_scalp_on_recorded_minutes(symbol, name):
    said = check(Scalp(), slow_scalp, minutes_of(symbol, name))

    assert min(said.values()) > 20


@pytest.mark.data
@pytest.mark.parametrize(("symbol", "name"), [MINUTES[0], MINUTES[1], MINUTES[3]])
@pytest.mark.parametrize(("strategy", "reference"), ON_BARS[1:])
def test_hourly_strategies_on_recorded_minutes(symbol, name, strategy, reference):
    check(strategy, reference, hours_of(minutes_of(symbol, name)))


@pytest.mark.data
@pytest.mark.parametrize(("symbol", "name"), DAILY)
@pytest.mark.parametrize(("strategy", "reference"), ON_BARS[1:])
def test_hourly_strategies_on_decades_of_days(symbol, name, strategy, reference):
    said = check(strategy, reference, days_of(symbol, name))

    assert min(said[Direction.UP], said[Direction.DOWN]) > 20


@pytest.mark.data
def test_scalp_confirmed_by_whale_says_what_both_say():
    minutes = minutes_of(*MINUTES[0])
    both = Confirmed(decides=Scalp(), confirms=(Whale(),))
    history = dict(zip(both.needs().bars, (minutes, hours_of(minutes)), strict=True))

    steps = list(walk_forward(both, history))
    alone = [step.signal.direction for step in walk_forward(Scalp(), minutes)]

    assert all(step.signal.direction in {one, Direction.NONE} for step, one in zip(steps, alone, strict=True))


def regime_days(levels):
    """Days of each regime by year."""
    years = {}
    for day, level in levels:
        quote = Quote(contract=Index("VIX"), at=day, last=level)
        strategy = VixRegime()
        said = {
            symbol: strategy.decide(
                StrategyContext(symbol=symbol, now=day, bars={}, quotes={Index("VIX"): quote})
            ).direction
            for symbol in ("SPY", "GLD")
        }
        regime = slow_vix(level)
        assert said["SPY"] is (Direction.DOWN if regime is Regime.COMPLACENCY else Direction.NONE)
        assert said["GLD"] is (Direction.UP if regime in {Regime.NORMAL, Regime.ELEVATED} else Direction.NONE)
        years.setdefault(day.year, Counter())[regime] += 1
    return years


def test_a_made_up_vix_goes_through_every_regime():
    first = datetime(2024, 1, 2, 21, tzinfo=UTC)

    [counts] = regime_days((first + timedelta(days=n), 9.0 + 0.1 * n) for n in range(300)).values()

    assert counts == {
        Regime.COMPLACENCY: 60,
        Regime.NORMAL: 50,
        Regime.ELEVATED: 100,
        Regime.PEAK_FEAR: 90,
    }


@pytest.mark.data
def test_the_vix_since_1990_and_the_table_in_the_documentation():
    rows = rows_of("daily/vix_daily_1990_2026.csv.gz")
    years = regime_days(
        (datetime.fromisoformat(row["date"]).replace(hour=21, tzinfo=UTC), float(row["close"]))
        for row in rows
    )

    told = {
        int(year): tuple(map(int, figures.split("|")))
        for year, figures in re.findall(
            r"^\| (\d{4}) \| ([\d |]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE
        )
    }

    assert told == {year: tuple(counts[regime] for regime in Regime) for year, counts in years.items()}
    assert sum(sum(row) for row in told.values()) == 9235
