"""Brackets and one-cancels-all groups."""

import pytest

from ibkeel.sim.values import OrderStatus


def last_status(events, order_id):
    statuses = [e for e in events if isinstance(e, OrderStatus) and e.order_id == order_id]
    return statuses[-1]


def fills(bench):
    return [(e.order_id, e.quantity, e.price) for e, _ in bench.venue.executions()]


@pytest.fixture
def entered(bench, at):
    """A bracket for ten whose parent filled at 10:05, at 5.00."""
    bench.show(at(10, 5), bid=4.8, ask=5.0, bid_size=50, ask_size=50)
    bench.bracket()
    bench.venue.advance(at(10, 5))
    return bench


def test_a_bracket_is_silent_until_its_last_order_transmits(bench, said_of):
    events = bench.bracket()

    assert said_of(events, 1) == [
        "echo:PreSubmitted",
        "status:PreSubmitted",
        "echo:Submitted",
        "status:Submitted",
    ]
    assert said_of(events, 2) == said_of(events, 3) == ["echo:PreSubmitted", "status:PreSubmitted"]


def test_children_say_that_they_are_children(bench):
    events = bench.bracket()

    assert last_status(events, 2).why_held == "child"
    assert last_status(events, 3).why_held == "child,trigger"
    assert last_status(events, 3).parent_id == 1


def test_a_child_that_becomes_a_limit_order_waits_for_no_trigger(bench, at):
    bench.bracket()

    events = bench.send("SELL", 10, "LMT", limit_price=7.0, order_id=3, parent_id=1, at=at(10, 1))

    assert last_status(events, 3).why_held == "child"


def test_children_do_not_work_before_the_parent_fills(bench, at):
    bench.show(at(10, 5), bid=6.5, ask=6.7, bid_size=50, ask_size=50)
    bench.bracket()

    bench.venue.advance(at(10, 5))

    assert fills(bench) == []


def test_children_wake_when_the_parent_fills(bench, at, said_of):
    bench.show(at(10, 5), bid=4.8, ask=5.0, bid_size=50, ask_size=50)
    bench.bracket()

    events = bench.venue.advance(at(10, 5))

    assert said_of(events, 2)[-1] == "status:Submitted"
    assert said_of(events, 3)[-1] == "status:PreSubmitted"
    assert last_status(events, 3).why_held == "trigger"


def test_a_fill_of_one_child_cancels_the_other(entered, at, said_of):
    entered.show(at(11), bid=6.1, ask=6.2, bid_size=50, ask_size=50)

    events = entered.venue.advance(at(11))

    assert fills(entered) == [(1, 10, 5.0), (2, 10, 6.1)]
    assert said_of(events, 3) == ["status:Cancelled", 202]


def test_the_stop_cancels_the_profit_taker(entered, at, said_of):
    entered.show(at(11), bid=3.9, ask=4.0, bid_size=50, ask_size=50)

    events = entered.venue.advance(at(11))

    assert fills(entered) == [(1, 10, 5.0), (3, 10, 3.9)]
    assert said_of(events, 2) == ["status:Cancelled", 202]


def test_a_part_fill_of_one_child_reduces_the_other(entered, at):
    entered.show(at(11), bid=6.1, ask=6.2, bid_size=4, ask_size=50)

    events = entered.venue.advance(at(11))

    assert last_status(events, 3).remaining == 6


def test_cancelling_the_parent_cancels_the_children(bench, at, said_of):
    bench.bracket()

    events = bench.venue.cancel(7, 1, at(10, 1))

    assert said_of(events, 1) == ["status:PendingCancel", "status:Cancelled", 202]
    assert said_of(events, 2) == said_of(events, 3) == ["status:Cancelled", 202]


def test_children_of_a_part_filled_parent_may_fill_as_much_as_it_did(bench, at):
    bench.show(at(10, 5), bid=4.8, ask=5.0, bid_size=50, ask_size=4)
    bench.show(at(10, 6), bid=6.1, ask=6.2, bid_size=50, ask_size=50)
    bench.bracket()

    bench.venue.advance(at(10, 5))
    bench.venue.advance(at(10, 6))

    assert fills(bench) == [(1, 4, 5.0), (2, 4, 6.1)]


def test_children_of_a_parent_cancelled_part_filled_are_cut_to_size(bench, at):
    bench.show(at(10, 5), bid=4.8, ask=5.0, bid_size=50, ask_size=4)
    bench.bracket()
    bench.venue.advance(at(10, 5))

    events = bench.venue.cancel(7, 1, at(10, 6))

    assert last_status(events, 2).remaining == last_status(events, 3).remaining == 4


def test_a_child_that_was_cut_does_not_grow_again(bench, at):
    bench.show(at(10, 5), bid=4.8, ask=5.0, bid_size=50, ask_size=4)
    bench.bracket()
    bench.venue.advance(at(10, 5))
    bench.venue.cancel(7, 1, at(10, 6))

    events = bench.send("SELL", 10, "STP", stop_price=4.2, order_id=3, parent_id=1, at=at(10, 6))

    assert last_status(events, 3).remaining == 4


def test_a_child_of_a_filled_parent_works_at_once(bench, said_of):
    bench.send("BUY", 1)

    events = bench.send("SELL", 1, "LMT", limit_price=6.0, parent_id=1)

    assert said_of(events)[-1] == "status:Submitted"


@pytest.mark.parametrize("ended", [False, True])
def test_a_child_without_a_live_parent_is_refused(bench, at, ended):
    if ended:
        bench.send("BUY", 1, "LMT", limit_price=4.5)
        bench.venue.cancel(7, 1, at(10, 1))

    events = bench.send("SELL", 1, "LMT", limit_price=6.0, parent_id=1, order_id=5)

    assert [(e.code, e.text) for e in events] == [(135, "Can't find order with id =1")]


def test_children_of_a_refused_parent_are_refused_too(make_bench, said_of):
    bench = make_bench(cash=10.0)
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50)

    events = bench.bracket()

    assert said_of(events) == [201, 135, 135]
    assert bench.venue.open_orders() == []


def test_the_children_of_a_killed_parent_are_cancelled(bench, said_of):
    events = bench.bracket(tif="IOC")

    assert said_of(events, 1)[-1] == "status:Cancelled"
    assert bench.venue.open_orders() == []


@pytest.mark.parametrize(("oca_type", "left"), [(1, 0), (2, 6), (3, 6)])
def test_a_part_fill_cancels_or_reduces_the_rest_of_a_group(bench, at, oca_type, left):
    bench.show(at(11), bid=6.1, ask=6.2, bid_size=4, ask_size=50)
    bench.send("BUY", 10)
    group = {"oca_group": "exit", "oca_type": oca_type}
    bench.send("SELL", 10, "LMT", limit_price=6.0, **group)
    bench.send("SELL", 10, "LMT", limit_price=7.0, **group)

    bench.venue.advance(at(11))

    remaining = {o.order_id: o.quantity - o.filled for o in bench.venue.open_orders()}
    assert remaining == ({2: 6} if left == 0 else {2: 6, 3: left})


def test_a_group_that_has_filled_takes_no_new_member(bench):
    bench.send("BUY", 1, oca_group="entry")

    events = bench.send("BUY", 1, oca_group="entry")

    assert [event.code for event in events] == [201]


def test_a_late_member_gets_what_the_group_has_left(bench, at):
    bench.show(at(10, 5), bid=4.9, ask=5.1, bid_size=50, ask_size=4)
    bench.send("BUY", 10, "LMT", limit_price=5.0, oca_group="entry")
    bench.show(at(10, 6), bid=4.8, ask=5.0, bid_size=50, ask_size=4)
    bench.venue.advance(at(10, 6))

    events = bench.send("BUY", 10, "LMT", limit_price=4.0, oca_group="entry", at=at(10, 6))

    assert events[-1].remaining == 6


def test_a_late_member_for_which_nothing_is_left_is_refused(bench, at):
    bench.send("BUY", 60, "LMT", limit_price=5.1, oca_group="entry")

    events = bench.send("BUY", 5, "LMT", limit_price=5.1, oca_group="entry")

    assert [event.code for event in events] == [201]


@pytest.mark.parametrize("asked", [6, 8, 10])
def test_asking_again_for_what_the_group_took_gives_nothing_back(entered, at, asked):
    entered.show(at(11), bid=6.1, ask=6.2, bid_size=4, ask_size=50)
    entered.venue.advance(at(11))

    events = entered.send("SELL", asked, "STP", stop_price=4.2, order_id=3, parent_id=1, at=at(11))

    assert last_status(events, 3).remaining == 6


def test_a_larger_size_gets_its_share_of_what_the_group_has_left(entered, at):
    entered.show(at(11), bid=6.1, ask=6.2, bid_size=4, ask_size=50)
    entered.venue.advance(at(11))

    events = entered.send("SELL", 20, "STP", stop_price=4.2, order_id=3, parent_id=1, at=at(11))

    assert last_status(events, 3).remaining == 12


def test_a_smaller_size_of_one_leaves_the_others_as_they_are(entered, at):
    entered.show(at(11), bid=6.1, ask=6.2, bid_size=3, ask_size=50)
    entered.venue.advance(at(11))

    events = entered.send("SELL", 4, "LMT", limit_price=6.5, order_id=2, parent_id=1, at=at(11))

    assert last_status(events, 2).remaining == 1
    assert {o.order_id: o.quantity for o in entered.venue.open_orders()} == {2: 4, 3: 7}


def test_both_children_of_a_part_filled_parent_share_what_it_bought(bench, at):
    bench.show(at(10, 5), bid=4.8, ask=5.0, bid_size=50, ask_size=4)
    bench.show(at(10, 6), bid=6.1, ask=6.2, bid_size=2, ask_size=50)
    bench.show(at(10, 7), bid=3.9, ask=6.2, bid_size=50, ask_size=50)
    bench.bracket()

    for minute in (5, 6, 7):
        bench.venue.advance(at(10, minute))

    assert fills(bench) == [(1, 4, 5.0), (2, 2, 6.1), (3, 2, 3.9)]


def test_a_parent_reduced_by_its_group_cuts_its_children(bench, at):
    bench.show(at(10, 5), bid=4.8, ask=5.0, bid_size=50, ask_size=4)
    bench.show(at(10, 6), bid=4.8, ask=5.0, bid_size=50, ask_size=50)
    bench.send("BUY", 10, "LMT", limit_price=5.0, oca_group="entry", order_id=1)
    bench.next_id = 2
    bench.send("BUY", 10, "LMT", limit_price=4.9, oca_group="entry", transmit=False)
    bench.send("SELL", 10, "STP", stop_price=4.0, parent_id=2)
    bench.venue.advance(at(10, 5))
    bench.send("BUY", 6, "LMT", limit_price=5.0, oca_group="entry", order_id=2, at=at(10, 5))
    bench.venue.cancel(7, 1, at(10, 5))

    events = bench.venue.advance(at(10, 6))

    assert last_status(events, 2).filled == 6
    assert last_status(events, 3).remaining == 6


def test_a_member_small_enough_is_not_reduced(entered, at):
    entered.send("SELL", 4, "LMT", limit_price=6.5, order_id=2, parent_id=1, at=at(10, 6))
    entered.show(at(11), bid=3.9, ask=4.0, bid_size=3, ask_size=50)

    entered.venue.advance(at(11))

    assert {o.order_id: o.quantity for o in entered.venue.open_orders()} == {2: 4, 3: 10}


def test_a_cancelled_child_stays_cancelled_when_its_parent_fills(bench, at, said_of):
    bench.show(at(10, 5), bid=4.8, ask=5.0, bid_size=50, ask_size=50)
    bench.bracket()
    bench.venue.cancel(7, 2, at(10, 1))

    events = bench.venue.advance(at(10, 5))

    assert said_of(events, 2) == []
    assert [order.order_id for order in bench.venue.open_orders()] == [3]


def test_a_cancelled_child_is_not_cancelled_again_with_its_parent(bench, at, said_of):
    bench.bracket()
    bench.venue.cancel(7, 2, at(10, 1))

    events = bench.venue.cancel(7, 1, at(10, 2))

    assert said_of(events, 2) == []


def test_waiting_children_alone_wake_nobody_before_the_close(bench, at):
    bench.show(at(10, 5), bid=4.8, ask=5.0, bid_size=50, ask_size=50)
    bench.bracket()

    wakes = [bench.venue.next_event(at(10)), bench.venue.next_event(at(10, 5))]

    assert wakes == [at(10, 5), at(16)]
