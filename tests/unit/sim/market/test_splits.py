"""Splits: the stock's prices, and what becomes of its options."""

from datetime import timedelta
from functools import cache

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.sim.market import SeededMarket, SplitMarket
from ibkeel.sim.values import BarSize, ContractPattern, SimOrder
from ibkeel.sim.venue import Split, Venue


@pytest.fixture(scope="module")
def plain():
    return SeededMarket(7)


@pytest.fixture(scope="module")
def spy(plain):
    [found] = plain.find(ContractPattern(symbol="SPY", sec_type="STK"))
    return found


@pytest.fixture(scope="module")
def noon(plain):
    [session] = plain.sessions(plain.session_date, plain.session_date)
    return session.opens_at + timedelta(hours=2)


@pytest.fixture(scope="module")
def split_of(plain, spy, noon):
    """A market in which SPY is split at noon, and the split."""

    @cache
    def made(ratio):
        split = Split(con_id=spy.con_id, at=noon, ratio=ratio)
        return SplitMarket(plain, [split]), split

    return made


@pytest.fixture
def call(plain, spy, noon):
    """The call at the money that expires in a fortnight or later."""
    calls = plain.find(ContractPattern(symbol="SPY", sec_type="OPT", right="C"))
    spot, later = plain.quote(spy, noon).last, plain.session_date + timedelta(days=14)
    return min(
        (each for each in calls if each.expiry > later),
        key=lambda each: (each.expiry, abs(each.strike - spot)),
    )


def adjusted(market, option, split):
    [found] = market.find(
        ContractPattern(
            symbol="SPY",
            sec_type="OPT",
            expiry=f"{option.expiry:%Y%m%d}",
            right=option.right,
            strike=split.strike(option.strike),
            trading_class="SPY1",
        )
    )
    return found


def test_a_stock_shows_prices_divided_from_the_split_on(plain, split_of, spy, noon):
    market, _ = split_of(2.0)
    before, after = noon - timedelta(seconds=1), noon + timedelta(minutes=5)

    shown, whole = market.quote(spy, after), plain.quote(spy, after)

    assert market.quote(spy, before) == plain.quote(spy, before)
    for name in ("bid", "ask", "last", "high", "low", "close"):
        assert getattr(shown, name) == pytest.approx(getattr(whole, name) / 2, abs=0.0101)
    assert shown.bid < shown.ask
    assert (shown.ask_size, shown.volume) == (2 * whole.ask_size, 2 * whole.volume)


def test_the_moment_of_a_split_is_announced(plain, split_of, spy, call, noon):
    market, _ = split_of(2.0)
    moment = market.next_change(spy, noon - timedelta(milliseconds=1))

    assert moment == noon
    assert market.next_change(call, noon) == plain.next_change(call, noon)


@pytest.mark.parametrize(("ratio", "multiplier"), [(2.0, 100), (3.0, 100), (1.5, 150), (0.1, 10)])
def test_an_adjusted_option_takes_the_place_of_the_old_one(plain, split_of, call, noon, ratio, multiplier):
    market, split = split_of(ratio)
    before, after = noon - timedelta(minutes=1), noon + timedelta(minutes=1)

    new = adjusted(market, call, split)

    assert (new.strike, new.multiplier) == (pytest.approx(call.strike / ratio, abs=1e-3), multiplier)
    assert market.by_con_id(new.con_id) == new
    assert market.quote(new, before).ask is None
    assert market.quote(new, after).ask == pytest.approx(plain.quote(call, after).ask / ratio, abs=0.011)
    assert market.quote(call, before) == plain.quote(call, before)
    assert market.quote(call, after).ask is None


def test_the_greeks_of_an_adjusted_option_are_of_the_new_price(plain, split_of, call, noon):
    market, split = split_of(2.0)
    new, after = adjusted(market, call, split), noon + timedelta(minutes=1)

    greeks, whole = market.greeks(new, after), plain.greeks(call, after)

    assert (greeks.delta, greeks.iv) == (whole.delta, whole.iv)
    assert greeks.gamma == pytest.approx(2 * whole.gamma)
    assert greeks.underlying_price == pytest.approx(whole.underlying_price / 2)
    assert market.greeks(call, after) is None
    assert market.greeks(new, noon - timedelta(minutes=1)) is None


@pytest.mark.parametrize("what", ["TRADES", "BID"])
def test_bars_are_adjusted_once_they_reach_beyond_the_split(plain, split_of, spy, noon, what):
    market, _ = split_of(4.0)
    span = {"start": noon - timedelta(minutes=5), "size": BarSize.MIN_1, "what": what, "rth": True}

    early = market.bars(spy, end=noon, **span)
    late = market.bars(spy, end=noon + timedelta(minutes=2), **span)

    whole = plain.bars(spy, end=noon + timedelta(minutes=2), **span)
    assert early == plain.bars(spy, end=noon, **span)
    for bar, other in zip(late, whole, strict=True):
        assert bar.close == pytest.approx(other.close / 4, abs=0.0051)
        assert bar.volume == (4 * other.volume if what == "TRADES" else -1)
        assert what != "TRADES" or bar.low <= bar.wap <= bar.high


def test_the_chain_has_a_row_for_adjusted_options_and_other_stocks_have_none(plain, split_of, spy):
    market, _ = split_of(1.5)
    [qqq] = market.find(ContractPattern(symbol="QQQ", sec_type="STK"))

    rows = {(row.exchange, row.trading_class): row for row in market.option_classes(spy.con_id)}

    assert rows["SMART", "SPY1"].multiplier == 150
    assert rows["SMART", "SPY"] in plain.option_classes(spy.con_id)
    assert market.option_classes(qqq.con_id) == plain.option_classes(qqq.con_id)
    assert market.underlyings() == plain.underlyings()


@pytest.mark.parametrize(("ratio", "held"), [(2.0, 6.0), (1.5, 3.0)])
def test_who_holds_options_through_a_split_is_as_rich_as_before(split_of, spy, call, noon, ratio, held):
    market, split = split_of(ratio)
    venue = Venue(market, cash=1_000_000.0, actions=[split])
    for number, (contract, quantity) in enumerate([(call, 3), (spy, 100)], start=1):
        order = SimOrder(
            client_id=1, order_id=number, contract=contract, action="BUY", quantity=quantity, order_type="MKT"
        )
        venue.submit(order, noon - timedelta(minutes=1))
    [before, _] = venue.positions()
    worth = venue.valuation(noon - timedelta(seconds=1)).net_liquidation

    venue.advance(noon)

    positions = {each.contract.sec_type: each for each in venue.positions()}
    new = adjusted(market, call, split)
    assert positions["OPT"].contract == new
    assert positions["OPT"].quantity == held
    assert positions["OPT"].quantity * positions["OPT"].average_cost == pytest.approx(3 * before.average_cost)
    assert positions["STK"].quantity == 100 * ratio
    assert venue.valuation(noon).net_liquidation == pytest.approx(worth, rel=2e-3)


def test_adjusted_options_can_be_sold_again(split_of, call, noon):
    market, split = split_of(2.0)
    venue = Venue(market, actions=[split])
    venue.submit(
        SimOrder(client_id=1, order_id=1, contract=call, action="BUY", quantity=1, order_type="MKT"),
        noon - timedelta(minutes=1),
    )
    venue.advance(noon)
    new = adjusted(market, call, split)

    venue.submit(
        SimOrder(client_id=1, order_id=2, contract=new, action="SELL", quantity=2, order_type="MKT"), noon
    )

    assert venue.positions() == []


def test_options_that_the_market_does_not_list_adjusted_are_left_as_they_are(plain, spy, call, noon):
    venue = Venue(plain, actions=[Split(con_id=spy.con_id, at=noon, ratio=1.5)])
    order = SimOrder(client_id=1, order_id=1, contract=call, action="BUY", quantity=1, order_type="MKT")
    venue.submit(order, noon - timedelta(minutes=1))
    before = venue.positions()

    venue.advance(noon)

    assert venue.positions() == before


def test_a_split_that_makes_no_sense_is_refused(plain, spy, call, noon):
    split = Split(con_id=spy.con_id, at=noon, ratio=2.0)

    with pytest.raises(InvalidInput, match="no stock"):
        SplitMarket(plain, [Split(con_id=call.con_id, at=noon, ratio=2.0)])
    with pytest.raises(InvalidInput, match="one split"):
        SplitMarket(plain, [split, split])
    with pytest.raises(InvalidInput, match="would deliver"):
        SplitMarket(plain, [Split(con_id=spy.con_id, at=noon, ratio=1 / 3)])
