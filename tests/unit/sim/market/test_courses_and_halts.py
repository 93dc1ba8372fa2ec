"""Days made to order, and trading halts."""

import math
from datetime import timedelta

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.sim.market import MOODS, Halt, HaltedMarket, Mood, SeededMarket
from ibkeel.sim.values import BarSize, ContractPattern, SimOrder
from ibkeel.sim.venue import Venue


def world(mood, seed=7):
    market = SeededMarket(seed, mood=mood)
    [session] = market.sessions(market.session_date, market.session_date)
    [spy] = market.find(ContractPattern(symbol="SPY", sec_type="STK"))
    return market, session, spy


def last(market, session, contract, seconds):
    return market.quote(contract, session.opens_at + timedelta(seconds=seconds)).last


# Courses.


def test_a_course_is_added_to_what_the_seed_draws():
    course = ((3600.0, 0.02), (7200.0, -0.01), (7201.0, 0.01))
    plain, made = world(Mood(volatility=1.0)), world(Mood(volatility=1.0, course=course))
    for seconds, added in ((0, 0.0), (1800, 0.01), (3600, 0.02), (7200, -0.01), (7201, 0.01), (23000, 0.01)):
        ratio = last(*made, seconds) / last(*plain, seconds)

        assert math.log(ratio) == pytest.approx(added, abs=5e-4)


def test_what_a_course_leaves_behind_lasts_into_the_days_after():
    (plain, session, spy), (made, *_) = world(Mood()), world(Mood(course=((3600.0, 0.03),)))
    later = session.closes_at + timedelta(days=4)

    ratio = made.quote(spy, later).last / plain.quote(spy, later).last

    assert math.log(ratio) == pytest.approx(0.03, abs=1e-3)


def test_options_follow_a_course():
    market, session, spy = world(MOODS["crash"])
    before, after = (session.opens_at + timedelta(seconds=seconds) for seconds in (8990, 9100))
    spot = market.quote(spy, before).last
    puts = market.find(ContractPattern(symbol="SPY", sec_type="OPT", right="P"))
    put = min(puts, key=lambda each: (abs(each.strike - spot), each.expiry))

    assert market.quote(put, after).bid > market.quote(put, before).ask
    assert market.greeks(put, after).iv > market.greeks(put, before).iv


@pytest.mark.parametrize("seed", [1, 7, 23])
def test_a_crash_falls_within_a_minute_and_a_reversal_turns(seed):
    crash, reversal = world(MOODS["crash"], seed), world(MOODS["reversal"], seed)

    assert last(*crash, 9065) < 0.98 * last(*crash, 8995)
    assert last(*reversal, 10800) > max(last(*reversal, 0), 1.005 * last(*reversal, 23000))


@pytest.mark.parametrize("course", [((-1.0, 0.1),), ((0.0, 0.1),), ((60.0, 0.1), (60.0, 0.2))])
def test_a_course_goes_forward(course):
    with pytest.raises(InvalidInput, match="forward from the open"):
        Mood(course=course)


# Auctions.


def test_the_first_and_the_last_print_of_a_day_may_have_the_size_of_an_auction():
    (plain, session, spy), (made, *_) = world(Mood()), world(Mood(auctions=(0.02, 0.1)))
    first, noon, final = session.opens_at, session.opens_at + timedelta(hours=2), session.closes_at

    sizes = [made.quote(spy, at).last_size / plain.quote(spy, final).volume for at in (first, noon, final)]

    assert sizes == [pytest.approx(0.02, rel=0.1), pytest.approx(0.0, abs=1e-3), pytest.approx(0.1, rel=0.1)]
    assert made.quote(spy, noon).last == plain.quote(spy, noon).last


# Halts.


@pytest.fixture
def halted():
    """SPY halted from eleven minutes after the open, for five minutes."""
    market, session, spy = world(Mood())
    starts = session.opens_at + timedelta(minutes=11)
    halt = Halt(symbol="SPY", starts_at=starts, ends_at=starts + timedelta(minutes=5))
    return market, HaltedMarket(market, [halt]), halt, spy


def test_in_a_halt_nothing_is_quoted_and_the_last_trade_stands_still(halted):
    plain, market, halt, spy = halted
    before, during = halt.starts_at - timedelta(seconds=1), halt.starts_at + timedelta(minutes=3)

    shown = market.quote(spy, during)

    assert market.quote(spy, before) == plain.quote(spy, before)
    assert (shown.bid, shown.ask, shown.last) == (None, None, plain.quote(spy, halt.starts_at).last)
    assert market.quote(spy, halt.ends_at) == plain.quote(spy, halt.ends_at)
    assert market.next_change(spy, during) == halt.ends_at
    assert market.next_change(spy, before) == halt.starts_at


def test_the_options_of_a_halted_stock_are_halted_and_other_stocks_are_not(halted):
    plain, market, halt, _ = halted
    during = halt.starts_at + timedelta(minutes=1)
    [qqq] = market.find(ContractPattern(symbol="QQQ", sec_type="STK"))
    option = next(each for each in market.find(ContractPattern(symbol="SPY", sec_type="OPT")))

    assert market.quote(option, during).ask is None
    assert market.greeks(option, during) is None
    assert market.quote(qqq, during) == plain.quote(qqq, during)


def test_an_order_waits_for_the_end_of_a_halt(halted):
    _, market, halt, spy = halted
    venue = Venue(market)
    order = SimOrder(client_id=1, order_id=1, contract=spy, action="BUY", quantity=10, order_type="MKT")
    venue.submit(order, halt.starts_at + timedelta(seconds=30))

    due = venue.next_event(halt.starts_at + timedelta(seconds=30))
    early = venue.positions()
    venue.advance(halt.ends_at)

    assert due == halt.ends_at
    assert early == []
    assert [position.quantity for position in venue.positions()] == [10.0]


def test_everything_else_of_a_halted_market_is_that_of_the_market_under_it(halted):
    plain, market, halt, spy = halted
    span = {
        "start": halt.starts_at,
        "end": halt.ends_at,
        "size": BarSize.MIN_1,
        "what": "TRADES",
        "rth": True,
    }

    assert market.bars(spy, **span) == plain.bars(spy, **span)
    assert market.by_con_id(spy.con_id) == spy
    assert market.underlyings() == plain.underlyings()
    assert market.option_classes(spy.con_id) == plain.option_classes(spy.con_id)
    assert market.sessions(plain.session_date, plain.session_date)


def test_a_halt_has_a_length(halted):
    _, _, halt, _ = halted

    with pytest.raises(InvalidInput, match="ends after it starts"):
        Halt(symbol="SPY", starts_at=halt.ends_at, ends_at=halt.starts_at)
