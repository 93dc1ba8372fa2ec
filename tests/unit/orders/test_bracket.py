from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ibkeel.errors import InvalidInput, OrderRefused
from ibkeel.model import Option, OrderType, Quote, Right, Side, TimeInForce
from ibkeel.orders import build_bracket

CALL = Option("SPY", date(2024, 3, 8), 500, Right.CALL)


def quote(bid, ask):
    return Quote(contract=CALL, at=datetime(2024, 3, 4, 17, tzinfo=UTC), bid=bid, ask=ask)


def test_a_purchase_is_a_limit_at_the_ask_with_a_stop_below_and_a_profit_above():
    bracket = build_bracket(quote=quote(1.98, 2.0), quantity=3, take_profit_fraction=0.5)

    assert (bracket.entry.order_type, bracket.entry.limit_price) == (OrderType.LMT, Decimal("2.00"))
    assert (bracket.stop_loss, bracket.take_profit) == (Decimal("1.60"), Decimal("3.00"))
    assert bracket.entry.quantity == 3


def test_a_sale_is_the_mirror_image():
    bracket = build_bracket(quote=quote(2.0, 2.02), quantity=1, side="SELL", take_profit_fraction=0.5)

    assert bracket.entry.limit_price == Decimal("2.00")
    assert (bracket.stop_loss, bracket.take_profit) == (Decimal("2.40"), Decimal("1.00"))


def test_an_ask_between_ticks_is_rounded_up_so_that_it_still_meets_the_market():
    assert build_bracket(quote=quote(4.10, 4.13), quantity=1).entry.limit_price == Decimal("4.15")


def test_no_profit_order_is_made_unless_asked_for():
    assert build_bracket(quote=quote(1.98, 2.0), quantity=1).take_profit is None


@pytest.mark.parametrize(("bid", "ask"), [(None, 2.0), (2.0, None), (2.1, 2.0)])
def test_a_quote_without_two_good_sides_is_refused(bid, ask):
    with pytest.raises(OrderRefused, match="needed"):
        build_bracket(quote=quote(bid, ask), quantity=1)


def test_a_stop_that_would_fire_at_once_is_refused():
    with pytest.raises(OrderRefused, match="at once"):
        build_bracket(quote=quote(1.5, 2.0), quantity=1, stop_fraction=0.2)


@pytest.mark.parametrize(
    "fields",
    [
        {"stop_fraction": 0.0},
        {"stop_fraction": 1.0},
        {"take_profit_fraction": 0.0},
        {"take_profit_fraction": 1.0, "side": Side.SELL},
    ],
)
def test_a_fraction_out_of_its_range_is_refused(fields):
    with pytest.raises(InvalidInput, match="fraction"):
        build_bracket(quote=quote(1.98, 2.0), quantity=1, **fields)


def test_a_bracket_trades_the_quoted_contract_under_its_name_for_as_long_as_asked():
    bracket = build_bracket(quote=quote(1.98, 2.0), quantity=1, client_order_id="ibk-1", tif=TimeInForce.GTC)

    assert bracket.entry.contract == CALL
    assert bracket.entry.client_order_id == "ibk-1"
    assert bracket.entry.tif is TimeInForce.GTC


def test_of_a_purchase_every_price_between_ticks_goes_up_and_of_a_sale_down():
    bought = build_bracket(quote=quote(4.10, 4.13), quantity=1, stop_fraction=0.2, take_profit_fraction=0.51)
    sold = build_bracket(
        quote=quote(4.13, 4.20), quantity=1, side=Side.SELL, stop_fraction=0.21, take_profit_fraction=0.2
    )

    # 4.15 x 0.80 = 3.32 and x 1.51 = 6.2665; 4.10 x 1.21 = 4.961 and x 0.80 = 3.28; steps of 0.05.
    assert (bought.entry.limit_price, bought.stop_loss, bought.take_profit) == tuple(
        map(Decimal, ("4.15", "3.35", "6.30"))
    )
    assert (sold.entry.limit_price, sold.stop_loss, sold.take_profit) == tuple(
        map(Decimal, ("4.10", "4.95", "3.25"))
    )


def test_a_locked_quote_has_two_good_sides():
    assert build_bracket(quote=quote(2.0, 2.0), quantity=1).entry.limit_price == Decimal(2)


def test_a_profit_of_more_than_all_can_be_asked_of_a_purchase():
    assert build_bracket(quote=quote(1.98, 2.0), quantity=1, take_profit_fraction=1.5).take_profit == Decimal(
        5
    )


def test_a_profit_without_end_is_refused():
    with pytest.raises(InvalidInput, match="below inf"):
        build_bracket(quote=quote(1.98, 2.0), quantity=1, take_profit_fraction=float("inf"))


def test_a_stop_at_the_very_price_would_fire_at_once():
    with pytest.raises(OrderRefused, match="at once"):
        build_bracket(quote=quote(1.60, 2.0), quantity=1, stop_fraction=0.2)
