"""A choice that is given by its text is that choice, and not silently another one."""

from datetime import UTC, date, datetime
from decimal import Decimal

import attrs
import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, OptionChain, OptionClass, Quote, Right, Side, Stock
from ibkeel.options import (
    CheckTerms,
    DeltaRule,
    Exercise,
    PriceBasis,
    SelectionRule,
    Settlement,
    butterfly,
    calendar,
    fit_smile,
    leg_risks,
    out_of_the_money,
    select,
    settles_at,
    straddle,
    strangle,
    value_at_near_expiry,
    vertical,
)

TODAY, NEAR, FAR = date(2026, 1, 5), date(2026, 1, 16), date(2026, 2, 20)
CHAIN = OptionChain(
    underlying=Stock("SPY"),
    classes=(OptionClass(trading_class="SPY", expiries=(NEAR,), strikes=tuple(range(80, 121))),),
)


def option(strike, right="C", expiry=NEAR):
    return Option("SPY", expiry, strike, right)


def quote_of(contract, bid, ask):
    return Quote(contract=contract, at=datetime(2026, 1, 5, 16, tzinfo=UTC), bid=bid, ask=ask)


SPREAD = vertical(long=option(100), short=option(105))
QUOTES = {option(100): quote_of(option(100), 6.0, 6.4), option(105): quote_of(option(105), 2.0, 2.2)}


@pytest.mark.parametrize("right", Right)
def test_calls_out_of_the_money_are_so_also_when_asked_for_by_their_letter(right):
    rule = SelectionRule(expiry="nearest", step="out", min_otm=0.05, max_otm=0.10, strike_count=9)
    by_letter, by_name = (
        select(CHAIN, spot=100.2, today=TODAY, right=given, rule=rule) for given in (right.value, right)
    )

    distances = [out_of_the_money(one.strike, Decimal("100.2"), right.value) for one in by_letter]

    assert by_letter == by_name
    assert all(Decimal("0.05") <= distance <= Decimal("0.10") for distance in distances)


@pytest.mark.parametrize("basis", PriceBasis)
def test_prices_are_on_the_basis_of_that_name(basis):
    assert SPREAD.priced(QUOTES, basis.value) == SPREAD.priced(QUOTES, basis)


@pytest.mark.parametrize("exercise", Exercise)
def test_exercise_by_name_prices_what_lives_on_and_names_the_same_risks(exercise):
    made = calendar(near=option(100, "P"), far=option(100, "P", FAR))
    priced = attrs.evolve(
        made, legs=[attrs.evolve(leg, price=price) for leg, price in zip(made.legs, (3, 4), strict=True)]
    )
    dividends = {date(2026, 1, 10): 5.0}

    values = [
        value_at_near_expiry(
            priced, [60.0, 100.0], volatility=0.2, rate=0.05, exercise=given
        ).profits.tolist()
        for given in (exercise.value, exercise)
    ]
    risks = [
        leg_risks(SPREAD, QUOTES, spot=107, today=TODAY, exercise=given, dividends=dividends)
        for given in (exercise.value, exercise)
    ]

    assert values[0] == values[1]
    assert risks[0] == risks[1]
    assert CheckTerms(spot=100.0, years=0.1, exercise=exercise.value).exercise is exercise


@pytest.mark.parametrize("exercise", Exercise)
def test_a_smile_is_fitted_by_the_exercise_of_that_name(quoted, exercise):
    given = quoted(180, exercise=exercise)

    found = fit_smile(**{**given, "exercise": exercise.value})

    assert found.exercise is exercise
    assert found.forward == fit_smile(**{**given, "exercise": exercise}).forward


@pytest.mark.parametrize("settlement", Settlement)
def test_settlement_by_name_decides_at_its_hour(settlement):
    assert settles_at(NEAR, settlement.value) == settles_at(NEAR, settlement)


@pytest.mark.parametrize("side", Side)
def test_structures_are_held_on_the_side_of_that_name(side):
    def made(given):
        yield straddle(call=option(100), put=option(100, "P"), side=given)
        yield strangle(call=option(105), put=option(95, "P"), side=given)
        yield butterfly(low=option(95), middle=option(100), high=option(105), side=given)

    assert list(made(side.value)) == list(made(side))


@pytest.mark.parametrize("volatility", [np.float32(0.25), Decimal("0.25")])
def test_a_volatility_may_be_any_number(volatility):
    made = calendar(near=option(100), far=option(100, expiry=FAR))
    priced = attrs.evolve(made, legs=[attrs.evolve(leg, price=4) for leg in made.legs])

    found = value_at_near_expiry(priced, [100.0], volatility=volatility)

    assert found.profits.tolist() == value_at_near_expiry(priced, [100.0], volatility=0.25).profits.tolist()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: select(CHAIN, spot=100, today=TODAY, right="call", rule=SelectionRule()),
        lambda: SPREAD.priced(QUOTES, "best"),
        lambda: settles_at(NEAR, "noon"),
        lambda: SelectionRule(expiry="yearly"),
        lambda: DeltaRule(right="P", kinds=["yearly"]),
        lambda: straddle(call=option(100), put=option(100, "P"), side="HOLD"),
    ],
)
def test_what_is_no_choice_is_refused_with_those_that_are(ask):
    with pytest.raises(InvalidInput, match=r"is not a valid \w+; valid: "):
        ask()
