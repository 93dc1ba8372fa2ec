import math

import pytest

from ibkeel.options import (
    black76_greeks,
    black76_implied_volatility,
    black76_price,
    greeks,
    price,
)

AT = {"forward": 19.0, "strike": 19.0, "years": 0.75, "rate": 0.1}


def test_the_textbook_option_on_a_future():
    # Haug, Option Pricing Formulas, 1998, p. 7
    for right in "CP":
        assert black76_price(0.28, right=right, **AT) == pytest.approx(1.7011, abs=1e-4)


def test_a_price_gives_back_its_volatility():
    value = black76_price(0.28, right="P", **AT)

    assert black76_implied_volatility(value, right="P", **AT).values == pytest.approx(0.28, rel=1e-13)


def test_an_option_on_the_share_is_one_on_its_forward():
    known = {"strike": 105.0, "years": 0.5, "right": "C", "rate": 0.04}
    forward = 100.0 * math.exp((0.04 - 0.01) * 0.5)

    got = black76_price(0.3, forward=forward, **known)

    assert got == pytest.approx(float(price(0.3, spot=100.0, dividend_yield=0.01, **known)), rel=1e-13)


def test_greeks_keep_the_forward_where_it_is():
    step = 1e-4

    def slope(name, unit):
        up, down = {**AT, name: AT[name] + step}, {**AT, name: AT[name] - step}
        return (
            (black76_price(0.3, right="C", **up) - black76_price(0.3, right="C", **down)) / (2 * step) * unit
        )

    got = black76_greeks(0.3, right="C", **AT)

    assert got.delta == pytest.approx(slope("forward", 1), rel=1e-6)
    assert got.theta == pytest.approx(-slope("years", 1 / 365), rel=1e-6)
    assert got.rho == pytest.approx(slope("rate", 0.01), rel=1e-6)
    same = greeks(0.3, spot=19.0, strike=19.0, years=0.75, right="C", rate=0.1, dividend_yield=0.1)
    assert got.vega == same.vega
