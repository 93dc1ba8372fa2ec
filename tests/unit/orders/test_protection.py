import sys
from datetime import UTC, date, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.model import (
    Combo,
    ComboLeg,
    Option,
    OrderReport,
    OrderState,
    Position,
    Right,
    Side,
    Stock,
    TimeInForce,
)
from ibkeel.orders import (
    CancelOrder,
    ChangeOrder,
    GapKind,
    PlaceStop,
    ProtectionPolicy,
    is_stop,
    part_in,
    protection_gaps,
    stops_at_work,
)
from ibkeel.runner.telling import positions_seen

AT = datetime(2024, 3, 4, tzinfo=UTC)
CALL = Option("SPY", date(2024, 3, 8), 500, Right.CALL)
PUT = Option("SPY", date(2024, 3, 8), 490, Right.PUT)


def held(quantity, contract=CALL):
    return Position(account="DU1", contract=contract, signed_quantity=quantity, average_price=2.0)


def order(number, quantity=2, kind="STP", *, side="SELL", state="acknowledged", contract=CALL, **more):
    return OrderReport(
        order_id=number,
        perm_id=1000 + number,
        client_id=more.pop("client_id", 7),
        client_order_id=f"ibk-{number}",
        contract=contract,
        side=Side(side),
        quantity=quantity,
        order_type=kind,
        state=OrderState(state),
        at=AT,
        **more,
    )


def gaps(position, *orders, policy=None):
    rows = [] if position is None else [position]
    return protection_gaps(rows, orders, policy or ProtectionPolicy())


def kinds(found):
    return [gap.kind for gap in found]


@pytest.mark.parametrize(
    "stop",
    [
        order(1),
        order(1, kind="STP LMT"),
        order(1, kind="TRAIL"),
        order(1, state="working"),
        order(1, 5, filled=3, state="partially_filled"),
        order(1, tif="GTC"),
        order(1, client_id=0),
    ],
)
def test_a_working_stop_of_side_and_size_is_protection(stop):
    assert gaps(held(2), stop) == ()


def test_a_short_position_is_protected_by_a_purchase():
    assert gaps(held(-2), order(1, side="BUY")) == ()


@pytest.mark.parametrize("number", [-2, 2])
def test_a_position_without_a_stop_is_naked_and_wants_one(number):
    (gap,) = gaps(held(number))

    assert (gap.kind, gap.covered) == (GapKind.NAKED, 0)
    assert gap.mends == (PlaceStop(side=Side.SELL if number > 0 else Side.BUY, quantity=2),)


@pytest.mark.parametrize("kind", ["LMT", "MKT"])
def test_an_order_without_a_trigger_is_no_protection_and_leaves_no_room_for_one(kind):
    (gap,) = gaps(held(2), order(1, kind=kind, state="working"))

    assert gap.kind is GapKind.NAKED
    assert gap.mends == ()


def test_a_take_profit_gives_way_to_the_stop_that_is_missing():
    profit = order(2, kind="LMT", state="working", parent_id=1)

    (gap,) = gaps(held(2), profit)

    assert gap.mends == (CancelOrder(order=profit),)


def test_a_stop_that_is_too_small_wants_another_for_the_rest():
    (gap,) = gaps(held(5), order(1))

    assert (gap.kind, gap.covered) == (GapKind.UNDERSIZED, 2)
    assert gap.mends == (PlaceStop(side=Side.SELL, quantity=3),)


@pytest.mark.parametrize("state", ["sent", "unknown", "cancelling"])
def test_a_stop_of_which_nobody_knows_neither_protects_nor_is_doubled(state):
    (gap,) = gaps(held(2), order(1, state=state))

    assert (gap.kind, gap.uncertain) == (GapKind.NAKED, 2)
    assert not any(isinstance(mend, PlaceStop) for mend in gap.mends)
    assert "nobody knows" in gap.detail


def test_a_stop_that_the_venue_shows_as_inactive_is_withdrawn_first():
    dead = order(1, state="unknown", reason="status Inactive")

    (gap,) = gaps(held(2), dead)

    assert gap.mends == (CancelOrder(order=dead),)


def test_a_child_whose_parent_has_not_filled_protects_nothing():
    parent = order(1, 3, "LMT", side="BUY", state="working")
    child = order(2, 3, parent_id=1)

    (gap,) = gaps(held(2), parent, child)

    assert gap.kind is GapKind.NAKED
    assert gap.mends == (PlaceStop(side=Side.SELL, quantity=2),)


def test_a_child_protects_as_much_as_its_parent_has_filled():
    parent = order(1, 4, "LMT", side="BUY", state="partially_filled", filled=2)

    assert gaps(held(2), parent, order(2, 4, parent_id=1)) == ()


def test_a_child_whose_parent_has_filled_is_whole():
    parent = order(1, 2, "LMT", side="BUY", state="filled", filled=2)

    assert gaps(held(2), parent, order(2, parent_id=1)) == ()
    assert gaps(held(2), order(2, parent_id=1)) == ()


def test_a_parent_of_another_client_is_another_order():
    parent = order(1, 2, "LMT", side="BUY", state="working", client_id=9, contract=PUT)

    assert gaps(held(2), parent, order(2, parent_id=1)) == ()


def test_a_group_counts_once():
    assert gaps(held(2), order(1, oca_group="a"), order(2, oca_group="a")) == ()


def test_what_protects_is_told_with_its_size_each_group_once():
    waiting = order(8, parent_id=9, side="SELL")
    orders = [
        order(1, 2, oca_group="one"),
        order(2, 1, oca_group="one"),
        order(3, 4),
        order(4, state="unknown"),
        order(5, side="BUY"),
        waiting,
        order(9, kind="LMT", side="BUY"),
    ]

    units = stops_at_work(held(10), orders)

    assert [(unit.size, [row.order_id for row in unit.orders]) for unit in units] == [(4, [3]), (2, [1, 2])]


def test_the_newer_of_two_stops_is_one_too_many():
    second = order(2)

    (gap,) = gaps(held(2), order(1), second)

    assert (gap.kind, gap.covered) == (GapKind.DOUBLED, 4)
    assert gap.mends == (CancelOrder(order=second),)


def test_a_stop_that_is_too_large_shrinks():
    stop = order(1, 6, filled=1, state="partially_filled")

    (gap,) = gaps(held(2), stop)

    assert gap.kind is GapKind.OVERSIZED
    assert gap.mends == (ChangeOrder(order=stop, quantity=3),)


def test_a_stop_on_the_wrong_side_is_withdrawn():
    wrong = order(1, side="BUY")

    naked, turned = gaps(held(2), wrong)

    assert (naked.kind, turned.kind) == (GapKind.NAKED, GapKind.WRONG_SIDE)
    assert turned.mends == (CancelOrder(order=wrong),)


def test_a_stop_that_ends_with_the_day_is_given_another_time_in_force():
    stop = order(1, tif="DAY")

    (gap,) = gaps(held(2), stop, policy=ProtectionPolicy(tifs=("GTC",)))

    assert gap.kind is GapKind.WRONG_TIF
    assert gap.mends == (ChangeOrder(order=stop, quantity=2, tif=TimeInForce.GTC),)


def test_any_time_in_force_will_do_when_none_is_named():
    assert gaps(held(2), order(1, tif="GTD"), policy=ProtectionPolicy(tifs=())) == ()


def test_a_stop_without_a_position_is_withdrawn():
    stop = order(1, parent_id=9)

    (gap,) = gaps(None, stop)

    assert (gap.kind, gap.held) == (GapKind.OVERSIZED, 0)
    assert gap.mends == (CancelOrder(order=stop),)


def test_where_stops_open_positions_they_are_left_alone():
    policy = ProtectionPolicy(stops_only_close=False)

    assert gaps(None, order(1), policy=policy) == ()
    assert gaps(held(2), order(1), order(2, side="BUY"), policy=policy) == ()


@pytest.mark.parametrize(
    ("position", "policy"),
    [
        (held(2), ProtectionPolicy(long_options=False)),
        (held(-2), ProtectionPolicy(short_options=False)),
        (held(100, Stock("SPY")), ProtectionPolicy(stocks=False)),
        (held(-2), ProtectionPolicy(covered_otherwise=(CALL,))),
        (held(0), ProtectionPolicy()),
    ],
)
def test_what_the_policy_leaves_out_needs_no_stop(position, policy):
    assert gaps(position, policy=policy) == ()


@pytest.mark.parametrize("number", [0.5, -0.5])
def test_a_part_of_a_share_cannot_have_a_stop(number):
    assert gaps(held(number, Stock("SPY"))) == ()


def test_an_ended_order_counts_for_nothing():
    (gap,) = gaps(held(2), order(1, state="cancelled"))

    assert kinds([gap]) == [GapKind.NAKED]
    assert gap.uncertain == 0
    assert gap.mends == (PlaceStop(side=Side.SELL, quantity=2),)


def test_a_stop_is_what_waits_for_a_trigger():
    assert [is_stop(order(1, kind=kind)) for kind in ("STP", "STP LMT", "LMT", "MKT")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_child_of_a_parent_that_ended_in_part_is_as_large_as_the_venue_says():
    parent = order(1, 4, "LMT", side="BUY", state="cancelled", filled=2)

    assert gaps(held(2), parent, order(2, 2, parent_id=1)) == ()


def test_what_nobody_knows_goes_before_a_take_profit_does():
    dead = order(2, state="unknown", parent_id=1)
    profit = order(3, kind="LMT", state="working", parent_id=1)

    (gap,) = gaps(held(2), dead, profit)

    assert gap.mends == (CancelOrder(order=dead),)


def test_a_gap_says_whose_it_is_and_how_large():
    (naked,) = gaps(held(2))
    (unsure,) = gaps(held(2), order(1, state="sent"))
    (alone,) = gaps(None, order(1))

    assert naked.contract == CALL
    assert naked.detail == f"2 {CALL} held, stops at work for 0"
    assert unsure.detail == f"2 {CALL} held, stops at work for 0, for 2 nobody knows"
    assert (alone.contract, alone.covered) == (CALL, 2)


def test_a_single_bought_contract_follows_the_rule_for_bought_ones():
    assert gaps(held(1), policy=ProtectionPolicy(long_options=False)) == ()
    assert kinds(gaps(held(1), policy=ProtectionPolicy(short_options=False))) == [GapKind.NAKED]


@pytest.mark.parametrize("state", ["filled", "working"])
def test_a_stop_that_has_filled_whole_protects_nothing_any_more(state):
    (gap,) = gaps(held(2), order(1, filled=2, state=state))

    assert (gap.kind, gap.covered, gap.uncertain) == (GapKind.NAKED, 0, 0)
    assert gap.mends == (PlaceStop(side=Side.SELL, quantity=2),)


def test_an_ended_order_does_not_hide_a_working_one():
    assert gaps(held(2), order(1, state="cancelled"), order(2)) == ()
    assert gaps(held(2), order(1, 5, state="cancelled", filled=5), order(2)) == ()


def test_what_is_sent_for_a_part_leaves_room_for_the_rest_alone():
    (gap,) = gaps(held(5), order(1, 3, state="sent"), order(2, 1))

    assert (gap.covered, gap.uncertain) == (1, 3)
    assert gap.mends == (PlaceStop(side=Side.SELL, quantity=1),)


def test_the_share_of_a_child_that_has_filled_in_part_is_what_is_left_of_it():
    parent = order(1, 4, "LMT", side="BUY", state="partially_filled", filled=3)
    child = order(2, 4, parent_id=1, filled=1, state="partially_filled")

    (gap,) = gaps(held(3), parent, child)

    assert (gap.kind, gap.covered) == (GapKind.UNDERSIZED, 2)
    assert gap.mends == (PlaceStop(side=Side.SELL, quantity=1),)


def test_every_stop_that_can_be_spared_goes_the_newest_first():
    second, third = order(2), order(3)

    (gap,) = gaps(held(2), order(1), second, third)

    assert gap.mends == (CancelOrder(order=third), CancelOrder(order=second))


def test_every_stop_without_a_position_is_found_behind_those_that_are_in_order():
    mine, limit, alone, other = (
        order(1),
        order(2, 1, "LMT", side="BUY"),
        order(3, contract=PUT),
        order(4, contract=Stock("QQQ")),
    )

    found = gaps(held(2), limit, mine, alone, other)

    assert [gap.contract for gap in found] == [PUT, Stock("QQQ")]


def test_a_stop_behind_an_entry_that_waits_is_not_judged_yet():
    entry = order(2, kind="LMT", side="SELL", state="working")
    behind = order(3, side="BUY", parent_id=2, tif="GTD")

    found = gaps(held(2), order(1), entry, behind)

    assert found == ()


def test_a_stop_behind_an_entry_of_the_same_side_is_asked_for_no_other_time_in_force_yet():
    entry = order(2, kind="LMT", side="BUY", state="working")

    assert gaps(held(2), order(1), entry, order(3, parent_id=2, tif="GTD")) == ()


def stop_and_profit(quantity=2, *, first=2, parent=1, **more):
    """The children of an entry: a stop and a take profit."""
    return (
        order(first, quantity, parent_id=parent, **more),
        order(first + 1, quantity, "LMT", parent_id=parent, **more),
    )


def test_stop_and_take_profit_without_a_position_are_withdrawn():
    stop, profit = stop_and_profit()

    first, second = gaps(None, stop, profit)

    assert (first.mends, second.mends) == ((CancelOrder(order=stop),), (CancelOrder(order=profit),))
    assert (second.kind, second.covered, second.profits) == (GapKind.OVERSIZED, 0, 2)
    assert second.detail == f"0 {CALL} held, stops at work for 0, take profits for 2"


@pytest.mark.parametrize("position", [None, held(1)])
def test_children_of_an_entry_that_has_not_filled_stay(position):
    entry = order(1, 2, "LMT", side="BUY", state="working")

    found = gaps(position, entry, *stop_and_profit(), order(9, 1) if position else entry)

    assert found == ()


def test_without_a_position_both_children_of_an_entry_that_has_begun_to_fill_are_withdrawn():
    entry = order(1, 2, "LMT", side="BUY", state="partially_filled", filled=1)

    found = gaps(None, entry, *stop_and_profit())

    assert [(gap.covered, gap.profits, gap.mends[0].order.order_id) for gap in found] == [
        (1, 0, 2),
        (0, 1, 3),
    ]


@pytest.mark.parametrize("state", ["sent", "unknown", "cancelling"])
def test_a_take_profit_of_which_nobody_knows_is_given_time(state):
    profit = order(2, kind="LMT", parent_id=1, state=state)

    assert gaps(None, profit) == ()
    assert gaps(held(1), order(3, 1), profit) == ()


@pytest.mark.parametrize("kind", ["LMT", "MKT"])
def test_an_exit_on_its_own_is_left_alone(kind):
    assert gaps(None, order(1, kind=kind)) == ()
    assert gaps(held(1), order(1, kind=kind), order(2, 1)) == ()


def test_stop_and_take_profit_are_cut_to_what_is_held():
    stop, profit = stop_and_profit()

    of_stop, of_profit = gaps(held(1), stop, profit)

    assert kinds([of_stop, of_profit]) == [GapKind.OVERSIZED, GapKind.OVERSIZED]
    assert of_stop.mends == (ChangeOrder(order=stop, quantity=1),)
    assert of_profit.mends == (ChangeOrder(order=profit, quantity=1),)


def test_a_take_profit_that_has_filled_in_part_keeps_what_has_filled():
    profit = order(3, 5, "LMT", parent_id=1, filled=2, state="partially_filled")

    (gap,) = gaps(held(1), order(2, 1, parent_id=1), profit)

    assert gap.mends == (ChangeOrder(order=profit, quantity=3),)


def test_a_take_profit_of_a_position_that_needs_no_stop_is_cut_too():
    profit = order(3, 4, "LMT", parent_id=1)

    (gap,) = gaps(held(3), profit, policy=ProtectionPolicy(long_options=False))

    assert gap.mends == (ChangeOrder(order=profit, quantity=3),)


def test_a_take_profit_for_a_part_of_a_share_stays():
    profit = order(3, kind="LMT", parent_id=1, contract=Stock("SPY"))

    assert gaps(held(1.5, Stock("SPY")), order(2, 1, contract=Stock("SPY")), profit) != ()
    assert gaps(held(1.5, Stock("SPY")), profit, policy=ProtectionPolicy(stocks=False)) == ()


def test_what_a_family_is_too_small_for_gets_a_stop_beside_it_and_the_take_profit_stays():
    (gap,) = gaps(held(3), order(2, parent_id=1), order(3, kind="LMT", parent_id=1))

    assert (gap.kind, gap.mends) == (GapKind.UNDERSIZED, (PlaceStop(side=Side.SELL, quantity=1),))


def test_a_take_profit_beside_a_stop_of_another_family_goes():
    profit = order(3, kind="LMT", parent_id=1)

    (gap,) = gaps(held(2), order(9), profit)

    assert (gap.kind, gap.mends) == (GapKind.OVERSIZED, (CancelOrder(order=profit),))


def test_a_take_profit_of_another_client_is_of_another_family():
    profit = order(3, kind="LMT", parent_id=1, client_id=9)

    (gap,) = gaps(held(2), order(2, parent_id=1), profit)

    assert gap.mends == (CancelOrder(order=profit),)


def test_a_take_profit_may_close_what_the_stops_of_others_leave():
    profit = order(3, 3, "LMT", parent_id=1)

    (gap,) = gaps(
        held(3), order(2, 1, parent_id=1), order(9, 1), profit, policy=ProtectionPolicy(long_options=False)
    )

    assert gap.mends == (ChangeOrder(order=profit, quantity=2),)


def test_of_two_take_profits_the_older_is_served_first():
    older, newer = order(3, 2, "LMT", parent_id=1), order(6, 2, "LMT", parent_id=4)

    (gap,) = gaps(held(3), newer, older, policy=ProtectionPolicy(long_options=False))

    assert gap.mends == (ChangeOrder(order=newer, quantity=1),)


def test_take_profits_of_one_group_fill_in_each_others_place():
    both = [order(number, 2, "LMT", parent_id=1) for number in (3, 4)]

    assert gaps(held(2), *both, policy=ProtectionPolicy(long_options=False)) == ()


def test_the_take_profit_of_a_stop_that_is_one_too_many_goes_with_it():
    stop, profit = stop_and_profit(first=5, parent=4)

    doubled, oversized = gaps(held(2), *stop_and_profit(), stop, profit)

    assert (doubled.kind, doubled.mends) == (GapKind.DOUBLED, (CancelOrder(order=stop),))
    assert (oversized.kind, oversized.mends) == (GapKind.OVERSIZED, (CancelOrder(order=profit),))


def test_a_take_profit_that_gives_way_to_a_stop_is_not_cut_as_well():
    profit = order(3, kind="LMT", parent_id=1)

    (gap,) = gaps(held(1), profit)

    assert (gap.kind, gap.mends) == (GapKind.NAKED, (CancelOrder(order=profit),))


def test_what_shares_a_group_with_a_stop_is_a_take_profit_too():
    stop, profit = order(1, oca_group="a"), order(2, kind="LMT", oca_group="a")

    of_stop, of_profit = gaps(held(1), stop, profit)
    alone = gaps(None, stop, profit)

    assert (of_stop.mends[0].order, of_profit.mends[0].order) == (stop, profit)
    assert [gap.mends[0].order for gap in alone] == [stop, profit]


@pytest.mark.parametrize("other", [{"side": "BUY"}, {"contract": PUT}, {"oca_group": "b"}])
def test_what_only_seems_to_share_a_group_is_no_take_profit(other):
    stop = order(1, **({"oca_group": "a"} | other))

    found = gaps(None, stop, order(2, kind="LMT", oca_group="a"))

    assert [gap.mends for gap in found] == [(CancelOrder(order=stop),)]


def test_a_take_profit_on_the_wrong_side_is_withdrawn():
    profit = order(3, kind="LMT", parent_id=1)

    (gap,) = gaps(held(-2), order(9, side="BUY"), profit)

    assert (gap.kind, gap.mends) == (GapKind.WRONG_SIDE, (CancelOrder(order=profit),))


def test_where_stops_open_positions_a_child_is_an_exit_all_the_same():
    policy = ProtectionPolicy(stops_only_close=False)
    group = order(8, oca_group="a"), order(9, kind="LMT", oca_group="a")

    found = gaps(None, *stop_and_profit(), *group, policy=policy)

    assert [gap.mends[0].order.order_id for gap in found] == [2, 3]


def test_stop_and_take_profit_of_one_group_fill_in_each_others_place():
    assert gaps(held(2), order(1, oca_group="a"), order(2, kind="LMT", oca_group="a")) == ()


def test_a_take_profit_is_cut_to_what_its_stop_will_be_when_that_has_filled_in_part():
    stop = order(2, 3, parent_id=1, filled=1, state="partially_filled")
    profit = order(3, 2, "LMT", parent_id=1)

    of_stop, of_profit = gaps(held(1), stop, profit)

    assert of_stop.mends == (ChangeOrder(order=stop, quantity=2),)
    assert of_profit.mends == (ChangeOrder(order=profit, quantity=1),)


def test_take_profits_of_one_group_are_all_cut():
    both = [order(number, 2, "LMT", parent_id=1) for number in (3, 4)]

    (gap,) = gaps(held(1), *both, policy=ProtectionPolicy(long_options=False))

    assert gap.mends == tuple(ChangeOrder(order=row, quantity=1) for row in both)


def test_a_take_profit_beside_its_own_stop_takes_no_room_from_another():
    another = order(6, 1, "LMT", parent_id=4)

    found = gaps(held(2), *stop_and_profit(1), another, policy=ProtectionPolicy(long_options=False))

    assert found == ()


def test_a_gap_says_for_how_much_take_profits_work():
    (gap,) = gaps(held(2), order(3, 1, "LMT", parent_id=1), order(6, 1, "LMT", parent_id=4))

    assert gap.profits == 2
    assert gap.detail == f"2 {CALL} held, stops at work for 0, take profits for 2"


SHORT = attrs.evolve(PUT, con_id=11)
BACK = Combo("SPY", [ComboLeg(con_id=11, side="BUY"), ComboLeg(con_id=12, side="SELL")])


def test_no_stop_is_advised_beside_a_combo_that_buys_the_short_leg_back():
    (gap,) = gaps(held(-2, SHORT), order(1, kind="LMT", side="BUY", state="working", contract=BACK))

    assert (gap.kind, gap.mends) == (GapKind.NAKED, ())


@pytest.mark.parametrize("number", [None, 28812380])
def test_a_stop_on_a_combo_protects_the_legs_that_are_held(number):
    stop = order(1, side="BUY", contract=attrs.evolve(BACK, con_id=number))

    assert gaps(held(-2, SHORT), stop) == ()
    assert [unit.size for unit in stops_at_work(held(-2, SHORT), [stop])] == [2]


def test_the_part_of_a_combo_in_a_leg_is_an_order_of_that_leg():
    part = part_in(order(1, side="SELL", contract=BACK), SHORT)

    assert (part.contract, part.side, part.quantity) == (SHORT, Side.SELL, 2)


def test_a_stop_on_a_combo_of_which_no_leg_is_held_could_open_one():
    (gap,) = gaps(None, order(1, side="BUY", contract=BACK))

    assert (gap.kind, gap.held) == (GapKind.OVERSIZED, 0.0)


@pytest.mark.parametrize("number", [-3, -1, 2])
def test_no_change_of_a_combo_is_advised_for_the_sake_of_one_leg(number):
    legs = [attrs.evolve(BACK.legs[0], ratio=2), BACK.legs[1]]
    stop = order(1, side="BUY", contract=attrs.evolve(BACK, legs=legs))

    found = gaps(held(number, SHORT), stop)

    assert found
    assert not [step for gap in found for step in gap.mends if not isinstance(step, PlaceStop)]


def numbered(contract, number):
    return attrs.evolve(contract, strike=contract.strike + number, con_id=700 + number)


def calls_made_for(positions):
    """Function calls that it takes to look at so many positions, each with a bracket's stop and take profit."""
    rows = [held(2, numbered(CALL, each)) for each in range(positions)]
    family = [
        attrs.evolve(row, oca_group=f"group {each}")
        for each in range(positions)
        for row in stop_and_profit(first=10 * each, parent=10 * each + 9, contract=numbered(CALL, each))
    ]
    calls = 0

    def counted(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(counted)
    try:
        found = protection_gaps(rows, family), positions_seen(AT, rows, family)
    finally:
        sys.setprofile(None)
    assert found[0] == ()
    assert [len(row.protection) for row in found[1].positions] == [2] * positions
    return calls


def test_what_a_position_costs_does_not_grow_with_how_many_there_are():
    """Three hundred with a bracket each took six seconds, in which nothing else ran."""
    assert calls_made_for(80) < 6 * calls_made_for(20)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["STP", "LMT"]),
            st.sampled_from(["BUY", "SELL"]),
            st.sampled_from([None, 1, 2]),
            st.sampled_from(["", "a", "b"]),
        ),
        max_size=6,
    )
)
def test_orders_that_name_the_number_of_their_contract_and_others_count_alike(terms):
    def found(with_numbers):
        bare = [attrs.evolve(numbered(CALL, each), con_id=None) for each in range(3)]
        named = [numbered(CALL, each) for each in range(3)]
        orders = [
            order(number, kind=kind, side=side, parent_id=parent, oca_group=group, contract=contracts[which])
            for number, (which, kind, side, parent, group) in enumerate(terms, 1)
            for contracts in [named if with_numbers or number % 2 else bare]
        ]
        gaps_ = protection_gaps([held(2, each) for each in named], orders, ProtectionPolicy())
        return [
            (gap.kind, gap.contract.strike, gap.held, gap.covered, gap.profits, len(gap.mends))
            for gap in gaps_
        ]

    assert found(True) == found(False)


def test_who_reads_along_is_told_of_a_stop_on_a_combo_as_protection_of_its_legs_too():
    [row] = positions_seen(AT, [held(-2, SHORT)], [order(1, side="BUY", contract=BACK)]).positions

    assert ([each.client_order_id for each in row.protection], row.uncovered) == (["ibk-1"], 0.0)
