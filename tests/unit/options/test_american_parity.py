import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.options import Exercise, american_parity_forward, parity_forward


def columns(given):
    return {
        name: given[name]
        for name in ("strike", "call_bid", "call_ask", "put_bid", "put_ask", "years", "rate")
    }


def chosen(given, which):
    """Of every column those rows."""
    return {name: value[which] if isinstance(value, np.ndarray) else value for name, value in given.items()}


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
    deep_only = chosen(columns(given), deep)

    got = american_parity_forward(**deep_only, spot=60.0)

    assert got == parity_forward(**deep_only)


@pytest.mark.parametrize(
    ("rate", "carry", "due", "not_due"),
    [(0.05, 0.0, (112.5, 125.0), (105.0, 107.5)), (0.01, 0.06, (80.0, 87.5), (92.5, 95.0))],
    ids=["puts", "calls"],
)
def test_only_of_quotes_that_are_time_value_for_the_most_part_early_exercise_is_taken_off(
    quoted, rate, carry, due, not_due
):
    given = columns(
        quoted(540, rate=rate, carry=carry, exercise=Exercise.AMERICAN, smile=lambda m, _: 0.2 + 0 * m)
    )
    forward = 100 * np.exp((rate - carry) * 540 / 365)
    told, silent = (
        chosen(given, (given["strike"] >= least) & (given["strike"] <= most))
        for least, most in (not_due, due)
    )

    assert american_parity_forward(**told, spot=100.0).forward == pytest.approx(forward, abs=0.02)
    assert abs(parity_forward(**told).forward - forward) > 0.3
    assert american_parity_forward(**silent, spot=100.0) == parity_forward(**silent)


def test_what_is_far_from_the_money_changes_nothing(quoted):
    given = columns(quoted(180, exercise=Exercise.AMERICAN))
    expected = american_parity_forward(**given, spot=100.0, pairs=2)
    away = np.abs(given["call_bid"] + given["call_ask"] - given["put_bid"] - given["put_ask"])
    far = np.argsort(away)[6:]
    for name in ("call_bid", "call_ask"):
        given[name][far] *= 1.1

    assert american_parity_forward(**given, spot=100.0, pairs=2) == expected
    assert expected.pairs == 2


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

    shapes = r"\(25,\), \(25,\), \(25,\), \(25,\), \((24,)?\); valid: one dimension, equal"
    with pytest.raises(InvalidInput, match=f"^columns of shapes {shapes}$"):
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
