"""Limits that rest in a queue fill after those who came first."""

import pytest

from ibkeel.sim.values import Execution


@pytest.fixture
def queue(make_bench, option, at):
    """Looks at a market that shows a quote for each minute after ten: what fills a resting order."""

    def look(action, limit, *quotes, queues=True, quantity=10):
        bench = make_bench(queues_limits=queues)
        names = ("bid", "ask", "last", "volume")
        fills = []
        for minute, values in enumerate(quotes):
            bench.show(at(10, minute), bid_size=30, ask_size=40, **dict(zip(names, values, strict=True)))
            if minute:
                events = bench.venue.advance(at(10, minute))
            else:
                events = bench.send(action, quantity, "LMT", limit_price=limit, tif="GTC")
            fills += [(minute, e.quantity, e.price) for e in events if isinstance(e, Execution)]
        return fills

    return look


START = (4.9, 5.1, 5.0, 100)


def test_trades_at_the_price_serve_those_ahead_first(queue):
    fills = queue("BUY", 4.9, START, (4.9, 5.1, 4.9, 125), (4.9, 5.1, 4.9, 133), (4.9, 5.1, 4.9, 150))

    assert fills == [(2, 3.0, 4.9), (3, 7.0, 4.9)]


def test_an_order_better_than_the_best_has_nobody_ahead(queue):
    assert queue("BUY", 5.0, START, (4.9, 5.1, 5.0, 104)) == [(1, 4.0, 5.0)]
    assert queue("SELL", 5.0, START, (4.9, 5.1, 5.0, 104), quantity=5) == [(1, 4.0, 5.0)]


def test_trades_at_other_prices_serve_nobody(queue):
    assert queue("BUY", 4.9, START, (4.9, 5.1, 5.1, 900), (4.9, 5.1, 5.0, 1900)) == []


def test_an_order_behind_the_best_joins_when_the_market_comes_to_it(queue):
    fills = queue(
        "SELL",
        5.3,
        START,
        (4.9, 5.1, 5.1, 900),
        (5.1, 5.3, 5.3, 950),
        (5.1, 5.3, 5.3, 985),
        (5.1, 5.3, 5.3, 992),
    )

    assert fills == [(4, 2.0, 5.3)]


def test_the_other_side_still_fills_at_once(queue):
    assert queue("BUY", 4.9, START, (4.7, 4.8, 4.8, 101)) == [(1, 10.0, 4.8)]


def test_without_the_setting_only_the_other_side_fills(queue):
    assert queue("BUY", 4.9, START, (4.9, 5.1, 4.9, 900), queues=False) == []


def test_without_a_last_trade_or_a_volume_nobody_is_served(queue):
    nothing = float("nan")

    assert queue("BUY", 4.9, START, (4.9, 5.1, None, 900)) == []
    assert queue("BUY", 4.9, START, (4.9, 5.1, nothing, 900)) == []
    assert queue("BUY", 4.9, START, (4.9, 5.1, 4.9, None)) == []
    assert queue("BUY", 4.9, START, (None, 5.1, 4.9, 900)) == []
