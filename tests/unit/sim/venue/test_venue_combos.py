"""Combos trade when their legs' quotes add up to the price asked, and move every leg."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.sim.values import Execution, MarketQuote, SimContract, SimLeg, SimOrder
from ibkeel.sim.venue.matching import combined

BAG = SimContract(con_id=0, symbol="SPY", sec_type="BAG")


@pytest.fixture
def covered(stock, option):
    """Buys 100 shares at 500.01 and sells a call at 4.90: 495.11 a share."""

    def order(action="BUY", quantity=1, order_type="LMT", limit_price=None, **fields):
        legs = (
            SimLeg(contract=stock, action="BUY", ratio=100),
            SimLeg(contract=option, action="SELL", ratio=1),
        )
        return SimOrder(
            client_id=7, order_id=fields.pop("order_id", 1), contract=BAG, legs=legs, action=action,
            quantity=quantity, order_type=order_type, limit_price=limit_price, **fields,
        )  # fmt: skip

    return order


NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)
NET = 500.01 - 4.9


def held(venue):
    return {each.contract.sec_type: each.quantity for each in venue.positions()}


def test_a_combo_fills_at_the_sum_of_its_legs_and_moves_each(stock_bench, covered, at, said_of):
    events = stock_bench.venue.submit(covered(limit_price=round(NET, 2)), at(10))

    fills = [event for event in events if isinstance(event, Execution)]
    assert [(f.contract.sec_type, f.side, f.quantity, f.price) for f in fills] == [
        ("BAG", "BOT", 1, pytest.approx(NET)), ("STK", "BOT", 100, 500.01), ("OPT", "SLD", 1, 4.9),
    ]  # fmt: skip
    assert held(stock_bench.venue) == {"STK": 100.0, "OPT": -1.0}
    assert said_of(events)[-1] == "Commission"
    assert "status:Filled" in said_of(events)


def test_a_combo_with_a_leg_that_nobody_knows_is_refused_whole(stock_bench, stock, covered, at):
    order = covered(limit_price=500.0)
    order.legs = (
        *order.legs,
        SimLeg(contract=SimContract(con_id=99, symbol="X", sec_type="STK"), action="BUY", ratio=1),
    )

    [refused] = stock_bench.venue.submit(order, at(10))

    assert (refused.code, held(stock_bench.venue)) == (200, {})


def test_there_is_no_auction_for_a_combo(stock_bench, covered, at):
    [refused] = stock_bench.venue.submit(covered(limit_price=500.0, tif="OPG"), at(10))

    assert refused.code == 387
    assert stock_bench.venue.open_orders() == []


def test_a_combo_pays_the_commission_of_each_leg_once(stock_bench, covered, at):
    stock_bench.venue.submit(covered(quantity=2, limit_price=round(NET, 2)), at(10))

    charges = [commission.commission for _, commission in stock_bench.venue.executions()]
    assert charges == [0.0, 1.0, pytest.approx(2 * 0.65)]


def test_a_combo_whose_price_is_not_met_rests_until_a_leg_moves(stock_bench, stock, covered, at):
    venue = stock_bench.venue
    first = venue.submit(covered(limit_price=round(NET - 0.5, 2)), at(10))
    due = venue.next_event(at(10))
    stock_bench.show(at(10, 5), contract=stock, bid=499.4, ask=499.5, bid_size=300, ask_size=300, last=499.4)

    later = venue.advance(at(10, 5))

    assert not any(isinstance(event, Execution) for event in first)
    assert due is not None
    assert held(venue) == {"STK": 100.0, "OPT": -1.0}
    assert any(isinstance(event, Execution) for event in later)


def test_the_scarcest_leg_limits_how_many_combos_fill(make_bench, stock, covered, at):
    bench = make_bench(cash=1_000_000.0)
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50, last=5.0)
    bench.show(contract=stock, bid=499.99, ask=500.01, bid_size=300, ask_size=300, last=500.0)
    venue = bench.venue

    venue.submit(covered(quantity=5, limit_price=round(NET, 2)), at(10))

    assert held(venue) == {"STK": 300.0, "OPT": -3.0}
    assert [order.filled for order in venue.open_orders()] == [3.0]


def test_selling_a_combo_turns_its_legs_over(stock_bench, covered, at):
    venue = stock_bench.venue
    venue.submit(covered(limit_price=round(NET, 2)), at(10))

    venue.submit(covered("SELL", order_type="MKT", order_id=2), at(10, 1))

    assert held(venue) == {}


def test_a_leg_without_a_side_keeps_the_combo_waiting(stock_bench, option, covered, at):
    stock_bench.show(at(9, 45), contract=option, ask=5.1, ask_size=5)

    events = stock_bench.venue.submit(covered(order_type="MKT"), at(10))

    assert not any(isinstance(event, Execution) for event in events)


def test_a_combo_for_a_credit_has_a_limit_below_zero(stock_bench, stock, option, at):
    legs = (
        SimLeg(contract=option, action="SELL", ratio=1),
        SimLeg(contract=stock, action="SELL", ratio=1),
    )
    order = SimOrder(
        client_id=7, order_id=1, contract=BAG, legs=legs, action="BUY", quantity=1,
        order_type="LMT", limit_price=-9.5,
    )  # fmt: skip

    stock_bench.venue.submit(order, at(10))

    assert held(stock_bench.venue) == {"STK": -1.0, "OPT": -1.0}


prices = st.floats(0.01, 900).map(lambda price: round(price, 2))
widths = st.floats(0, 1).map(lambda width: round(width, 2))


@given(st.lists(st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 4), prices, widths), min_size=2))
def test_a_combo_never_costs_less_than_it_brings(rows):
    legs = [SimLeg(contract=BAG, action=action, ratio=ratio) for action, ratio, _, _ in rows]
    quotes = [MarketQuote(at=NOON, bid=price, ask=price + width) for _, _, price, width in rows]

    quote = combined(legs, quotes, NOON)

    assert quote.bid <= quote.ask + 1e-6
    turned = [SimLeg(contract=BAG, action="BUY" if r[0] == "SELL" else "SELL", ratio=r[1]) for r in rows]
    assert combined(turned, quotes, NOON).bid == pytest.approx(-quote.ask, abs=2e-6)
