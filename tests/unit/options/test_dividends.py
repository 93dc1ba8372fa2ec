import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.options import (
    CashDividend,
    Unsolved,
    american_greeks,
    american_implied_volatility,
    american_price,
    escrowed_spot,
    price,
)
from ibkeel.options.inputs import ascending

QUARTERLY = tuple(CashDividend(years=days / 365, amount=1.5) for days in (50, 141, 232))
CHAIN = {
    "spot": 100.0,
    "strike": np.array([80.0, 97.0, 120.0]),
    "years": 274 / 365,
    "rate": 0.05,
}


def finite_differences(
    volatility, *, spot, strike, years, right, rate, dividends, dividend_yield=0.0, size=500
):
    """Price, delta, gamma and theta a day by QuantLib, the share falling by each dividend."""
    ql = pytest.importorskip("QuantLib")
    today = ql.Date(2, 1, 2024)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    curves = [
        ql.YieldTermStructureHandle(ql.FlatForward(today, one, count)) for one in (dividend_yield, rate)
    ]
    flat = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), volatility, count))
    process = ql.BlackScholesMertonProcess(ql.QuoteHandle(ql.SimpleQuote(spot)), *curves, flat)
    paid = [ql.FixedDividend(one.amount, today + round(one.years * 365)) for one in dividends]
    kind = ql.Option.Call if right == "C" else ql.Option.Put
    option = ql.VanillaOption(
        ql.PlainVanillaPayoff(kind, strike), ql.AmericanExercise(today, today + round(years * 365))
    )
    option.setPricingEngine(ql.FdBlackScholesVanillaEngine(process, paid, size, size, 0))
    return option.NPV(), option.delta(), option.gamma(), option.theta() / 365


@pytest.mark.parametrize("right", ["C", "P"])
@pytest.mark.parametrize(
    ("volatility", "dividends"),
    [
        (0.25, QUARTERLY),
        (0.6, QUARTERLY),
        (0.1, QUARTERLY),
        (0.3, (CashDividend(years=1 / 365, amount=2.0),)),
        (0.3, (CashDividend(years=273 / 365, amount=2.0),)),
    ],
)
def test_prices_agree_with_a_scheme_of_another_kind(volatility, dividends, right):
    expected = [
        finite_differences(volatility, **{**CHAIN, "strike": strike}, right=right, dividends=dividends)[0]
        for strike in CHAIN["strike"].tolist()
    ]

    got = american_price(volatility, **CHAIN, right=right, dividends=dividends)

    # The scheme itself is up to 1e-3 off with so few points. A dividend a day before expiry leaves a
    # kink as narrow as the distance of the nodes: that is the worst case.
    assert np.abs(got - expected).max() < 3e-3


@pytest.mark.parametrize("right", ["C", "P"])
def test_slopes_agree_with_the_scheme(right):
    rows = [
        finite_differences(0.25, **{**CHAIN, "strike": strike}, right=right, dividends=QUARTERLY)
        for strike in CHAIN["strike"].tolist()
    ]
    _, delta, gamma, theta = np.array(rows).T

    got = american_greeks(0.25, **CHAIN, right=right, dividends=QUARTERLY)

    assert np.abs(got.delta - delta).max() < 1e-4
    assert np.abs(got.gamma - gamma).max() < 1e-5
    assert np.abs(got.theta - theta).max() < 1e-4


@pytest.mark.parametrize("right", ["C", "P"])
def test_vega_and_rho_agree_with_differences_of_the_scheme(right):
    def at(volatility, rate):
        return finite_differences(
            volatility, **{**CHAIN, "strike": 100.0, "rate": rate}, right=right, dividends=QUARTERLY
        )[0]

    got = american_greeks(0.25, **{**CHAIN, "strike": 100.0}, right=right, dividends=QUARTERLY)

    assert got.vega == pytest.approx((at(0.255, 0.05) - at(0.245, 0.05)), abs=1e-3)
    assert got.rho == pytest.approx((at(0.25, 0.055) - at(0.25, 0.045)), abs=2e-3)


@pytest.mark.parametrize("right", ["C", "P"])
def test_a_dividend_of_next_to_nothing_changes_nothing(right):
    tiny = (CashDividend(years=0.3, amount=1e-9),)

    got = american_price(0.25, **CHAIN, right=right, dividends=tiny)

    assert got == pytest.approx(american_price(0.25, **CHAIN, right=right), abs=1e-3)


def test_dividends_after_expiry_and_of_nothing_leave_the_closed_path():
    later = (CashDividend(years=2.0, amount=5.0), CashDividend(years=0.1, amount=0.0))

    got = american_price(0.25, **CHAIN, right="P", dividends=later)

    assert got.tolist() == american_price(0.25, **CHAIN, right="P").tolist()


def test_each_expiry_sees_its_own_dividends():
    years = np.array([0.1, 0.5, 0.1, 0.5])
    at = {"spot": 100.0, "strike": 100.0, "rate": 0.05, "right": "C"}
    dividends = (CashDividend(years=0.3, amount=2.0),)

    got = american_price(0.25, **at, years=years, dividends=dividends)

    assert got[0] == got[2] == american_price(0.25, **at, years=0.1)
    assert got[1] == got[3] < american_price(0.25, **at, years=0.5) - 0.3


def test_a_call_deep_in_the_money_is_exercised_before_its_dividend():
    deep = {"spot": 100.0, "strike": 50.0, "years": 0.5, "rate": 0.01, "right": "C"}
    tomorrow = (CashDividend(years=1e-4, amount=3.0),)

    got = american_price(0.2, **deep, dividends=tomorrow)

    assert got == pytest.approx(50.0, abs=1e-3)


def test_a_put_deep_in_the_money_is_exercised_unless_a_dividend_is_near():
    deep = {"spot": 50.0, "strike": 105.0, "years": 0.5, "rate": 0.05, "right": "P"}
    far, near = (CashDividend(years=0.49, amount=0.01),), (CashDividend(years=0.01, amount=3.0),)

    at = american_greeks(0.2, **deep, dividends=far)

    assert (at.price, at.delta, at.gamma, at.theta, at.vega, at.rho) == (55.0, -1.0, 0.0, 0.0, 0.0, 0.0)
    assert american_price(0.2, **deep, dividends=near) > 57.0


def test_more_than_a_chunk_of_rows_are_each_themselves():
    strikes = np.linspace(80, 120, 70)

    got = american_price(0.3, **{**CHAIN, "strike": strikes}, right="C", dividends=QUARTERLY)

    alone = american_price(0.3, **{**CHAIN, "strike": strikes[66]}, right="C", dividends=QUARTERLY)
    assert got[66] == pytest.approx(float(alone), rel=1e-12)
    assert (np.diff(got) < 0).all()


@pytest.mark.parametrize("right", ["C", "P"])
def test_a_price_gives_back_its_volatility(right):
    known = np.array([0.35, 0.25, 0.3])
    value = american_price(known, **CHAIN, right=right, dividends=QUARTERLY)

    got = american_implied_volatility(value, **CHAIN, right=right, dividends=QUARTERLY)

    assert got.reasons.tolist() == [0] * 3
    assert got.values == pytest.approx(known, abs=1e-6)
    assert not got.is_ill_conditioned.any()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (4.0, Unsolved.BELOW_INTRINSIC),
        (5.0, Unsolved.NO_TIME_VALUE),
        (104.99, Unsolved.ABOVE_MAXIMUM),
        (np.nan, Unsolved.NOT_FINITE),
        (-1.0, Unsolved.OUT_OF_DOMAIN),
    ],
)
def test_a_price_that_no_volatility_gives_is_nan_with_its_reason(value, reason):
    put = {"spot": 100.0, "strike": 105.0, "years": 0.5, "right": "P", "rate": 0.05}

    got = american_implied_volatility(value, **put, dividends=(CashDividend(years=0.2, amount=0.01),))

    assert np.isnan(got.values)
    assert np.isnan(got.rounding)
    assert got.reasons == reason


def test_dividends_of_nothing_leave_the_volatility_as_it_was():
    value = american_price(0.25, **CHAIN, right="P")
    nothing = (CashDividend(years=0.1, amount=0.0),)

    got = american_implied_volatility(value, **CHAIN, right="P", dividends=nothing)

    assert got.values.tolist() == american_implied_volatility(value, **CHAIN, right="P").values.tolist()


def test_less_time_value_than_the_grid_resolves_is_none():
    put = {"spot": 100.0, "strike": 105.0, "years": 0.5, "right": "P", "rate": 0.05}

    got = american_implied_volatility(5.0 + 1e-5, **put, dividends=(CashDividend(years=0.2, amount=0.01),))

    assert got.reasons == Unsolved.NO_TIME_VALUE


def test_a_price_of_a_tiny_fraction_of_a_cent_still_has_its_volatility():
    far = {"spot": 100.0, "strike": 165.0, "years": 0.3, "right": "C", "rate": 0.03, "dividends": QUARTERLY}
    value = american_price(0.3, **far)

    assert value < 0.01
    assert american_implied_volatility(value, **far).values == pytest.approx(0.3, abs=1e-5)


def test_rows_out_of_the_domain_keep_their_reason_beside_good_ones():
    got = american_greeks(
        [0.2, 0.0, np.nan], spot=100.0, strike=100.0, years=0.5, right="C", dividends=QUARTERLY
    )

    assert got.reasons.tolist() == [Unsolved.SOLVED, Unsolved.OUT_OF_DOMAIN, Unsolved.NOT_FINITE]
    assert np.isnan(got.price).tolist() == [False, True, True]


def test_interest_below_nothing_is_no_trouble_with_dividends_in_cash():
    at = {**CHAIN, "rate": -0.01, "dividend_yield": -0.03, "right": "P"}

    got = american_greeks(0.2, **at, dividends=QUARTERLY)

    assert got.reasons.tolist() == [0] * 3


def test_dividends_of_one_instant_are_added_up_in_order_of_time():
    several = [CashDividend(years=years, amount=1.0) for years in (0.5, 0.2, 0.5)]

    got = ascending(several)

    assert got == (CashDividend(years=0.2, amount=1.0), CashDividend(years=0.5, amount=2.0))


@pytest.mark.parametrize(
    ("years", "amount"), [(0.0, 1.0), (-0.1, 1.0), (0.5, -1.0), (0.5, np.nan), (np.inf, 1.0)]
)
def test_a_dividend_out_of_its_domain_is_refused(years, amount):
    with pytest.raises(InvalidInput, match="valid: 0 or more"):
        CashDividend(years=years, amount=amount)


def test_the_escrowed_spot_lacks_what_is_paid_before_expiry():
    got = escrowed_spot(100.0, QUARTERLY, years=[0.1, 0.2, 1.0], rate=0.0)

    assert got.tolist() == [100.0, 98.5, 95.5]


def test_without_early_exercise_the_escrowed_price_is_close_below_the_true_one():
    at = {"strike": 110.0, "years": 0.5, "right": "C", "rate": 0.0}
    dividends = (CashDividend(years=0.01, amount=1.0),)

    escrowed = price(0.3, spot=escrowed_spot(100.0, dividends, years=0.5), **at)
    got = american_price(0.3, spot=100.0, **at, dividends=dividends)

    # A dividend at once leaves no time in which the two models could differ.
    assert got == pytest.approx(float(escrowed), abs=3e-3)
