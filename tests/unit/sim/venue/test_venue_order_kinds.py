"""Orders with a date, orders that trail, and the forms in which an order's story is told."""

from collections import Counter

import pytest

from ibkeel.sim.values import Execution, OrderError, OrderStatus


def prices(events):
    return [event.price for event in events if isinstance(event, Execution)]


def codes(events):
    return [event.code for event in events if isinstance(event, OrderError)]


# Dates.


def test_a_dated_order_ends_at_its_date_in_the_middle_of_a_session(bench, at, said_of):
    bench.send("BUY", 1, "LMT", limit_price=4.0, tif="GTD", good_till=at(11))

    due = bench.venue.next_event(at(10, 59))
    before = bench.venue.advance(at(10, 59))
    events = bench.venue.advance(at(11))

    assert due == at(11)
    assert before == []
    assert "status:Cancelled" in said_of(events)
    assert bench.venue.open_orders() == []


@pytest.mark.parametrize("hour", [None, 9, 10])
def test_a_dated_order_without_a_date_to_come_is_refused(bench, at, hour):
    events = bench.send("BUY", 1, "LMT", limit_price=4.0, tif="GTD", good_till=hour and at(hour))

    assert codes(events) == [321]


def test_an_order_good_after_a_time_does_nothing_before(bench, at):
    first = bench.send("BUY", 1, "MKT", good_after=at(11))
    due = bench.venue.next_event(at(10))

    early, late = bench.venue.advance(at(10, 30)), bench.venue.advance(at(11))

    assert prices(first) == prices(early) == []
    assert due == at(11)
    assert prices(late) == [5.1]


# Trailing stops.


def walk(bench, contract, at, *lasts):
    """Show the stock at each last price, a minute apart, and advance: what filled, at which."""
    filled = []
    for minute, last in enumerate(lasts, start=1):
        sides = {"bid": last - 0.01, "ask": last + 0.01, "bid_size": 300, "ask_size": 300}
        bench.show(at(10, minute), contract=contract, last=last, **sides)
        filled += [round(price, 2) for price in prices(bench.venue.advance(at(10, minute)))]
    return filled


def test_a_sell_stop_trails_the_price_up_and_never_down(stock_bench, stock, at):
    stock_bench.send("SELL", 100, "TRAIL", contract=stock, stop_price=2.0)

    assert walk(stock_bench, stock, at, 501.0, 505.0, 503.5, 504.0) == []
    assert [order.trail_stop for order in stock_bench.venue.open_orders()] == [503.0]
    assert walk(stock_bench, stock, lambda h, m: at(h, m + 10), 503.1, 502.9) == [502.89]


def test_a_buy_stop_trails_the_price_down(stock_bench, stock, at):
    stock_bench.send("BUY", 100, "TRAIL", contract=stock, stop_price=2.0)

    assert walk(stock_bench, stock, at, 495.0, 496.9, 497.0) == [497.01]


@pytest.mark.parametrize("terms", [{"stop_price": 2.0}, {"trailing_percent": 1.0}], ids=str)
def test_a_trailing_stop_stays_where_it_is_while_no_price_is_shown(make_bench, stock, at, terms):
    bench = make_bench()
    bench.send("SELL", 100, "TRAIL", contract=stock, **terms)
    [order] = bench.venue.open_orders()
    unknown = order.trail_stop

    assert walk(bench, stock, at, 500.0) == []
    level = order.trail_stop
    for minute, nothing in enumerate((None, float("nan"), 0.0, -1.0), start=2):
        bench.show(at(10, minute), contract=stock, last=nothing, bid=nothing, ask=nothing)
        assert prices(bench.venue.advance(at(10, minute))) == []

    assert unknown is None
    assert order.trail_stop == level
    assert walk(bench, stock, lambda h, m: at(h, m + 10), 490.0) == [489.99]


def test_a_stop_may_trail_by_a_percentage_from_a_level_that_is_named(stock_bench, stock, at):
    stock_bench.send("SELL", 100, "TRAIL", contract=stock, trailing_percent=5.0, trail_stop=490.0)

    assert walk(stock_bench, stock, at, 491.0, 490.5) == []
    assert walk(stock_bench, stock, lambda h, m: at(h, m + 10), 600.0, 570.5, 570.0) == [569.99]


def test_a_trailing_stop_limit_honours_its_limit(stock_bench, stock, at):
    stock_bench.send("SELL", 100, "TRAIL LIMIT", contract=stock, stop_price=2.0, limit_offset=0.5)

    fell = walk(stock_bench, stock, at, 502.0, 495.0)
    rose = walk(stock_bench, stock, lambda h, m: at(h, m + 10), 499.4, 499.6)

    assert fell == []
    assert rose == [499.59]


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"stop_price": -1.0},
        {"stop_price": 1.0, "trailing_percent": 1.0},
        {"stop_price": float("nan")},
        {"stop_price": 1.0, "trail_stop": float("inf")},
        {"stop_price": 1.0, "order_type": "TRAIL LIMIT"},
        {"stop_price": 1.0, "order_type": "TRAIL LIMIT", "limit_offset": float("inf")},
    ],
)
def test_a_trailing_stop_needs_one_distance(stock_bench, stock, terms):
    terms = {"order_type": "TRAIL", **terms}

    assert codes(stock_bench.send("SELL", 1, contract=stock, **terms)) == [321]


def test_a_change_of_distance_keeps_the_level_that_was_reached(stock_bench, stock, at):
    order = stock_bench.order("SELL", 100, "TRAIL", contract=stock, stop_price=2.0)
    stock_bench.venue.submit(order, at(10))
    walk(stock_bench, stock, at, 510.0)

    order.stop_price = 20.0
    stock_bench.venue.submit(order, at(10, 2))

    assert [each.trail_stop for each in stock_bench.venue.open_orders()] == [508.0]


# Forms.


def forms(make_bench, seed, **settings):
    """How each of forty orders is told: market ones that fill, and limits that are cancelled."""
    bench = make_bench(seed=seed, **settings)
    bench.show(bid=4.9, ask=5.1, bid_size=5000, ask_size=5000, last=5.0)
    told = []
    for number in range(40):
        events = bench.send("BUY", 1, "MKT") if number % 2 else bench.send("BUY", 1, "LMT", limit_price=1.0)
        if not number % 2:
            events += bench.venue.cancel(7, number + 1, events[0].order.placed_at)
        told.append(tuple(e.status if isinstance(e, OrderStatus) else type(e).__name__ for e in events))
    return told


def test_stories_vary_by_order_and_repeat_by_seed(make_bench):
    told = forms(make_bench, 3, varies=True)

    assert told == forms(make_bench, 3, varies=True)
    assert told != forms(make_bench, 4, varies=True)
    assert len(Counter(told[1::2])) >= 3
    assert len(Counter(told[::2])) >= 3


def test_without_variation_every_story_is_the_same(make_bench):
    told = forms(make_bench, 3)

    assert len(set(told[1::2])) == len(set(told[::2])) == 1


def test_a_status_may_be_told_twice(make_bench):
    [plain, twice] = [forms(make_bench, 3, repeats_status=each)[1] for each in (False, True)]

    assert (plain.count("Filled"), twice.count("Filled")) == (1, 2)
