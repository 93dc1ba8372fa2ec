from datetime import UTC, date, datetime
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import InvalidInput, OrderRefused
from ibkeel.model import (
    Combo,
    ComboLeg,
    Option,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    Position,
    Right,
    Side,
    TimeInForce,
)
from ibkeel.orders import check_exit, exit_room, is_same_contract, plan_exit

CALL = Option("SPY", date(2024, 3, 8), 500, Right.CALL)
PUT = Option("SPY", date(2024, 3, 8), 500, Right.PUT)


def held(quantity, contract=CALL):
    return Position(account="DU1234567", contract=contract, signed_quantity=quantity, average_price=2.0)


def report(quantity, side=Side.SELL, state=OrderState.WORKING, **fields):
    return OrderReport(
        order_id=fields.pop("order_id", 1),
        perm_id=1,
        client_id=7,
        client_order_id="x",
        contract=fields.pop("contract", CALL),
        side=side,
        quantity=quantity,
        order_type="LMT",
        state=state,
        at=datetime(2024, 3, 4, 17, tzinfo=UTC),
        **fields,
    )


def test_a_long_position_is_sold_whole_at_the_market():
    ticket = plan_exit(held(3), ()).ticket

    assert (ticket.side, ticket.quantity, ticket.order_type) == (Side.SELL, 3, OrderType.MKT)


def test_a_short_position_is_bought_back_at_a_limit():
    ticket = plan_exit(held(-2), (), limit_price=Decimal(1)).ticket

    assert (ticket.side, ticket.quantity, ticket.order_type) == (Side.BUY, 2, OrderType.LMT)


def test_a_part_may_be_asked_for_but_never_more_than_is_held():
    assert plan_exit(held(3), (), quantity=2).ticket.quantity == 2
    assert plan_exit(held(3), (), quantity=abs(held(3).signed_quantity)).ticket.quantity == 3
    assert plan_exit(held(3), (), quantity=9).ticket.quantity == 3
    assert plan_exit(held(3), (), quantity=0).ticket is None
    with pytest.raises(InvalidInput, match=r"^quantity is -1; valid: a whole number, 0 or more"):
        plan_exit(held(3), (), quantity=-1)


def test_nothing_is_sent_when_flat():
    plan = plan_exit(held(0), (report(1),))

    assert (plan.ticket, plan.already_exiting) == (None, 0)


def test_open_exits_are_counted():
    plan = plan_exit(held(5), (report(2, filled=1.0),))

    assert (plan.ticket.quantity, plan.already_exiting) == (4, 1)


def test_an_exit_of_unknown_fate_counts_in_full():
    plan = plan_exit(held(2), (report(2, state=OrderState.UNKNOWN, remaining=0.0),))

    assert (plan.ticket, plan.already_exiting) == (None, 2)


def test_one_cancels_all_groups_count_once():
    orders = (report(3, oca_group="g", order_id=1), report(3, oca_group="g", order_id=2))

    assert exit_room(5.0, orders) == 2


def test_children_of_one_parent_count_once_and_those_of_two_or_of_two_clients_each():
    family = (report(2, order_id=2, parent_id=1), report(2, order_id=3, parent_id=1))
    others = (report(1, order_id=5, parent_id=4), report(1, order_id=6), report(1, order_id=7))

    assert exit_room(9.0, family) == 7
    assert exit_room(9.0, (*family, *others)) == 4
    assert exit_room(9.0, (family[0], attrs.evolve(family[1], client_id=9))) == 5


def test_entries_ended_orders_and_other_contracts_do_not_count():
    orders = (report(3, Side.BUY), report(3, state=OrderState.CANCELLED), report(3, contract=PUT))

    assert plan_exit(held(3), orders).ticket.quantity == 3


def test_a_fraction_of_a_share_is_left_over():
    assert exit_room(2.7, ()) == 2


def ticket(quantity=1, side=Side.SELL, contract=CALL):
    return OrderTicket(contract=contract, side=side, quantity=quantity)


def test_an_exit_within_the_position_passes():
    check_exit(ticket(3), held(3), ())


def test_an_exit_is_of_the_position_that_has_its_number():
    numbered = attrs.evolve(CALL, con_id=5)
    position = held(3, attrs.evolve(CALL, con_id=5, trading_class="SPY"))

    check_exit(ticket(3, contract=numbered), position, ())
    with pytest.raises(OrderRefused, match="does not close"):
        check_exit(ticket(3, contract=attrs.evolve(CALL, con_id=6)), held(3, numbered), ())


@pytest.mark.parametrize(
    ("order", "position", "orders"),
    [
        (ticket(4), held(3), ()),
        (ticket(1), held(3), (report(3),)),
        (ticket(1, Side.BUY), held(3), ()),
        (ticket(1), held(0), ()),
        (ticket(1, contract=PUT), held(3), ()),
    ],
)
def test_an_exit_that_would_open_or_overshoot_is_refused(order, position, orders):
    with pytest.raises(OrderRefused):
        check_exit(order, position, orders)


def test_an_exit_trades_what_is_held_under_its_name_and_says_that_it_closes():
    plan = plan_exit(held(3), (), client_order_id="ibk-9", tif=TimeInForce.GTC)

    assert plan.ticket.contract == CALL
    assert plan.ticket.client_order_id == "ibk-9"
    assert plan.ticket.tif is TimeInForce.GTC
    assert plan.ticket.is_closing
    assert plan.held == 3


def test_a_plan_to_send_nothing_says_what_is_held_too():
    assert plan_exit(held(2), (report(2),)).held == 2


def test_a_single_contract_is_closed():
    assert plan_exit(held(1), ()).ticket.quantity == 1


def test_an_order_that_filled_leaves_the_exits_beside_it_alone():
    full = report(2, filled=2.0, order_id=1)

    assert plan_exit(held(3), (full, report(1, order_id=2))).ticket.quantity == 2


def test_of_a_group_the_largest_counts_and_single_orders_beside_it():
    orders = (
        report(1, oca_group="g", order_id=1),
        report(2, oca_group="g", order_id=2),
        report(1, oca_group="g", order_id=3),
        report(1, order_id=4),
    )

    assert exit_room(5.0, orders) == 2


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (7, 7, True),
        (7, 8, False),
        (7, None, True),
        (None, 7, True),
        (None, None, True),
    ],
)
def test_contracts_are_told_apart_by_number_where_both_have_one(one, other, is_same):
    numbered = [attrs.evolve(CALL, con_id=number) for number in (one, other)]

    assert is_same_contract(*numbered) is is_same


def test_without_a_number_on_either_side_the_terms_decide():
    assert not is_same_contract(attrs.evolve(CALL, con_id=7), PUT)
    assert not is_same_contract(CALL, attrs.evolve(PUT, con_id=7))


def test_the_number_wins_over_the_terms():
    assert is_same_contract(attrs.evolve(CALL, con_id=7), attrs.evolve(PUT, con_id=7))


@pytest.mark.parametrize("side", list(Side))
def test_of_a_flat_position_nothing_is_exiting_whatever_works(side):
    assert plan_exit(held(0), (report(1, side),)).already_exiting == 0


@pytest.mark.parametrize(
    ("terms", "is_same"),
    [
        ({"trading_class": ""}, True),
        ({"exchange": "CBOE"}, True),
        ({"trading_class": "SPYW"}, False),
        ({"multiplier": 10}, False),
        ({"currency": "CAD"}, False),
    ],
)
def test_what_is_held_is_known_by_its_terms_where_an_order_has_no_number(terms, is_same):
    held = attrs.evolve(CALL, trading_class="SPY", con_id=7)
    ordered = attrs.evolve(held, con_id=None, **terms)

    assert is_same_contract(ordered, held) is is_same_contract(held, ordered) is is_same


SHORT = attrs.evolve(CALL, con_id=11)
WING = attrs.evolve(CALL, strike=Decimal(510), con_id=12)


def bought_back(quantity=2, ratio=1, **changes):
    """A combo that buys the short call and sells its wing."""
    legs = [ComboLeg(con_id=11, side="BUY", ratio=ratio), ComboLeg(con_id=12, side="SELL", ratio=ratio)]
    return report(quantity, **{"contract": Combo("SPY", legs), "side": Side.BUY, **changes})


@pytest.mark.parametrize("position", [held(-2, SHORT), held(2, WING)])
def test_a_combo_that_would_close_a_leg_leaves_no_room_for_another_exit_of_it(position):
    plan = plan_exit(position, (bought_back(),))

    assert (plan.ticket, plan.already_exiting) == (None, 2)
    ticket = OrderTicket(contract=position.contract, side=plan_exit(position, ()).ticket.side, quantity=1)
    with pytest.raises(OrderRefused, match="would pass zero"):
        check_exit(ticket, position, (bought_back(),))


def test_a_combo_counts_by_its_ratio_and_by_what_is_left_of_it():
    half = bought_back(2, ratio=2, filled=1.0, average_fill_price=-0.4)

    assert plan_exit(held(-5, SHORT), (half,)).ticket.quantity == 3


def test_a_combo_that_is_sold_trades_its_legs_the_other_way():
    assert plan_exit(held(-2, SHORT), (bought_back(side=Side.SELL),)).ticket.quantity == 2
    assert plan_exit(held(2, SHORT), (bought_back(side=Side.SELL),)).ticket is None


def test_a_combo_of_other_legs_leaves_room():
    other = attrs.evolve(CALL, strike=Decimal(520), con_id=13)

    assert plan_exit(held(-2, other), (bought_back(),)).ticket.quantity == 2
    assert plan_exit(held(-2), (bought_back(),)).ticket.quantity == 2  # its number is not known
