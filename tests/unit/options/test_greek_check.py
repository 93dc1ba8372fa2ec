from datetime import UTC, date, datetime

import attrs
import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Greeks, Option, Quote, Stock
from ibkeel.options import (
    CheckTerms,
    DisagreementKind,
    Exercise,
    american_greeks,
    american_price,
    cross_check,
    greeks,
    price,
)

AT = datetime(2025, 5, 16, 15, tzinfo=UTC)
PUT = Option("SPY", date(2025, 6, 20), 95, "P")
TERMS = CheckTerms(spot=100.0, years=0.1, rate=0.05, dividend_yield=0.01)


def quote_with(option=PUT, exercise=Exercise.AMERICAN, volatility=0.25, **change):
    """Quoted a cent around the model, with the model's own greeks."""
    at = {
        "spot": 100.0,
        "strike": float(option.strike),
        "years": 0.1,
        "right": option.right,
        "rate": 0.05,
        "dividend_yield": 0.01,
    }
    american = exercise is Exercise.AMERICAN
    value = float((american_price if american else price)(volatility, **at))
    found = (american_greeks if american else greeks)(volatility, **at)
    sent = {
        "iv": volatility,
        "price": value,
        "underlying_price": 100.0,
        **{name: float(getattr(found, name)) for name in ("delta", "gamma", "theta", "vega")},
    }
    return Quote(
        contract=option, at=AT, bid=value - 0.01, ask=value + 0.01, greeks=Greeks(**{**sent, **change})
    )


@pytest.mark.parametrize("exercise", list(Exercise))
@pytest.mark.parametrize("right", ["C", "P"])
def test_greeks_of_the_same_model_agree(exercise, right):
    option = attrs.evolve(PUT, right=right)

    got = cross_check(quote_with(option, exercise), attrs.evolve(TERMS, exercise=exercise))

    assert got.agrees
    assert got.disagreements == ()
    assert got.volatility[0] < got.volatility[1] < got.volatility[2]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"underlying_price": 99.0}, DisagreementKind.UNDERLYING_MOVED, "-1.00%"),
        ({"iv": 0.40}, DisagreementKind.IV_OUTSIDE_QUOTE, "iv 0.4000"),
        ({"price": 9.0}, DisagreementKind.PRICE_OUTSIDE_QUOTE, "outside bid"),
        ({"delta": 0.25}, DisagreementKind.DELTA_SIGN, "of a put"),
        ({"delta": -0.5}, DisagreementKind.DELTA, "delta -0.5000"),
        ({"gamma": 0.2}, DisagreementKind.GAMMA, "gamma 0.2"),
        ({"theta": -0.2}, DisagreementKind.THETA, "theta -0.2"),
        ({"theta": -0.035 * 365}, DisagreementKind.THETA_UNIT, "a year"),
        ({"vega": 0.05}, DisagreementKind.VEGA, "vega 0.05"),
        ({"vega": 8.0}, DisagreementKind.VEGA_UNIT, "for a volatility of 1.00"),
    ],
)
def test_each_difference_is_named_with_both_figures(change, kind, words):
    got = cross_check(quote_with(**change), TERMS)

    assert [one.kind for one in got.disagreements] == [kind]
    assert words in got.disagreements[0].detail
    assert not got.agrees


def test_what_was_not_sent_is_not_compared():
    sent = dict.fromkeys(("iv", "price", "underlying_price", "delta", "gamma", "theta", "vega"))

    assert cross_check(quote_with(**sent), TERMS).agrees


def test_no_greeks_at_all_are_reported_and_ours_are_there():
    got = cross_check(attrs.evolve(quote_with(), greeks=None), TERMS)

    assert [one.kind for one in got.disagreements] == [DisagreementKind.NOT_SENT]
    assert got.own.delta < 0


def test_a_mid_without_volatility_leaves_the_rest_of_the_check():
    deep = Option("SPY", date(2025, 6, 20), 200, "P")
    quote = Quote(contract=deep, at=AT, bid=99.9, ask=100.0, greeks=Greeks(delta=-1.0, underlying_price=90.0))

    got = cross_check(quote, TERMS)

    assert [one.kind for one in got.disagreements] == [
        DisagreementKind.UNDERLYING_MOVED,
        DisagreementKind.OWN_UNSOLVED,
    ]
    assert np.isnan(got.own.delta)


def test_a_bid_at_what_exercise_brings_lets_any_low_volatility_pass():
    deep = Option("SPY", date(2025, 6, 20), 110, "P")
    quote = Quote(contract=deep, at=AT, bid=9.99, ask=10.5, greeks=Greeks(iv=0.05))

    got = cross_check(quote, TERMS)

    assert np.isnan(got.volatility[0])
    assert got.agrees


def test_a_sensitivity_of_nothing_has_no_unit():
    call = Option("SPY", date(2025, 6, 20), 50, "C")
    quote = Quote(contract=call, at=AT, bid=50.16, ask=50.18, greeks=Greeks(vega=0.3))
    terms = attrs.evolve(TERMS, exercise=Exercise.EUROPEAN)

    got = cross_check(quote, terms)

    assert {one.kind for one in got.disagreements} <= {
        DisagreementKind.VEGA,
        DisagreementKind.OWN_UNSOLVED,
        DisagreementKind.VEGA_UNIT,
    }
    assert not got.agrees


@pytest.mark.parametrize(
    "quote",
    [
        Quote(contract=Stock("SPY"), at=AT, bid=1.0, ask=2.0),
        Quote(contract=PUT, at=AT, ask=2.0),
        Quote(contract=PUT, at=AT, bid=1.0),
    ],
    ids=["stock", "no bid", "no ask"],
)
def test_what_cannot_be_compared_is_refused(quote):
    with pytest.raises(InvalidInput, match="valid: both, of an option"):
        cross_check(quote, TERMS)
