from datetime import date

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ibkeel.model import Right
from ibkeel.options import Exercise, fit_smile, price
from ibkeel.options.smile import smoothed

levels = st.floats(0.1, 0.6)
slopes = st.floats(-0.3, 0.1)
bends = st.floats(0.0, 0.8)
times = st.floats(0.02, 1.5)


def quotes(level, slope, bend, years, spread, rate=0.03, carry=0.01):
    """Bids and asks of 25 strikes around a known smile."""
    forward = 100 * np.exp((rate - carry) * years)
    places = np.linspace(-1.8, 1.8, 25) * level * years**0.5
    strikes = forward * np.exp(places)
    volatility = level + slope * places + bend * places**2
    at = {"spot": 100.0, "strike": strikes, "years": years, "rate": rate, "dividend_yield": carry}
    calls, puts = (price(volatility, right=right, **at) for right in "CP")
    sides = {
        "call_bid": calls - spread,
        "call_ask": calls + spread,
        "put_bid": puts - spread,
        "put_ask": puts + spread,
    }
    rest = {
        "spot": 100.0,
        "years": years,
        "rate": rate,
        "exercise": Exercise.EUROPEAN,
        "expiry": date(2026, 1, 16),
    }
    return {"strike": strikes, **sides, **rest}, volatility


@settings(max_examples=50)
@given(levels, slopes, bends, times, st.floats(1e-4, 0.02))
def test_a_smile_is_as_good_as_its_quotes(level, slope, bend, years, spread):
    given_quotes, volatility = quotes(level, slope, bend, years, spread)
    assume((volatility > 0.03).all())

    smile = fit_smile(**given_quotes)

    known = dict(zip(given_quotes["strike"].tolist(), volatility.tolist(), strict=True))
    for point in smile.points:
        # The fit keeps the mean square of 25 misses: one of them may be five times as far off as the mean.
        doubt = 1.5 * (point.ask - point.bid + 2e-3 * point.mid)
        assert abs(float(smile.volatility(point.strike)) - known[point.strike]) <= doubt


@settings(max_examples=50)
@given(levels, slopes, bends, times, st.permutations(range(25)))
def test_the_order_of_quotes_changes_nothing(level, slope, bend, years, order):
    given_quotes, volatility = quotes(level, slope, bend, years, 0.01)
    assume((volatility > 0.03).all())
    shuffled = {
        name: value[list(order)] if isinstance(value, np.ndarray) else value
        for name, value in given_quotes.items()
    }

    assert fit_smile(**shuffled).curve.y.tolist() == fit_smile(**given_quotes).curve.y.tolist()


@settings(max_examples=50)
@given(levels, slopes, times, st.floats(0.15, 0.85), st.sampled_from(Right))
def test_the_strike_at_a_delta_has_it(level, slope, years, size, right):
    given_quotes, volatility = quotes(level, slope, 0.1, years, 0.001)
    assume((volatility > 0.03).all())
    smile = fit_smile(**given_quotes)
    delta = size if right is Right.CALL else -size

    strike = smile.strike_at_delta(delta, right)

    assert smile.covers(strike)
    assert smile.greeks(strike, right).delta == pytest.approx(delta, abs=1e-5)


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.floats(-1, 1), st.floats(1e-3, 1)), min_size=3, max_size=30),
    st.floats(-1, 1),
    st.floats(-1, 1),
)
def test_smoothing_leaves_every_line_alone_and_adds_to_it(steps, height, tilt):
    gaps, y, doubt = np.array(steps).T
    x = np.cumsum(gaps)

    plain = smoothed(x, y, doubt)
    tilted = smoothed(x, y + height + tilt * x, doubt)

    assert tilted.y == pytest.approx(plain.y + height + tilt * x, abs=1e-4 * (1 + float(np.ptp(x))))
