"""Real-time bars, single ticks, depth and ticks of the past, as an unmodified client sees them."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from ibkeel.ibkr.client import library as ii
from ibkeel.sim import faults
from ibkeel.sim.market import SeededMarket

STOCK = ii.Stock("SPY", "SMART", "USD")  # of the small market
SEEDED = ii.Stock("SPY", "SMART", "USD")
INDEX = ii.Index("VIX", "CBOE")
CALL = ii.Option("SPY", "20260109", 500, "C", "SMART")
MARKET = SeededMarket(7)
SESSION = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0]
ELEVEN = SESSION.opens_at + timedelta(minutes=90)
MORNING = {"market": MARKET, "venue": None, "start": ELEVEN}


@pytest.mark.parametrize("what", ["TRADES", "MIDPOINT", "BID", "ASK"])
def test_real_time_bars_are_the_bars_that_history_tells_later(gateway_run, what):
    async def scene(gateway, ib):
        await ib.qualifyContractsAsync(SEEDED)
        bars = ib.reqRealTimeBars(SEEDED, 5, what, True)
        await asyncio.sleep(32)
        held = gateway.counters.open_lines
        ib.cancelRealTimeBars(bars)
        count = len(bars)
        await asyncio.sleep(20)
        told = await ib.reqHistoricalDataAsync(SEEDED, "", "60 S", "5 secs", what, True, formatDate=2)
        return bars, count, held, gateway.counters.open_lines, told

    bars, count, held, left, told = gateway_run(scene, **MORNING)

    known = {bar.date: (bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in told}
    assert (len(bars), held, left) == (count, 1, 0)
    assert count == 6
    assert [(bar.open_, bar.high, bar.low, bar.close, bar.volume) for bar in bars] == [
        known[bar.time] for bar in bars
    ]


def test_real_time_bars_pause_outside_the_session_and_in_silence(gateway_run):
    async def scene(gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        bars = ib.reqRealTimeBars(STOCK, 5, "TRADES", True)
        await asyncio.sleep(31)
        gateway.inject(faults.SilentStreams(duration=30.0))
        await asyncio.sleep(29)
        silent = len(bars)
        await asyncio.sleep(7 * 3600)
        closed = len(bars)
        await asyncio.sleep(60)
        return silent, closed, len(bars), bars[-1].time

    silent, closed, later, last = gateway_run(scene)

    assert silent == 6
    assert later == closed
    assert f"{last:%H:%M:%S}" == "20:59:55"


def test_a_bar_without_a_trade_stands_still(gateway_run):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(INDEX)
        bars = ib.reqRealTimeBars(INDEX, 5, "TRADES", True)
        await asyncio.sleep(11)
        return bars

    bars = gateway_run(scene)

    assert {(bar.open_, bar.close, bar.volume) for bar in bars} == {(15.0, 15.0, 0)}


@pytest.mark.parametrize("kind", ["Last", "AllLast", "BidAsk", "MidPoint"])
def test_ticks_come_one_by_one_until_they_are_cancelled(gateway_run, kind):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        ticker, seen = ib.reqTickByTickData(STOCK, kind), []
        ticker.updateEvent += lambda each: seen.extend(each.tickByTicks)
        await asyncio.sleep(5.5)
        ib.cancelTickByTickData(STOCK, kind)
        await asyncio.sleep(5)
        return seen

    seen = gateway_run(scene)

    shown = [
        getattr(tick, "price", None) or getattr(tick, "midPoint", None) or tick.bidPrice for tick in seen
    ]
    step = -0.01
    assert len(seen) == 5
    assert [round(after - before, 2) for before, after in pairwise(shown)] == [step] * 4


def test_ticks_of_the_past_come_before_those_of_the_present(gateway_run):
    async def scene(_gateway, ib):
        await asyncio.sleep(60)
        [spy] = await ib.qualifyContractsAsync(STOCK)
        told, number = [], ib.client.getReqId()
        ib.wrapper.startReq = None
        ib.wrapper.historicalTicksLast = lambda _, ticks, done: told.append((len(ticks), done))
        ib.client.reqTickByTickData(number, spy, "Last", 3, False)
        await asyncio.sleep(1)
        return told

    assert gateway_run(scene) == [(3, True)]


@pytest.mark.parametrize(
    ("contract", "kind", "code"), [(CALL, "Last", 10189), (STOCK, "Gossip", 321), (STOCK, "Last", 10189)]
)
def test_ticks_that_cannot_be_had_are_refused(gateway_run, contract, kind, code):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(contract)
        ib.client.reqTickByTickData(ib.client.getReqId(), contract, kind, 0, False)
        await asyncio.sleep(1)
        return [code for _, code, _ in ib.errors]

    assert gateway_run(scene, is_entitled=contract is CALL) == [code]


@pytest.mark.parametrize("what", ["TRADES", "BID_ASK", "MIDPOINT"])
def test_ticks_of_the_past_are_the_same_from_both_ends(gateway_run, what):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(SEEDED)
        end = ELEVEN - timedelta(minutes=3)
        last = await ib.reqHistoricalTicksAsync(SEEDED, "", end, 20, what, True)
        first = await ib.reqHistoricalTicksAsync(SEEDED, last[0].time, "", 20, what, True)
        return last, first, end

    last, first, end = gateway_run(scene, **MORNING)

    assert first == last
    assert len(last) == 20
    assert all(tick.time < end for tick in last)


def test_ticks_of_the_past_end_with_the_present_and_reach_over_nights(gateway_run):
    async def scene(_gateway, ib):
        await asyncio.sleep(2)
        await ib.qualifyContractsAsync(STOCK)
        return await ib.reqHistoricalTicksAsync(STOCK, "", "20260105 15:30:00 US/Eastern", 10, "TRADES", True)

    ticks = gateway_run(scene)

    assert [f"{tick.time:%d %H:%M:%S}" for tick in ticks[-5:]] == [
        "02 20:59:58",
        "02 20:59:59",
        "05 14:30:00",
        "05 14:30:01",
        "05 14:30:02",
    ]


@pytest.mark.parametrize(
    ("start", "end", "count", "what", "code"),
    [
        ("", "", 10, "TRADES", 321),
        ("20260102-20:00:00", "20260102-20:10:00", 10, "TRADES", 321),
        ("", "20260102-20:00:00", 1001, "TRADES", 321),
        ("", "20260102-20:00:00", 0, "TRADES", 321),
        ("", "20260102-20:00:00", 10, "GOSSIP", 321),
        ("", "yesterday", 10, "TRADES", 10314),
    ],
)
def test_ticks_of_the_past_that_make_no_sense_are_refused(gateway_run, start, end, count, what, code):
    async def scene(gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        ib.client.reqHistoricalTicks(7, STOCK, start, end, count, what, True, False, [])
        await asyncio.sleep(5)  # ib_async takes 321 for a warning, and waits on
        return ib.errors, gateway.counters.open_histories

    [(number, refused, _)], histories = gateway_run(scene)

    assert (number, refused, histories) == (7, code, 0)


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda ib, number: ib.client.reqMktDepth(number, STOCK, 5, True, []), 354),
        (lambda ib, number: ib.client.reqRealTimeBars(number, STOCK, 5, "TRADES", True, []), 420),
        (
            lambda ib, number: ib.client.reqHistoricalTicks(
                number, STOCK, "", "20260102-20:00:00", 5, "TRADES", True, False, []
            ),
            10187,
        ),
    ],
)
def test_streams_and_ticks_need_live_data(gateway_run, ask, code):
    async def scene(gateway, ib):
        ask(ib, ib.client.getReqId())
        await asyncio.sleep(1)
        return [code for _, code, _ in ib.errors], gateway.counters.open_lines

    assert gateway_run(scene, is_entitled=False) == ([code], 0)


@pytest.mark.parametrize("smart", [True, False])
def test_depth_follows_the_quote(gateway_run, smart):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        ticker = ib.reqMktDepth(STOCK, 3, smart)
        await asyncio.sleep(5.5)
        quote = ib.reqMktData(STOCK)
        await asyncio.sleep(1)
        book = ticker.domBids[:], ticker.domAsks[:], quote.bid, quote.ask
        ib.cancelMktDepth(STOCK, smart)
        ib.client.cancelMktDepth(4711, smart)
        await asyncio.sleep(1)
        return *book, [code for _, code, _ in ib.errors]

    bids, asks, bid, ask, errors = gateway_run(scene)

    assert [level.price for level in bids] == [bid, round(bid - 0.01, 2), round(bid - 0.02, 2)]
    assert [level.price for level in asks] == [ask, round(ask + 0.01, 2), round(ask + 0.02, 2)]
    assert [level.size for level in bids] == [10, 20, 30]
    assert errors == [310]


def test_an_index_has_no_depth(gateway_run):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(INDEX)
        ib.reqMktDepth(INDEX, 3)
        await asyncio.sleep(1)
        return [code for _, code, _ in ib.errors]

    assert gateway_run(scene) == [10092]


@pytest.mark.parametrize(
    ("size", "seconds"), [("5 secs", 5), ("10 secs", 10), ("30 secs", 30), ("1 min", 60)]
)
def test_bars_that_are_kept_up_to_date_end_as_history_tells_them(gateway_run, size, seconds):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(SEEDED)
        bars = await ib.reqHistoricalDataAsync(
            SEEDED, "", "600 S", size, "TRADES", True, formatDate=2, keepUpToDate=True
        )
        before = len(bars)
        await asyncio.sleep(200)
        ib.cancelHistoricalData(bars)
        told = await ib.reqHistoricalDataAsync(SEEDED, "", "900 S", size, "TRADES", True, formatDate=2)
        return before, bars, told

    before, bars, told = gateway_run(scene, **MORNING)

    known = {bar.date: bar for bar in told}
    assert len(bars) >= before + 200 // seconds - 1
    assert all(bar == known[bar.date] for bar in bars[:-1])


def test_bars_of_both_sides_lie_between_the_bid_and_the_ask(gateway_run):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(SEEDED)
        kinds = ("BID_ASK", "BID", "ASK")
        return [
            await ib.reqHistoricalDataAsync(SEEDED, "", "600 S", "1 min", kind, True, formatDate=2)
            for kind in kinds
        ]

    both, bids, asks = gateway_run(scene, **MORNING)

    assert [bar.low for bar in both] == [bar.low for bar in bids]
    assert [bar.high for bar in both] == [bar.high for bar in asks]
    assert all(bar.low <= bar.open < bar.close <= bar.high for bar in both[:1])


@pytest.mark.parametrize(
    ("duration", "size", "refused"),
    [
        ("2000 S", "1 secs", False),
        ("2001 S", "1 secs", True),
        ("3601 S", "5 secs", True),
        ("14401 S", "10 secs", True),
        ("28800 S", "15 secs", True),
        ("1 D", "1 secs", True),
        ("1 W", "5 secs", True),
        ("1 M", "15 secs", True),
        ("1 Y", "30 secs", True),
    ],
)
def test_short_bars_are_to_be_had_for_short_times_alone(gateway_run, duration, size, refused):
    async def scene(_gateway, ib):
        await asyncio.sleep(3600)
        await ib.qualifyContractsAsync(STOCK)
        bars = await ib.reqHistoricalDataAsync(STOCK, "", duration, size, "TRADES", True)
        return len(bars), [(code, "invalid step" in text) for _, code, text in ib.errors]

    count, errors = gateway_run(scene)

    assert errors == ([(162, True)] if refused else [])
    assert count == (0 if refused else 2001)  # the first and the last are partial


@pytest.mark.parametrize(("end", "kept"), [("20240304-16:00:00", False), ("20240305-16:00:00", True)])
def test_short_bars_are_kept_for_half_a_year(gateway_run, end, kept):
    async def scene(_gateway, ib):
        told = await ib.reqHistoricalDataAsync(SEEDED, end, "1800 S", "30 secs", "TRADES", True)
        longer = await ib.reqHistoricalDataAsync(SEEDED, end, "1800 S", "1 min", "TRADES", True)
        return bool(told), bool(longer), [(code, "returned no data" in text) for _, code, text in ib.errors]

    told, longer, errors = gateway_run(scene, **MORNING)  # 2024-09-05

    assert (told, longer) == (kept, True)
    assert errors == ([] if kept else [(162, True)])


@pytest.mark.parametrize(("end", "what"), [("20260102-20:00:00", "TRADES"), ("", "BID_ASK")])
def test_what_cannot_be_kept_up_to_date_is_refused(gateway_run, end, what):
    async def scene(gateway, ib):
        number = ib.client.getReqId()
        ib.client.reqHistoricalData(number, STOCK, end, "600 S", "1 min", what, True, 1, True, [])
        await asyncio.sleep(1)
        return [code for _, code, _ in ib.errors], gateway.counters.open_histories

    assert gateway_run(scene) == ([321], 0)


@pytest.mark.parametrize(
    ("fault", "code"),
    [(faults.Bust(), 10225), (faults.CompetingSession(revives=False, duration=1.0), 10197)],
)
def test_faults_of_market_data_end_its_streams_too(gateway_run, fault, code):
    async def scene(gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        ib.client.reqRealTimeBars(77, STOCK, 5, "TRADES", True, [])
        seen = []
        ib.wrapper.realtimeBar = lambda number, *_: seen.append(number)
        await asyncio.sleep(11)
        gateway.inject(fault)
        before = len(seen)
        await asyncio.sleep(20)
        return before, len(seen), ib.errors[0][:2], gateway.counters.open_lines

    before, after, error, lines = gateway_run(scene)

    assert (before, after, error, lines) == (2, 2, (77, code), 1)


def test_data_lost_upstream_means_that_streams_are_to_be_asked_for_again(gateway_run):
    async def scene(gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        ib.client.reqRealTimeBars(77, STOCK, 5, "TRADES", True, [])
        ib.client.reqMktDepth(78, STOCK, 5, True, [])
        await asyncio.sleep(1)
        held = gateway.counters.open_lines
        gateway.inject(faults.UpstreamLost(duration=5.0, restores_as=1101))
        await asyncio.sleep(10)
        return held, gateway.counters.open_lines

    assert gateway_run(scene) == (1, 0)


def test_a_client_that_leaves_gives_everything_back(gateway_run):
    async def scene(gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        ib.reqRealTimeBars(STOCK, 5, "TRADES", True)
        ib.client.reqHeadTimeStamp(78, STOCK, "TRADES", True, 1)
        await ib.reqHistoricalDataAsync(STOCK, "", "600 S", "1 min", "TRADES", True, keepUpToDate=True)
        held = gateway.counters.open_lines, gateway.counters.open_histories
        ib.disconnect()
        await asyncio.sleep(1)
        return held, (gateway.counters.open_lines, gateway.counters.open_histories)

    assert gateway_run(scene) == ((1, 2), (0, 0))


def test_one_id_is_one_stream(gateway_run):
    async def scene(gateway, ib):
        for _ in range(2):
            ib.client.reqRealTimeBars(77, STOCK, 5, "TRADES", True, [])
        await asyncio.sleep(1)
        return [(number, code) for number, code, _ in ib.errors], gateway.counters.open_lines

    assert gateway_run(scene) == ([(77, 322)], 1)


@pytest.mark.parametrize(("size", "count"), [("1 week", 5), ("1 month", 2)])
@pytest.mark.parametrize("what", ["TRADES", "BID"])
def test_weeks_and_months_are_made_of_days(gateway_run, size, count, what):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(SEEDED)
        return [
            await ib.reqHistoricalDataAsync(SEEDED, "", "1 M", each, what, True) for each in (size, "1 day")
        ]

    long, days = gateway_run(scene, **MORNING)

    assert len(long) == count
    assert (long[0].open, long[-1].close, long[-1].date) == (days[0].open, days[-1].close, days[-1].date)
    assert max(bar.high for bar in long) == max(bar.high for bar in days)
    assert sum(bar.volume for bar in long) == (
        sum(bar.volume for bar in days) if what == "TRADES" else -count
    )


@pytest.mark.parametrize(("duration", "size"), [("5 D", "1 week"), ("1 W", "1 month")])
def test_long_bars_need_a_long_time(gateway_run, duration, size):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        await ib.reqHistoricalDataAsync(STOCK, "", duration, size, "TRADES", True)
        return [code for _, code, _ in ib.errors]

    assert gateway_run(scene) == [162]
