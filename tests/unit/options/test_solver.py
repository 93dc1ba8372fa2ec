import numpy as np
import pytest

from ibkeel.options.black import bell, deviation, normal_form, reach, spread
from ibkeel.options.inputs import Inputs


def form_of(distance):
    """Normal units of calls out of the money by that much."""
    inputs = Inputs.of(0.0, np.exp(-distance), 1.0, 1.0, "C", 0.0, 0.0)
    return normal_form(inputs)


def solved(distance, known):
    form = form_of(distance)
    with np.errstate(all="ignore"):  # values that are no doubles are among them
        at = reach(form.distance, known)
        value = bell(at) * spread(at)
        found, there = deviation(form, value)
    return form, value, found, there


@pytest.fixture
def grid():
    distance, known = np.meshgrid(np.r_[0, np.geomspace(1e-6, 4, 40)], np.geomspace(1e-3, 14, 160))
    return distance.ravel(), known.ravel()


def test_every_deviation_is_found_as_far_as_its_value_tells(grid):
    distance, known = grid
    form, value, found, there = solved(distance, known)
    tells = (value > 1e-290) & (value * form.growth < 1 - 1e-12)

    error = np.abs(found / known - 1)[tells]

    lost = (value / bell(there) / found)[tells]  # what one rounding error of the value does
    assert (error < 2e-13 + 60 * np.finfo(float).eps * lost).all()
    assert tells.sum() > 4000


def test_the_ratios_are_those_at_the_deviation_found(grid):
    distance, known = grid
    form, value, found, there = solved(distance, known)
    tells = (value > 1e-290) & (value * form.growth < 1 - 1e-12)
    again = reach(form.distance, found)

    assert there.near[tells] == pytest.approx(again.near[tells], rel=1e-13)
    assert there.far[tells] == pytest.approx(again.far[tells], rel=1e-13)


@pytest.mark.parametrize("value", [0.0, -1.0, 1.0, 2.0, np.nan, np.inf])
def test_a_value_out_of_its_range_has_no_deviation(value):
    with np.errstate(all="ignore"):
        found, _ = deviation(form_of(np.array([0.1])), np.array([value]))

    assert np.isnan(found).all() or not (found > 0).any()
