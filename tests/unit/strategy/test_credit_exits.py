from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.strategy import CreditExitPolicy, CreditFacts, ExitRule, due_credit_exits

TODAY = date(2026, 1, 5)
CENTS = st.integers(1, 5_000).map(lambda cents: Decimal(cents) / 100)


def facts(**changes):
    known = {"credit": Decimal("2.00"), "debit": Decimal("2.00"), "expiry": TODAY + timedelta(days=45)}
    return CreditFacts(**known | {"today": TODAY} | changes)


def rules(policy, **changes):
    return [rule for rule, _ in due_credit_exits(policy, facts(**changes))]


@pytest.mark.parametrize(
    ("debit", "due"),
    [
        ("1.00", [ExitRule.TAKE_PROFIT]),
        ("1.01", []),
        ("0", [ExitRule.TAKE_PROFIT]),
        ("5.99", []),
        ("6.00", [ExitRule.STOP]),
    ],
)
def test_profit_is_a_part_of_the_credit_and_loss_a_multiple_of_it(debit, due):
    assert rules(CreditExitPolicy(), debit=Decimal(debit)) == due


@pytest.mark.parametrize(("days", "due"), [(22, []), (21, [ExitRule.EXPIRY]), (0, [ExitRule.EXPIRY])])
def test_it_is_bought_back_on_the_day_that_has_few_days_left(days, due):
    assert rules(CreditExitPolicy(), expiry=TODAY + timedelta(days=days)) == due


def test_without_a_price_only_the_days_are_judged():
    near = TODAY + timedelta(days=3)

    assert rules(CreditExitPolicy(), debit=None) == []
    assert rules(CreditExitPolicy(), debit=None, expiry=near) == [ExitRule.EXPIRY]


def test_a_loss_comes_before_the_days():
    [first, second] = due_credit_exits(
        CreditExitPolicy(), facts(debit=Decimal("7.00"), expiry=TODAY + timedelta(days=9))
    )

    assert (first[0], second[0]) == (ExitRule.STOP, ExitRule.EXPIRY)
    assert str(first[1]) == "gain -2.5 (above -2)"
    assert str(second[1]) == "dte 9 (above 21)"


def test_a_profit_is_told_with_what_was_wanted():
    [(rule, reason)] = due_credit_exits(CreditExitPolicy(), facts(debit=Decimal("0.50")))

    assert (rule, str(reason)) == (ExitRule.TAKE_PROFIT, "gain 0.75 (below 0.5)")


def test_what_it_gained_is_not_known_without_a_price():
    assert facts(debit=None).gain is None
    assert facts(debit=Decimal("2.50")).gain == -0.25


def test_a_policy_that_asks_for_nothing_ends_nothing():
    never = CreditExitPolicy(take_profit_fraction=None, stop_multiple=None, min_dte=None)

    assert rules(never, debit=Decimal(99), expiry=TODAY) == []


@given(credit=CENTS, debit=CENTS)
def test_profit_and_loss_are_never_due_together(credit, debit):
    due = rules(CreditExitPolicy(), credit=credit, debit=debit)

    assert len(due) <= 1
    assert (due == [ExitRule.TAKE_PROFIT]) == (debit * 2 <= credit)
    assert (due == [ExitRule.STOP]) == (debit >= credit * 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"take_profit_fraction": 0.0},
        {"take_profit_fraction": 1.1},
        {"stop_multiple": 0.0},
        {"stop_multiple": float("nan")},
        {"min_dte": -1},
    ],
)
def test_a_figure_out_of_its_domain_is_refused(wrong):
    [name] = wrong

    with pytest.raises(InvalidInput, match=name):
        CreditExitPolicy(**wrong)


def test_what_brought_nothing_was_not_sold():
    with pytest.raises(InvalidInput, match="credit is 0"):
        facts(credit=Decimal(0))
