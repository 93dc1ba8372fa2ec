"""Stocks before the open and after the close."""

from datetime import timedelta
from itertools import pairwise

import pytest

from ibkeel.sim.market import ExtendedMarket, Halt, HaltedMarket, SeededMarket
from ibkeel.sim.values import BarSize, ContractPattern, Execution, SimOrder
from ibkeel.sim.venue import Venue

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def plain():
    return SeededMarket(7)


@pytest.fixture
def market(plain):
    return ExtendedMarket(plain, seed=7)


@pytest.fixture
def session(plain):
    [session] = plain.sessions(plain.session_date, plain.session_date)
    return session


def stock(market, symbol="SPY"):
    [found] = market.find(ContractPattern(symbol=symbol, sec_type="STK"))
    return found


@pytest.fixture
def spy(plain):
    return stock(plain)


def instants(start, end, step):
    return [start + n * step for n in range((end - start) // step)]


def test_outside_the_session_a_stock_is_quoted_wider_and_thinner(market, session, spy):
    noon = market.quote(spy, session.opens_at + timedelta(hours=2))
    late = market.quote(spy, session.closes_at + timedelta(minutes=30))
    early = market.quote(spy, session.opens_at - timedelta(minutes=30))

    for quote in (early, late):
        assert quote.is_extended
        assert quote.ask - quote.bid > 2 * (noon.ask - noon.bid)
        assert quote.bid <= quote.last * 1.01
        assert max(quote.bid_size, quote.ask_size) <= 500
    assert not noon.is_extended


def test_it_trades_now_and_then_away_from_the_close_and_towards_the_open(market, session, spy, plain):
    span = instants(session.closes_at, session.closes_at + timedelta(hours=1), 5 * SECOND)
    lasts = [market.quote(spy, at).last for at in span]
    sizes = {market.quote(spy, at).last_size for at in span[120:]}
    opening, close = (plain.quote(spy, at) for at in (session.opens_at, session.closes_at))

    moves = sum(a != b for a, b in pairwise(lasts))

    assert lasts[0] == close.last
    assert 60 < moves < 300
    assert sizes == {100, 200, 300, 400, 500}
    assert market.quote(spy, session.opens_at - SECOND).last == pytest.approx(opening.open, rel=3e-3)


def test_inside_the_session_and_for_options_and_indices_nothing_changes(market, session, spy, plain):
    late = session.closes_at + timedelta(hours=1)
    option = market.find(ContractPattern(symbol="SPY", sec_type="OPT"))[40]
    [index] = market.find(ContractPattern(symbol="VIX", sec_type="IND"))

    assert market.quote(spy, session.opens_at) == plain.quote(spy, session.opens_at)
    assert market.quote(spy, session.closes_at - SECOND) == plain.quote(spy, session.closes_at - SECOND)
    for each in (option, index):
        assert market.quote(each, late) == plain.quote(each, late)
        assert market.next_change(each, late) == plain.next_change(each, late)
    assert market.greeks(option, session.opens_at) == plain.greeks(option, session.opens_at)
    assert market.option_classes(spy.con_id) == plain.option_classes(spy.con_id)
    assert market.underlyings() == plain.underlyings()
    assert market.by_con_id(spy.con_id) == spy


def test_every_change_of_the_quote_is_announced(market, session, spy):
    at, changes = session.closes_at + timedelta(hours=3, minutes=59), []
    while len(changes) < 20:
        at = market.next_change(spy, at)
        changes.append(at)

    shown = [market.quote(spy, each).is_extended for each in changes]

    night = changes[shown.index(False)]
    assert night == session.closes_at + timedelta(hours=4)
    assert market.quote(spy, night + timedelta(hours=2)) == market.quote(spy, night + timedelta(hours=2))
    morning = changes[shown.index(False) + 1]
    assert morning - night >= timedelta(hours=8)
    assert market.quote(spy, morning - SECOND).last == market.quote(spy, night).last
    assert market.quote(spy, morning).is_extended


def test_each_step_holds_until_the_next_one(market, session, spy):
    starts = session.closes_at + timedelta(minutes=10)

    assert market.next_change(spy, starts + 2 * SECOND) == starts + 5 * SECOND
    assert market.quote(spy, starts + 4 * SECOND).bid == market.quote(spy, starts).bid


def test_the_draws_depend_on_seed_day_and_stock_and_on_nothing_else(plain, session, spy):
    late, early = session.closes_at + timedelta(hours=1), session.opens_at - timedelta(hours=1)
    first, second, other = (ExtendedMarket(plain, seed=seed) for seed in (1, 1, 2))
    qqq = stock(plain, "QQQ")

    one = (first.quote(spy, late), first.quote(qqq, early), first.quote(spy, early))
    two = (second.quote(spy, early), second.quote(qqq, early), second.quote(spy, late))

    assert one == two[::-1]
    assert first.quote(spy, late) != other.quote(spy, late)


@pytest.mark.parametrize("size", [BarSize.MIN_1, BarSize.MINS_5, BarSize.HOUR_1, BarSize.HOURS_4])
@pytest.mark.parametrize("what", ["TRADES", "MIDPOINT"])
def test_bars_of_all_hours_hold_what_traded_outside_the_session(market, session, spy, plain, size, what):
    span = {"start": session.opens_at - timedelta(hours=5), "end": session.closes_at + timedelta(hours=3)}
    every = market.bars(spy, size=size, what=what, rth=False, **span)
    regular = plain.bars(spy, size=size, what=what, rth=False, **span)

    starts = [bar.at for bar in every]

    assert starts == sorted(set(starts))
    assert {bar.at for bar in regular} < set(starts)
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in every)
    assert market.bars(spy, size=size, what=what, rth=True, **span) == plain.bars(
        spy, size=size, what=what, rth=True, **span
    )
    if what == "TRADES":
        assert sum(bar.volume for bar in every) > sum(bar.volume for bar in regular)
    else:
        assert {bar.volume for bar in every} == {-1}


def test_a_bar_holds_nothing_of_what_is_to_come(market, session, spy):
    end = session.closes_at + timedelta(minutes=30, seconds=20)
    span = {"start": session.closes_at, "size": BarSize.HOUR_1, "what": "MIDPOINT", "rth": False}

    [bar] = market.bars(spy, end=end, **span)

    quotes = [market.quote(spy, at) for at in instants(session.closes_at, end, 5 * SECOND)]
    assert bar.high == pytest.approx(max((quote.bid + quote.ask) / 2 for quote in quotes), abs=1e-4)
    assert market.bars(spy, end=session.closes_at, **span) == ()


def test_before_history_begins_a_stock_shows_nothing(market, plain, spy):
    long_ago = plain.sessions(plain.first_day - timedelta(days=20), plain.first_day)[0]

    assert market.quote(spy, long_ago.opens_at - timedelta(hours=1)).bid is None
    assert market.quote(spy, long_ago.closes_at + timedelta(hours=1)).bid is None


@pytest.mark.parametrize("outside", [True, False])
def test_an_order_fills_outside_the_session_when_it_may(market, session, spy, outside):
    venue, late = Venue(market), session.closes_at + timedelta(hours=1)
    order = SimOrder(
        client_id=1,
        order_id=1,
        contract=spy,
        action="BUY",
        quantity=10,
        order_type="LMT",
        limit_price=9999.0,
        tif="GTC",
        outside_rth=outside,
    )

    events = venue.submit(order, late)

    fills = [event.price for event in events if isinstance(event, Execution)]
    assert fills == ([market.quote(spy, late).ask] if outside else [])


def test_a_halt_stops_extended_trading_too(market, session, spy):
    starts = session.closes_at + timedelta(minutes=10)
    halted = HaltedMarket(
        market, [Halt(symbol="SPY", starts_at=starts, ends_at=starts + timedelta(minutes=5))]
    )

    assert halted.quote(spy, starts).bid is None
    assert halted.next_change(spy, starts) == starts + timedelta(minutes=5)
