"""Both forms against sums that are rounded only once, over a million bars of prices."""

import math

import numpy as np
import pytest

from ibkeel.indicators import (
    Atr,
    Ema,
    Rsi,
    SessionVwap,
    Sma,
    atr,
    bollinger,
    ema,
    realised_volatility,
    rsi,
    session_vwap,
    sma,
)

COUNT = 1_000_000
LOOKED_AT = range(999, COUNT, 31_217)  # 32 bars all over the million
CLOSE = 100.0 * np.exp(np.cumsum(np.random.default_rng(11).normal(0.0, 4e-4, COUNT)))
REACH = np.random.default_rng(12).uniform(0.01, 0.2, COUNT)
HIGH, LOW = CLOSE + REACH, CLOSE - REACH
VOLUME = np.random.default_rng(13).integers(0, 5_000, COUNT).astype(float)
SESSION = np.arange(COUNT) // 390


def relative(got, wanted):
    return max(abs(one / other - 1.0) for one, other in zip(got, wanted, strict=True))


def at(column):
    return [float(column[n]) for n in LOOKED_AT]


def streamed(update, *columns):
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [value for n, value in enumerate([update(*row) for row in rows]) if n in LOOKED_AT]


def faded(values, n, weight, seed, first):
    """An exponential average at `n` as one sum: every value with its own weight, nothing carried on."""
    decay = 1.0 - weight
    reach = min(n - first, int(-45 / math.log(decay)))
    recent = values[n - reach + 1 : n + 1][::-1].tolist()
    terms = [weight * decay**age * value for age, value in enumerate(recent)]
    return math.fsum([*terms, decay**reach * (seed if reach == n - first else values[n - reach])])


def test_simple_averages():
    wanted = [math.fsum(CLOSE[n - 19 : n + 1].tolist()) / 20 for n in LOOKED_AT]

    assert relative(at(sma(CLOSE, 20)), wanted) <= 1e-12
    assert relative(streamed(Sma(20).update, CLOSE), wanted) <= 1e-12


def test_exponential_averages():
    seed = math.fsum(CLOSE[:20].tolist()) / 20
    wanted = [faded(CLOSE, n, 2 / 21, seed, 19) for n in LOOKED_AT]

    assert relative(at(ema(CLOSE, 20)), wanted) <= 1e-12
    assert relative(streamed(Ema(20).update, CLOSE), wanted) <= 1e-12


def test_strength():
    change = np.diff(CLOSE, prepend=CLOSE[0])
    ups, downs = np.maximum(change, 0.0), np.maximum(-change, 0.0)
    gains = [faded(ups, n, 1 / 14, math.fsum(ups[1:15]) / 14, 14) for n in LOOKED_AT]
    losses = [faded(downs, n, 1 / 14, math.fsum(downs[1:15]) / 14, 14) for n in LOOKED_AT]
    wanted = [100 * gain / (gain + loss) for gain, loss in zip(gains, losses, strict=True)]

    assert relative(at(rsi(CLOSE)), wanted) <= 1e-12
    assert relative(streamed(Rsi().update, CLOSE), wanted) <= 1e-12


def test_ranges():
    reach = np.maximum(HIGH[1:], CLOSE[:-1]) - np.minimum(LOW[1:], CLOSE[:-1])
    wanted = [faded(reach, n - 1, 1 / 14, math.fsum(reach[:14]) / 14, 13) for n in LOOKED_AT]

    assert relative(at(atr(HIGH, LOW, CLOSE)), wanted) <= 1e-12
    assert relative(streamed(Atr().update, HIGH, LOW, CLOSE), wanted) <= 1e-12


def test_vwap():
    typical = (HIGH + LOW + CLOSE) / 3
    wanted = []
    for n in LOOKED_AT:
        part = slice(n // 390 * 390, n + 1)
        wanted.append(math.fsum(typical[part] * VOLUME[part]) / math.fsum(VOLUME[part]))

    assert relative(at(session_vwap(HIGH, LOW, CLOSE, VOLUME, SESSION)), wanted) <= 1e-12
    assert relative(streamed(SessionVwap().update, HIGH, LOW, CLOSE, VOLUME, SESSION), wanted) <= 1e-12


def test_deviations():
    returns = np.log(CLOSE[1:] / CLOSE[:-1])
    volatilities, uppers = [], []
    for n in LOOKED_AT:
        window, log_returns = CLOSE[n - 19 : n + 1].tolist(), returns[n - 20 : n].tolist()
        middle, mean = math.fsum(window) / 20, math.fsum(log_returns) / 20
        uppers.append(middle + 2 * math.sqrt(math.fsum((v - middle) ** 2 for v in window) / 20))
        volatilities.append(math.sqrt(math.fsum((v - mean) ** 2 for v in log_returns) / 19 * 252))

    assert relative(at(bollinger(CLOSE).upper), uppers) <= 1e-12
    assert relative(at(realised_volatility(CLOSE, 20, bars_a_year=252)), volatilities) <= 1e-12


@pytest.mark.parametrize("count", [4_200, 140_000])
@pytest.mark.parametrize("price", [99.7, 0.01, 480.13])
def test_a_market_that_stands_still_has_one_average_whatever_the_period(count, price):
    still = np.full(count, price)

    assert set(ema(still, 8)[7:].tolist()) == set(ema(still, 21)[20:].tolist()) == {price}
    assert set(rsi(still)[14:].tolist()) == {50.0}
