import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.options import volatility_standing

YEAR = [0.10 + 0.001 * day for day in range(100)]


def test_rank_is_a_place_between_low_and_high_and_percentile_a_share_of_days():
    got = volatility_standing(0.12, [*YEAR, 0.60])

    assert got.rank == pytest.approx(0.04)
    assert got.percentile == pytest.approx(20 / 101)
    assert (got.low, got.high, got.days) == (0.10, 0.60, 101)


def test_a_day_beyond_the_history_is_beyond_nought_or_one():
    assert volatility_standing(0.05, YEAR).rank < 0
    assert volatility_standing(0.50, YEAR).rank > 1
    assert volatility_standing(0.50, YEAR).percentile == 1.0


def test_days_without_a_value_play_no_part():
    assert volatility_standing(0.12, [*YEAR, np.nan]) == volatility_standing(0.12, YEAR)


@pytest.mark.parametrize("current", [0.0, -0.1, np.nan, np.inf])
def test_a_volatility_that_is_none_is_refused(current):
    with pytest.raises(InvalidInput, match="current volatility"):
        volatility_standing(current, YEAR)


@pytest.mark.parametrize("history", [[], [0.1] * 5, [np.nan] * 50, [*YEAR, np.inf]])
def test_a_history_that_says_too_little_is_refused(history):
    with pytest.raises(InvalidInput, match="20 or more, finite"):
        volatility_standing(0.2, history)


def test_a_history_without_a_range_is_refused():
    with pytest.raises(InvalidInput, match="a rank needs a range"):
        volatility_standing(0.2, [0.2] * 30)


@pytest.mark.data
def test_the_recorded_vix_of_christmas_eve_2015_stood_low_in_its_year():
    path = Path(os.environ["IBKEEL_DATA"]) / "daily" / "vix_daily_1990_2026.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        rows = [(next(iter(row.values()))[:10], float(row["close"])) for row in csv.DictReader(stream)]
    days = [day for day, _ in rows]
    today = days.index("2015-12-24")
    year = [close for _, close in rows[today - 252 : today]]

    got = volatility_standing(rows[today][1], year)

    slow = sorted(year)
    assert got.rank == pytest.approx((15.74 - slow[0]) / (slow[-1] - slow[0]))
    assert got.percentile == pytest.approx(sum(close < 15.74 for close in year) / 252)
    assert got.rank < 0.2
