"""Prices and sizes of fills, and the triggers of stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.sim.values import MarketQuote, SimContract, SimOrder
from ibkeel.sim.venue.matching import fill_price, is_triggered

prices = st.one_of(st.none(), st.integers(1, 1000).map(lambda cents: cents / 100))


def order(action, order_type="MKT", sec_type="STK", **prices):
    contract = SimContract(con_id=1, symbol="SPY", sec_type=sec_type)
    return SimOrder(
        client_id=1,
        order_id=1,
        contract=contract,
        action=action,
        quantity=1,
        order_type=order_type,
        **prices,
    )


def quote(at, **fields):
    return MarketQuote(at=at, **fields)


@pytest.mark.parametrize(("action", "price"), [("BUY", 5.1), ("SELL", 4.9)])
def test_a_market_order_trades_at_the_other_side(at, action, price):
    assert fill_price(order(action), quote(at(10), bid=4.9, ask=5.1)) == price


@pytest.mark.parametrize("nothing", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_a_side_without_a_usable_price_trades_nothing(at, nothing):
    assert fill_price(order("BUY"), quote(at(10), bid=4.9, ask=nothing)) is None


@given(st.sampled_from(["BUY", "SELL"]), st.integers(1, 1000), prices, prices)
def test_a_limit_order_never_trades_beyond_its_limit(action, cents, bid, ask):
    limit = cents / 100
    shown = MarketQuote(at=None, bid=bid, ask=ask)

    price = fill_price(order(action, "LMT", limit_price=limit), shown)

    if price is not None:
        assert price == (ask if action == "BUY" else bid)
        assert price <= limit if action == "BUY" else price >= limit


def test_a_limit_order_without_a_limit_does_not_trade(at):
    assert fill_price(order("BUY", "LMT"), quote(at(10), ask=5.1)) is None


@pytest.mark.parametrize(
    ("sec_type", "action", "shown", "expected"),
    [
        ("STK", "SELL", {"last": 4.0, "bid": 4.5}, True),
        ("STK", "SELL", {"last": 4.1, "bid": 3.0}, False),
        ("STK", "BUY", {"last": 4.0, "ask": 3.0}, True),
        ("STK", "BUY", {"last": 3.9, "ask": 5.0}, False),
        ("STK", "BUY", {"ask": 5.0}, False),
        ("OPT", "SELL", {"last": 5.0, "bid": 4.0}, True),
        ("OPT", "SELL", {"last": 3.0, "bid": 4.1}, False),
        ("OPT", "BUY", {"last": 3.0, "ask": 4.0}, True),
        ("OPT", "BUY", {"last": 5.0, "ask": 3.9}, False),
    ],
)
def test_stocks_trigger_on_the_last_price_and_options_on_the_quote(at, sec_type, action, shown, expected):
    stop = order(action, "STP", sec_type, stop_price=4.0)

    assert is_triggered(stop, quote(at(10), **shown)) is expected


def test_a_fill_takes_no_more_than_is_shown(bench, at):
    bench.send("BUY", 70)
    bench.venue.advance(at(10, 1))

    (execution, _), *others = bench.venue.executions()

    assert execution.quantity == 50
    assert others == []
    assert bench.venue.open_orders()[0].status == "Submitted"


def test_the_size_is_whole_again_when_the_quote_changes(bench, at):
    bench.show(at(10, 5), bid=4.9, ask=5.2, bid_size=50, ask_size=50)
    bench.send("BUY", 70)

    bench.venue.advance(at(10, 5))

    assert [(e.quantity, e.price) for e, _ in bench.venue.executions()] == [(50, 5.1), (20, 5.2)]
    assert bench.venue.executions()[-1][0].average_price == pytest.approx((50 * 5.1 + 20 * 5.2) / 70)


def test_two_orders_share_what_is_shown(bench):
    bench.send("BUY", 30)
    bench.send("BUY", 30)

    assert [e.quantity for e, _ in bench.venue.executions()] == [30, 20]


def test_sizes_may_be_ignored(make_bench):
    bench = make_bench(displayed_size_limits=False)
    bench.show(bid=4.9, ask=5.1, bid_size=1, ask_size=1)

    bench.send("BUY", 70)

    assert [e.quantity for e, _ in bench.venue.executions()] == [70]


def test_a_quote_without_a_size_fills_whole(make_bench):
    bench = make_bench()
    bench.show(bid=4.9, ask=5.1)

    bench.send("BUY", 70)

    assert [e.quantity for e, _ in bench.venue.executions()] == [70]


def test_a_triggered_stop_sells_at_the_bid(bench, at, said_of):
    bench.show(at(11), bid=3.8, ask=4.0, bid_size=50, ask_size=50)
    bench.send("BUY", 1)
    bench.send("SELL", 1, "STP", stop_price=4.0)

    events = bench.venue.advance(at(11))

    assert said_of(events) == [
        "echo:Submitted",
        "status:Submitted",
        "Execution",
        "echo:Filled",
        "status:Filled",
        "Commission",
    ]
    assert events[2].price == 3.8


def test_a_triggered_stop_limit_waits_for_its_limit(bench, at, said_of):
    bench.show(at(11), bid=3.8, ask=4.0, bid_size=50, ask_size=50)
    bench.show(at(12), bid=3.9, ask=4.1, bid_size=50, ask_size=50)
    bench.send("BUY", 1)
    bench.send("SELL", 1, "STP LMT", stop_price=4.0, limit_price=3.9)

    triggered = bench.venue.advance(at(11))
    events = bench.venue.advance(at(12))

    assert said_of(triggered) == ["echo:Submitted", "status:Submitted"]
    assert events[0].price == 3.9


def test_a_new_stop_price_arms_a_triggered_stop_limit_again(bench, at):
    bench.show(at(11), bid=3.8, ask=4.0, bid_size=50, ask_size=50)
    bench.send("BUY", 1)
    bench.send("SELL", 1, "STP LMT", stop_price=4.0, limit_price=3.9)
    bench.venue.advance(at(11))

    bench.send("SELL", 1, "STP LMT", stop_price=3.0, limit_price=2.9, order_id=2, at=at(11))

    assert [order.why_held for order in bench.venue.open_orders()] == ["trigger"]


def test_a_stop_changed_to_a_limit_order_waits_no_more(bench, at):
    bench.send("BUY", 1)
    bench.send("SELL", 1, "STP", stop_price=4.0)

    bench.send("SELL", 1, "LMT", limit_price=6.0, order_id=2, at=at(10, 1))

    assert [order.status for order in bench.venue.open_orders()] == ["Submitted"]
