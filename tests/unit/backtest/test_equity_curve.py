"""Curves of equity: draw-downs against a slow reading, and thinning that loses no extreme."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.backtest import Curve, Drawdown
from ibkeel.errors import InvalidInput

START = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
VALUES = st.lists(st.floats(1.0, 1e6), min_size=1, max_size=60)


def curve_of(values):
    return Curve.of((START + timedelta(minutes=row), value) for row, value in enumerate(values))


@given(VALUES)
def test_the_deepest_fall_is_that_of_a_slow_reading(values):
    top, amount, fraction = values[0], 0.0, 0.0
    for value in values:
        top = max(top, value)
        amount, fraction = max(amount, top - value), max(fraction, 1 - value / top)

    fall = curve_of(values).drawdown()

    assert fall.amount == pytest.approx(amount)
    assert fall.fraction == pytest.approx(fraction)


def test_a_curve_that_never_fell_has_no_negative_zero():
    assert str(curve_of([5.0, 5.0, 6.0]).drawdown().fraction) == "0.0"


@given(VALUES)
def test_the_longest_fall_runs_from_a_top_until_it_is_reached_again(values):
    longest, begun, top = 0, 0, values[0]
    for row, value in enumerate(values):
        if value < top or values[max(row - 1, 0)] < top:
            longest = max(longest, row - begun)
        if value >= top:
            begun, top = row, value

    fall = curve_of(values).drawdown()

    assert fall.longest == 60.0 * longest


def test_a_fall_over_a_weekend_lasts_until_monday():
    curve = Curve(at=np.array(["2024-03-01", "2024-03-02", "2024-03-05"], "M8[s]"), value=[100, 90, 100])

    assert curve.drawdown().longest == 4 * 86_400.0


@given(VALUES, st.integers(4, 70))
def test_a_thinned_curve_keeps_its_ends_and_extremes(values, most):
    curve = curve_of(values)

    thin = curve.thinned(most)

    assert len(thin) <= most
    assert (thin.value[0], thin.value[-1]) == (values[0], values[-1])
    assert (thin.value.min(), thin.value.max()) == (min(values), max(values))


def test_a_thinned_curve_keeps_the_extremes_of_each_stretch():
    curve = curve_of([0, 5, 9, 6, 4, 7, 2, 3, 6, 8, 0])

    thin = curve.thinned(8)

    # The ends, and of the three stretches between them the least and the greatest.
    assert thin.value.tolist() == [0, 5, 9, 7, 2, 3, 8, 0]
    assert thin.instant(3) == curve.instant(5)
    assert curve.thinned(11).value.tolist() == curve.value.tolist()


def test_a_curve_that_only_rises_never_falls():
    fall = curve_of([1.0, 2.0, 3.0]).drawdown()

    assert (fall.amount, fall.fraction, fall.longest) == (0.0, 0.0, 0.0)


def test_a_curve_without_points_has_no_falls():
    empty = Curve(at=[], value=[])

    assert (len(empty.falls()), empty.drawdown()) == (0, Drawdown(amount=0.0, fraction=0.0, longest=0.0))


def test_a_curve_of_small_or_of_whole_numbers_falls_like_any_other():
    small, whole = curve_of([0.5, 0.25]), curve_of(np.array([4, 2], dtype=np.int16))

    assert small.falls().value.tolist() == whole.falls().value.tolist() == [0.0, -0.5]
    assert whole.value.dtype == np.float64


def test_a_curve_below_zero_falls_by_no_fraction_of_a_top():
    assert curve_of([0.0, -5.0]).falls().value.tolist() == [0.0, 0.0]


def test_a_point_is_found_by_its_instant():
    curve = curve_of([1.0, 2.0, 3.0])

    found = [curve.index(START + timedelta(seconds=seconds)) for seconds in (-5, 0, 59, 60, 61, 9999)]

    assert found == [0, 0, 0, 1, 1, 2]
    assert curve.instant(1) == START + timedelta(minutes=1)


def test_columns_of_different_length_are_refused():
    with pytest.raises(InvalidInput, match="1 instants and 2 values"):
        Curve(at=np.array([0], dtype="datetime64[s]"), value=[1.0, 2.0])


def test_rows_are_iso_text_in_utc_and_a_number():
    assert curve_of([1.5, 2 / 3]).rows() == [
        ["2024-03-04T14:30:00Z", 1.5],
        ["2024-03-04T14:31:00Z", 0.666667],
    ]
