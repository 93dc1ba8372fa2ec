"""TA-Lib as an oracle, where it defines the same thing."""

import numpy as np
import pytest

from ibkeel.indicators import atr, bollinger, ema, rolling_high, rolling_low, rsi, sma

talib = pytest.importorskip("talib")

COUNT = 20_000
CLOSE = 100.0 * np.exp(np.cumsum(np.random.default_rng(21).normal(0.0, 1e-3, COUNT)))
REACH = np.random.default_rng(22).uniform(0.01, 0.5, COUNT)
HIGH, LOW = CLOSE + REACH, CLOSE - REACH


@pytest.mark.parametrize("period", [2, 14, 50])
def test_averages_strength_and_extremes_agree(period):
    for ours, theirs in (
        (sma(CLOSE, period), talib.SMA(CLOSE, period)),
        (ema(CLOSE, period), talib.EMA(CLOSE, period)),
        (rsi(CLOSE, period), talib.RSI(CLOSE, period)),
        (atr(HIGH, LOW, CLOSE, period), talib.ATR(HIGH, LOW, CLOSE, period)),
        (rolling_high(CLOSE, period), talib.MAX(CLOSE, period)),
        (rolling_low(CLOSE, period), talib.MIN(CLOSE, period)),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_bands_agree_as_far_as_its_own_rounding_goes():
    upper, middle, lower = talib.BBANDS(CLOSE, 20)

    bands = bollinger(CLOSE, 20)

    np.testing.assert_allclose(bands.middle, middle, rtol=1e-9)
    np.testing.assert_allclose(bands.upper, upper, rtol=1e-6)
    np.testing.assert_allclose(bands.lower, lower, rtol=1e-6)
