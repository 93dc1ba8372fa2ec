from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.model import (
    AccountValues,
    DataType,
    Direction,
    Grade,
    Greeks,
    Health,
    HealthCheck,
    PnL,
    Position,
    Quote,
    Right,
    Signal,
    Stock,
    mask_account,
)
from ibkeel.testing.strategies import quotes

NOW = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
SPY = Stock("SPY")
ACCOUNT = "DU1234567"


@pytest.mark.parametrize("field", ["bid", "ask", "last", "close"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, -1])
def test_a_price_of_a_quote_is_above_zero_or_none(field, value):
    with pytest.raises(InvalidInput, match=f"Quote.{field}"):
        Quote(contract=SPY, at=NOW, **{field: value})


@pytest.mark.parametrize("field", ["bid_size", "ask_size", "last_size", "volume", "open_interest"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1])
def test_a_size_of_a_quote_is_zero_or_more_or_none(field, value):
    with pytest.raises(InvalidInput, match=f"Quote.{field}"):
        Quote(contract=SPY, at=NOW, **{field: value})


@pytest.mark.parametrize("field", ["iv", "delta", "gamma", "theta", "vega", "price", "underlying_price"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_greek_is_finite_or_none(field, value):
    with pytest.raises(InvalidInput, match=f"Greeks.{field}"):
        Greeks(**{field: value})


@pytest.mark.parametrize("value", [True, "5", 10**400, Decimal("sNaN"), [1.0]], ids=repr)
def test_a_figure_that_is_no_number_is_refused_by_its_name(value):
    with pytest.raises(InvalidInput, match=r"Greeks\.delta is .*; valid: a finite number"):
        Greeks(delta=value)


@pytest.mark.parametrize("at", [NOW.replace(tzinfo=None), NOW.isoformat(), None], ids=repr)
def test_a_quote_without_an_instant_that_knows_its_zone_is_refused(at):
    with pytest.raises(InvalidInput, match="no time zone"):
        Quote(contract=SPY, at=at)


@given(quotes())
def test_mid_and_spread_need_both_sides(quote):
    two_sided = quote.bid is not None and quote.ask is not None

    assert (quote.mid is not None) == (quote.spread is not None) == two_sided
    assert not two_sided or quote.bid <= quote.mid <= quote.ask


@pytest.mark.parametrize(("bid", "ask", "spread"), [(1.0, 1.5, 0.5), (1.5, 1.0, -0.5), (1.25, 1.25, 0.0)])
def test_the_mid_lies_half_way_and_the_spread_of_a_crossed_market_is_negative(bid, ask, spread):
    quote = Quote(contract=SPY, at=NOW, bid=bid, ask=ask)

    assert (quote.mid, quote.spread) == (1.25, spread)


def test_the_kind_of_a_feed_may_be_given_by_its_text():
    told = {kind: Quote(contract=SPY, at=NOW, data_type=kind.value) for kind in DataType}

    assert {kind: quote.data_type for kind, quote in told.items()} == {kind: kind for kind in DataType}
    assert [kind for kind, quote in told.items() if quote.is_live] == [DataType.LIVE]
    with pytest.raises(InvalidInput, match="'fresh' is not a valid DataType; valid: 'live', 'frozen'"):
        Quote(contract=SPY, at=NOW, data_type="fresh")


@pytest.mark.parametrize("kind", DataType)
def test_only_live_data_are_live(kind):
    assert Quote(contract=SPY, at=NOW, data_type=kind).is_live == (kind is DataType.LIVE)


@pytest.mark.parametrize(
    ("account", "shown"), [("DU1234567", "DU***67"), ("U12345", "U1***45"), ("U123", "***"), ("", "***")]
)
def test_an_account_is_shown_masked(account, shown):
    assert mask_account(account) == mask_account(account, {"DU7654321": "main"}) == shown


def test_an_account_with_an_alias_is_shown_by_it():
    assert mask_account(ACCOUNT, {ACCOUNT: "main"}) == "main"


@pytest.mark.parametrize(
    "value",
    [
        Position(account=ACCOUNT, contract=SPY, signed_quantity=-5, average_price=480.0),
        AccountValues(account=ACCOUNT, at=NOW, net_liquidation="100000.00"),
        PnL(account=ACCOUNT, at=NOW, unrealized=-6.3),
    ],
)
def test_no_repr_shows_the_account(value):
    assert ACCOUNT not in repr(value)


@pytest.mark.parametrize("value", [float("nan"), "nan", "inf", "", "much"])
def test_a_balance_that_is_no_number_is_refused(value):
    with pytest.raises(InvalidInput):
        AccountValues(account=ACCOUNT, at=NOW, net_liquidation=value)
    with pytest.raises(InvalidInput):
        PnL(account=ACCOUNT, at=NOW, realized=value)


def test_balances_are_exact():
    values = AccountValues(account=ACCOUNT, at=NOW, net_liquidation=0.1, total_cash="99999.99")

    assert (values.net_liquidation, values.total_cash, values.buying_power) == (
        Decimal("0.1"),
        Decimal("99999.99"),
        None,
    )


@given(st.lists(st.sampled_from(Grade)))
def test_health_is_as_good_as_its_worst_tier(grades):
    checks = tuple(HealthCheck(name="tier", grade=grade, evidence="seen", at=NOW) for grade in grades)

    health = Health(checks=checks, round_trip=0.1)

    worst = next((g for g in (Grade.DOWN, Grade.DEGRADED, Grade.OK) if g in grades), Grade.DOWN)
    assert health.grade is worst
    assert health.is_ok == (worst is Grade.OK)


@pytest.mark.parametrize("confidence", [-0.01, 1.01, float("nan")])
def test_a_confidence_is_a_fraction(confidence):
    with pytest.raises(InvalidInput, match="0 to 1"):
        Signal(direction=Direction.UP, confidence=confidence)


@pytest.mark.parametrize(
    ("direction", "right", "is_entry"),
    [(Direction.UP, Right.CALL, True), (Direction.DOWN, Right.PUT, True), (Direction.NONE, None, False)],
)
def test_a_direction_names_the_option_that_profits(direction, right, is_entry):
    assert direction.right is right
    assert Signal(direction=direction).is_entry is is_entry
