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
    with pytest.raises(InvalidInput, match=next(iter(fields))):
        position_size(equity=1e5, premium=5.0, **fields)
