import csv
import os
from pathlib import Path

import numpy as np
import pytest

from ibkeel.options import (
    Unsolved,
    american_greeks,
    american_implied_volatility,
    american_price,
    implied_volatility,
    price,
)

DATA = os.environ.get("IBKEEL_DATA", "")
PUT = {"spot": 100.0, "strike": 105.0, "years": 0.75, "right": "P", "rate": 0.05, "dividend_yield": 0.02}


def tree(volatility, *, spot, strike, years, right, rate, dividend_yield, steps=1500):
    """Cox, Ross and Rubinstein's tree, a step more and a step less on average."""

    def once(count):
        time = years / count
        up = np.exp(volatility * np.sqrt(time))
        odds = (np.exp((rate - dividend_yield) * time) - 1 / up) / (up - 1 / up)
        sign = 1 if right == "C" else -1
        shares = spot * up ** np.arange(-count, count + 1)
        values = np.maximum(sign * (shares[::2] - strike), 0)
        for level in range(count - 1, -1, -1):
            held = np.exp(-rate * time) * (odds * values[1:] + (1 - odds) * values[:-1])
            values = np.maximum(held, sign * (shares[count - level : count + level + 1 : 2] - strike))
        return values[0]

    return (once(steps) + once(steps + 1)) / 2


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"strike": 90.0},
        {"right": "C", "dividend_yield": 0.06},
        {"right": "C", "rate": 0.01, "dividend_yield": 0.06, "strike": 85.0},
        {"rate": 0.05, "dividend_yield": 0.05},
        {"dividend_yield": -0.01},
        {"right": "C", "rate": -0.01, "dividend_yield": 0.03},
        {"rate": 0.0, "dividend_yield": -0.05},
        {"right": "C", "rate": -0.04, "dividend_yield": 0.0},
    ],
)
def test_prices_agree_with_a_tree(change):
    at = {**PUT, **change}

    assert american_price(0.25, **at) == pytest.approx(tree(0.25, **at), abs=3e-3)


# Prices by the high-precision scheme of QuantLib 1.44.
@pytest.mark.parametrize(
    ("volatility", "expected", "change"),
    [
        (0.07, 2.143537, {"spot": 98.0, "rate": 0.08, "years": 3.0}),
        (0.07, 2.028453, {"spot": 98.0, "rate": 0.12, "years": 2.0, "dividend_yield": 0.02}),
        (0.07, 0.281719, {"spot": 102.0, "rate": 0.12, "years": 3.0}),
    ],
)
def test_volatilities_far_below_the_interest_are_no_trouble(volatility, expected, change):
    at = {**PUT, "strike": 100.0, "dividend_yield": 0.0, **change}

    assert american_price(volatility, **at) == pytest.approx(expected, abs=2e-3)
    assert american_implied_volatility(expected, **at).values == pytest.approx(volatility, abs=1e-3)


@pytest.mark.parametrize(
    ("volatility", "change"),
    [
        (0.73, {"spot": 111.0, "years": 0.5, "dividend_yield": 1.6}),
        (0.59, {"spot": 96.0, "years": 2.0, "dividend_yield": 0.96}),
        (0.6, {"spot": 113.5, "years": 2.0, "dividend_yield": 0.97}),
        (0.73, {"spot": 98.0, "years": 1.5, "dividend_yield": 1.33}),
        (0.24, {"right": "P", "spot": 94.0, "years": 4.0, "rate": 0.17}),
    ],
)
def test_shares_that_are_dear_to_borrow_are_no_trouble(volatility, change):
    at = {**PUT, "strike": 100.0, "right": "C", "rate": 0.03, "dividend_yield": 0.0, **change}
    value = tree(volatility, **at)

    assert american_price(volatility, **at) == pytest.approx(value, abs=1e-2)
    assert american_greeks(volatility, **at).price == pytest.approx(value, abs=1e-2)
    assert american_implied_volatility(value, **at).values == pytest.approx(volatility, abs=1e-2)


def test_a_price_above_any_european_one_has_its_volatility():
    at = {**PUT, "strike": 100.0, "spot": 116.0, "right": "C", "years": 2.0, "dividend_yield": 1.07}
    value = american_price(0.9, **at)

    assert implied_volatility(value, **at).reasons == Unsolved.ABOVE_MAXIMUM
    assert american_implied_volatility(value, **at).values == pytest.approx(0.9, abs=1e-5)
    assert american_implied_volatility(116.0, **at).reasons == Unsolved.ABOVE_MAXIMUM


def test_a_search_that_goes_astray_is_made_again():
    at = {**PUT, "spot": [103.0, 101.0, 100.0], "strike": 100.0, "dividend_yield": 0.0, "years": 5.0}
    prices = american_price([0.04, 0.04, 0.03], **at)

    assert american_implied_volatility(prices, **at).values == pytest.approx([0.04, 0.04, 0.03], abs=1e-4)


def test_low_volatility_and_a_steep_forward_are_no_trouble():
    at = {**PUT, "strike": 100.0, "spot": 97.0, "rate": 0.098, "dividend_yield": 0.018, "years": 1.7}

    assert american_price(0.094, **at) == pytest.approx(tree(0.094, **at), abs=3e-3)


@pytest.mark.parametrize(
    "change",
    [{"rate": 0.0}, {"rate": -0.01, "dividend_yield": 0.01}, {"right": "C", "dividend_yield": 0.0}],
)
def test_an_exercise_that_never_pays_adds_nothing(change):
    at = {**PUT, **change}

    assert american_price(0.25, **at) == pytest.approx(float(price(0.25, **at)), rel=1e-14)


def test_a_put_deep_in_the_money_is_exercised():
    assert american_price(0.2, **{**PUT, "spot": 50.0}) == 55.0


def test_rows_out_of_the_domain_are_nan():
    got = american_price([np.nan, -0.1, 0.2, 0.2], **{**PUT, "spot": [100.0, 100.0, 0.0, 100.0]})

    assert np.isnan(got).tolist() == [True, True, True, False]


def test_exercise_between_two_prices_is_not_computed():
    at = {**PUT, "rate": -0.01, "dividend_yield": -0.03}

    assert np.isnan(american_price(0.2, **at))
    assert american_implied_volatility(9.0, **at).reasons == Unsolved.OUT_OF_DOMAIN


def test_a_price_gives_back_its_volatility():
    at = {**PUT, "strike": [90.0, 100.0, 110.0, 120.0], "right": ["P", "C", "P", "C"]}
    known = np.array([0.3, 0.25, 0.2, 0.4])

    got = american_implied_volatility(american_price(known, **at), **at)

    assert got.reasons.tolist() == [0, 0, 0, 0]
    assert got.values == pytest.approx(known, abs=1e-5)
    assert (got.rounding < 1e-12).all()


def test_a_european_volatility_is_too_high():
    value = american_price(0.25, **PUT)

    got = american_implied_volatility(value, **PUT).values

    assert got < implied_volatility(value, **PUT).values


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (4.9, Unsolved.BELOW_INTRINSIC),
        (5.0, Unsolved.NO_TIME_VALUE),
        (105.0, Unsolved.ABOVE_MAXIMUM),
        (np.nan, Unsolved.NOT_FINITE),
        (-1.0, Unsolved.OUT_OF_DOMAIN),
    ],
)
def test_a_price_that_no_volatility_gives_is_nan_with_its_reason(value, reason):
    got = american_implied_volatility(value, **PUT)

    assert np.isnan(got.values)
    assert got.reasons == reason


def reference(name):
    with (Path(DATA) / "reference" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def terms(rows):
    def column(name):
        return np.array([float(row[name]) for row in rows])

    return column, {
        "spot": column("spot"),
        "strike": column("strike"),
        "years": column("t_years"),
        "right": [row["type"][0].upper() for row in rows],
        "rate": column("rate"),
        "dividend_yield": column("dividend_yield"),
    }


@pytest.mark.data
def test_recorded_prices_of_a_finer_scheme_agree_within_a_tenth_of_a_cent():
    column, at = terms(reference("american_prices_computed_qdfp.csv"))

    got = american_price(column("vol"), **at)

    assert np.abs(got - column("american_price")).max() < 1e-3


@pytest.mark.data
def test_recorded_prices_give_back_their_volatility():
    column, at = terms(reference("american_prices_computed_qdfp.csv"))
    value = column("american_price")
    sign = np.where(np.array(at["right"]) == "C", 1, -1)
    worth = value - np.maximum(sign * (at["spot"] - at["strike"]), 0) > 0.05

    got = american_implied_volatility(value, **at)

    error = np.abs(got.values - column("vol"))[worth]
    assert np.isnan(error).sum() <= 2
    assert np.nanquantile(error, 0.99) < 1e-4
    assert np.array_equal(np.isnan(got.values), got.reasons != Unsolved.SOLVED)


@pytest.mark.data
def test_published_prices_agree_as_far_as_an_independent_tree_does():
    rows = [
        row
        for row in reference("option_pricing_reference.csv")
        if row["style"] == "american" and row["quantity"] == "price" and row["check_abs_err"]
    ]
    rows = [row for row in rows if row["model"] != "crr"]  # those are values of trees of 5 steps and up
    assert len(rows) > 90
    column, at = terms(rows)

    got = american_price(column("vol"), **at)

    # Many of the published values are approximations: the table says how far off each is.
    allowed = column("check_abs_err") + 1e-3 + 1e-5 * at["strike"]
    assert (np.abs(got - column("value")) < allowed).all()


@pytest.mark.parametrize(
    ("strike", "years", "dividend", "volatility"), [(60.3, 1.0, 0.03, 0.36), (64.6, 2.0, 0.3, 0.65)]
)
def test_a_call_deep_in_the_money_gives_back_its_volatility(strike, years, dividend, volatility):
    call = {"spot": 100.0, "strike": strike, "years": years, "right": "C", "dividend_yield": dividend}

    found = american_implied_volatility(american_price(volatility, **call), **call)

    assert float(found.values) == pytest.approx(volatility, abs=1e-4)


def test_one_price_fits_options_of_many_strikes():
    strikes = np.array([100.0, 101.0, 200.0, 60.3])

    found = american_implied_volatility(45.0, spot=100.0, strike=strikes, years=1.0, right="C")

    each = [
        float(american_implied_volatility(45.0, spot=100.0, strike=k, years=1.0, right="C").values)
        for k in strikes
    ]
    assert found.values == pytest.approx(each, rel=1e-12)
    assert np.isfinite(found.values).all()
