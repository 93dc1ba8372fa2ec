from datetime import UTC, datetime

import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, Quote, Right, Stock
from ibkeel.options import Exercise, WhyLeftOut, fit_smile, greeks, smile_of_quotes

AT = datetime(2025, 5, 16, 15, tzinfo=UTC)


def skew(log_moneyness, level=0.2):
    return level - 0.25 * log_moneyness + 0.8 * log_moneyness**2


@pytest.mark.parametrize("exercise", list(Exercise))
def test_a_smile_gives_back_the_volatilities_that_made_the_quotes(smile_at, exercise):
    smile = smile_at(exercise=exercise)

    places = np.linspace(-0.2, 0.15, 40)

    assert smile.volatility_at(places) == pytest.approx(skew(places), abs=1.5e-3)
    assert smile.atm_volatility == pytest.approx(0.2, abs=5e-4)
    assert smile.forward == pytest.approx(100 * np.exp(0.03 * 45 / 365), abs=0.02)


def test_every_fitted_volatility_lies_between_bid_and_ask(smile_at):
    smile = smile_at(spread=0.05)

    for point in smile.points:
        assert point.bid <= smile.volatility(point.strike) <= point.ask
        assert point.right is (Right.CALL if point.strike >= smile.forward else Right.PUT)


def test_beyond_the_quoted_strikes_there_is_no_number_unless_asked_for(smile_at):
    smile = smile_at()
    low, high = smile.strikes
    beyond = [low - 1, low, high, high + 1]

    assert smile.covers(beyond).tolist() == [False, True, True, False]
    assert np.isnan(smile.volatility(beyond)).tolist() == [True, False, False, True]
    assert (smile.volatility(beyond, extrapolate=True) > 0).all()
    assert np.isnan(smile.greeks(low - 1, Right.PUT).delta)
    assert smile.greeks(low - 1, Right.PUT, extrapolate=True).delta < 0


def test_variance_beyond_the_strikes_never_falls_below_nothing(smile_at):
    smile = smile_at(smile=lambda place, level: level + 0.5 * place, width=0.15)

    assert (smile.volatility([1e-3, 1.0, 1e6], extrapolate=True) > 0).all()


@pytest.mark.parametrize("exercise", list(Exercise))
@pytest.mark.parametrize(("delta", "right"), [(-0.3, "P"), (-0.1, "P"), (0.3, "C"), (0.5, "C"), (-0.5, "P")])
def test_the_strike_at_a_delta_has_that_delta(smile_at, exercise, delta, right):
    smile = smile_at(exercise=exercise)

    strike = smile.strike_at_delta(delta, Right(right))

    assert smile.greeks(strike, Right(right)).delta == pytest.approx(delta, abs=1e-6)


def test_a_delta_beyond_the_quoted_strikes_is_refused_with_the_deltas_that_there_are(smile_at):
    with pytest.raises(InvalidInput, match=r"between the strikes .* there deltas are"):
        smile_at(width=0.05).strike_at_delta(-0.01, Right.PUT)


def test_greeks_are_those_of_the_formula_at_the_smiles_volatility(smile_at):
    smile = smile_at()

    got = smile.greeks([90.0, 110.0], Right.PUT)

    expected = greeks(
        smile.volatility([90.0, 110.0]),
        spot=100.0,
        strike=[90.0, 110.0],
        years=45 / 365,
        right="P",
        rate=0.04,
        dividend_yield=smile.dividend_yield,
    )
    assert got.vega.tolist() == expected.vega.tolist()
    assert smile.dividend_yield == pytest.approx(0.01, abs=2e-3)


def test_the_expected_move_is_a_straddle_and_a_deviation(smile_at):
    move = smile_at(smile=lambda place, level: level + 0 * place).expected_move

    assert move.straddle_strike == 100.0
    assert move.sigma == pytest.approx(100.4 * 0.2 * (45 / 365) ** 0.5, rel=2e-3)
    assert move.sigma / move.straddle == pytest.approx(1.25, abs=0.02)
    assert move.low * move.high == pytest.approx(smile_at().forward ** 2, rel=1e-6)


def test_the_straddle_is_of_a_pair_that_is_not_crossed(quoted):
    given = quoted(spread=0.02)
    nearest = given["strike"].tolist().index(100.0)
    given["call_ask"][nearest] = 0.05

    move = fit_smile(**given).expected_move

    assert move.straddle_strike == 102.5
    assert move.straddle == pytest.approx(fit_smile(**quoted(spread=0.02)).expected_move.straddle, rel=0.1)


def test_what_cannot_be_used_is_named_with_its_strike(quoted):
    given = quoted()
    places = {strike: row for row, strike in enumerate(given["strike"].tolist())}
    given["put_bid"][places[80.0]] = 0.0
    given["put_ask"][places[82.5]] = np.nan
    given["call_bid"][places[120.0]], given["call_ask"][places[120.0]] = 0.5, 0.4
    given["put_ask"][places[85.0]] += 3.0
    given["call_bid"][places[127.5]], given["call_ask"][places[127.5]] = 99.0, 1e4

    got = {one.strike: one.why for one in fit_smile(**given).left_out}

    assert {strike: got.get(strike) for strike in (80.0, 82.5, 85.0, 120.0, 127.5)} == {
        80.0: WhyLeftOut.ONE_SIDED,
        82.5: WhyLeftOut.ONE_SIDED,
        85.0: WhyLeftOut.WIDE,
        120.0: WhyLeftOut.CROSSED,
        127.5: WhyLeftOut.UNSOLVED,
    }


def test_too_few_strikes_are_refused_with_what_was_wrong(quoted):
    given = quoted()
    for name in ("put_bid", "call_bid"):
        given[name] = np.where((given["strike"] > 96) & (given["strike"] < 101), given[name], 0.0)

    with pytest.raises(
        InvalidInput, match=r"2 strikes can be used; valid: 3 or more; left out: 70 one_sided"
    ):
        fit_smile(**given)


def test_two_good_strikes_and_no_other_are_too_few(quoted):
    given = quoted(width=0.02)

    with pytest.raises(InvalidInput, match="left out: nothing else"):
        fit_smile(**given)


def test_a_strike_of_two_classes_is_refused(quoted):
    given = quoted()
    given["strike"][5] = given["strike"][4]

    with pytest.raises(InvalidInput, match="a strike comes twice"):
        fit_smile(**given)


def test_columns_of_different_lengths_are_refused(quoted):
    given = quoted()
    given["call_bid"] = given["call_bid"][1:]

    with pytest.raises(InvalidInput, match="columns of shapes"):
        fit_smile(**given)


def test_the_order_of_the_strikes_does_not_matter(quoted):
    given = quoted()
    turned = {name: value[::-1] if isinstance(value, np.ndarray) else value for name, value in given.items()}

    got, expected = fit_smile(**turned), fit_smile(**given)

    assert got.curve.y.tolist() == expected.curve.y.tolist()
    assert got.points == expected.points


def test_a_call_wing_alone_leaves_the_forward_uncovered(quoted):
    given = quoted()
    pair = given["strike"] == 100.0
    for side in ("put_bid", "put_ask"):
        given[side] = np.where(pair, given[side], np.nan)

    smile = fit_smile(**given)

    assert smile.strikes[0] == 100.0
    assert smile.atm_volatility == pytest.approx(0.2, abs=2e-3)
    assert {one.why for one in smile.left_out} == {WhyLeftOut.ONE_SIDED}


def quotes_of(given):
    for right in "CP":
        side = "call" if right == "C" else "put"
        for row, strike in enumerate(given["strike"].tolist()):
            bid, ask = float(given[f"{side}_bid"][row]), float(given[f"{side}_ask"][row])
            option = Option("XYZ", given["expiry"], strike, right)
            yield Quote(contract=option, at=AT, bid=bid if bid > 0 else None, ask=ask)


def test_quotes_make_the_same_smile_as_their_columns(quoted):
    given = quoted(exercise=Exercise.AMERICAN)

    got = smile_of_quotes(quotes_of(given), spot=100.0, years=given["years"], rate=0.04)

    assert got.points == fit_smile(**given).points
    assert got.expiry == given["expiry"]


def test_a_strike_with_one_right_only_is_as_good_as_its_side(quoted):
    given = quoted()
    some = [
        quote
        for quote in quotes_of(given)
        if 95 < quote.contract.strike < 105
        or (quote.contract.right is Right.CALL) == (quote.contract.strike > 100)
    ]

    got = smile_of_quotes(some, spot=100.0, years=given["years"], rate=0.04, exercise=Exercise.EUROPEAN)

    assert [point.strike for point in got.points] == [point.strike for point in fit_smile(**given).points]


def test_quotes_of_two_expiries_are_refused(quoted):
    with pytest.raises(InvalidInput, match="2 series"):
        smile_of_quotes([*quotes_of(quoted(30)), *quotes_of(quoted(60))], spot=100.0, years=0.1)


def test_a_quote_of_a_share_is_refused():
    with pytest.raises(InvalidInput, match="valid: of options"):
        smile_of_quotes([Quote(contract=Stock("XYZ"), at=AT, bid=1.0, ask=2.0)], spot=100.0, years=0.1)


@pytest.mark.parametrize("extrapolate", [False, True])
def test_a_strike_that_is_none_has_no_volatility_and_harms_no_other(smile_at, extrapolate):
    found = smile_at().volatility([-1.0, 0.0, np.nan, np.inf, 100.0], extrapolate=extrapolate)

    assert np.isnan(found[:4]).all()
    assert found[4] == pytest.approx(float(smile_at().volatility(100.0)))
