import numpy as np
import pytest

from ibkeel.options.smile import smoothed


def test_two_points_are_a_line():
    got = smoothed(np.array([0.0, 2.0]), np.array([1.0, 5.0]), np.ones(2))

    value, slope, bend = got.at(np.array([-1.0, 1.0, 3.0]))
    assert value.tolist() == [-1.0, 3.0, 7.0]
    assert slope.tolist() == [2.0, 2.0, 2.0]
    assert bend.tolist() == [0.0, 0.0, 0.0]


def test_points_on_a_line_stay_there_however_large_the_doubt():
    x = np.linspace(-1, 1, 9)

    got = smoothed(x, 3 * x + 1, np.full(9, 100.0))

    assert got.y == pytest.approx(3 * x + 1)
    assert got.bends == pytest.approx(np.zeros(9), abs=1e-6)


def test_points_without_noise_are_met():
    x = np.sort(np.random.default_rng(1).uniform(-2, 2, 40))
    y = np.sin(2 * x)

    got = smoothed(x, y, np.full(40, 1e-3))

    assert got.y == pytest.approx(y, abs=1e-3)
    places = np.linspace(x[0], x[-1], 200)
    assert got.at(places)[0] == pytest.approx(np.sin(2 * places), abs=0.03)


def test_noise_is_smoothed_and_the_shape_is_kept():
    generator = np.random.default_rng(2)
    x = np.linspace(-1, 1, 101)
    y = x * x + generator.normal(0, 0.05, 101)

    got = smoothed(x, y, np.full(101, 0.05))

    assert np.abs(got.y - x * x).max() < 0.07
    assert np.sqrt(np.mean((got.y - x * x) ** 2)) < 0.025


def test_a_doubtful_point_counts_for_little():
    x = np.linspace(-1, 1, 21)
    y, doubt = x * x, np.full(21, 0.01)
    y[10], doubt[10] = 0.5, 1.0

    got = smoothed(x, y, doubt)

    assert got.at(np.array([0.0]))[0] == pytest.approx(0.0, abs=0.02)


def test_the_curve_is_not_smoothed_beyond_what_is_allowed():
    x = np.linspace(-3, 3, 61)
    y = np.sin(4 * x)

    got = smoothed(x, y, np.full(61, 0.01), most=0.5)

    assert np.sqrt(np.mean(((got.y - y) / 0.01) ** 2)) <= 0.5


def test_stairs_that_neighbours_share_are_smoothed_as_far_as_they_are_known():
    x = np.linspace(0, 1, 60)
    y = np.floor(8 * x) / 8

    stairs = smoothed(x, y, np.full(60, 0.0625), most=0.577)
    slope = smoothed(x, y, np.full(60, 0.0625), least=0.55, most=0.577)

    assert np.abs(slope.bends).max() < 0.3 * np.abs(stairs.bends).max()


def test_more_noise_than_any_allowed_curve_has_gives_the_smoothest_allowed_one():
    x = np.linspace(0, 1, 5)
    y = np.array([0.0, 1.0, 0.0, 1.0, 0.0])

    got = smoothed(x, y, np.full(5, 0.1), least=50.0, most=0.5)

    assert np.sqrt(np.mean(((got.y - y) / 0.1) ** 2)) == pytest.approx(0.5, rel=0.3)


def test_slope_and_bend_are_those_of_the_value():
    x = np.sort(np.random.default_rng(3).uniform(-1, 1, 15))
    got = smoothed(x, np.exp(x), np.full(15, 1e-3))
    places, step = np.linspace(-0.6, 0.6, 30), 1e-5

    value, slope, bend = got.at(places)

    above, below = got.at(places + step), got.at(places - step)
    assert slope == pytest.approx((above[0] - below[0]) / (2 * step), rel=1e-6)
    assert bend == pytest.approx((above[1] - below[1]) / (2 * step), rel=1e-3, abs=1e-4)
    assert value == pytest.approx(np.exp(places), abs=0.02)


def test_beyond_its_ends_it_is_straight():
    x = np.linspace(-1, 1, 9)
    got = smoothed(x, x**3, np.full(9, 1e-3))

    value, slope, bend = got.at(np.array([1.0, 2.0, 3.0]))

    assert value[2] - value[1] == pytest.approx(value[1] - value[0])
    assert slope[0] == slope[1] == slope[2]
    assert bend[1:].tolist() == [0.0, 0.0]


def test_points_beyond_all_doubt_are_met_exactly():
    x = np.linspace(0, 1, 6)
    y = np.array([0.0, 5.0, -3.0, 8.0, 1.0, 2.0])

    got = smoothed(x, y, np.full(6, 1e-12), most=0.5)

    assert got.y == pytest.approx(y, abs=1e-9)
