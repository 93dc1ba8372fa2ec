import math

import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.indicators import atr, ema, rsi, session_vwap, sessions_of, sma


def test_a_simple_average_is_missing_until_the_period_is_full():
    result = sma([1.0, 2.0, 3.0, 4.0], 3)

    assert np.isnan(result[:2]).all()
    assert result[2:].tolist() == [2.0, 3.0]


def test_an_exponential_average_starts_as_a_simple_one():
    result = ema([1.0, 2.0, 3.0, 7.0], 3)

    assert result[2] == 2.0
    assert result[3] == 2.0 + 0.5 * (7.0 - 2.0)


@pytest.mark.parametrize("function", [sma, ema, rsi])
@pytest.mark.parametrize("length", [0, 1, 2, 13])
def test_too_few_values_give_nothing_but_nan(function, length):
    result = function([1.0] * length, 14)

    assert result.shape == (length,)
    assert np.isnan(result).all()


def test_strength_is_one_hundred_when_everything_rose():
    assert rsi(np.arange(20.0), 14)[-1] == 100.0


def test_strength_is_zero_when_everything_fell():
    assert rsi(np.arange(20.0)[::-1], 14)[-1] == 0.0


def test_strength_is_fifty_when_nothing_moved():
    assert rsi([5.0] * 20, 14)[-1] == 50.0


def test_the_average_range_counts_gaps_from_the_previous_close():
    result = atr(high=[10.0, 21.0], low=[9.0, 20.0], close=[10.0, 20.5], period=1)

    assert math.isnan(result[0])
    assert result[1] == 11.0


def test_the_average_range_of_no_bars_is_no_values():
    assert atr([], [], []).shape == (0,)


def test_vwap_starts_anew_with_each_session():
    prices = [1.0, 3.0, 10.0]

    result = session_vwap(prices, prices, prices, [1.0, 1.0, 5.0], [1, 1, 2])

    assert result.tolist() == [1.0, 2.0, 10.0]


def test_vwap_is_missing_until_something_traded():
    result = session_vwap([2.0, 4.0], [2.0, 4.0], [2.0, 4.0], [0.0, 3.0], [1, 1])

    assert math.isnan(result[0])
    assert result[1] == 4.0


def test_vwap_of_no_bars_is_no_values():
    assert session_vwap([], [], [], [], []).shape == (0,)


def test_sessions_are_local_calendar_days():
    at = np.array(
        ["2015-12-24T04:59:00", "2015-12-24T05:00:00", "2015-12-24T18:00:00"], dtype="datetime64[s]"
    )

    labels = sessions_of(at)

    assert (np.diff(labels) == [1, 0]).all()


def test_a_local_day_may_begin_at_a_half_hour_of_utc():
    at = np.array(["2026-01-05T18:29:59", "2026-01-05T18:30:00"], dtype="datetime64[s]")

    labels = sessions_of(at, "Asia/Kolkata")

    assert np.diff(labels) == [1]


def test_negative_volume_is_refused():
    with pytest.raises(InvalidInput, match="volume"):
        session_vwap([1.0], [1.0], [1.0], [-1.0], [1])


@pytest.mark.parametrize("period", [0, -1, 1.5, True])
def test_a_period_that_is_no_whole_number_above_zero_is_refused(period):
    with pytest.raises(InvalidInput, match=r"^period is "):
        sma([1.0, 2.0], period)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(InvalidInput, match="NaN or infinity"):
        ema([1.0, value], 1)


def test_a_table_is_refused_where_a_column_is_wanted():
    with pytest.raises(InvalidInput, match="shape"):
        sma([[1.0], [2.0]], 1)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(InvalidInput, match="shapes"):
        atr([1.0], [1.0, 2.0], [1.0])


def test_strength_of_as_many_closes_as_its_period_is_not_known_yet():
    assert np.isnan(rsi(np.arange(14.0), 14)).all()
    assert np.isnan(rsi(np.arange(15.0), 14)).sum() == 14
