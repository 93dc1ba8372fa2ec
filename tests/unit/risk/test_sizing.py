import math
from decimal import Decimal

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.risk import SizeLimit, position_size


def test_the_risk_limit_decides_for_a_cheap_option():
    size = position_size(equity=100_000, premium=5.0)

    assert size.quantity == 10
    assert size.binding.limit is SizeLimit.RISK


def test_the_cash_limit_decides_when_much_may_be_risked():
    size = position_size(equity=10_000, premium=5.0, risk_fraction=1.0)

    assert size.quantity == 19
    assert size.binding.limit is SizeLimit.CASH


def test_available_funds_are_a_further_limit():
    size = position_size(equity=100_000, premium=5.0, available_funds=1_600)

    assert size.quantity == 3
    assert size.binding.limit is SizeLimit.FUNDS


def test_a_configured_limit_is_a_further_limit():
    size = position_size(equity=100_000, premium=5.0, max_contracts=2)

    assert position_size(equity=100_000, premium=5.0, max_contracts=2.0) == size

    assert size.quantity == 2
    assert size.binding.limit is SizeLimit.MAX_CONTRACTS


def test_an_exact_fit_is_not_lost_to_rounding():
    # 0.1 x 3 is 0.30000000000000004 in floats: exact arithmetic keeps the third contract.
    assert (
        position_size(equity=30, premium=0.1, stop_fraction=1, risk_fraction=1, cash_fraction=1).quantity == 3
    )


@pytest.mark.parametrize("equity", [None, math.nan, math.inf, -math.inf, 0, -5, Decimal("NaN"), "junk"])
def test_unreadable_equity_buys_nothing_and_says_so(equity):
    size = position_size(equity=equity, premium=5.0)

    assert size.quantity == 0
    assert size.binding.limit is SizeLimit.EQUITY_UNREADABLE
    assert "equity" in size.explain()


@pytest.mark.parametrize("premium", [None, math.nan, 0.0, -1.0])
def test_an_unreadable_premium_buys_nothing(premium):
    assert position_size(equity=1e5, premium=premium).binding.limit is SizeLimit.PREMIUM_UNREADABLE


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        ({}, "10 contracts, limited by risk: 1000.00 at risk, 100.00 a contract"),
        (
            {"risk_fraction": 1},
            "190 contracts, limited by cash: 95000.00 to spend of equity, 500.00 a contract",
        ),
        ({"available_funds": 1600}, "3 contracts, limited by funds: 1600.00 available, 500.00 a contract"),
        ({"max_contracts": 2}, "2 contracts, limited by max_contracts: configured limit 2"),
        (
            {"equity": math.nan},
            "0 contracts, limited by equity_unreadable: equity is nan; needed: a finite number above 0",
        ),
        (
            {"premium": 0},
            "0 contracts, limited by premium_unreadable: premium is 0; needed: a finite number above 0",
        ),
        (
            {"available_funds": math.nan},
            "0 contracts, limited by funds_unreadable: available funds is nan; needed: a finite number above 0",
        ),
    ],
    ids=str,
)
def test_a_size_tells_the_figures_behind_it(amounts, words):
    assert position_size(**{"equity": 100_000, "premium": 5.0} | amounts).explain() == words


def test_an_equity_of_one_buys_what_is_cheap_enough():
    assert position_size(equity=1, premium=0.01, multiplier=1).quantity == 5


def test_unreadable_funds_buy_nothing():
    size = position_size(equity=1e5, premium=5.0, available_funds=math.nan)

    assert (size.quantity, size.binding.limit) == (0, SizeLimit.FUNDS_UNREADABLE)


def test_negative_funds_buy_nothing():
    assert position_size(equity=1e5, premium=5.0, available_funds=-3).quantity == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"stop_fraction": 0.0},
        {"stop_fraction": 1.1},
        {"risk_fraction": math.nan},
        {"cash_fraction": -0.1},
        {"multiplier": 0},
        {"max_contracts": -1},
    ],
)
def test_a_setting_out_of_its_range_is_refused(fields):
    with pytest.raises(InvalidInput, match=f"^{next(iter(fields))} is "):
        position_size(equity=1e5, premium=5.0, **fields)
