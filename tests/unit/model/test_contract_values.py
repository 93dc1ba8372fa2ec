from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.model import ConId, ContractDetails, Index, Option, OtherContract, Right, Stock, TradingHours
from ibkeel.model.contracts import name_of_series
from ibkeel.testing.strategies import contracts

EXPIRY = date(2026, 1, 16)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize("kind", [Stock, Index])
@pytest.mark.parametrize("symbol", ["", "A\0B", "A\nB", "X" * 65, 7, None])
def test_a_symbol_that_would_break_the_wire_is_refused(kind, symbol):
    with pytest.raises(InvalidInput, match="printable text of 1 to 64"):
        kind(symbol)


def test_a_symbol_may_have_as_many_letters_as_a_field_of_the_wire():
    assert Stock("X" * 64).symbol == "X" * 64


@pytest.mark.parametrize("strike", [float("nan"), float("inf"), -float("inf"), 0, -1, "abc", "NaN"])
def test_a_strike_that_is_no_price_is_refused(strike):
    with pytest.raises(InvalidInput):
        Option("SPY", EXPIRY, strike, Right.CALL)


@pytest.mark.parametrize("multiplier", [0, -100, 1.5, True, "100"])
def test_a_multiplier_that_is_no_whole_number_is_refused(multiplier):
    with pytest.raises(InvalidInput, match="whole number above 0"):
        Option("SPY", EXPIRY, 500, Right.CALL, multiplier=multiplier)


@pytest.mark.parametrize("expiry", ["20260116", datetime(2026, 1, 16, tzinfo=UTC), None])
def test_an_expiry_is_a_date_and_the_refusal_shows_one(expiry):
    with pytest.raises(InvalidInput, match=r"Option.expiry is .*valid: a date such as date\(2025, 5, 23\)"):
        Option("SPY", expiry, 500, Right.CALL)


@pytest.mark.parametrize(
    ("given_right", "right"), [("C", Right.CALL), ("P", Right.PUT), (Right.PUT, Right.PUT)]
)
def test_a_right_may_be_given_as_the_wire_writes_it(given_right, right):
    assert Option("SPY", EXPIRY, 500, given_right).right is right


def test_a_right_is_a_call_or_a_put():
    with pytest.raises(ValueError, match="'X' is not a valid Right; valid: 'C', 'P'"):
        Option("SPY", EXPIRY, 500, "X")


@given(st.decimals("0.01", "99999.99", places=2))
def test_a_float_strike_counts_as_its_shortest_text(strike):
    option = Option("SPY", EXPIRY, float(strike), Right.CALL)

    assert option.strike == strike
    assert (
        option == Option("SPY", EXPIRY, strike, Right.CALL) == Option("SPY", EXPIRY, str(strike), Right.CALL)
    )


@given(contracts(), st.integers(1, 10**9))
def test_the_number_of_a_contract_plays_no_part_in_equality(contract, number):
    numbered = attrs.evolve(contract, con_id=ConId(number))

    assert numbered == contract
    assert hash(numbered) == hash(contract)


@pytest.mark.parametrize("strike", [500, 500.0, "500.00", Decimal("5E+2")])
def test_equal_options_read_alike(strike):
    """The wire's strikes are floats, and an order is known again by what its contract is called."""
    assert str(Option("SPY", EXPIRY, strike, Right.PUT)) == "SPY 2026-01-16 500 P"


def test_a_contract_reads_like_the_thing_it_is():
    option = Option("SPY", EXPIRY, Decimal("500.50"), Right.PUT)

    assert [str(each) for each in (Stock("SPY"), Index("VIX"), option)] == [
        "SPY",
        "VIX",
        "SPY 2026-01-16 500.5 P",
    ]
    assert option.symbol == "SPY"


def test_what_is_not_traded_here_goes_by_its_name_at_the_exchange():
    future = OtherContract("ES", kind="FUT", local_symbol="ESH6")

    assert [str(future), str(attrs.evolve(future, local_symbol=""))] == ["ESH6 (FUT)", "ES (FUT)"]


@pytest.mark.parametrize(
    ("contract", "shown"),
    [
        (Option("SPX", EXPIRY, 6000, "C", trading_class="SPXW"), "SPX 2026-01-16 6000 C (SPXW)"),
        (Option("SPX", EXPIRY, 6000, "C", trading_class="SPX"), "SPX 2026-01-16 6000 C"),
        (Option("SPX", EXPIRY, 6000, "C"), "SPX 2026-01-16 6000 C"),
        (Stock("SPY"), "SPY"),
    ],
)
def test_a_class_is_named_where_it_is_not_that_of_the_underlying(contract, shown):
    assert name_of_series(contract) == shown


def test_a_number_of_numpys_becomes_a_plain_one():
    assert type(Stock("SPY", con_id=np.int64(7)).con_id) is int
    assert Stock("SPY").con_id is None


def test_a_naive_instant_is_refused():
    with pytest.raises(InvalidInput, match="has no time zone"):
        TradingHours(opens_at=NOON.replace(tzinfo=None), closes_at=NOON)


def test_an_instant_is_kept_in_utc():
    eastern = timezone(timedelta(hours=-5))

    hours = TradingHours(opens_at=NOON.astimezone(eastern), closes_at=NOON)

    assert hours.opens_at == NOON
    assert hours.opens_at.tzinfo is UTC


@pytest.mark.parametrize("min_tick", [0, -0.01, float("nan"), "tick"])
def test_a_price_step_is_above_zero(min_tick):
    with pytest.raises(InvalidInput):
        ContractDetails(contract=Stock("SPY"), min_tick=min_tick)


def test_the_values_are_frozen():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Stock("SPY").symbol = "QQQ"
