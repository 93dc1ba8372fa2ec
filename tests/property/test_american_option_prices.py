import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ibkeel.options import (
    CashDividend,
    Unsolved,
    american_greeks,
    american_implied_volatility,
    american_price,
)

ratios = st.floats(0.6, 1.6)
times = st.floats(0.01, 2)
vols = st.floats(0.08, 1.5)
rates = st.floats(0, 0.12)
rights = st.sampled_from("CP")
dividends = st.lists(
    st.builds(CashDividend, years=st.floats(0.01, 1.2), amount=st.floats(0.01, 3.0)), min_size=1, max_size=3
)
# What the two schemes are good for, of a strike of 100: two prices may err against each other.
CLOSE = 100 * 2 * 3e-5


@given(ratios, times, st.lists(vols, min_size=2, max_size=6), rates, rates, rights)
def test_a_price_never_falls_as_volatility_rises(ratio, years, several, rate, carry, right):
    at = {
        "spot": 100 * ratio,
        "strike": 100.0,
        "years": years,
        "rate": rate,
        "dividend_yield": carry,
        "right": right,
    }

    got = american_price(sorted(several), **at)

    assert (np.diff(got) >= -CLOSE).all()


@given(ratios, st.lists(times, min_size=2, max_size=6), vols, rates, rates, rights)
def test_a_price_never_falls_with_more_time(ratio, several, vol, rate, carry, right):
    at = {"spot": 100 * ratio, "strike": 100.0, "rate": rate, "dividend_yield": carry, "right": right}

    got = american_price(vol, years=sorted(several), **at)

    assert (np.diff(got) >= -CLOSE).all()


@given(st.lists(ratios, min_size=3, max_size=3, unique=True), times, vols, rates, rates, rights)
def test_a_price_is_monotone_and_convex_in_the_strike(three, years, vol, rate, carry, right):
    low, middle, high = (100 * ratio for ratio in sorted(three))
    assume(high - middle > 0.1 and middle - low > 0.1)

    first, second, third = american_price(
        vol, spot=100.0, strike=[low, middle, high], years=years, right=right, rate=rate, dividend_yield=carry
    )

    between = (first * (high - middle) + third * (middle - low)) / (high - low)
    assert second <= between + CLOSE
    rising = [first, second, third] if right == "P" else [third, second, first]
    assert (np.diff(rising) >= -CLOSE).all()


@given(ratios, times, vols, rates, rates)
def test_a_call_less_a_put_lies_between_its_bounds(ratio, years, vol, rate, carry):
    at = {"spot": 100 * ratio, "strike": 100.0, "years": years, "rate": rate, "dividend_yield": carry}

    call, put = american_price(vol, right="C", **at), american_price(vol, right="P", **at)

    spot = 100 * ratio
    assert call - put <= spot - 100 * math.exp(-rate * years) + 2 * CLOSE
    assert call - put >= spot * math.exp(-carry * years) - 100 - 2 * CLOSE


@given(ratios, times, vols, rates, rates)
def test_a_call_is_a_put_in_which_share_and_money_change_places(ratio, years, vol, rate, carry):
    call = american_price(
        vol, spot=100.0, strike=100 * ratio, years=years, right="C", rate=rate, dividend_yield=carry
    )
    put = american_price(
        vol, spot=100 * ratio, strike=100.0, years=years, right="P", rate=carry, dividend_yield=rate
    )

    assert call == pytest.approx(float(put), rel=1e-9, abs=1e-9)


@given(ratios, times, vols, rates, rights, st.floats(0.01, 100))
def test_twice_the_money_is_twice_the_price(ratio, years, vol, rate, right, factor):
    at = {"years": years, "right": right, "rate": rate, "dividend_yield": 0.02}

    one = american_price(vol, spot=100 * ratio, strike=100.0, **at)

    many = american_price(vol, spot=100 * ratio * factor, strike=100.0 * factor, **at)
    assert many == pytest.approx(factor * float(one), rel=1e-8, abs=1e-9 * factor)


@given(ratios, times, vols, rates, rates, rights)
def test_a_price_gives_back_its_volatility_wherever_time_value_is_left(ratio, years, vol, rate, carry, right):
    at = {
        "spot": 100 * ratio,
        "strike": 100.0,
        "years": years,
        "rate": rate,
        "dividend_yield": carry,
        "right": right,
    }
    found = american_greeks(vol, **at)
    assume(found.vega > 0.02)
    value = float(american_price(vol, **at))
    assume(value > max((100 - 100 * ratio) * (1 if right == "P" else -1), 0.0) + 0.05)

    got = american_implied_volatility(value, **at)

    assert got.reasons == Unsolved.SOLVED
    again = float(american_price(got.values, **at))
    assert again == pytest.approx(value, abs=2e-3)


@given(st.floats(), st.floats(), st.floats(), st.floats(), rights)
def test_any_input_gives_a_number_or_a_reason_but_never_both(value, spot, strike, years, right):
    got = american_implied_volatility(value, spot=spot, strike=strike, years=years, right=right)
    slopes = american_greeks(value, spot=spot, strike=strike, years=years, right=right)

    assert np.isnan(got.values) == (got.reasons != Unsolved.SOLVED)
    for column in (slopes.price, slopes.delta, slopes.gamma, slopes.theta, slopes.vega, slopes.rho):
        if slopes.reasons != Unsolved.SOLVED:
            assert np.isnan(column)


@given(ratios, times, vols, rates, rates, rights)
def test_slopes_have_their_signs_and_bounds(ratio, years, vol, rate, carry, right):
    at = {
        "spot": 100 * ratio,
        "strike": 100.0,
        "years": years,
        "rate": rate,
        "dividend_yield": carry,
        "right": right,
    }

    got = american_greeks(vol, **at)

    sign = 1 if right == "C" else -1
    assert -1e-3 <= sign * got.delta <= 1 + 1e-3
    assert got.gamma >= -1e-3
    assert got.vega >= -1e-3
    # More time is never worth less to who may exercise at will.
    assert got.theta <= 1e-3
    assert sign * got.rho >= -5e-3


@pytest.mark.long
@settings(max_examples=25)
@given(ratios, times, st.lists(vols, min_size=2, max_size=4), rates, rights, dividends)
def test_with_dividends_a_price_never_falls_as_volatility_rises(ratio, years, several, rate, right, paid):
    got = american_price(
        sorted(several), spot=100 * ratio, strike=100.0, years=years, right=right, rate=rate, dividends=paid
    )

    assert (np.diff(got) >= -CLOSE).all()


@pytest.mark.long
@settings(max_examples=25)
@given(ratios, times, vols, rates, dividends)
def test_dividends_are_good_for_puts_and_bad_for_calls(ratio, years, vol, rate, paid):
    at = {"spot": 100 * ratio, "strike": 100.0, "years": years, "rate": rate}

    less, more = (american_price(vol, right=right, **at, dividends=paid) for right in "CP")

    assert less <= american_price(vol, right="C", **at) + CLOSE
    assert more >= american_price(vol, right="P", **at) - CLOSE
    assert less >= max(100 * ratio - 100.0, 0.0)


@pytest.mark.long
@settings(max_examples=25)
@given(st.lists(ratios, min_size=3, max_size=3, unique=True), times, vols, rates, rights, dividends)
def test_with_dividends_a_price_is_convex_in_the_strike(three, years, vol, rate, right, paid):
    low, middle, high = (100 * ratio for ratio in sorted(three))
    assume(high - middle > 0.1 and middle - low > 0.1)

    first, second, third = american_price(
        vol, spot=100.0, strike=[low, middle, high], years=years, right=right, rate=rate, dividends=paid
    )

    between = (first * (high - middle) + third * (middle - low)) / (high - low)
    assert second <= between + CLOSE


@pytest.mark.long
@settings(max_examples=25)
@given(ratios, times, vols, rates, rights, dividends, st.floats(0.01, 100))
def test_with_dividends_twice_the_money_is_twice_the_price(ratio, years, vol, rate, right, paid, factor):
    larger = [CashDividend(years=one.years, amount=one.amount * factor) for one in paid]
    at = {"years": years, "right": right, "rate": rate}

    one = american_price(vol, spot=100 * ratio, strike=100.0, **at, dividends=paid)

    many = american_price(vol, spot=100 * ratio * factor, strike=100.0 * factor, **at, dividends=larger)
    assert many == pytest.approx(factor * float(one), rel=1e-7, abs=1e-7 * factor)


@pytest.mark.long
@settings(max_examples=40)
@given(st.floats(), st.floats(), st.floats(), st.floats(0, 3), rights, dividends)
def test_with_dividends_any_input_gives_a_number_or_a_reason_but_never_both(
    value, spot, strike, years, right, paid
):
    at = {"spot": spot, "strike": strike, "years": years, "right": right, "dividends": paid}

    got, slopes = american_implied_volatility(value, **at), american_greeks(value, **at)

    assert np.isnan(got.values) == (got.reasons != Unsolved.SOLVED)
    for column in (slopes.price, slopes.delta, slopes.gamma, slopes.theta, slopes.vega, slopes.rho):
        if slopes.reasons != Unsolved.SOLVED:
            assert np.isnan(column)
        else:
            assert np.isfinite(column)
