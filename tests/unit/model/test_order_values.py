from datetime import UTC, date, datetime
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.ibkr.client import library
from ibkeel.model import (
    Bracket,
    ClientOrderId,
    ExecId,
    Execution,
    Index,
    Option,
    OrderId,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    PermId,
    Placement,
    Right,
    Side,
    Stock,
    TimeInForce,
)
from ibkeel.model.orders import fill_name
from ibkeel.testing.strategies import brackets

SPY = Stock("SPY")
CALL = Option("SPY", date(2026, 1, 16), 500, Right.CALL)
NOT_PRICES = [float("nan"), float("inf"), -float("inf"), 0, 0.0, -1, "cheap"]


def limit(side=Side.BUY, price: object = 2):
    return OrderTicket(contract=CALL, side=side, quantity=1, order_type="LMT", limit_price=price)


@pytest.mark.parametrize("quantity", [0, -1, 1.0, float("nan"), float("inf"), True, "1", None])
def test_a_quantity_is_a_whole_number_above_zero(quantity):
    with pytest.raises(InvalidInput, match="whole number above 0"):
        OrderTicket(contract=SPY, side=Side.BUY, quantity=quantity)


def test_a_float_is_told_to_be_an_int():
    with pytest.raises(InvalidInput, match=r"quantity is 1\.0; valid: a whole number above 0, as an int"):
        OrderTicket(contract=SPY, side=Side.SELL, quantity=1.0)


@pytest.mark.parametrize("text", ["a\0b", "a\nb", "half \udcff", 7])
@pytest.mark.parametrize("field", ["client_order_id", "oca_group"])
def test_a_name_that_would_shift_the_fields_of_an_order_on_the_wire_is_refused(field, text):
    with pytest.raises(InvalidInput, match=rf"OrderTicket\.{field} is .*valid: a printable text"):
        OrderTicket(contract=SPY, side=Side.BUY, quantity=1, **{field: text})


def test_so_is_such_a_text_of_a_contract():
    with pytest.raises(InvalidInput, match=r"Stock\.primary_exchange is"):
        Stock("SPY", primary_exchange="AR\0CA")
    with pytest.raises(InvalidInput, match=r"Option\.trading_class is"):
        Option("SPY", date(2026, 1, 16), 500, Right.CALL, trading_class="SPY\0")


@pytest.mark.parametrize("price", NOT_PRICES)
def test_a_limit_that_is_no_price_is_refused(price):
    with pytest.raises(InvalidInput):
        limit(price=price)


@pytest.mark.parametrize("price", NOT_PRICES)
def test_a_stop_that_is_no_price_is_refused(price):
    with pytest.raises(InvalidInput):
        OrderTicket(contract=SPY, side=Side.SELL, quantity=1, order_type=OrderType.STP, stop_price=price)
    with pytest.raises(InvalidInput):
        Bracket(entry=limit(), stop_loss=price)
    with pytest.raises(InvalidInput):
        Bracket(entry=limit(), stop_loss=1, take_profit=price)


@pytest.mark.parametrize(
    ("order_type", "prices"),
    [
        ("MKT", {"limit_price": 1}),
        ("MKT", {"stop_price": 1}),
        ("LMT", {}),
        ("LMT", {"limit_price": 1, "stop_price": 1}),
        ("STP", {}),
        ("STP", {"limit_price": 1}),
        ("STP LMT", {"stop_price": 1}),
        ("STP LMT", {"limit_price": 1}),
    ],
)
def test_an_order_takes_just_the_prices_of_its_type(order_type, prices):
    with pytest.raises(InvalidInput, match=f"a {order_type} order takes"):
        OrderTicket(contract=SPY, side="BUY", quantity=1, order_type=order_type, **prices)


@pytest.mark.parametrize(
    ("order_type", "prices", "words"),
    [
        ("MKT", {}, "MKT"),
        ("LMT", {"limit_price": "2.05"}, "LMT 2.05"),
        ("STP", {"stop_price": "1.02"}, "STP 1.02"),
        ("STP LMT", {"stop_price": "1.02", "limit_price": "1.00"}, "STP 1.02 LMT 1.00"),
    ],
)
def test_an_order_says_its_type_and_prices(order_type, prices, words):
    ticket = OrderTicket(contract=Stock("SPY"), side="SELL", quantity=1, order_type=order_type, **prices)

    assert ticket.terms == words


def test_an_index_cannot_be_ordered():
    with pytest.raises(InvalidInput, match="is VIX; only stocks, options and combos"):
        OrderTicket(contract=Index("VIX"), side=Side.BUY, quantity=1)


@pytest.mark.parametrize("contract", ["SPY", None, library.Stock("SPY", "SMART", "USD")], ids=repr)
def test_what_is_no_contract_of_ours_cannot_be_ordered(contract):
    with pytest.raises(InvalidInput, match="only stocks, options and combos of ibkeel"):
        OrderTicket(contract=contract, side=Side.BUY, quantity=1)


def test_texts_of_the_wire_become_words_of_the_model():
    ticket = OrderTicket(contract=SPY, side="SELL", quantity=1, order_type="MKT", tif="GTC")

    assert (ticket.side, ticket.order_type, ticket.tif) == (Side.SELL, OrderType.MKT, TimeInForce.GTC)


@pytest.mark.parametrize(
    ("side", "stop", "entry", "profit"),
    [
        (Side.BUY, 2, 2, 3),
        (Side.BUY, 1, 2, 2),
        (Side.BUY, 3, 2, 4),
        (Side.BUY, 1, 2, "1.5"),
        (Side.SELL, 1, 2, 3),
        (Side.SELL, 2, 2, 1),
        (Side.SELL, 3, 2, 2),
        (Side.BUY, 2, 2, None),
        (Side.SELL, 1, 2, None),
    ],
)
def test_a_bracket_whose_prices_are_on_the_wrong_side_is_refused(side, stop, entry, profit):
    with pytest.raises(InvalidInput, match="stop < entry < take profit"):
        Bracket(entry=limit(side, entry), stop_loss=stop, take_profit=profit)


def test_the_ladder_of_a_market_entry_is_stop_and_profit():
    entry = OrderTicket(contract=CALL, side=Side.BUY, quantity=1)

    assert Bracket(entry=entry, stop_loss=1, take_profit=2).take_profit == 2
    with pytest.raises(InvalidInput):
        Bracket(entry=entry, stop_loss=2, take_profit=1)


@pytest.mark.parametrize(
    ("order_type", "prices"), [("STP", {"stop_price": 2}), ("STP LMT", {"stop_price": 2, "limit_price": 2})]
)
def test_a_bracket_enters_by_market_or_limit_only(order_type, prices):
    entry = OrderTicket(contract=CALL, side=Side.BUY, quantity=1, order_type=order_type, **prices)

    with pytest.raises(InvalidInput, match="entry is MKT or LMT"):
        Bracket(entry=entry, stop_loss=1)


@given(brackets())
def test_the_children_close_what_the_entry_opens(bracket):
    children = bracket.children()

    *profits, stop = children
    assert stop.order_type is OrderType.STP
    assert (stop.stop_price, stop.limit_price) == (bracket.stop_loss, None)
    assert (
        [child.limit_price for child in profits] == []
        if bracket.take_profit is None
        else [bracket.take_profit]
    )
    for child in children:
        assert child.side is bracket.entry.side.opposite
        assert (child.quantity, child.contract) == (bracket.entry.quantity, bracket.entry.contract)
        assert child.client_order_id is None


@pytest.mark.parametrize(("exit_tif", "tif"), [(None, TimeInForce.DAY), ("GTC", TimeInForce.GTC)])
def test_the_children_only_close_and_may_outlive_their_entry(exit_tif, tif):
    entry = OrderTicket(contract=CALL, side="BUY", quantity=1, client_order_id="mine", oca_group="both")

    children = Bracket(entry=entry, stop_loss=1, take_profit=3, exit_tif=exit_tif).children()

    assert [(row.is_closing, row.tif, row.client_order_id) for row in children] == [(True, tif, None)] * 2
    assert not entry.is_closing


def test_a_stop_limit_makes_the_protective_order_a_stop_limit():
    (stop,) = Bracket(entry=limit(), stop_loss="1.5", stop_limit="1.4").children()

    assert (stop.order_type, stop.stop_price, stop.limit_price) == (
        OrderType.STP_LMT,
        Decimal("1.5"),
        Decimal("1.4"),
    )


@pytest.mark.parametrize("state", OrderState)
def test_three_states_are_final(state):
    assert state.is_final == (state.value in {"filled", "cancelled", "rejected"})


@pytest.mark.parametrize("side", Side)
def test_the_opposite_side_undoes_the_side(side):
    assert side.opposite.opposite is side
    assert side.sign + side.opposite.sign == 0


def test_a_placement_knows_its_family_and_whether_it_was_sent():
    child = Placement(client_order_id=ClientOrderId("b"), order_id=OrderId(2), state=OrderState.SENT)
    parent = Placement(
        client_order_id=ClientOrderId("a"), order_id=None, state=OrderState.INTENT, children=(child,)
    )

    assert parent.family() == (parent, child)
    assert (parent.was_sent, child.was_sent) == (False, True)


@pytest.mark.parametrize("children", range(3))
def test_what_dry_run_kept_back_has_its_names_and_was_not_sent(children):
    kept = Placement.kept("mine", children)

    assert [row.client_order_id for row in kept.family()] == ["mine", "mine-1", "mine-2"][: children + 1]
    assert {(row.order_id, row.state, row.was_sent) for row in kept.family()} == {
        (None, OrderState.INTENT, False)
    }


@pytest.mark.parametrize(
    ("exec_id", "name"),
    [("0000e0d5.6500.01.01", "0000e0d5.6500.01"), ("0000e0d5.6500.01.02", "0000e0d5.6500.01"), ("42", "42")],
)
def test_a_correction_goes_by_the_name_of_its_fill(exec_id, name):
    assert fill_name(exec_id) == name


def test_a_report_says_its_type_and_prices_as_its_ticket_does():
    report = OrderReport(
        order_id=OrderId(1), perm_id=PermId(1), client_id=1, client_order_id=ClientOrderId("a"),
        contract=SPY, side=Side.SELL, quantity=1.0, order_type="STP LMT", stop_price=Decimal("1.02"),
        limit_price=Decimal("1.00"), state=OrderState.WORKING, at=datetime(2026, 1, 5, tzinfo=UTC),
    )  # fmt: skip

    assert report.terms == "STP 1.02 LMT 1.00"
    assert attrs.evolve(report, order_type="LMT", stop_price=None).terms == "LMT 1.00"
    assert attrs.evolve(report, order_type="MKT", stop_price=None, limit_price=None).terms == "MKT"


@given(
    st.sampled_from(["quantity", "price", "commission", "realized_pnl"]),
    st.sampled_from([float("nan"), float("inf")]),
)
def test_a_fill_holds_no_figure_that_is_none(field, value):
    figures = {"quantity": 1.0, "price": 2.0, "commission": 0.65, "realized_pnl": -3.0, field: value}

    with pytest.raises(InvalidInput, match=field):
        Execution(
            exec_id=ExecId("1"),
            order_id=OrderId(1),
            perm_id=PermId(1),
            client_order_id=ClientOrderId("a"),
            account="DU1234567",
            contract=SPY,
            side=Side.BUY,
            at=datetime(2026, 1, 5, tzinfo=UTC),
            **figures,
        )


@pytest.mark.parametrize(
    ("field", "value", "valid"),
    [
        ("side", "buy", "'BUY', 'SELL'"),
        ("order_type", "LIMIT", "'MKT', 'LMT', 'STP', 'STP LMT'"),
        ("tif", "day", "'DAY', 'GTC'"),
    ],
)
def test_a_word_that_an_order_does_not_know_is_refused_with_those_it_does(field, value, valid):
    given = {"contract": Stock("SPY"), "side": "BUY", "quantity": 1} | {field: value}

    with pytest.raises(InvalidInput, match=f"'{value}' is not a valid \\w+; valid: {valid}"):
        OrderTicket(**given)
