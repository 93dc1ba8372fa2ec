import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    atr,
    bollinger,
    ema,
    realised_volatility,
    rolling_high,
    rolling_low,
    rsi,
    session_vwap,
    sma,
    volume_mean,
)

prices = st.lists(st.floats(0.01, 1e5), max_size=60)
periods = st.integers(1, 20)


def streamed(values):
    return [math.nan if value is None else value for value in values]


def slow_sma(values, period):
    return [
        math.nan if n < period else math.fsum(values[n - period : n]) / period
        for n in range(1, len(values) + 1)
    ]


def slow_wilder(changes, period):
    """Wilder's own recipe: last average times (n - 1), plus the new value, over n."""
    averages = []
    for n, change in enumerate(changes, start=1):
        if n < period:
            averages.append(None)
        elif n == period:
            averages.append(math.fsum(changes[:period]) / period)
        else:
            averages.append((averages[-1] * (period - 1) + change) / period)
    return averages


@given(prices, periods)
def test_a_simple_average_agrees_with_its_stream_and_with_the_definition(values, period):
    whole = sma(values, period)
    stream = Sma(period)

    assert whole == pytest.approx(
        streamed(stream.update(v) for v in values), rel=1e-12, abs=1e-9, nan_ok=True
    )
    assert whole == pytest.approx(slow_sma(values, period), rel=1e-12, nan_ok=True)


@given(prices, periods)
def test_an_exponential_average_is_bit_equal_to_its_stream(values, period):
    stream = Ema(period)

    assert np.array_equal(ema(values, period), streamed(stream.update(v) for v in values), equal_nan=True)


@given(prices, periods)
def test_strength_is_bit_equal_to_its_stream_and_stays_within_0_and_100(values, period):
    stream = Rsi(period)

    whole = rsi(values, period)

    assert np.array_equal(whole, streamed(stream.update(v) for v in values), equal_nan=True)
    assert ((whole[period:] >= 0) & (whole[period:] <= 100)).all()


@given(prices, periods)
def test_strength_agrees_with_wilders_recipe(values, period):
    changes = np.diff(values).tolist()
    gains = slow_wilder([max(c, 0.0) for c in changes], period)
    losses = slow_wilder([max(-c, 0.0) for c in changes], period)
    expected = [
        math.nan if g is None else 50.0 if g + l == 0 else 100 - 100 / (1 + g / l) if l else 100.0
        for g, l in zip(gains, losses, strict=True)  # noqa: E741 - gain and loss
    ]

    assert rsi(values, period)[1:] == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)


bars = st.lists(
    st.tuples(st.floats(1, 1e4), st.floats(0, 10), st.integers(0, 1000), st.booleans()), max_size=40
)


@given(bars, periods)
def test_ranges_and_vwap_are_bit_equal_to_their_streams(rows, period):
    close = [price for price, *_ in rows]
    high = [price + reach for price, reach, *_ in rows]
    low = [max(price - reach, 0.01) for price, reach, *_ in rows]
    volume = [float(traded) for _, _, traded, _ in rows]
    sessions = np.cumsum([new for *_, new in rows]).astype(float).tolist() if rows else []
    stream, vwap = Atr(period), SessionVwap()

    reach = streamed(stream.update(*bar) for bar in zip(high, low, close, strict=True))
    paid = streamed(vwap.update(*bar) for bar in zip(high, low, close, volume, sessions, strict=True))

    assert np.array_equal(atr(high, low, close, period), reach, equal_nan=True)
    assert np.array_equal(session_vwap(high, low, close, volume, sessions), paid, equal_nan=True)


@given(prices, periods)
def test_extremes_and_mean_volumes_agree_with_their_streams(values, period):
    high, low, volume = RollingHigh(period), RollingLow(period), VolumeMean(period)

    highs, lows = streamed(map(high.update, values)), streamed(map(low.update, values))

    assert np.array_equal(rolling_high(values, period), highs, equal_nan=True)
    assert np.array_equal(rolling_low(values, period), lows, equal_nan=True)
    assert volume_mean(values, period) == pytest.approx(
        streamed(map(volume.update, values)), rel=1e-12, abs=1e-9, nan_ok=True
    )


@given(st.lists(st.integers(100, 100_000).map(lambda cents: cents / 100), max_size=60), st.integers(2, 20))
def test_bands_and_volatility_agree_with_their_streams(values, period):
    bands, stream = bollinger(values, period), Bollinger(period)
    volatility = RealisedVolatility(period, bars_a_year=252)

    rows = [stream.update(value) for value in values]

    for name in ("lower", "middle", "upper"):
        wanted = streamed(row and getattr(row, name) for row in rows)
        assert getattr(bands, name) == pytest.approx(wanted, rel=1e-12, abs=1e-9, nan_ok=True)
    assert realised_volatility(values, period, bars_a_year=252) == pytest.approx(
        streamed(map(volatility.update, values)), rel=1e-12, abs=1e-12, nan_ok=True
    )


@given(st.integers(0, 2**32), st.integers(1, 250), st.sampled_from([4_090, 4_400, 9_001]))
def test_long_columns_agree_with_their_streams(seed, period, count):
    closes = 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 1e-3, count)))
    average, strength = Ema(period), Rsi(period)

    averages, strengths = [], []
    for close in closes.tolist():
        averages.append(average.update(close))
        strengths.append(strength.update(close))

    assert np.nanmax(np.abs(ema(closes, period) / np.array(averages, dtype=float) - 1)) <= 1e-12
    assert np.nanmax(np.abs(rsi(closes, period) - np.array(strengths, dtype=float))) <= 1e-10
