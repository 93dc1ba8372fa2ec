import math

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Greeks
from ibkeel.risk import FLAT, Exposure, ExposureLimits, RefusalKind, check_exposure

CALL = Greeks(delta=0.5, gamma=0.02, theta=-0.1, vega=0.3)


def test_an_exposure_is_that_of_one_share_times_the_shares():
    assert Exposure.of(CALL, -200) == Exposure(delta=-100.0, gamma=-4.0, theta=20.0, vega=-60.0)


def test_greeks_that_were_not_sent_make_no_exposure_of_zero():
    assert Exposure.of(None, 100) == Exposure()
    assert Exposure.of(Greeks(delta=0.5), 100) == Exposure(delta=50.0)


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["max_delta", "max_theta", "max_vega"])
def test_a_limit_is_a_number_above_zero(name, limit):
    with pytest.raises(InvalidInput, match=f"{name} is .* valid: above 0"):
        ExposureLimits(**{name: limit})


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        ("delta", "delta of the portfolio with it 150.00; needed: 149 shares or less"),
        ("theta", "theta of the portfolio with it -150.00; needed: 149 a day or less"),
        ("vega", "vega of the portfolio with it 150.00; needed: 149 a volatility point or less"),
    ],
)
def test_a_refusal_names_figure_and_limit(figure, words):
    held = Exposure(delta=100.0, gamma=0.0, theta=-100.0, vega=100.0)
    added = Exposure(delta=50.0, gamma=0.0, theta=-50.0, vega=50.0)

    (refused,) = check_exposure(held, added, ExposureLimits(**{f"max_{figure}": 149.0}))

    assert (refused.kind, refused.detail) == (RefusalKind.EXPOSURE, words)
    assert check_exposure(held, added, ExposureLimits(**{f"max_{figure}": 150.0})) == ()


def test_an_entry_that_brings_a_portfolio_back_within_its_limit_passes():
    held = Exposure(delta=-120.0)

    assert check_exposure(held, Exposure(delta=50.0), ExposureLimits(max_delta=100.0)) == ()


def test_orders_that_work_are_not_set_off_against_each_other():
    pending = [Exposure(delta=80.0), Exposure(delta=-80.0)]

    (refused,) = check_exposure(FLAT, Exposure(delta=30.0), ExposureLimits(max_delta=100.0), pending=pending)

    assert "110.00" in refused.detail


@pytest.mark.parametrize("sign", [1, -1])
def test_an_order_of_half_a_share_that_works_counts_too(sign):
    pending = [Exposure(delta=0.5), Exposure(delta=-0.5)]

    (refused,) = check_exposure(
        FLAT, Exposure(delta=sign * 100.0), ExposureLimits(max_delta=100.0), pending=pending
    )

    assert f"{sign * 100.5:.2f}" in refused.detail


def test_limits_are_set_once_one_of_them_is():
    assert not ExposureLimits().is_set
    assert ExposureLimits(max_vega=20.0).is_set
