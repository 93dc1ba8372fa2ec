import numpy as np
import pytest

from ibkeel.options import Unsolved, american_greeks, american_price, greeks

PUT = {"spot": 100.0, "strike": 105.0, "years": 0.75, "right": "P", "rate": 0.05, "dividend_yield": 0.02}
CALL = {"spot": 100.0, "strike": 95.0, "years": 0.5, "right": "C", "rate": 0.03, "dividend_yield": 0.07}


def boundary_integrals(volatility, *, spot, strike, years, right, rate, dividend_yield):
    """QuantLib's price as a function of what changes, by its high-precision scheme."""
    ql = pytest.importorskip("QuantLib")
    today = ql.Date(2, 1, 2024)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    quotes = [ql.SimpleQuote(value) for value in (spot, dividend_yield, rate, volatility)]
    share, carry, interest, level = (ql.QuoteHandle(quote) for quote in quotes)
    curves = [ql.YieldTermStructureHandle(ql.FlatForward(today, one, count)) for one in (carry, interest)]
    flat = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), level, count))
    process = ql.BlackScholesMertonProcess(share, *curves, flat)
    kind = ql.Option.Call if right == "C" else ql.Option.Put

    full = round(years * 365)

    def value(*, spot=spot, rate=rate, volatility=volatility, days=full):
        for quote, level in zip(quotes, (spot, dividend_yield, rate, volatility), strict=True):
            quote.setValue(level)
        option = ql.VanillaOption(
            ql.PlainVanillaPayoff(kind, strike), ql.AmericanExercise(today, today + days)
        )
        option.setPricingEngine(ql.QdFpAmericanEngine(process, ql.QdFpAmericanEngine.highPrecisionScheme()))
        return option.NPV()

    return value


@pytest.mark.parametrize("terms", [PUT, CALL], ids=["put", "call"])
@pytest.mark.parametrize("strike", [85.0, 100.0, 108.0])
@pytest.mark.parametrize("volatility", [0.15, 0.3, 0.8])
def test_sensitivities_agree_with_differences_of_a_finer_scheme(terms, strike, volatility):
    terms = {**terms, "strike": strike, "years": 180 / 365}
    value = boundary_integrals(volatility, **terms)
    spot, rate = terms["spot"], terms["rate"]
    up, at, down = value(spot=spot + 0.2), value(), value(spot=spot - 0.2)

    got = american_greeks(volatility, **terms)

    assert got.price == pytest.approx(at, abs=2e-4)
    assert got.delta == pytest.approx((up - down) / 0.4, abs=2e-4)
    assert got.gamma == pytest.approx((up - 2 * at + down) / 0.04, abs=1e-4)
    assert got.theta == pytest.approx((value(days=179) - value(days=181)) / 2, abs=1e-4)
    assert got.vega == pytest.approx(
        (value(volatility=volatility + 0.001) - value(volatility=volatility - 0.001)) * 5, abs=1e-4
    )
    assert got.rho == pytest.approx((value(rate=rate + 0.005) - value(rate=rate - 0.005)), abs=5e-4)


@pytest.mark.parametrize("terms", [PUT, CALL], ids=["put", "call"])
def test_sensitivities_are_differences_of_our_own_prices(terms):
    def at(**change):
        return float(american_price(change.pop("volatility", 0.25), **{**terms, **change}))

    got = american_greeks(0.25, **terms)

    assert got.price == pytest.approx(at(), abs=5e-4)
    assert got.delta == pytest.approx((at(spot=101.0) - at(spot=99.0)) / 2, abs=1e-3)
    assert got.gamma == pytest.approx(at(spot=101.0) - 2 * at() + at(spot=99.0), abs=1e-3)
    assert got.vega == pytest.approx(at(volatility=0.255) - at(volatility=0.245), abs=1e-3)
    assert got.theta == pytest.approx((at(years=terms["years"] - 1 / 365) - at()), abs=1e-3)


@pytest.mark.parametrize(
    "terms", [{**PUT, "rate": 0.0}, {**CALL, "dividend_yield": 0.0}], ids=["put", "call"]
)
def test_an_exercise_that_never_pays_leaves_the_european_ones(terms):
    got, expected = american_greeks(0.25, **terms), greeks(0.25, **terms)

    for name in ("price", "delta", "gamma", "theta"):
        assert getattr(got, name) == pytest.approx(float(getattr(expected, name)), rel=1e-9)
    assert got.vega == pytest.approx(float(expected.vega), rel=1e-3)


@pytest.mark.parametrize(
    ("terms", "delta"), [({**PUT, "spot": 50.0}, -1.0), ({**CALL, "spot": 250.0}, 1.0)], ids=["put", "call"]
)
def test_an_option_due_for_exercise_moves_with_the_share_and_with_nothing_else(terms, delta):
    got = american_greeks(0.2, **terms)

    assert got.price == abs(terms["spot"] - terms["strike"])
    assert (got.delta, got.gamma, got.theta, got.vega, got.rho) == (delta, 0.0, 0.0, 0.0, 0.0)
    assert got.reasons == Unsolved.SOLVED


@pytest.mark.parametrize("terms", [{**PUT, "spot": 110.0}, {**CALL, "spot": 90.0}], ids=["put", "call"])
def test_an_option_too_far_out_of_the_money_to_have_a_price_does_not_move_at_all(terms):
    got = american_greeks(0.15, **{**terms, "strike": 100.0, "years": 15 / (365 * 24 * 60)})

    assert (got.price, got.delta, got.gamma, got.theta, got.vega) == (0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("rate", [0.0, 0.0004])
def test_next_to_the_rates_that_have_no_price_the_slope_in_the_rate_is_one_sided(rate):
    terms = {**PUT, "rate": rate, "dividend_yield": -0.05}
    up, at = (float(american_price(0.25, **{**terms, "rate": rate + step})) for step in (1e-3, 0.0))

    assert american_greeks(0.25, **terms).rho == pytest.approx((up - at) * 10, abs=2e-3)


def test_rows_without_a_number_have_a_reason():
    got = american_greeks(
        [0.2, 0.0, np.nan, 0.2, 0.2],
        **{**PUT, "spot": [100.0, 100.0, 100.0, -1.0, 100.0]},
    )

    expected = [
        Unsolved.SOLVED,
        Unsolved.OUT_OF_DOMAIN,
        Unsolved.NOT_FINITE,
        Unsolved.OUT_OF_DOMAIN,
        Unsolved.SOLVED,
    ]
    assert got.reasons.tolist() == expected
    for column in (got.price, got.delta, got.gamma, got.theta, got.vega, got.rho):
        assert np.isnan(column).tolist() == [reason != Unsolved.SOLVED for reason in expected]


def test_exercise_between_two_prices_is_not_computed():
    got = american_greeks(0.2, **{**PUT, "rate": -0.01, "dividend_yield": -0.03})

    assert got.reasons == Unsolved.OUT_OF_DOMAIN


def test_columns_have_the_shape_of_the_inputs():
    got = american_greeks(0.2, **{**PUT, "strike": np.full((3, 200), 105.0)})

    assert got.gamma.shape == got.reasons.shape == (3, 200)
    assert np.ptp(got.delta) == 0.0


def test_figures_beyond_all_sense_have_a_reason_too():
    got = american_greeks([1e5, 0.2], **{**PUT, "spot": [1.7e308, 100.0]})

    assert got.reasons.tolist() == [Unsolved.OUT_OF_DOMAIN, Unsolved.SOLVED]
    assert np.isnan(got.delta).tolist() == [True, False]
