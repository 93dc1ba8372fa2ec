import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.options.black import bell, reach, shifted, spread

distances = st.floats(0, 3)


def arrays(*numbers):
    return [np.array([number]) for number in numbers]


@given(distances, st.floats(1e-3, 6))
def test_the_slope_of_the_value_in_the_deviation_is_the_bell(distance, deviation):
    step = 1e-4 * deviation
    distances, below, at, above = arrays(distance, deviation - step, deviation, deviation + step)
    ends = [reach(distances, each) for each in (below, above)]
    low, high = (bell(end) * spread(end) for end in ends)

    slope = bell(reach(distances, at))

    assert (high - low) / (2 * step) == pytest.approx(slope, rel=1e-3, abs=1e-12)


@given(st.floats(0, 1.6), st.floats(0.8, 1.25))
def test_the_series_meets_the_difference_where_they_change_over(a, factor):
    t = 0.03 * factor
    distance, deviation = arrays(2 * a * t, 2 * t)
    at = reach(distance, deviation)

    assert spread(at) == pytest.approx(at.near - at.far, rel=3e-14)


def test_a_short_deviation_keeps_its_digits_at_the_money():
    # erf(s / (2 sqrt 2)) = s / sqrt(2 pi) (1 - s^2 / 24 + ...)
    deviation = np.array([1e-3, 1e-6, 1e-9])
    at = reach(np.zeros(3), deviation)

    got = bell(at) * spread(at)

    assert got == pytest.approx(deviation / np.sqrt(2 * np.pi) * (1 - deviation**2 / 24), rel=1e-14)


@given(distances, st.floats(0.05, 6), st.floats(-1e-6, 1e-6))
def test_ratios_continued_are_ratios_computed(distance, deviation, by):
    distances, start, end = arrays(distance, deviation, deviation * (1 + by))

    got = shifted(reach(distances, start), distances, end)

    again = reach(distances, end)
    assert got.near == pytest.approx(again.near, rel=1e-13)
    assert got.far == pytest.approx(again.far, rel=1e-13)
