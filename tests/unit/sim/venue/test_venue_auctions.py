"""Orders for the opening and for the close."""

import pytest

from ibkeel.sim.market import Halt, HaltedMarket, SeededMarket
from ibkeel.sim.values import ContractPattern, Execution, OrderError, OrderStatus, SimOrder
from ibkeel.sim.venue import Venue


def prices(events):
    return [event.price for event in events if isinstance(event, Execution)]


def statuses(events):
    return [event.status for event in events if isinstance(event, OrderStatus)]


@pytest.fixture
def day(bench, stock, at):
    """A stock that closes at 497, opens at 500, stands at 505 by noon and closes at 503."""
    sides = {"bid_size": 1, "ask_size": 1}
    bench.show(at(4), contract=stock, bid=496.0, ask=498.0, last=497.0, close=497.0, **sides)
    bench.show(at(9, 30), contract=stock, bid=499.0, ask=501.0, last=500.0, open=500.0, **sides)
    bench.show(at(12), contract=stock, bid=504.0, ask=506.0, last=505.0, open=500.0, **sides)
    bench.show(at(15, 59, 59), contract=stock, bid=502.0, ask=504.0, last=503.0, open=500.0, **sides)
    return bench


OPENINGS = [("MKT", None, [500.0]), ("LMT", 500.0, [500.0]), ("LMT", 501.0, [500.0]), ("LMT", 499.99, [])]
CLOSES = [("MOC", None, [503.0]), ("LOC", 503.0, [503.0]), ("LOC", 504.0, [503.0]), ("LOC", 502.99, [])]


@pytest.mark.parametrize(("kind", "limit", "paid"), OPENINGS)
def test_an_order_for_the_opening_fills_whole_at_the_first_print_or_ends(day, stock, at, kind, limit, paid):
    sent = day.send("BUY", 50, kind, at(8), contract=stock, tif="OPG", limit_price=limit)
    due = day.venue.next_event(at(8))

    events = day.venue.advance(at(9, 30))

    assert (statuses(sent), due) == (["PreSubmitted"], at(9, 30))
    assert prices(events) == paid
    assert statuses(events) == (["Filled"] if paid else ["Cancelled"])
    assert day.venue.open_orders() == []


@pytest.mark.parametrize(("kind", "limit", "paid"), CLOSES)
def test_an_order_for_the_close_fills_whole_at_the_last_print_or_ends(day, stock, at, kind, limit, paid):
    sent = day.send("BUY", 50, kind, at(10), contract=stock, limit_price=limit)
    due = day.venue.next_event(at(10))
    before = day.venue.advance(at(15, 59, 59))

    events = day.venue.advance(at(16))

    assert (statuses(sent), before, due) == (["PreSubmitted"], [], at(16))
    assert prices(events) == paid
    assert statuses(events) == (["Filled"] if paid else ["Cancelled"])


@pytest.mark.parametrize(("limit", "paid"), [(503.0, [503.0]), (503.01, [])])
def test_a_sale_at_the_close_is_held_to_its_limit_from_below(day, stock, at, limit, paid):
    day.send("SELL", 5, "LOC", at(10), contract=stock, limit_price=limit)

    assert prices(day.venue.advance(at(16))) == paid


def test_an_order_that_comes_too_late_waits_for_the_next_auction(day, stock, at):
    tuesday = at(0).date().replace(day=5)
    day.send("BUY", 1, "MKT", at(9, 30), contract=stock, tif="OPG")
    day.send("BUY", 1, "MOC", at(16), contract=stock)

    due = day.venue.next_event(at(16))
    today, opening = day.venue.advance(at(17)), day.venue.advance(at(9, 30, day=tuesday))

    assert due == at(9, 30, day=tuesday)
    assert (today, prices(opening)) == ([], [500.0])
    assert day.venue.next_event(at(10, day=tuesday)) == at(16, day=tuesday)


def test_an_opening_print_that_is_late_is_waited_for_until_the_close(bench, stock, at):
    bench.show(at(9, 30), contract=stock, bid=1.0, ask=2.0)
    bench.show(at(9, 31), contract=stock, bid=1.0, ask=2.0, open=1.5, last=1.5)
    bench.send("BUY", 1, "MKT", at(9), contract=stock, tif="OPG")

    early, due = bench.venue.advance(at(9, 30)), bench.venue.next_event(at(9, 30))

    assert (early, due) == ([], at(9, 31))
    assert prices(bench.venue.advance(at(9, 31))) == [1.5]


def test_without_an_opening_print_an_order_ends_with_the_session(bench, stock, at):
    bench.show(at(9, 30), contract=stock, bid=1.0, ask=2.0)
    bench.send("BUY", 1, "MKT", at(9), contract=stock, tif="OPG")

    due = bench.venue.next_event(at(9, 30))

    assert due == at(16)
    assert bench.venue.advance(at(15, 59)) == []
    assert statuses(bench.venue.advance(at(16))) == ["Cancelled"]


def test_an_option_opens_at_the_first_quote_that_has_the_side(bench, at):
    bench.show(at(9, 30), bid=4.9)
    bench.show(at(9, 40), bid=4.9, ask=5.3, ask_size=1)
    bench.send("BUY", 3, "LMT", at(9), tif="OPG", limit_price=6.0)

    assert bench.venue.advance(at(9, 30)) == []
    assert prices(bench.venue.advance(at(9, 40))) == [5.3]


def test_an_order_for_the_close_may_be_changed_and_cancelled_before_it(day, stock, at):
    first = day.order("BUY", 1, "LMT", contract=stock, limit_price=450.0)
    other = day.order("BUY", 1, "MOC", contract=stock)
    for order in (first, other):
        day.venue.submit(order, at(10))

    changed = day.venue.submit(
        day.order("BUY", 1, "LOC", contract=stock, limit_price=510.0, order_id=first.order_id), at(11)
    )
    ended = day.venue.cancel(7, other.order_id, at(11))

    assert statuses(changed) == ["Submitted"]
    assert statuses(ended) == ["PendingCancel", "Cancelled"]
    assert prices(day.venue.advance(at(16))) == [503.0]


def test_a_stop_and_an_order_for_the_close_of_one_group_do_not_both_fill(day, stock, at):
    day.send("BUY", 1, "MKT", at(10), contract=stock)
    day.send("SELL", 1, "STP", at(10), contract=stock, stop_price=400.0, oca_group="exit", oca_type=1)
    day.send("SELL", 1, "MOC", at(10), contract=stock, oca_group="exit", oca_type=1)

    events = day.venue.advance(at(16))

    assert prices(events) == [503.0]
    assert day.venue.open_orders() == []


@pytest.mark.parametrize("fields", [{"order_type": "MOC", "tif": "GTC"}, {"order_type": "STP", "tif": "OPG"}])
def test_an_auction_takes_no_other_time_in_force_and_no_stop(bench, stock, fields):
    [refused] = bench.send("BUY", 1, contract=stock, stop_price=600.0, **fields)

    assert isinstance(refused, OrderError)
    assert refused.code == 321


def seeded(*, halts_at=None, minutes=10):
    market = SeededMarket(7)
    [session] = market.sessions(market.session_date, market.session_date)
    [spy] = market.find(ContractPattern(symbol="SPY", sec_type="STK"))
    halts = [] if halts_at is None else [halts_at(session)]
    return market, HaltedMarket(market, halts), session, spy


def buy(spy, number, kind, **fields):
    return SimOrder(
        client_id=1, order_id=number, contract=spy, action="BUY", quantity=5, order_type=kind, **fields
    )


def test_on_a_seeded_day_both_auctions_are_at_the_days_first_and_last_price():
    market, halted, session, spy = seeded()
    venue, before = Venue(halted), session.opens_at.replace(hour=12)
    venue.submit(buy(spy, 1, "MKT", tif="OPG"), before)
    venue.submit(buy(spy, 2, "MOC"), before)

    opening, closing = venue.advance(session.opens_at), venue.advance(session.closes_at)

    shown = market.quote(spy, session.closes_at)
    assert prices(opening) == [shown.open]
    assert prices(closing) == [shown.last]


def test_a_stock_that_is_halted_at_the_open_opens_when_the_halt_ends():
    def halt(session):
        return Halt(symbol="SPY", starts_at=session.opens_at, ends_at=session.opens_at.replace(minute=45))

    market, halted, session, spy = seeded(halts_at=halt)
    venue, ends_at = Venue(halted), session.opens_at.replace(minute=45)
    venue.submit(buy(spy, 1, "MKT", tif="OPG"), session.opens_at.replace(hour=12))

    early, due = venue.advance(session.opens_at), venue.next_event(session.opens_at)

    assert (prices(early), due) == ([], ends_at)
    assert prices(venue.advance(ends_at)) == [market.quote(spy, ends_at).last]


def test_a_stock_that_is_halted_at_the_close_has_no_closing_auction():
    def halt(session):
        ends = session.closes_at.replace(minute=30)
        return Halt(symbol="SPY", starts_at=session.closes_at.replace(hour=19), ends_at=ends)

    _, halted, session, spy = seeded(halts_at=halt)
    venue = Venue(halted)
    venue.submit(buy(spy, 1, "MOC"), session.opens_at)

    assert statuses(venue.advance(session.closes_at)) == ["Cancelled"]
