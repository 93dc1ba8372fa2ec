import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.options import Exercise, american_parity_forward, parity_forward


def columns(given):
    return {
        name: given[name]
        for name in ("strike", "call_bid", "call_ask", "put_bid", "put_ask", "years", "rate")
    }


@pytest.mark.parametrize(("rate", "carry"), [(0.05, 0.0), (0.04, 0.01), (0.01, 0.06)])
@pytest.mark.parametrize("days", [30, 180, 540])
def test_the_forward_is_that_which_made_the_quotes(quoted, days, rate, carry):
    given = quoted(days, rate=rate, carry=carry, exercise=Exercise.AMERICAN)

    got = american_parity_forward(**columns(given), spot=100.0)

    assert got.forward == pytest.approx(100 * np.exp((rate - carry) * days / 365), abs=0.02)
    assert got.is_consistent


def test_plain_parity_is_off_by_what_early_exercise_adds(quoted):
    given = quoted(540, rate=0.05, carry=0.0, exercise=Exercise.AMERICAN)

    plain = parity_forward(**columns(given)).forward

    # Puts are dear for the right to be paid sooner, so the forward looks low.
    assert plain < american_parity_forward(**columns(given), spot=100.0).forward - 0.5


def test_pairs_without_quotes_or_volatility_do_no_harm(quoted):
    given = quoted(180, exercise=Exercise.AMERICAN)
    expected = american_parity_forward(**columns(given), spot=100.0).forward
    given["put_bid"][3], given["call_ask"][20] = np.nan, np.nan
    given["put_bid"][-1], given["put_ask"][-1] = 1.0, 1.1

    got = american_parity_forward(**columns(given), spot=100.0)

    assert got.forward == pytest.approx(expected, abs=0.01)


def test_no_pair_is_refused(quoted):
    given = quoted()
    given["put_bid"] = given["put_bid"] * 0

    with pytest.raises(InvalidInput, match="has a bid and an ask"):
        american_parity_forward(**columns(given), spot=100.0)


def test_pairs_that_are_all_about_to_be_exercised_give_plain_parity(quoted):
    given = quoted(180, exercise=Exercise.AMERICAN)
    deep = given["strike"] >= 125
    deep_only = {
        name: value[deep] if isinstance(value, np.ndarray) else value
        for name, value in columns(given).items()
    }

    got = american_parity_forward(**deep_only, spot=60.0)

    assert got == parity_forward(**deep_only)


def test_strikes_that_nobody_quotes_leave_the_pairs_near_the_money_their_place(quoted):
    given = columns(quoted(180, exercise=Exercise.AMERICAN))
    expected = american_parity_forward(**given, spot=100.0).forward
    unquoted = np.arange(500.0, 540.0)
    wide = {
        name: np.concatenate([unquoted if name == "strike" else 0 * unquoted, value])
        for name, value in given.items()
        if isinstance(value, np.ndarray)
    }

    got = american_parity_forward(**{**given, **wide}, spot=100.0)

    assert got.forward == expected


@pytest.mark.parametrize("part", [slice(1, None), 0])
def test_columns_that_do_not_fit_together_are_refused(quoted, part):
    given = columns(quoted(180, exercise=Exercise.AMERICAN))
    given["put_ask"] = given["put_ask"][part]

    with pytest.raises(InvalidInput, match=r"valid: one dimension, equal"):
        american_parity_forward(**given, spot=100.0)


def test_a_correction_that_leaves_no_pair_its_prices_is_left_out(quoted):
    given = columns(
        quoted(180, rate=0.05, carry=0.25, exercise=Exercise.AMERICAN, smile=lambda m, _: 0.1 + 0 * m)
    )
    for name in ("call_bid", "put_bid"):
        given[name] = np.maximum(given[name], 0.0)

    got = american_parity_forward(**given, spot=100.0).forward

    assert got == pytest.approx(100 * np.exp((0.05 - 0.25) * 180 / 365), abs=0.05)
    assert parity_forward(**given).forward > got + 4
