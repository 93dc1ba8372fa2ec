"""The simulator's Black-Scholes: parity, inversion, and agreement of its two forms."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.sim.market import options

SPOTS = st.floats(5.0, 5000.0)
RATIOS = st.floats(0.5, 2.0)
YEARS = st.floats(1 / 365, 3.0)
VOLATILITIES = st.floats(0.03, 3.0)


def test_a_textbook_call_has_its_textbook_price():
    # Without a rate an option at the money is worth spot x (2 N(deviation / 2) - 1).
    assert options.price("C", 100.0, 100.0, 1.0, 0.2) == pytest.approx(7.965567455405804, abs=1e-12)


@given(SPOTS, RATIOS, YEARS, VOLATILITIES)
def test_call_minus_put_is_spot_minus_strike(spot, ratio, years, volatility):
    strike = spot * ratio

    call = options.price("C", spot, strike, years, volatility)
    put = options.price("P", spot, strike, years, volatility)

    assert call - put == pytest.approx(spot - strike, abs=1e-9 * spot)


@given(st.sampled_from("CP"), SPOTS, RATIOS, YEARS, VOLATILITIES)
def test_the_array_form_equals_the_scalar_form(right, spot, ratio, years, volatility):
    strike, ones = spot * ratio, np.ones(3)

    many = options.prices(right, spot * ones, strike, years * ones, volatility * ones)

    one = options.price(right, spot, strike, years, volatility)
    assert many == pytest.approx([one] * 3, abs=1e-9 * spot)


@given(st.sampled_from("CP"), SPOTS, st.floats(0.8, 1.25), st.floats(0.05, 2.0), st.floats(0.1, 1.5))
def test_the_implied_volatility_gives_the_price_back(right, spot, ratio, years, volatility):
    strike = spot * ratio
    value = options.price(right, spot, strike, years, volatility)

    implied = options.implied_volatility(right, value, spot, strike, years)

    # A deep option's volatility may be lost in rounding; its price is not.
    if implied is not None:
        again = options.price(right, spot, strike, years, implied)
        assert again == pytest.approx(value, abs=1e-8 * spot)


@pytest.mark.parametrize(("value", "years"), [(10.0, 0.5), (9.0, 0.5), (0.0, 0.5), (200.0, 0.5), (12.0, 0.0)])
def test_a_price_that_no_volatility_gives_has_no_implied_volatility(value, years):
    assert options.implied_volatility("C", value, 110.0, 100.0, years) is None


@pytest.mark.parametrize(("right", "worth"), [("C", 10.0), ("P", 0.0)])
def test_at_expiry_an_option_is_worth_its_intrinsic_value(right, worth):
    assert options.price(right, 110.0, 100.0, 0.0, 0.3) == worth


@given(st.sampled_from("CP"), st.floats(0.8, 1.25), st.floats(0.1, 2.0), st.floats(0.1, 1.0))
def test_greeks_are_the_slopes_of_the_price(right, ratio, years, volatility):
    spot, strike, step = 100.0, 100.0 * ratio, 1e-3

    found = options.greeks(right, spot, strike, years, volatility)

    def value(*, spot=spot, years=years, volatility=volatility):
        return options.price(right, spot, strike, years, volatility)

    up, down, here = value(spot=spot + step), value(spot=spot - step), value()
    assert found.delta == pytest.approx((up - down) / (2 * step), abs=1e-6)
    assert found.gamma == pytest.approx((up - 2 * here + down) / step**2, abs=1e-4)
    rise = value(volatility=volatility + 1e-5) - value(volatility=volatility - 1e-5)
    assert found.vega == pytest.approx(rise / 2e-5 / 100, abs=1e-5)
    decay = value(years=years - 1e-6) - value(years=years + 1e-6)
    assert found.theta == pytest.approx(decay / 2e-6 / 365, abs=1e-5)


@pytest.mark.data
def test_prices_computed_with_sixty_digits_are_met():
    path = Path(os.environ["IBKEEL_DATA"]) / "reference" / "implied_vol_computed_mpmath.csv"
    with path.open(newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if (row["well_conditioned"], float(row["rate"]), float(row["dividend_yield"])) == ("1", 0.0, 0.0)
        ]

    for row in rows:
        spot, strike, years = float(row["spot"]), float(row["strike"]), float(row["t_years"])
        right = row["type"][0].upper()
        value = options.price(right, spot, strike, years, float(row["vol"]))
        assert value == pytest.approx(float(row["price"]), rel=1e-9, abs=1e-11 * spot)
    assert rows
