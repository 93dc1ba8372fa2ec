import math

import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.indicators import Atr, Ema, Rsi, SessionVwap, Sma, atr, ema, rsi


@pytest.mark.parametrize("make", [Sma, Ema])
def test_an_average_is_none_until_the_period_is_full(make):
    average = make(3)

    seen = [average.update(value) for value in (1.0, 2.0, 3.0)]

    assert seen == [None, None, 2.0]
    assert average.value == 2.0


def test_a_simple_average_forgets_what_is_older_than_its_period():
    average = Sma(2)

    seen = [average.update(value) for value in (1e16, 1.0, 2.0, 4.0)]

    assert seen[-1] == 3.0


def test_strength_needs_one_close_more_than_its_period():
    strength = Rsi(2)

    seen = [strength.update(close) for close in (1.0, 2.0, 3.0)]

    assert seen == [None, None, 100.0]


def test_the_average_range_needs_one_bar_more_than_its_period():
    reach = Atr(1)

    seen = [reach.update(2.0, 1.0, 1.5), reach.update(5.0, 4.0, 4.5)]

    assert seen == [None, 3.5]


def test_vwap_starts_anew_with_each_session():
    vwap = SessionVwap()

    seen = [
        vwap.update(p, p, p, volume, day) for p, volume, day in [(1.0, 1, "a"), (3.0, 1, "a"), (9.0, 0, "b")]
    ]

    assert seen == [1.0, 2.0, None]


@pytest.mark.parametrize("label", [None, "", 0])
def test_any_label_names_a_session(label):
    vwap = SessionVwap()

    assert [vwap.update(p, p, p, 1.0, label) for p in (1.0, 3.0)] == [1.0, 2.0]


def test_strength_and_range_are_those_of_fourteen_bars_unless_told_otherwise():
    assert (Rsi().period, Atr().period) == (14, 14)


def test_negative_volume_is_refused():
    with pytest.raises(InvalidInput, match="volume"):
        SessionVwap().update(1.0, 1.0, 1.0, -1.0, 1)


@pytest.mark.parametrize("make", [Sma, Ema, Rsi])
def test_a_value_that_is_not_finite_is_refused_and_leaves_no_trace(make):
    indicator = make(1)
    indicator.update(1.0)
    before = indicator.value

    with pytest.raises(InvalidInput, match="finite"):
        indicator.update(math.nan)

    assert indicator.value == before


def test_a_long_column_of_ranges_agrees_with_its_stream():
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(7).normal(0.0, 1e-3, 20_000)))
    high, low = close + 0.05, close - 0.07
    stream = Atr()

    ranges = [stream.update(*bar) for bar in zip(high.tolist(), low.tolist(), close.tolist(), strict=True)]

    assert atr(high, low, close) == pytest.approx(np.array(ranges, dtype=float), rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("make", [Sma, Ema, Rsi])
def test_a_value_that_is_not_finite_is_refused_while_warming_up_too(make):
    spoilt, whole = make(3), make(3)
    spoilt.update(1.0)
    whole.update(1.0)

    for value in (math.nan, math.inf):
        with pytest.raises(InvalidInput, match="finite"):
            spoilt.update(value)

    rest = [4.0, 2.0, 3.0, 5.0]
    assert [spoilt.update(value) for value in rest] == [whole.update(value) for value in rest]


@pytest.mark.parametrize("count", [45_000, 150_000])
def test_a_column_of_many_chunks_agrees_with_its_stream(count):
    """Its chunks are longer than what is turned at a time; the longer column also has more than one slab."""
    closes = 100.0 * np.exp(np.cumsum(np.random.default_rng(7).normal(0.0, 1e-3, count)))
    average, strength = Ema(20), Rsi(14)

    averages, strengths = zip(
        *((average.update(close), strength.update(close)) for close in closes.tolist()), strict=True
    )

    assert np.nanmax(np.abs(ema(closes, 20) / np.array(averages, dtype=float) - 1)) <= 1e-12
    assert np.nanmax(np.abs(rsi(closes, 14) - np.array(strengths, dtype=float))) <= 1e-9
    assert np.isnan(ema(closes, 20)).sum() == 19
    assert np.isnan(rsi(closes, 14)).sum() == 14


def test_a_bar_with_a_price_that_is_not_finite_is_refused():
    with pytest.raises(InvalidInput, match="finite"):
        Atr(1).update(math.inf, 1.0, 1.0)


@pytest.mark.parametrize(
    ("make", "bars"),
    [
        (lambda: Sma(2), [(1.0,), (3.0,)]),
        (lambda: Ema(2), [(1.0,), (3.0,)]),
        (lambda: Rsi(2), [(1.0,), (3.0,), (2.0,)]),
        (lambda: Atr(1), [(2.0, 1.0, 1.5), (5.0, 4.0, 4.5)]),
        (SessionVwap, [(1.0, 1.0, 1.0, 5.0, "a")]),
    ],
)
def test_the_last_value_can_be_asked_for_again(make, bars):
    indicator = make()

    assert indicator.value is None
    seen = [indicator.update(*bar) for bar in bars]

    assert indicator.value == seen[-1] is not None


@pytest.mark.parametrize(
    "bar", [(math.nan, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, math.inf), (1.0, math.inf, 1.0, 1.0)]
)
def test_a_bar_that_is_not_finite_leaves_no_trace_in_vwap(bar):
    vwap = SessionVwap()
    vwap.update(1.0, 1.0, 1.0, 2.0, "a")

    with pytest.raises(InvalidInput, match="finite"):
        vwap.update(*bar, "a")

    assert vwap.update(4.0, 4.0, 4.0, 1.0, "a") == 2.0
