import numpy as np
import pytest

from ibkeel.options.boundary import Puts, grid
from ibkeel.options.inputs import Inputs

GRID = grid(nodes=6, points=8, sweeps=4, last_points=16)


def pieces(right, **change):
    at = {
        "spot": 100.0,
        "strike": [90.0, 110.0],
        "years": 0.5,
        "rate": 0.05,
        "dividend_yield": 0.02,
        **change,
    }
    return Puts.of(Inputs.of(0.3, right=right, **at))


def test_a_put_stays_as_it_is():
    got = pieces("P")

    assert got.share.tolist() == [100.0, 100.0]
    assert got.money.tolist() == [90.0, 110.0]
    assert got.rate.tolist() == [0.025, 0.025]
    assert got.dividend.tolist() == [0.01, 0.01]
    assert got.intrinsic.tolist() == [0.0, 10.0]


def test_a_call_changes_share_and_money():
    got = pieces("C")

    assert got.share.tolist() == [90.0, 110.0]
    assert got.money.tolist() == [100.0, 100.0]
    assert (got.rate[0], got.dividend[0]) == (0.01, 0.025)
    assert got.intrinsic.tolist() == [10.0, 0.0]


@pytest.mark.parametrize(
    ("rate", "carry", "expected"), [(-0.01, -0.02, True), (-0.01, 0.0, False), (0.01, -0.02, False)]
)
def test_exercise_between_two_prices_needs_both_below_nothing(rate, carry, expected):
    assert pieces("P", rate=rate, dividend_yield=carry).has_two_boundaries.tolist() == [expected, expected]


def test_a_price_is_never_below_what_exercise_brings():
    value, slope = pieces("P", strike=[90.0, 190.0]).price(np.array([0.2, 0.2]), GRID)

    assert value[1] == 90.0
    assert value[0] > 0.0
    assert (slope >= 0).all()
