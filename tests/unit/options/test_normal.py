import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.options.black import density, mills, rough_mills


def truth(z):
    return math.sqrt(math.pi / 2) * math.exp(z * z / 2) * math.erfc(z / math.sqrt(2))


@given(st.floats(0, 8))
def test_mills_ratio_is_the_tail_over_the_density(z):
    assert mills(np.array([z]))[0] == pytest.approx(truth(z), rel=2e-14)


@pytest.mark.parametrize(
    ("z", "ratio"),
    [  # mpmath, 30 digits
        (0.0, 1.25331413731550025121),
        (1.0, 0.65567954241879847154),
        (10.0, 0.09902859647173193),
        (100.0, 0.0099990002998501049),
        (1e6, 9.99999999999e-7),
        (1e30, 1e-9),
    ],
)
def test_mills_ratio_is_exact_on_the_whole_half_line(z, ratio):
    assert mills(np.array([z]))[0] == pytest.approx(ratio, rel=1e-15)


def test_the_rough_ratio_is_within_four_billionths():
    z = np.linspace(0, 100, 5001)

    assert np.abs(rough_mills(z) / mills(z) - 1).max() < 4e-9


def test_the_tail_is_exact_far_out():
    assert density(np.array([30.0])) * mills(np.array([30.0])) == pytest.approx(
        4.906713927148187e-198, rel=1e-12
    )
    assert density(np.array([0.0]))[0] == pytest.approx(0.3989422804014327)


def test_no_number_gives_no_number():
    assert np.isnan(mills(np.array([np.nan])))
