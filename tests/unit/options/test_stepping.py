import numpy as np
import pytest

from ibkeel.options import CashDividend, american_price, greeks
from ibkeel.options.stepping import Terms, stepped


def terms(sign=1.0, **change):
    columns = {
        "volatility": 0.3,
        "spot": 100.0,
        "strike": [80.0, 100.0, 125.0],
        "rate": 0.04,
        "dividend_yield": 0.0,
    }
    table = {
        name: np.broadcast_to(value, 3)[:, np.newaxis].astype(float)
        for name, value in {**columns, **change}.items()
        if name != "years"
    }
    return Terms(sign=np.full((3, 1), sign), years=change.get("years", 0.5), **table)


def test_a_call_that_is_never_exercised_early_has_the_closed_price_and_slopes():
    got = stepped(terms(), ())

    expected = greeks(0.3, spot=100.0, strike=[80.0, 100.0, 125.0], years=0.5, right="C", rate=0.04)
    assert got.price == pytest.approx(expected.price, abs=1e-8)
    assert got.delta == pytest.approx(expected.delta, abs=1e-6)
    assert got.gamma == pytest.approx(expected.gamma, abs=1e-6)


def test_a_put_agrees_with_the_integral_equations():
    got = stepped(terms(sign=-1.0), ())

    expected = american_price(0.3, spot=100.0, strike=[80.0, 100.0, 125.0], years=0.5, right="P", rate=0.04)
    assert got.price == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("years", [0.002, 0.02, 3.0])
@pytest.mark.parametrize("volatility", [0.05, 1.5])
def test_neither_short_lives_nor_long_ones_nor_odd_volatilities_upset_it(years, volatility):
    got = stepped(terms(years=years, volatility=volatility), ())

    expected = greeks(volatility, spot=100.0, strike=[80.0, 100.0, 125.0], years=years, right="C", rate=0.04)
    assert got.price == pytest.approx(expected.price, abs=1e-5)


def test_a_dividend_of_more_than_the_share_leaves_calls_what_exercise_brings_before():
    got = stepped(terms(strike=[20.0, 50.0, 80.0]), (CashDividend(years=1e-3, amount=150.0),))

    assert got.price == pytest.approx([80.0, 50.0, 20.0], abs=0.02)


def test_a_put_is_worth_its_strike_once_the_share_is_paid_out():
    got = stepped(terms(sign=-1.0, rate=0.0), (CashDividend(years=0.25, amount=5000.0),))

    assert got.price == pytest.approx([80.0, 100.0, 125.0], abs=0.1)


def test_rows_do_not_touch_each_other():
    dividends = (CashDividend(years=0.2, amount=2.0),)

    got = stepped(terms(spot=[100.0, np.nan, 100.0]), dividends)

    assert np.isnan(got.price).tolist() == [False, True, False]
    assert got.price[[0, 2]] == pytest.approx(stepped(terms(), dividends).price[[0, 2]], rel=1e-14)
