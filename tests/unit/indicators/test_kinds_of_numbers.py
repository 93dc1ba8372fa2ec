"""What columns of other programs hold: numpy's narrow and unsigned numbers, frames, lists."""

import numpy as np
import pandas as pd
import pytest

from ibkeel.indicators import (
    Atr,
    Bollinger,
    Ema,
    RealisedVolatility,
    RollingHigh,
    RollingLow,
    Rsi,
    SessionVwap,
    Sma,
    VolumeMean,
    ema,
    last_emas,
    last_rsi,
    last_session_vwap,
    rolling_high,
    rsi,
    session_start,
    sessions_of,
    sma,
    volume_mean,
)


def ranges():
    stream = Atr(3)
    return lambda value: stream.update(value, value, value)


def traded():
    stream = SessionVwap()
    return lambda value: stream.update(value, value, value, value, 1)


STREAMS = {
    "sma": lambda: Sma(3).update,
    "volume mean": lambda: VolumeMean(3).update,
    "ema": lambda: Ema(3).update,
    "rsi": lambda: Rsi(3).update,
    "high": lambda: RollingHigh(3).update,
    "low": lambda: RollingLow(3).update,
    "bollinger": lambda: Bollinger(3).update,
    "volatility": lambda: RealisedVolatility(3, bars_a_year=252).update,
    "atr": ranges,
    "vwap": traded,
}
VALUES = [200, 100, 250, 90, 240, 10, 230, 70, 5, 250]


@pytest.mark.parametrize("kind", [np.uint8, np.uint32, np.uint64, np.int32, np.float32])
@pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS)
def test_a_stream_counts_in_floats_whatever_kind_of_number_it_is_given(make, kind):
    scale = 10_000_000 if np.dtype(kind).itemsize > 1 and kind is not np.int32 else 1
    narrow, plain = make(), make()

    for value in VALUES:
        assert narrow(kind(value * scale // 2)) == plain(float(kind(value * scale // 2)))


def test_volumes_of_many_days_do_not_run_over():
    mean = VolumeMean(3)

    seen = [mean.update(volume) for volume in np.array([2_000_000_000] * 4, dtype=np.int32)]

    assert seen[-1] == 2e9


@pytest.mark.parametrize("kind", ["uint8", "uint64", "int16", "float32"])
def test_the_last_figure_of_a_column_is_that_of_its_floats(kind):
    narrow, plain = np.array(VALUES, dtype=kind), np.array(VALUES, dtype=float)

    assert last_emas(narrow, [3]) == last_emas(plain, [3])
    assert last_rsi(narrow, 3) == last_rsi(plain, 3)
    assert last_session_vwap(*[narrow] * 4) == last_session_vwap(*[plain] * 4)


@pytest.mark.parametrize("kind", ["uint8", "uint64", "int16", "float32"])
@pytest.mark.parametrize("indicator", [sma, ema, rsi, rolling_high, volume_mean])
def test_a_column_is_that_of_its_floats(indicator, kind):
    narrow, plain = np.array(VALUES, dtype=kind), np.array(VALUES, dtype=float)

    np.testing.assert_array_equal(indicator(narrow, 3), indicator(plain, 3))


@pytest.mark.parametrize("form", [list, pd.Series])
def test_the_last_figure_is_found_in_lists_and_frames_too(form):
    column, plain = form(VALUES), np.array(VALUES, dtype=float)

    assert last_emas(column, [3]) == last_emas(plain, [3])
    assert last_rsi(column, 3) == last_rsi(plain, 3)
    assert last_session_vwap(*[column] * 4, start=2) == last_session_vwap(*[plain] * 4, start=2)


def test_sessions_are_told_of_the_index_of_a_frame():
    index = pd.date_range("2026-01-05 20:00", periods=60, freq="h")
    plain = sessions_of(index.to_numpy())

    assert (sessions_of(index) == plain).all()
    assert (sessions_of(index.tz_localize("UTC").tz_convert("Europe/Rome")) == plain).all()
    assert session_start(index) == session_start(index.tz_localize("UTC")) == session_start(index.to_numpy())


def test_a_period_may_be_a_whole_number_of_numpys():
    for period in np.arange(2, 4):
        assert sma(VALUES, period)[-1] == sma(VALUES, int(period))[-1]
        assert type(Ema(period).period) is int
