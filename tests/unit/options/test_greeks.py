import csv
import os
from pathlib import Path

import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Right
from ibkeel.options import Unsolved, greeks, implied_greeks, price

DATA = os.environ.get("IBKEEL_DATA", "")
MONEY = {"spot": 100.0, "strike": 100.0, "years": 1.0}


def table(name):
    with (Path(DATA) / "reference" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def column(rows, key):
    return np.array([float(row[key]) for row in rows])


def test_the_price_of_a_textbook_call_and_put():
    # Haug, Option Pricing Formulas, 1998, p. 2
    assert price(0.3, spot=60, strike=65, years=0.25, right="C", rate=0.08) == pytest.approx(2.1334, abs=1e-4)
    both = {"spot": 100, "strike": 95, "years": 0.5, "rate": 0.1, "dividend_yield": 0.05}
    assert price(0.2, right=Right.PUT, **both) == pytest.approx(2.4648, abs=1e-4)


def test_without_volatility_the_price_is_the_discounted_payoff():
    got = price(0.0, spot=[90.0, 100.0, 110.0], strike=100, years=1, right="C")

    assert got.tolist() == [0.0, 0.0, pytest.approx(10.0, rel=1e-15)]


def test_rights_may_be_given_row_by_row():
    got = price(0.2, right=[Right.CALL, "P"], **MONEY)

    assert got[0] == pytest.approx(got[1])


def test_rows_out_of_the_domain_are_nan_with_a_reason():
    got = greeks([0.2, np.nan, -0.1, 0.2, 0.0], spot=[100, 100, 100, 0, 100], strike=100, years=1, right="C")

    assert got.reasons.tolist() == [
        Unsolved.SOLVED,
        Unsolved.NOT_FINITE,
        Unsolved.OUT_OF_DOMAIN,
        Unsolved.OUT_OF_DOMAIN,
        Unsolved.OUT_OF_DOMAIN,
    ]
    for name in ("price", "delta", "gamma", "theta", "vega", "rho"):
        assert np.isnan(getattr(got, name)).tolist() == [False, True, True, True, True]


def test_a_price_out_of_the_domain_is_nan():
    assert np.isnan(price(0.2, spot=100, strike=100, years=0, right="C"))


def test_greeks_are_the_slopes_of_the_price():
    at = {"spot": 101.0, "strike": 100.0, "years": 0.3, "right": "P", "rate": 0.03, "dividend_yield": 0.01}
    step = 1e-4

    def slope(name, unit):
        up, down = {**at, name: at[name] + step}, {**at, name: at[name] - step}
        return (price(0.25, **up) - price(0.25, **down)) / (2 * step) * unit

    got = greeks(0.25, **at)

    assert got.delta == pytest.approx(slope("spot", 1.0), rel=1e-6)
    assert got.theta == pytest.approx(-slope("years", 1 / 365), rel=1e-6)
    assert got.rho == pytest.approx(slope("rate", 0.01), rel=1e-6)
    assert got.vega == pytest.approx((price(0.26, **at) - price(0.24, **at)) / 2, rel=1e-3)
    assert got.price == price(0.25, **at)


def test_a_volatility_beyond_all_measure_gives_the_largest_price():
    got = price([1e3, 1e200], spot=100, strike=120, years=1, right=["C", "P"])

    assert got == pytest.approx([100.0, 120.0], rel=1e-12)


def test_a_price_far_out_of_the_money_keeps_its_digits():
    # mpmath, 60 digits, first row of the table of implied volatilities
    got = price(0.8, spot=50.0, strike=100, years=0.002, right="C")

    assert got == pytest.approx(8.2981871644785180743e-85, rel=1e-12)


def test_the_greeks_of_a_price_are_those_of_its_volatility():
    at = {"spot": 100.0, "strike": [80.0, 100.0, 130.0], "years": 0.5, "right": ["C", "P", "P"], "rate": 0.03}
    value = price(0.3, **at)

    both = implied_greeks(value, **at)

    apart = greeks(0.3, **at)
    assert both.volatility.values == pytest.approx(0.3, rel=1e-12)
    for name in ("price", "delta", "gamma", "theta", "vega", "rho"):
        assert getattr(both.greeks, name) == pytest.approx(getattr(apart, name), rel=1e-11), name


def test_a_price_without_volatility_has_no_greeks_and_says_why():
    got = implied_greeks([5.0, 200.0, np.nan], **MONEY, right="C")

    assert got.greeks.reasons.tolist() == [
        Unsolved.SOLVED,
        Unsolved.ABOVE_MAXIMUM,
        Unsolved.NOT_FINITE,
    ]
    for name in ("price", "delta", "gamma", "theta", "vega", "rho"):
        assert np.isnan(getattr(got.greeks, name)).tolist() == [False, True, True]
    assert np.isnan(got.volatility.rounding).tolist() == [False, True, True]


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInput, match="shapes"):
        price([0.2, 0.3], spot=[1.0, 2.0, 3.0], strike=1, years=1, right="C")


def test_a_right_that_is_neither_call_nor_put_is_refused():
    with pytest.raises(InvalidInput, match="valid: 'C' and 'P'"):
        price(0.2, right="X", **MONEY)


@pytest.mark.data
@pytest.mark.parametrize(("side", "right"), [("call", "C"), ("put", "P")])
def test_the_published_table_of_greeks_agrees(side, right):
    rows = table("bs_greeks_py_vollib_table.csv")
    got = greeks(
        column(rows, "vol"),
        spot=column(rows, "S"),
        strike=column(rows, "K"),
        years=column(rows, "t"),
        right=right,
        rate=column(rows, "r"),
    )

    assert np.allclose(got.price, column(rows, f"bs_{side}"), rtol=1e-8, atol=1e-8)
    units = {"delta": 1, "gamma": 1, "theta": 365, "vega": 100, "rho": 100}
    for name, unit in units.items():
        assert np.allclose(getattr(got, name) * unit, column(rows, f"{side}_{name}"), rtol=1e-8, atol=1e-8), (
            name
        )


@pytest.mark.data
def test_published_european_values_agree_within_their_own_tolerance():
    units = {"price": 1, "delta": 1, "gamma": 1, "theta": 365, "vega": 100, "rho": 100}
    rows = [
        row
        for row in table("option_pricing_reference.csv")
        if row["style"] == "european" and row["model"] == "bsm" and row["quantity"] in units
    ]
    assert len(rows) > 30

    for row in rows:
        got = greeks(
            float(row["vol"]),
            spot=float(row["spot"]),
            strike=float(row["strike"]),
            years=float(row["t_years"]),
            right=row["type"][0].upper(),
            rate=float(row["rate"]),
            dividend_yield=float(row["dividend_yield"]),
        )
        value = float(getattr(got, row["quantity"])) * units[row["quantity"]]
        assert value == pytest.approx(float(row["value"]), abs=float(row["tolerance"])), row["id"]
