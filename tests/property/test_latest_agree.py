"""The last element of each column, had without the column."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.indicators import (
    ema,
    last_emas,
    last_rsi,
    last_session_vwap,
    rsi,
    session_start,
    session_vwap,
    sessions_of,
)

PRICES = st.lists(st.floats(0.01, 1e4), min_size=1, max_size=70)
PERIODS = st.integers(1, 25)
ZONES = st.sampled_from(["America/New_York", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])
ROUNDING = 1e-11


def column(values):
    return np.array(values, dtype=np.float64)


@given(PRICES, PERIODS, PERIODS)
def test_averages_are_those_of_the_last_bar(values, one, other):
    found = last_emas(column(values), (one, other))

    expected = [ema(values, one)[-1], ema(values, other)[-1]]
    assert found == pytest.approx(expected, rel=1e-12, abs=ROUNDING * max(values), nan_ok=True)


@given(PRICES, PERIODS)
def test_strength_is_that_of_the_last_bar(values, period):
    found = last_rsi(column(values), period)

    # What is left of moves long past loses its digits beside moves that are a million times as great.
    assert found == pytest.approx(rsi(values, period)[-1], rel=1e-9, abs=1e-6, nan_ok=True)
    assert math.isnan(found) or 0.0 <= found <= 100.0


@given(st.lists(st.tuples(st.floats(1.0, 1e4), st.integers(0, 3)), min_size=1, max_size=50), st.data())
def test_the_average_by_volume_is_that_of_the_last_bars_session(rows, data):
    close, volume = column([price for price, _ in rows]), column([shares for _, shares in rows])
    start = data.draw(st.integers(0, len(rows) - 1))
    sessions = [0] * start + [1] * (len(rows) - start)

    found = last_session_vwap(close * 1.01, close * 0.99, close, volume, start)

    expected = session_vwap(close * 1.01, close * 0.99, close, volume, sessions)[-1]
    assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


@given(st.integers(0, 460), st.lists(st.integers(0, 300_000), min_size=1, max_size=60, unique=True), ZONES)
def test_a_session_starts_where_its_label_changes(day, seconds, zone):
    first = np.datetime64("2023-10-20", "s") + np.timedelta64(day, "D")
    at = first + np.array(sorted(seconds), dtype="timedelta64[s]")

    labels = sessions_of(at, zone)

    assert session_start(at, zone) == int(np.flatnonzero(labels == labels[-1])[0])


@given(st.floats(0.01, 1e5), st.integers(1, 60), PERIODS)
def test_in_a_flat_market_every_average_is_the_price_itself(price, count, period):
    values = np.full(count, price)

    (average,) = last_emas(values, (period,))

    assert math.isnan(average) if count < period else average == price
    assert math.isnan(last_rsi(values, period)) if count <= period else last_rsi(values, period) == 50.0


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 7, -1])
def test_a_number_that_is_not_finite_is_refused(broken, place):
    values, ones = np.arange(1.0, 31.0), np.ones(30)
    values[place] = broken

    with np.errstate(invalid="ignore"):
        with pytest.raises(InvalidInput):
            last_emas(values, (8, 21))
        with pytest.raises(InvalidInput):
            last_rsi(values, 14)
        with pytest.raises(InvalidInput):
            last_session_vwap(values, ones, ones, ones)
        with pytest.raises(InvalidInput):
            last_session_vwap(ones, ones, ones, values)


def test_nothing_has_no_average_and_no_session():
    empty = np.empty(0)

    assert math.isnan(last_emas(empty, (8,))[0])
    assert math.isnan(last_rsi(empty))
    assert math.isnan(last_session_vwap(empty, empty, empty, empty))
    assert session_start(np.empty(0, dtype="datetime64[s]")) == 0


def test_periods_and_time_zones_are_checked():
    values = np.ones(5)

    with pytest.raises(InvalidInput):
        last_emas(values, (0,))
    with pytest.raises(InvalidInput):
        last_rsi(values, 0)
    with pytest.raises(InvalidInput):
        session_start(np.array(["2024-03-04T15:00"], dtype="datetime64[s]"), "Mars/Olympus")
