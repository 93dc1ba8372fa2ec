import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ibkeel.options import Unsolved, implied_volatility, price

spots = st.floats(1, 1000)
ratios = st.floats(0.5, 2.0)
times = st.floats(0.005, 3)
vols = st.floats(0.03, 3)
rates = st.floats(-0.05, 0.15)


@given(spots, ratios, times, vols, rates, rates)
def test_a_call_less_a_put_is_the_forward_less_the_strike(spot, ratio, years, vol, rate, carry):
    at = {"spot": spot, "strike": spot * ratio, "years": years, "rate": rate, "dividend_yield": carry}

    call, put = price(vol, right="C", **at), price(vol, right="P", **at)

    forward = spot * math.exp(-carry * years) - spot * ratio * math.exp(-rate * years)
    assert call - put == pytest.approx(forward, abs=1e-11 * spot)


@given(spots, ratios, times, st.lists(vols, min_size=2, max_size=8), st.sampled_from("CP"))
def test_a_price_never_falls_as_volatility_rises(spot, ratio, years, several, right):
    got = price(sorted(several), spot=spot, strike=spot * ratio, years=years, right=right)

    assert (np.diff(got) >= -1e-12 * spot).all()


@given(spots, ratios, times, vols, rates, st.sampled_from("CP"))
def test_a_price_gives_back_its_volatility_wherever_time_value_is_left(spot, ratio, years, vol, rate, right):
    at = {"spot": spot, "strike": spot * ratio, "years": years, "right": right, "rate": rate}
    value = float(price(vol, **at))
    money = spot * ratio * math.exp(-rate * years)
    intrinsic = max(spot - money, 0.0) if right == "C" else max(money - spot, 0.0)
    assume(value - intrinsic > 1e-6 * spot)
    assume(value < 0.999 * (spot if right == "C" else money))

    got = implied_volatility(value, **at)

    assert got.reasons == Unsolved.SOLVED
    assert got.values == pytest.approx(vol, rel=1e-7)


@given(st.floats(), st.floats(), st.floats(), st.floats(), st.sampled_from("CP"))
def test_any_input_gives_a_number_or_a_reason_but_never_both(value, spot, strike, years, right):
    got = implied_volatility(value, spot=spot, strike=strike, years=years, right=right)

    assert np.isnan(got.values) == (got.reasons != Unsolved.SOLVED)
