import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ibkeel.options import Unsolved, american_price, black76_price, greeks, implied_volatility, price

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


@given(
    spots, st.lists(ratios, min_size=3, max_size=3, unique=True), times, vols, rates, st.sampled_from("CP")
)
def test_a_price_is_monotone_and_convex_in_the_strike(spot, three, years, vol, rate, right):
    low, middle, high = (spot * ratio for ratio in sorted(three))
    assume(high - low > 1e-6 * spot and middle > low and high > middle)

    first, second, third = price(
        vol, spot=spot, strike=[low, middle, high], years=years, right=right, rate=rate
    )

    between = (first * (high - middle) + third * (middle - low)) / (high - low)
    assert second <= between + 1e-12 * spot
    rising = [first, second, third] if right == "P" else [third, second, first]
    assert (np.diff(rising) >= -1e-12 * spot).all()


@given(spots, ratios, times, times, vols)
def test_a_call_without_carry_never_loses_by_more_time(spot, ratio, shorter, longer, vol):
    several = sorted([shorter, longer])

    got = price(vol, spot=spot, strike=spot * ratio, years=several, right="C")

    assert got[1] >= got[0] - 1e-12 * spot


@given(spots, ratios, times, vols, rates, rates, st.sampled_from("CP"))
def test_a_price_lies_within_its_bounds(spot, ratio, years, vol, rate, carry, right):
    share, money = spot * math.exp(-carry * years), spot * ratio * math.exp(-rate * years)
    sign = 1 if right == "C" else -1

    got = price(
        vol, spot=spot, strike=spot * ratio, years=years, right=right, rate=rate, dividend_yield=carry
    )

    highest = share if right == "C" else money
    assert max(sign * (share - money), 0.0) - 1e-12 * spot <= got <= highest * (1 + 1e-12)


@given(spots, ratios, times, vols, rates, st.sampled_from("CP"), st.floats(0.01, 100))
def test_twice_the_money_is_twice_the_price(spot, ratio, years, vol, rate, right, factor):
    at = {"years": years, "right": right, "rate": rate}

    one = price(vol, spot=spot, strike=spot * ratio, **at)

    many = price(vol, spot=spot * factor, strike=spot * factor * ratio, **at)
    assert many == pytest.approx(factor * float(one), rel=1e-9, abs=1e-13 * spot * factor)


@given(
    st.lists(st.tuples(st.floats(), st.floats(), st.floats(), st.floats()), min_size=1, max_size=5), st.data()
)
def test_bad_rows_leave_good_rows_as_they_are(bad, data):
    strikes = np.linspace(70, 140, 12)
    value = price(0.3, spot=100.0, strike=strikes, years=0.4, right="P")
    alone = implied_volatility(value, spot=100.0, strike=strikes, years=0.4, right="P").values
    place = data.draw(st.integers(0, strikes.size))
    rows = np.array(bad)

    got = implied_volatility(
        np.insert(value, place, rows[:, 0]),
        spot=np.insert(np.full(strikes.size, 100.0), place, rows[:, 1]),
        strike=np.insert(strikes, place, rows[:, 2]),
        years=np.insert(np.full(strikes.size, 0.4), place, rows[:, 3]),
        right="P",
    ).values

    assert np.delete(got, range(place, place + len(bad))).tolist() == alone.tolist()


@given(spots, ratios, times, vols, rates, rates, st.sampled_from("CP"))
def test_the_right_to_exercise_early_is_worth_something_or_nothing(
    spot, ratio, years, vol, rate, carry, right
):
    at = {
        "spot": spot,
        "strike": spot * ratio,
        "years": years,
        "right": right,
        "rate": rate,
        "dividend_yield": carry,
    }
    paid, held = (carry, rate) if right == "P" else (rate, carry)
    assume(not (held < 0 and paid < held))

    got = american_price(vol, **at)

    exercised = max(spot - spot * ratio, 0.0) if right == "C" else max(spot * ratio - spot, 0.0)
    assert got >= exercised
    assert got >= float(price(vol, **at)) - 5e-5 * spot * max(ratio, 1.0)
    assert got <= max(spot, spot * ratio) * max(1.0, math.exp(-min(rate, carry) * years))


@given(spots, ratios, times, times, vols)
def test_a_put_without_interest_never_loses_by_more_time(spot, ratio, shorter, longer, vol):
    several = sorted([shorter, longer])

    got = price(vol, spot=spot, strike=spot * ratio, years=several, right="P")

    assert got[1] >= got[0] - 1e-12 * spot


@given(spots, ratios, times, vols, rates, st.sampled_from("CP"))
def test_a_forward_priced_as_one_is_a_share_whose_dividends_are_the_interest(
    spot, ratio, years, vol, rate, right
):
    forward = spot * math.exp(rate * years)
    at = {"strike": spot * ratio, "years": years, "right": right, "rate": rate}

    of_share, of_forward = price(vol, spot=spot, **at), black76_price(vol, forward=forward, **at)

    assert of_forward == pytest.approx(float(of_share), rel=1e-10, abs=1e-13 * spot)


@given(spots, ratios, times, vols, rates, rates, st.sampled_from("CP"))
def test_what_a_position_costs_to_hold_is_what_its_slopes_say(spot, ratio, years, vol, rate, carry, right):
    at = {"spot": spot, "strike": spot * ratio, "years": years, "rate": rate, "dividend_yield": carry}

    got = greeks(vol, right=right, **at)

    # Black and Scholes's equation, a day.
    earned = rate * got.price - (rate - carry) * spot * got.delta - 0.5 * (vol * spot) ** 2 * got.gamma
    assert got.theta == pytest.approx(float(earned) / 365, rel=1e-8, abs=1e-12 * spot)
    # Vega is gamma's other face.
    assert got.vega * 100 == pytest.approx(
        float(got.gamma * spot**2 * vol * years), rel=1e-8, abs=1e-12 * spot
    )


@given(st.floats(), st.floats(), st.floats(), st.floats(), rates, st.sampled_from("CP"))
def test_slopes_of_any_input_are_numbers_or_have_a_reason(vol, spot, strike, years, rate, right):
    got = greeks(vol, spot=spot, strike=strike, years=years, rate=rate, right=right)

    for column in (got.price, got.delta, got.gamma, got.theta, got.vega, got.rho):
        assert np.isnan(column) == (got.reasons != Unsolved.SOLVED)
