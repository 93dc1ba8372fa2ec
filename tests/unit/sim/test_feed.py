"""Ticks and bars from what a feed shows, and the edges of the services built on them."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from ibkeel.ibkr.client import library as ii
from ibkeel.sim import Limits
from ibkeel.sim.counters import Pacing
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.services.feed import changes, last_trade_at, price_of, short_bars, trade_of
from ibkeel.sim.services.past import tick_of
from ibkeel.sim.services.sheets import changing, initial
from ibkeel.sim.values import ContractPattern, MarketQuote
from ibkeel.sim.venue import Venue, VenueSettings

OPENING = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
CLOSING = datetime(2026, 1, 5, 21, tzinfo=UTC)
BARE = MarketQuote(at=OPENING)
SEEDED = SeededMarket(7)


def quote(**shown):
    return MarketQuote(at=OPENING, **shown)


def second(number):
    return timedelta(seconds=number)


@pytest.mark.parametrize(
    ("before", "after", "trade"),
    [
        (BARE, BARE, None),
        (quote(last=1.0, volume=5), quote(last=1.0, volume=5), None),
        (quote(last=1.0, volume=5), quote(last=1.0, volume=9), (1.0, 4)),
        (quote(last=1.0, volume=5), quote(last=2.0, volume=9), (2.0, 4)),
        (quote(last=1.0, volume=900), quote(last=2.0, volume=9, last_size=3), (2.0, 3)),  # a new day
        (quote(last=1.0), quote(last=2.0), (2.0, 0)),
        (BARE, quote(last=2.0, last_size=7), (2.0, 7)),
    ],
)
def test_a_trade_shows_in_the_volume_or_in_the_last_price(before, after, trade):
    assert trade_of((before, after)) == trade


@pytest.mark.parametrize("symbol", ["SPY", "an option"])
@pytest.mark.parametrize("hours", [-24.0, -0.2, 0.0, 1.0, 3.5, 6.5, 12.5])
def test_the_last_trade_is_found_whenever_one_asks(symbol, hours):
    [session] = SEEDED.sessions(SEEDED.session_date, SEEDED.session_date)
    at = session.opens_at + timedelta(hours=hours)
    [contract] = SEEDED.find(ContractPattern(symbol="SPY", sec_type="STK"))
    if symbol != "SPY":
        spot = SEEDED.quote(contract, session.opens_at).last
        calls = SEEDED.find(ContractPattern(symbol="SPY", sec_type="OPT", right="C"))
        contract = min(calls, key=lambda call: (call.expiry, abs(call.strike - spot)))
    shown = SEEDED.quote(contract, at)

    traded_at = last_trade_at(SEEDED, contract, shown)

    if not shown.volume:
        assert traded_at is None
    else:
        assert SEEDED.quote(contract, traded_at).volume == shown.volume
        assert SEEDED.quote(contract, traded_at - second(1)).volume != shown.volume
        assert traded_at <= min(at, session.closes_at)


def test_without_a_change_of_volume_no_last_trade_is_known(small_market, spy):
    assert last_trade_at(small_market, spy, small_market.quote(spy, OPENING)) is None


def test_what_trades_outside_the_session_has_traded_now(small_market, spy):
    shown = quote(last=1.0, volume=0, is_extended=True)

    assert last_trade_at(small_market, spy, shown) == OPENING


def test_the_time_of_the_last_trade_does_not_depend_on_when_one_asks(gateway_run):
    [session] = SEEDED.sessions(SEEDED.session_date, SEEDED.session_date)

    async def scene(_gateway, ib):
        told, contracts = [], [ii.Stock("SPY", "SMART", "USD"), ii.Index("VIX", "CBOE")]
        await ib.qualifyContractsAsync(*contracts)
        ib.wrapper.tickString = lambda _, kind, text: told.append((kind, int(text)))
        for _ in range(2):
            for contract in contracts:
                ib.reqMktData(contract, snapshot=True)
            await asyncio.sleep(15)
        return told

    told = gateway_run(scene, market=SEEDED, venue=None, start=session.closes_at + timedelta(hours=6))

    assert told == [(45, int(session.closes_at.timestamp()) - 1)] * 2


@pytest.mark.parametrize(("what", "price"), [("BID", 1.0), ("ASK", 1.02), ("MIDPOINT", 1.01)])
def test_a_quote_has_a_price_of_each_kind(what, price):
    assert price_of(quote(bid=1.0, ask=1.02), what) == price
    assert price_of(BARE, what) is None


@pytest.mark.parametrize("what", ["TRADES", "BID_ASK", "MIDPOINT"])
def test_an_empty_quote_is_no_tick(what):
    assert tick_of(what, (BARE, BARE), ignore_size=False) is None


def test_sizes_alone_make_a_tick_unless_they_are_to_be_ignored():
    change = quote(bid=1.0, ask=1.1, bid_size=1), quote(bid=1.0, ask=1.1, bid_size=2)

    assert tick_of("BID_ASK", change, ignore_size=True) is None
    assert tick_of("BID_ASK", change, ignore_size=False)["bid_size"] == 2


def test_changes_lie_in_the_session_and_begin_with_the_first_instant(small_market, spy):
    found = list(changes(small_market, spy, CLOSING - second(2), CLOSING + timedelta(days=1)))

    at = [each.at for _, each in found]
    assert at[:3] == [CLOSING - second(2), CLOSING - second(1), OPENING + timedelta(days=1)]
    assert at[-1] == CLOSING + timedelta(days=1) - second(1)


def test_bars_of_what_never_shows_are_none(small_market, spy, monkeypatch):
    monkeypatch.setattr(small_market, "quote", lambda _, at: MarketQuote(at=at))

    for what in ("TRADES", "BID", "MIDPOINT"):
        made = short_bars(small_market, spy, start=OPENING, end=OPENING + second(60), seconds=5, what=what)
        assert made == []


@pytest.mark.parametrize(
    ("shown", "mark"),
    [
        ({}, None),
        ({"close": 3.0}, 3.0),
        ({"last": 3.0, "bid": 3.1, "ask": 3.2}, 3.1),
        ({"last": 3.3, "bid": 3.1, "ask": 3.2}, 3.2),
        ({"last": 3.15, "bid": 3.1, "ask": 3.2}, 3.15),
    ],
)
def test_the_mark_is_the_last_price_within_the_quote(spy, shown, mark):
    made = list(changing(spy, quote(**shown), None, frozenset({"232"})))

    assert [values["price"] for name, values in made if name == "tick_price"] == (
        [] if mark is None else [mark]
    )


def test_a_market_without_history_or_options_has_no_such_ticks(small_market, spy, monkeypatch):
    monkeypatch.setattr(small_market, "bars", lambda *_, **__: ())
    monkeypatch.setattr(small_market, "greeks", lambda *_: None)
    wanted = frozenset({"104", "106", "165", "236"})

    made = initial(small_market, spy, wanted, OPENING)
    [index] = small_market.find(ContractPattern(symbol="VIX"))

    assert [values["type"] for _, values in made] == [49, 46]
    assert initial(small_market, index, wanted, OPENING) == []


def test_old_requests_are_forgotten_in_time():
    pacing = Pacing(Limits())
    for number in range(2000):
        pacing.repeated(number, ("asked", number), 15.0)

    assert pacing.repeated(2000.0, ("asked", 1990), 15.0)
    assert not pacing.repeated(2000.0, ("asked", 5), 1e9)


def test_a_side_that_vanishes_empties_its_depth(gateway_run, small_market, monkeypatch):
    whole = small_market.quote

    def one_sided(contract, at):
        shown = whole(contract, at)
        return shown._replace(bid=None, bid_size=None) if at >= OPENING + second(5) else shown

    async def scene(_gateway, ib):
        monkeypatch.setattr(small_market, "quote", one_sided)
        stock = ii.Stock("SPY", "SMART", "USD")
        await ib.qualifyContractsAsync(stock)
        ticker = ib.reqMktDepth(stock, 3)
        await asyncio.sleep(3)
        before = len(ticker.domBids)
        await asyncio.sleep(5)
        return before, len(ticker.domBids), len(ticker.domAsks)

    assert gateway_run(scene) == (3, 0, 3)


def test_depth_begins_with_the_session(gateway_run):
    async def scene(_gateway, ib):
        await asyncio.sleep(7 * 3600)
        stock = ii.Stock("SPY", "SMART", "USD")
        await ib.qualifyContractsAsync(stock)
        ticker = ib.reqMktDepth(stock, 3)
        await asyncio.sleep(60)
        before = len(ticker.domBids)
        await asyncio.sleep(17 * 3600)
        return before, len(ticker.domBids)

    assert gateway_run(scene) == (0, 3)


def test_a_feed_that_never_moves_is_not_waited_for(gateway_run):
    async def scene(gateway, ib):
        index = ii.Index("VIX", "CBOE")
        await ib.qualifyContractsAsync(index)
        bars = await ib.reqHistoricalDataAsync(index, "", "1 D", "1 hour", "TRADES", True, keepUpToDate=True)
        ib.reqTickByTickData(index, "Last")
        await asyncio.sleep(60)
        held = gateway.counters.open_histories
        ib.cancelHistoricalData(bars)
        await asyncio.sleep(1)
        return held, gateway.counters.open_histories

    assert gateway_run(scene) == (1, 0)


@pytest.mark.parametrize("number", [77, 78])
def test_an_id_of_a_history_that_runs_is_refused_for_another(gateway_run, number):
    async def scene(_gateway, ib):
        stock = ii.Stock("SPY", "SMART", "USD")
        ib.client.reqHistoricalData(77, stock, "", "1 D", "1 hour", "TRADES", True, 1, True, [])
        await asyncio.sleep(0 if number == 77 else 5)
        ib.client.reqHistoricalData(77, stock, "", "1 D", "1 hour", "TRADES", True, 1, False, [])
        await asyncio.sleep(1)
        return [code for _, code, _ in ib.errors]

    assert gateway_run(scene) == [386]


def test_an_id_of_old_ticks_that_are_asked_for_is_refused_for_others(gateway_run):
    async def scene(_gateway, ib):
        stock = ii.Stock("SPY", "SMART", "USD")
        for _ in range(2):
            ib.client.reqHistoricalTicks(77, stock, "", "20260102-20:00:00", 10, "TRADES", 1, False, [])
        await asyncio.sleep(1)
        return [code for _, code, _ in ib.errors]

    assert gateway_run(scene) == [386]


def test_real_time_bars_of_an_unknown_kind_are_refused(gateway_run):
    async def scene(_gateway, ib):
        ib.client.reqRealTimeBars(77, ii.Stock("SPY", "SMART", "USD"), 5, "GOSSIP", True, [])
        await asyncio.sleep(1)
        return [code for _, code, _ in ib.errors]

    assert gateway_run(scene) == [321]


def test_advice_how_to_insist_reaches_the_client(gateway_run, small_market):
    venue = Venue(small_market, settings=VenueSettings(price_precaution=0.05))

    async def scene(_gateway, ib):
        [stock] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
        refused = ib.placeOrder(stock, ii.LimitOrder("BUY", 1, 600.0))
        await asyncio.sleep(1)
        [advice] = json.loads(refused.advancedError)["rejects"]
        insisting = ii.LimitOrder("BUY", 1, 600.0, advancedErrorOverride=advice["override"])
        taken = ib.placeOrder(stock, insisting)
        await asyncio.sleep(1)
        return refused.orderStatus.status, taken.orderStatus.status

    assert gateway_run(scene, venue=venue) == ("Cancelled", "Filled")


def test_fewer_ticks_than_wanted_are_told_when_there_are_no_more(gateway_run):
    async def scene(_gateway, ib):
        await asyncio.sleep(10)
        stock = ii.Stock("SPY", "SMART", "USD")
        await ib.qualifyContractsAsync(stock)
        return await ib.reqHistoricalTicksAsync(stock, OPENING, "", 500, "TRADES", True)

    assert 5 < len(gateway_run(scene)) < 15


def test_a_quote_of_which_the_sizes_alone_change_is_no_tick_when_they_are_ignored(
    gateway_run, small_market, monkeypatch
):
    def still(_contract, at):
        return MarketQuote(at=at, bid=1.0, ask=1.1, bid_size=at.second, ask_size=at.second)

    async def scene(_gateway, ib):
        monkeypatch.setattr(small_market, "quote", still)
        told, contracts = [], [ii.Stock("SPY", "SMART", "USD"), ii.Index("VIX", "CBOE")]
        await ib.qualifyContractsAsync(*contracts)
        ib.wrapper.tickByTickBidAsk = lambda *values: told.append(values)
        stock = ii.Stock("SPY", "SMART", "USD")
        ib.client.reqTickByTickData(77, stock, "BidAsk", 0, True)
        await asyncio.sleep(5)
        return told

    assert gateway_run(scene) == []


def test_without_prices_nothing_is_ranked_exercised_or_reckoned(gateway_run, small_market, monkeypatch):
    whole = small_market.quote
    option = ii.Option("SPY", "20260109", 500, "C", "SMART")

    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(option)
        ib.placeOrder(option, ii.MarketOrder("BUY", 1))
        await asyncio.sleep(24 * 3600)
        monkeypatch.setattr(
            small_market,
            "quote",
            lambda *asked: whole(*asked)._replace(last=None, close=None, volume=None),
        )
        rows = [
            await ib.reqScannerDataAsync(
                ii.ScannerSubscription(instrument="STK", locationCode="STK.US.MAJOR", scanCode=scan)
            )
            for scan in ("TOP_PERC_LOSE", "TOP_PERC_GAIN", "MOST_ACTIVE_USD", "MOST_ACTIVE")
        ]
        pnl = ib.reqPnL("DU1234567")
        ib.exerciseOptions(option, 1, 1, "DU1234567", 0)
        computed = await ib.calculateOptionPriceAsync(option, -1.0, 500.0)
        held = []
        ib.wrapper.positionMulti = lambda _number, _account, _model, contract, *_: held.append(contract.right)
        ib.client.reqPositionsMulti(78, "", "")
        await asyncio.sleep(1)
        return [list(each) for each in rows], pnl.dailyPnL, [code for _, code, _ in ib.errors], computed, held

    ranked, daily, codes, computed, held = gateway_run(scene, venue=None)

    assert ranked == [[], [], [], []]
    assert daily > 1e300
    assert codes == [322]
    assert computed.optPrice is None
    assert held == ["C"]


def test_history_up_to_no_instant_is_refused(gateway_run):
    async def scene(_gateway, ib):
        stock = ii.Stock("SPY", "SMART", "USD")
        await ib.reqHistoricalDataAsync(stock, "yesterday", "1 D", "1 hour", "TRADES", True)
        return [code for _, code, _ in ib.errors]

    assert gateway_run(scene) == [10314]
