"""The messages that follow each act, in the order a live Gateway was seen to send them."""

import attrs
import pytest

from ibkeel.sim.values import Execution, OrderEcho, OrderError, OrderStatus


def test_a_resting_limit_order_is_presubmitted_then_submitted(bench, said_of):
    events = bench.send("BUY", 1, "LMT", limit_price=4.5)

    assert said_of(events) == [
        "echo:PreSubmitted",
        "status:PreSubmitted",
        "echo:Submitted",
        "status:Submitted",
    ]


def test_a_resting_limit_order_may_go_straight_to_submitted(make_bench, said_of):
    bench = make_bench(straight_to_submitted=True)
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50)

    events = bench.send("BUY", 1, "LMT", limit_price=4.5)

    assert said_of(events) == ["echo:Submitted", "status:Submitted"]


def test_a_market_order_is_executed_before_it_is_called_filled(bench, said_of):
    events = bench.send("BUY", 1)

    assert said_of(events) == [
        "echo:PreSubmitted",
        "status:PreSubmitted",
        "Execution",
        "echo:Filled",
        "status:Filled",
        "Commission",
    ]


def test_filled_may_come_before_the_execution(make_bench, said_of):
    bench = make_bench(status_before_execution=True)
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50)

    events = bench.send("BUY", 1)

    assert said_of(events)[2:] == ["echo:Filled", "status:Filled", "Execution", "Commission"]


def test_a_cancel_is_pending_then_done_then_error_202(bench, at, said_of):
    bench.send("BUY", 1, "LMT", limit_price=4.5)

    events = bench.venue.cancel(7, 1, at(10, 1))

    assert said_of(events) == ["status:PendingCancel", "status:Cancelled", 202]
    assert events[-1].text == "Order Canceled - reason:"


def test_pending_cancel_may_be_absent(make_bench, at, said_of):
    bench = make_bench(skips_pending_cancel=True)
    bench.send("BUY", 1, "LMT", limit_price=4.5)

    events = bench.venue.cancel(7, 1, at(10, 1))

    assert said_of(events) == ["status:Cancelled", 202]


def test_a_stop_is_announced_twice_as_held_for_its_trigger(bench, said_of):
    bench.send("BUY", 1)

    events = bench.send("SELL", 1, "STP", stop_price=4.0)

    assert said_of(events) == ["echo:PreSubmitted", "status:PreSubmitted"] * 2
    assert {e.why_held for e in events if isinstance(e, OrderStatus)} == {"trigger"}


def test_a_modification_repeats_the_pair_and_keeps_the_permanent_id(bench, at, said_of):
    first = bench.send("BUY", 1, "LMT", limit_price=4.5)

    events = bench.send("BUY", 2, "LMT", limit_price=4.6, order_id=1, at=at(10, 1))

    assert said_of(events) == ["echo:Submitted", "status:Submitted"]
    assert events[1].remaining == 2
    assert events[1].perm_id == first[1].perm_id > 0


def test_a_modification_to_market_fills(bench, at, said_of):
    bench.send("BUY", 1, "LMT", limit_price=4.5)

    events = bench.send("BUY", 1, "MKT", order_id=1, at=at(10, 1))

    assert said_of(events)[2:] == ["Execution", "echo:Filled", "status:Filled", "Commission"]


def test_an_untransmitted_order_is_silent_until_it_is_transmitted(bench, at):
    silence = bench.send("BUY", 1, transmit=False)
    still_silent = bench.venue.advance(at(10, 1))
    shown = bench.venue.open_orders()

    events = bench.send("BUY", 1, order_id=1, at=at(10, 2))

    assert silence == still_silent == shown == []
    assert any(isinstance(event, Execution) for event in events)


def test_a_modification_that_is_not_transmitted_changes_nothing(bench, at):
    bench.send("BUY", 1, "LMT", limit_price=4.5)

    events = bench.send("BUY", 9, "LMT", limit_price=4.6, order_id=1, transmit=False, at=at(10, 1))

    assert events == []
    assert bench.venue.open_orders()[0].quantity == 1


def test_an_unfilled_ioc_order_is_cancelled_without_error_202(bench, said_of):
    events = bench.send("BUY", 1, "LMT", limit_price=4.5, tif="IOC")

    assert said_of(events) == ["echo:PreSubmitted", "status:PendingCancel", "status:Cancelled"]


def test_an_unfilled_fok_order_becomes_inactive(bench, said_of):
    events = bench.send("BUY", 51, tif="FOK")

    assert said_of(events)[-1] == "status:Inactive"
    assert bench.venue.executions() == []


def test_the_rest_of_an_ioc_order_is_cancelled(bench, said_of):
    events = bench.send("BUY", 60, tif="IOC")

    assert said_of(events)[-2:] == ["status:PendingCancel", "status:Cancelled"]
    assert events[-1].filled == 50
    assert events[-1].remaining == 10


def test_an_order_outside_the_session_is_held_with_a_warning(bench, at, said_of):
    events = bench.send("BUY", 1, at=at(8))

    assert said_of(events) == ["echo:PreSubmitted", "status:PreSubmitted", 399]
    assert events[-1].text.endswith("placed at the exchange until 2024-03-04 09:30:00 US/Eastern")


def test_a_held_order_fills_at_the_opening(bench, at, said_of):
    bench.send("BUY", 1, at=at(8))

    wake = bench.venue.next_event(at(8))
    events = bench.venue.advance(wake)

    assert wake == at(9, 30)
    assert said_of(events) == ["Execution", "echo:Filled", "status:Filled", "Commission"]


def test_an_ioc_order_outside_the_session_is_cancelled_at_once(bench, at, said_of):
    events = bench.send("BUY", 1, tif="IOC", at=at(8))

    assert said_of(events) == ["echo:PreSubmitted", "status:PendingCancel", "status:Cancelled"]


def test_a_market_order_waits_for_the_side_it_needs(make_bench, at, said_of):
    bench = make_bench()
    bench.show(bid=4.9, bid_size=5)
    bench.show(at(10, 5), bid=4.9, ask=5.1, bid_size=5, ask_size=5)

    waiting = bench.send("BUY", 1)
    events = bench.venue.advance(bench.venue.next_event(at(10)))

    assert said_of(waiting) == ["echo:PreSubmitted", "status:PreSubmitted"]
    assert events[0].price == 5.1


def test_a_day_order_ends_with_the_session(bench, at, said_of):
    bench.send("BUY", 1, "LMT", limit_price=4.5)

    wake = bench.venue.next_event(at(15))
    events = bench.venue.advance(wake)

    assert wake == at(16)
    assert said_of(events) == ["status:Cancelled", 202]
    assert bench.venue.next_event(wake) is None


def test_a_day_order_sent_after_the_close_ends_with_the_next_session(bench, at):
    bench.send("BUY", 1, "LMT", limit_price=4.5, at=at(17))

    events = bench.venue.advance(at(17, 1))

    assert events == []
    assert bench.venue.next_event(at(17)) == at(9, 30, day=at(12).date().replace(day=5))


def test_a_good_till_cancelled_order_outlives_the_session(bench, at):
    bench.send("BUY", 1, "LMT", limit_price=4.5, tif="GTC")

    bench.venue.advance(at(16))

    assert [order.status for order in bench.venue.open_orders()] == ["Submitted"]


def test_only_a_stock_order_may_trade_outside_the_session(stock_bench, stock, option, at):
    wanted = {"limit_price": 505.0, "outside_rth": True, "at": at(17)}

    stock_bench.send("BUY", 1, "LMT", contract=stock, **wanted)
    stock_bench.send("BUY", 1, "LMT", contract=option, **{**wanted, "limit_price": 6.0})

    assert [e.contract.sec_type for e, _ in stock_bench.venue.executions()] == ["STK"]


def test_events_do_not_change_after_they_were_returned(bench, at):
    events = bench.send("BUY", 1, "LMT", limit_price=4.5)
    before = [attrs.asdict(event, recurse=False) for event in events]
    echoed = [attrs.asdict(e.order) for e in events if isinstance(e, OrderEcho)]

    bench.venue.cancel(7, 1, at(10, 1))

    assert [attrs.asdict(event, recurse=False) for event in events] == before
    assert [attrs.asdict(e.order) for e in events if isinstance(e, OrderEcho)] == echoed


def test_the_callers_order_is_left_alone(bench, at):
    order = bench.order("BUY", 1)
    before = attrs.asdict(order)

    bench.venue.submit(order, at(10))

    assert attrs.asdict(order) == before


def test_a_cancel_of_another_clients_order_is_not_found(bench, at):
    bench.send("BUY", 1, "LMT", limit_price=4.5, tif="GTC")

    events = bench.venue.cancel(8, 1, at(10, 1))

    assert [event.code for event in events] == [10147]


def test_a_cancel_across_clients_carries_the_cancelling_client(make_bench, at):
    bench = make_bench(cancels_across_clients=True)
    bench.send("BUY", 1, "LMT", limit_price=4.5, tif="GTC")

    events = bench.venue.cancel(8, 1, at(10, 1))

    assert {(event.client_id, event.owner) for event in events} == {(8, 7)}
    assert bench.venue.open_orders() == []


def test_only_good_till_cancelled_orders_can_be_cancelled_by_others(make_bench, at):
    bench = make_bench(cancels_across_clients=True)
    bench.send("BUY", 1, "LMT", limit_price=4.5, tif="DAY")

    events = bench.venue.cancel(8, 1, at(10, 1))

    assert [event.code for event in events] == [10147]


def test_cancel_all_ends_every_order_once(bench, at):
    bench.bracket()
    bench.send("BUY", 1, "LMT", limit_price=4.5, client_id=8, order_id=1)

    events = bench.venue.cancel_all(at(10, 1))

    ended = [(e.client_id, e.order_id) for e in events if isinstance(e, OrderError)]
    assert sorted(ended) == [(7, 1), (7, 2), (7, 3), (8, 1)]
    assert bench.venue.open_orders() == []


def test_completed_orders_say_how_they_ended(bench, at):
    bench.send("BUY", 1)
    bench.send("BUY", 1, "LMT", limit_price=4.5)
    bench.venue.cancel(7, 2, at(10, 1))

    completed = bench.venue.completed_orders()

    assert [(o.status, o.completed_status) for o in completed] == [
        ("Filled", "Filled Size: 1"),
        ("Cancelled", "Cancelled"),
    ]
    assert completed[1].completed_at == at(10, 1)


def test_time_never_runs_backwards(bench, at):
    bench.venue.advance(at(11))

    events = bench.send("BUY", 1, at=at(10))

    assert [e.at for e in events if isinstance(e, Execution)] == [at(11)]


def test_a_naive_instant_is_refused(bench, at):
    with pytest.raises(ValueError, match="no time zone"):
        bench.venue.advance(at(10).replace(tzinfo=None))


def test_cash_must_be_finite(make_bench):
    with pytest.raises(ValueError, match="finite"):
        make_bench(cash=float("nan"))


def test_the_same_seed_gives_the_same_ids(make_bench):
    def ids(seed):
        bench = make_bench(seed=seed)
        bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50)
        bench.send("BUY", 1)
        execution, _ = bench.venue.executions()[0]
        return execution.exec_id, execution.perm_id

    assert ids(1) == ids(1) != ids(2)


def test_a_what_if_order_changes_nothing(bench, said_of):
    events = bench.send("BUY", 1, what_if=True)

    assert said_of(events) == ["echo:PreSubmitted"]
    assert bench.venue.open_orders() == bench.venue.completed_orders() == []
