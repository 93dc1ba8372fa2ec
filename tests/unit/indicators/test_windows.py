import math

import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.indicators import (
    Bollinger,
    RealisedVolatility,
    RollingHigh,
    RollingLow,
    VolumeMean,
    bollinger,
    realised_volatility,
    rolling_high,
    rolling_low,
    volume_mean,
)

SWING = [3.0, 1.0, 2.0, 5.0, 4.0]


def test_the_high_and_the_low_look_at_the_present_bar_and_those_before_it():
    assert rolling_high(SWING, 3)[2:].tolist() == [3.0, 5.0, 5.0]
    assert rolling_low(SWING, 3)[2:].tolist() == [1.0, 1.0, 2.0]
    assert np.isnan(rolling_high(SWING, 3)[:2]).all()


def test_a_streaming_high_and_low_say_the_same():
    high, low = RollingHigh(3), RollingLow(3)

    assert [high.update(value) for value in SWING] == [None, None, 3.0, 5.0, 5.0]
    assert [low.update(value) for value in SWING] == [None, None, 1.0, 1.0, 2.0]


def test_the_mean_volume_counts_the_present_bar():
    mean = VolumeMean(2)

    assert volume_mean([10, 20, 60], 2)[1:].tolist() == [15.0, 40.0]
    assert [mean.update(volume) for volume in (10, 20, 60)] == [None, 15.0, 40.0]


def test_a_bar_without_volume_counts():
    mean = VolumeMean(2)

    assert [mean.update(volume) for volume in (4.0, 0.0)] == [None, 2.0]
    assert volume_mean([4.0, 0.0], 2)[1] == 2.0


def test_a_negative_volume_is_refused_in_both_forms():
    with pytest.raises(InvalidInput, match="negative"):
        volume_mean([1.0, -1.0], 1)
    with pytest.raises(InvalidInput, match="-1"):
        VolumeMean(1).update(-1.0)


def test_bands_lie_two_deviations_of_the_population_from_the_average():
    bands = bollinger([1.0, 3.0], 2)
    stream = Bollinger(2)
    stream.update(1.0)

    assert (bands.lower[1], bands.middle[1], bands.upper[1]) == (0.0, 2.0, 4.0)
    assert np.isnan(bands.upper[0])
    assert stream.update(3.0) == (0.0, 2.0, 4.0)


def test_the_width_of_bands_is_a_parameter():
    assert bollinger([1.0, 3.0], 2, width=1.0).upper[1] == 3.0


def test_volatility_is_the_sample_deviation_of_log_returns_a_year():
    closes = [100.0, 110.0, 99.0, 121.0]
    returns = np.log([1.1, 0.9, 121 / 99])
    stream = RealisedVolatility(3, bars_a_year=252)

    result = realised_volatility(closes, 3, bars_a_year=252)

    assert np.isnan(result[:3]).all()
    assert result[3] == pytest.approx(returns.std(ddof=1) * math.sqrt(252), rel=1e-14)
    assert [stream.update(close) for close in closes][-1] == pytest.approx(result[3], rel=1e-14)


def test_what_has_no_logarithm_is_refused():
    with pytest.raises(InvalidInput, match="above 0"):
        realised_volatility([1.0, 0.0, 1.0], 2, bars_a_year=252)
    with pytest.raises(InvalidInput, match="above 0"):
        RealisedVolatility(2, bars_a_year=252).update(0.0)


def test_a_deviation_of_one_return_does_not_exist():
    with pytest.raises(InvalidInput, match="2 or more"):
        realised_volatility([1.0, 2.0], 1, bars_a_year=252)
    with pytest.raises(InvalidInput, match="2 or more"):
        RealisedVolatility(1, bars_a_year=252)


@pytest.mark.parametrize("width", [0.0, -1.0, math.inf, math.nan])
def test_a_width_or_a_year_must_be_above_zero(width):
    with pytest.raises(InvalidInput, match=r"^width is .* above 0"):
        bollinger([1.0], 1, width)
    with pytest.raises(InvalidInput, match=r"^width is .* above 0"):
        Bollinger(1, width)
    with pytest.raises(InvalidInput, match=r"^bars_a_year is .* above 0"):
        RealisedVolatility(2, bars_a_year=width)
    with pytest.raises(InvalidInput, match=r"^bars_a_year is .* above 0"):
        realised_volatility([1.0, 2.0], 2, bars_a_year=width)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RollingHigh(2),
        lambda: RollingLow(2),
        lambda: Bollinger(2),
        lambda: RealisedVolatility(2, bars_a_year=1),
    ],
)
def test_a_value_that_is_not_finite_leaves_no_trace(make):
    spoilt, whole = make(), make()
    spoilt.update(3.0)
    whole.update(3.0)

    with pytest.raises(InvalidInput, match="finite"):
        spoilt.update(math.inf)

    assert [spoilt.update(v) for v in (1.0, 2.0)] == [whole.update(v) for v in (1.0, 2.0)]


@pytest.mark.parametrize("period", [20, 9000])
def test_windows_that_cross_a_block_are_whole(period):
    column = np.random.default_rng(5).uniform(1, 2, 20_000)
    windows = np.lib.stride_tricks.sliding_window_view(column, period)

    assert np.array_equal(rolling_high(column, period)[period - 1 :], windows.max(axis=1))
    assert np.array_equal(rolling_low(column, period)[period - 1 :], windows.min(axis=1))
    assert volume_mean(column, period)[period - 1 :] == pytest.approx(windows.mean(axis=1), rel=1e-13)


@pytest.mark.parametrize("period", [1, 20])
def test_windows_that_end_with_a_block_are_whole(period):
    bands = bollinger(np.full(8192 + period - 1, 5.0), period)

    for column in bands:
        assert (np.isnan(column).sum(), set(column[period - 1 :])) == (period - 1, {5.0})


def test_no_closes_have_no_volatility():
    assert realised_volatility([], 2, bars_a_year=252).shape == (0,)


def test_streaming_bands_are_as_wide_as_they_are_told():
    stream = Bollinger(2, width=3.0)
    stream.update(1.0)

    assert stream.update(5.0) == (-3.0, 3.0, 9.0)
    assert (Bollinger().period, Bollinger().width) == (20, 2.0)
    assert np.isnan(bollinger(np.arange(30.0)).middle).sum() == 19


def test_small_moves_far_from_zero_keep_their_digits():
    far = [1e9 + move for move in (0.0, 1.0, 3.0, 0.5)]
    wanted = np.array([0.0, 1.0, 3.0, 0.5]).std()
    stream = Bollinger(4)
    [*_, last] = [stream.update(value) for value in far]

    assert (bollinger(far, 4).upper[-1] - bollinger(far, 4).middle[-1]) / 2 == pytest.approx(wanted, rel=1e-6)
    assert (last.upper - last.middle) / 2 == pytest.approx(wanted, rel=1e-6)


def test_moves_of_the_last_digit_of_a_price_are_seen():
    far = [4e15 + move for move in (0.0, 1.0, 3.0, 0.5)]  # floats lie half apart there
    wanted = np.array([0.0, 1.0, 3.0, 0.5]).std()
    bands, stream = bollinger(far, 4, width=1e7), Bollinger(4, width=1e7)
    [*_, last] = [stream.update(value) for value in far]

    assert (bands.upper[-1] - bands.middle[-1]) / 1e7 == pytest.approx(wanted, rel=1e-6)
    assert (last.upper - last.middle) / 1e7 == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("period", [1, 2, 3, 4, 5, 7, 8, 9, 16, 17])
def test_every_period_is_put_together_rightly(period):
    column = np.random.default_rng(6).uniform(1, 2, 40)
    windows = np.lib.stride_tricks.sliding_window_view(column, period)

    assert rolling_high(column, period)[period - 1 :].tolist() == windows.max(axis=1).tolist()
    assert rolling_low(column, period)[period - 1 :].tolist() == windows.min(axis=1).tolist()
    assert volume_mean(column, period)[period - 1 :] == pytest.approx(windows.mean(axis=1), rel=1e-14)
    bands = bollinger(column, period)
    assert (bands.upper - bands.middle)[period - 1 :] / 2 == pytest.approx(windows.std(axis=1), abs=1e-14)
