import csv
import os
from pathlib import Path

import numpy as np
import pytest

from ibkeel.options import Unsolved, implied_volatility, price

DATA = os.environ.get("IBKEEL_DATA", "")
MONEY = {"spot": 100.0, "strike": 100.0, "years": 1.0, "right": "C"}


def test_a_price_gives_back_its_volatility():
    got = implied_volatility(price(0.2, **MONEY), **MONEY)

    assert got.values == pytest.approx(0.2, rel=1e-13)
    assert got.reasons == Unsolved.SOLVED


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (9.0, Unsolved.BELOW_INTRINSIC),
        (10.0, Unsolved.NO_TIME_VALUE),
        (110.0, Unsolved.ABOVE_MAXIMUM),
        (200.0, Unsolved.ABOVE_MAXIMUM),
        (np.nan, Unsolved.NOT_FINITE),
        (np.inf, Unsolved.NOT_FINITE),
        (-1.0, Unsolved.OUT_OF_DOMAIN),
    ],
)
def test_a_price_that_no_volatility_gives_is_nan_with_its_reason(value, reason):
    got = implied_volatility(value, spot=110.0, strike=100.0, years=1.0, right="C")

    assert np.isnan(got.values)
    assert got.reasons == reason


def test_an_option_worth_nothing_has_no_time_value():
    got = implied_volatility(0.0, spot=90.0, strike=100.0, years=1.0, right="C")

    assert got.reasons == Unsolved.NO_TIME_VALUE


def test_a_search_that_cannot_settle_says_so():
    got = implied_volatility(5e-324, spot=1.0, strike=100.0, years=1.0, right="C")

    assert np.isnan(got.values)
    assert got.reasons == Unsolved.NOT_FOUND


def test_a_search_that_runs_out_of_steps_says_so(monkeypatch):
    monkeypatch.setattr("ibkeel.options.black._MOST_STEPS", 0)

    got = implied_volatility([20.0, 99.999], **MONEY)

    assert got.reasons.tolist() == [Unsolved.SOLVED, Unsolved.NOT_FOUND]


def test_a_price_that_says_little_about_volatility_is_marked():
    got = implied_volatility([10.0 + 1e-12, 12.0], spot=110.0, strike=100.0, years=0.01, right="C")

    assert got.reasons.tolist() == [Unsolved.SOLVED, Unsolved.SOLVED]
    assert got.is_ill_conditioned.tolist() == [True, False]


def test_the_rounding_of_a_price_is_what_one_rounding_error_does():
    value = float(price(0.2, **MONEY))
    step = 1e-6 * value
    up, down = (implied_volatility(value + by, **MONEY).values for by in (step, -step))

    got = implied_volatility(value, **MONEY)

    assert got.rounding == pytest.approx((up - down) / 2 / 1e-6 * np.finfo(float).eps, rel=1e-4)


def test_one_bad_row_spoils_no_other():
    got = implied_volatility([5.0, np.nan, 8.0], **MONEY)

    assert np.isfinite(got.values).tolist() == [True, False, True]


@pytest.mark.data
def test_prices_of_sixty_digits_give_back_their_volatility_as_far_as_doubles_can_tell():
    with (Path(DATA) / "reference" / "implied_vol_computed_mpmath.csv").open(
        encoding="utf-8", newline=""
    ) as stream:
        rows = list(csv.DictReader(stream))
    numbers = {
        key: np.array([float(row[key]) for row in rows]) for key in rows[0] if key not in {"id", "type"}
    }

    got = implied_volatility(
        numbers["price"],
        spot=numbers["spot"],
        strike=numbers["strike"],
        years=numbers["t_years"],
        right=[row["type"][0].upper() for row in rows],
        rate=numbers["rate"],
        dividend_yield=numbers["dividend_yield"],
    )

    error = np.abs(got.values / numbers["vol"] - 1)
    good, otm = numbers["well_conditioned"] == 1, numbers["is_otm"] == 1
    assert error[good & otm].max() < 2e-13
    # The table's spots are no doubles either: one rounding error of theirs is lost in the money.
    lost = got.rounding * numbers["spot"] / numbers["price"] / numbers["vol"]
    assert (error[good & ~otm] < 10 * lost[good & ~otm] + 2e-13).all()
    assert set(got.reasons[~good].tolist()) <= {Unsolved.SOLVED, Unsolved.NO_TIME_VALUE}
