"""Published worksheets and recomputed series; the numbers are facts from elsewhere, never from this code."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from ibkeel.indicators import atr, bollinger, ema, rsi, session_vwap, sma

DATA = os.environ.get("IBKEEL_DATA", "")

# J. W. Wilder's worksheet needs no file: closes and the index of days 15 to 17, to hand accuracy.
WILDER = [
    54.80,
    56.80,
    57.85,
    59.85,
    60.57,
    61.10,
    62.17,
    60.60,
    62.35,
    62.15,
    62.35,
    61.45,
    62.80,
    61.37,
    62.50,
]


def table(name):
    with (Path(DATA) / "reference" / name).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {key: [row[key] for row in rows] for key in rows[0]}


def column(texts):
    return np.array([float(text) if text else np.nan for text in texts])


def assert_agrees(got, expected, *, tolerance):
    known = ~np.isnan(expected)
    assert known.any()
    assert np.abs(got[known] - expected[known]).max() <= tolerance


def test_strength_of_wilders_first_window_is_what_his_book_says():
    assert rsi(WILDER, 14)[-1] == pytest.approx(74.36, abs=0.53)


@pytest.mark.data
def test_two_years_of_daily_bars_agree():
    data = {
        name: column(texts)
        for name, texts in table("indicators_spy_daily_2017_2018.csv").items()
        if name != "date"
    }
    high, low, close = data["high"], data["low"], data["close"]

    assert_agrees(sma(close, 20), data["sma20"], tolerance=1e-9)
    assert_agrees(ema(close, 20), data["ema20"], tolerance=1e-9)
    assert_agrees(rsi(close, 14), data["rsi14"], tolerance=1e-9)
    assert_agrees(atr(high, low, close, 14), data["atr14"], tolerance=1e-9)
    bands = bollinger(close, 20)
    assert_agrees(bands.middle, data["bb_mid20"], tolerance=1e-9)
    assert_agrees(bands.upper, data["bb_upper2"], tolerance=1e-9)
    assert_agrees(bands.lower, data["bb_lower2"], tolerance=1e-9)
    assert_agrees((bollinger(close, 14).upper - sma(close, 14)) / 2, data["stdev14"], tolerance=1e-9)
    vwap = session_vwap(high, low, close, data["volume"], np.zeros(len(close)))
    assert_agrees(vwap, data["vwap_anchored_first_bar"], tolerance=1e-9)


@pytest.mark.data
def test_the_published_rsi_sheet_agrees_and_the_zero_seeded_answer_does_not():
    data = table("rsi_stockcharts.csv")
    got = rsi(column(data["close"]), 14)

    assert_agrees(got, column(data["rsi14_wilder"]), tolerance=0.01)
    other = column(data["rsi14_ewm_zero_seed"])
    assert np.nanmax(np.abs(got - other)) > 0.5


@pytest.mark.data
def test_wilders_own_worksheet_agrees():
    data = table("rsi_wilder_1978_worksheet.csv")
    got = rsi(column(data["close"]), 14)

    assert_agrees(got, column(data["rsi14_full_precision"]), tolerance=1e-6)
    assert_agrees(got, column(data["rsi14_published_rounded"]), tolerance=0.53)


@pytest.mark.data
def test_the_published_ema_sheet_agrees():
    data = table("ema10_stockcharts_worksheet.csv")
    got = ema(column(data["close"]), 10)

    assert_agrees(got, column(data["ema10_published_rounded"]), tolerance=0.007)
    assert_agrees(got, column(data["ema10_full_precision"]), tolerance=1e-6)


@pytest.mark.data
def test_the_published_bands_agree():
    data = table("bollinger_stockcharts.csv")
    bands = bollinger(column(data["close"]), 20)

    for got, name in ((bands.lower, "lower"), (bands.middle, "middle"), (bands.upper, "upper")):
        assert_agrees(got, column(data[name]), tolerance=0.011)


@pytest.mark.data
def test_a_sheet_that_counts_the_first_bars_own_range_differs_less_with_each_bar():
    data = table("atr_stockcharts.csv")
    got = atr(*(column(data[name]) for name in ("high", "low", "close")), 14)

    apart = (column(data["atr"]) - got)[14:]

    assert abs(apart[0]) > 1e-3
    np.testing.assert_allclose(apart, apart[0] * (13 / 14) ** np.arange(len(apart)), atol=1e-9)
