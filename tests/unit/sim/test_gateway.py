"""An unmodified client against the simulated Gateway, on virtual time."""

import asyncio
import math
from datetime import timedelta

import pytest

from ibkeel.ibkr.client import library as ii
from ibkeel.sim import SimulatedGateway, faults
from ibkeel.sim.codec import REQUESTS
from ibkeel.sim.transcripts import Form, Recorder
from ibkeel.sim.venue import Venue
from ibkeel.sim.wire import GREETING, FrameReader, encode, frame
from ibkeel.virtual import run_virtual, virtual_clock

HOST, PORT = "127.0.0.1", 4002
# ib_async keeps no ticker of a contract without its id.
STOCK = ii.Stock("SPY", "SMART", "USD", conId=756733)
INDEX = ii.Index("VIX", "CBOE", conId=13455763)


def now():
    return asyncio.get_running_loop().time()


def test_a_client_connects_and_finds_its_account(gateway_run):
    async def scene(gateway, ib):
        return ib.client.serverVersion(), ib.managedAccounts(), gateway.client_ids

    assert gateway_run(scene) == (ii.Client.MaxClientVersion, ["DU1234567"], (5,))


def test_the_server_time_is_the_clocks(gateway_run):
    async def scene(_gateway, ib):
        return (await ib.reqCurrentTimeAsync()).isoformat()

    assert gateway_run(scene) == "2026-01-05T14:30:00+00:00"


def test_an_ambiguous_option_has_many_definitions(gateway_run):
    async def scene(_gateway, ib):
        return await ib.reqContractDetailsAsync(ii.Option("SPY", "20260109", exchange="SMART"))

    details = gateway_run(scene)

    assert [(d.contract.right, d.contract.strike) for d in details] == [
        (right, strike) for right in "CP" for strike in (495.0, 500.0, 505.0)
    ]
    assert details[0].longName == "SPY"
    assert details[0].liquidHours.startswith("20260105:0930-20260105:1600;")
    assert details[0].underSecType == "STK"


def test_text_that_is_not_ascii_arrives_whole(gateway_run):
    async def scene(_gateway, ib):
        return await ib.reqContractDetailsAsync(STOCK)

    assert gateway_run(scene)[0].longName == "SPDR S&P 500 é ETF"


def test_a_contract_that_does_not_exist_is_error_200(gateway_run):
    async def scene(_gateway, ib):
        return await ib.reqContractDetailsAsync(ii.Stock("NONE", "SMART", "USD")), ib.errors

    rows, errors = gateway_run(scene)

    assert rows == []
    assert [(code, text) for _, code, text in errors] == [
        (200, "No security definition has been found for the request")
    ]


def test_a_chain_names_its_expiries_and_strikes(gateway_run):
    async def scene(_gateway, ib):
        return await ib.reqSecDefOptParamsAsync("SPY", "", "STK", 756733)

    [row] = gateway_run(scene)

    assert row.expirations == ["20260109", "20260116"]
    assert row.strikes == [495.0, 500.0, 505.0]


@pytest.mark.parametrize(
    ("contract", "closing"), [(STOCK, True), (ii.Option("SPY", "20260109", 500, "C", "SMART"), False)]
)
def test_contract_details_name_the_orders_that_are_taken(gateway_run, contract, closing):
    async def scene(_gateway, ib):
        [details] = await ib.reqContractDetailsAsync(contract)
        return details.orderTypes.split(",")

    types = gateway_run(scene)

    assert {"LMT", "TRAIL", "TRAILLMT", "GTD", "OPG"} <= set(types)
    assert ("MOC" in types) == ("LOC" in types) == closing


def test_a_complete_snapshot_ends_at_once(gateway_run):
    async def scene(gateway, ib):
        began = now()
        [ticker] = await ib.reqTickersAsync(STOCK)
        return ticker, now() - began, gateway.counters

    ticker, waited, counters = gateway_run(scene)

    assert (ticker.bid, ticker.ask, ticker.bidSize, ticker.askSize) == (500.09, 500.11, 10, 20)
    assert waited < 1
    assert (counters.open_lines, counters.max_open_lines) == (0, 1)


def test_a_snapshot_that_lacks_a_field_takes_its_whole_window(gateway_run):
    untraded = ii.Option("SPY", "20260109", 505, "C", "SMART")

    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(untraded)
        began = now()
        [ticker] = await ib.reqTickersAsync(untraded)
        return ticker, now() - began

    ticker, waited = gateway_run(scene)

    assert math.isnan(ticker.last)  # nobody traded it
    assert waited == pytest.approx(11.0, abs=0.1)


def test_a_regulatory_snapshot_is_one_too(gateway_run):
    async def scene(gateway, ib):
        ticker = ib.reqMktData(STOCK, regulatorySnapshot=True)
        await asyncio.sleep(1)
        return ticker.bid, gateway.counters.open_lines, ib.errors

    assert gateway_run(scene) == (500.09, 0, [])


def test_an_id_that_streams_is_refused_for_another_stream(gateway_run):
    async def scene(gateway, ib):
        for _ in range(2):
            ib.client.reqMktData(77, STOCK, "", False, False, [])
        await asyncio.sleep(1)
        return [(number, code) for number, code, _ in ib.errors], gateway.counters.open_lines

    assert gateway_run(scene) == ([(77, 102)], 1)


def test_a_stream_carries_changes_greeks_and_open_interest(gateway_run):
    call = ii.Option("SPY", "20260109", 500, "C", "SMART")

    async def scene(gateway, ib):
        await ib.qualifyContractsAsync(call)
        ticker = ib.reqMktData(call, "101")
        times = []
        ticker.updateEvent += lambda t: times.append(t.bid)
        await asyncio.sleep(4.5)
        ib.cancelMktData(call)
        await asyncio.sleep(5)
        return ticker, times, gateway.counters.open_lines

    ticker, bids, lines = gateway_run(scene)

    assert bids == [4.09, 4.08, 4.07, 4.06, 4.05]
    assert ticker.callOpenInterest == 77
    assert ticker.modelGreeks.delta == 0.5
    assert lines == 0


def test_a_subscription_above_the_lines_is_error_101(gateway_run):
    async def scene(gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        ib.reqMktData(STOCK)
        ib.reqMktData(INDEX)
        await asyncio.sleep(1)
        return ib.errors, gateway.counters.max_open_lines

    errors, most = gateway_run(scene, market_data_lines=1)

    assert [code for _, code, _ in errors] == [101]
    assert most == 1


def test_cancelling_what_does_not_run_is_error_300(gateway_run):
    async def scene(_gateway, ib):
        ib.client.cancelMktData(4711)
        await asyncio.sleep(1)
        return ib.errors

    assert gateway_run(scene) == [(4711, 300, "Can't find EId with tickerId:4711")]


def test_outside_the_session_there_is_no_book_unless_frozen(gateway_run):
    async def scene(_gateway, ib):
        await asyncio.sleep(8 * 3600)
        live = ib.reqMktData(STOCK)
        await asyncio.sleep(1)
        ib.cancelMktData(STOCK)
        without = live.bid, live.last, live.marketDataType
        ib.reqMarketDataType(2)
        frozen = ib.reqMktData(STOCK)
        await asyncio.sleep(1)
        return without, (frozen.bid, frozen.marketDataType)

    (bid, last, kind), (frozen_bid, frozen_kind) = gateway_run(scene)

    assert math.isnan(bid)
    assert (last, kind) == (500.1, 1)
    assert (frozen_bid, frozen_kind) == (500.08, 2)


def test_the_type_of_market_data_is_that_of_the_moment_of_asking(gateway_run):
    async def scene(_gateway, ib):
        await asyncio.sleep(8 * 3600)
        ib.reqMarketDataType(2)
        frozen = ib.reqMktData(STOCK)
        ib.reqMarketDataType(1)
        await asyncio.sleep(1)
        return frozen.bid, frozen.marketDataType

    assert gateway_run(scene) == (500.09, 2)


def test_without_entitlement_data_is_refused_or_delayed(gateway_run):
    async def scene(_gateway, ib):
        await asyncio.sleep(3600)
        ib.reqMktData(STOCK)
        await asyncio.sleep(1)
        ib.reqMarketDataType(3)
        delayed = ib.reqMktData(INDEX)
        await asyncio.sleep(1)
        return [code for _, code, _ in ib.errors], delayed.marketDataType, delayed.last

    assert gateway_run(scene, is_entitled=False) == ([10089, 10167], 3, 15.0)


def test_history_without_entitlement_ends_where_delayed_data_do(gateway_run):
    async def scene(_gateway, ib):
        await asyncio.sleep(3600)
        return await ib.reqHistoricalDataAsync(STOCK, "", "1800 S", "1 min", "TRADES", useRTH=True)

    live, delayed = gateway_run(scene), gateway_run(scene, is_entitled=False, delay_seconds=900.0)

    assert live[-1].date - delayed[-1].date == timedelta(minutes=15)


def raw(market, wire, version, *requests, act=lambda gateway: None):
    """What a client of some version is told, message by message, and the gateway."""

    async def main():
        gateway = SimulatedGateway(market=market, clock=virtual_clock())
        async with gateway.listening(HOST, PORT):
            client = gateway.reception.attach(wire)
            gateway.reception.receive(client, GREETING + frame(f"v100..{version}".encode()))
            gateway.reception.receive(client, encode(("71", "2", "9", "")))
            for name, values in requests:
                message = next(each for each in REQUESTS.values() if each.name == name)
                gateway.reception.receive(client, encode(message.build(values, version)))
            await asyncio.sleep(10)
            act(gateway)
            await asyncio.sleep(1)
        return gateway

    gateway = run_virtual(main())
    return FrameReader().receive(b"".join(wire.written)), gateway


SPY = {"symbol": "SPY", "sec_type": "STK", "exchange": "SMART", "currency": "USD"}
ONE_DAY = {
    "request_id": 4,
    "what": "TRADES",
    "bar_size": "1 day",
    "duration": "2 D",
    "use_rth": True,
    "date_format": 1,
}


@pytest.mark.parametrize("version", [195, 196, 200])
def test_newer_clients_are_told_the_span_of_a_history_after_its_bars(small_market, wire, version):
    messages, _ = raw(small_market, wire, version, ("historical_data", {**SPY, **ONE_DAY}))

    told = [message for message in messages if message[0] in {"17", "108"}]
    span = ("20260102 00:00:00 US/Eastern", "20260105 09:30:00 US/Eastern")
    if version < 196:
        assert [message[0] for message in told] == ["17"]
        assert told[0][2:5] == (*span, "2")
    else:
        assert told[0][:3] == ("17", "4", "2")
        assert told[1] == ("108", "4", *span)


@pytest.mark.parametrize(
    ("contract", "text"),
    [
        ({"sec_type": "OPT", "right": "C"}, "ambiguous"),
        ({"symbol": ""}, "No security definition"),
        ({"con_id": 1}, "No security definition"),
    ],
    ids=["many", "no symbol", "unknown id"],
)
def test_history_of_what_is_not_one_contract_is_error_200(small_market, wire, contract, text):
    messages, _ = raw(small_market, wire, 176, ("historical_data", {**SPY, **ONE_DAY, **contract}))

    [refused] = [message for message in messages if message[0] == "4" and message[2] == "4"]
    assert refused[3] == "200"
    assert text in refused[4]


def test_an_order_without_an_id_is_no_message(small_market, wire):
    order = {"order_id": None, "action": "BUY", "quantity": 1.0, "order_type": "MKT"}

    _, gateway = raw(small_market, wire, 176, ("place_order", {**SPY, **order, "tif": "DAY"}))

    assert (gateway.counters.malformed, gateway.counters.failures) == (1, 0)
    assert gateway.venue.open_orders() == []


def test_what_a_client_says_after_it_was_closed_is_not_heard(small_market, wire):
    async def main():
        gateway = SimulatedGateway(market=small_market, clock=virtual_clock())
        async with gateway.listening(HOST, PORT):
            client = gateway.reception.attach(wire)
            start = encode(("71", "2", "9", ""))
            both = GREETING + frame(b"v100..120") + start + encode(("49", "1"))
            gateway.reception.receive(client, both)
            await asyncio.sleep(1)
            return gateway.counters, gateway.drop(9)

    counters, was_there = run_virtual(main())

    assert wire.is_closed
    assert not was_there
    assert counters.failures == 0
    assert b"\x0049\x00" not in b"".join(wire.written)


def test_a_connection_that_is_reset_is_recorded_to_its_end(small_market):
    class Client(asyncio.Protocol):
        error = None

        def connection_lost(self, error):
            self.error = error

    async def main():
        clock, entries = virtual_clock(), []
        gateway = SimulatedGateway(market=small_market, clock=clock)
        gateway.listen_in(Recorder(clock.now(), entries.append))
        async with gateway.listening(HOST, PORT):
            transport, client = await asyncio.get_running_loop().create_connection(Client, HOST, PORT)
            transport.write(GREETING + frame(b"v157..176") + encode(("71", "2", "9", "")))
            await asyncio.sleep(1)
            gateway.inject(faults.ConnectionLost())
            await asyncio.sleep(1)
        return client.error, entries

    error, entries = run_virtual(main())

    assert isinstance(error, ConnectionResetError)
    assert entries[-1].form is Form.CLOSED
    assert "next_valid_id" in [entry.name for entry in entries]


class WallClock:
    """The loop's clock, which somebody sets."""

    def __init__(self):
        self.set_by, self._clock = timedelta(), virtual_clock()

    def monotonic(self):
        return self._clock.monotonic()

    def now(self):
        return self._clock.now() + self.set_by


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_stops_nothing(small_market, small_exchange, hours):
    async def main():
        asyncio.set_event_loop(asyncio.get_running_loop())
        clock, ib = WallClock(), ii.IB()
        gateway = SimulatedGateway(market=small_market, venue=small_exchange, clock=clock)
        try:
            async with gateway.listening(HOST, PORT):
                await ib.connectAsync(HOST, PORT, clientId=5)
                ib.RequestTimeout = 5
                before, ticker = await ib.reqCurrentTimeAsync(), ib.reqMktData(STOCK)
                await asyncio.sleep(10)
                clock.set_by = timedelta(hours=hours)
                ticker.bid = math.nan
                for _ in range(60):
                    await asyncio.sleep(1)
                    after = await asyncio.wait_for(ib.reqCurrentTimeAsync(), 5)
                ib.disconnect()
                return (after - before).total_seconds(), ticker.bid, gateway.counters.violations
        finally:
            asyncio.set_event_loop(None)

    passed, bid, violations = run_virtual(main())

    assert passed == pytest.approx(70 + max(hours, 0) * 3600, abs=2)
    assert bid > 0
    assert not violations


def test_account_updates_that_are_not_wanted_any_more_end_also_before_the_first(gateway_run):
    async def scene(_gateway, ib):
        ib.placeOrder(STOCK, ii.MarketOrder("BUY", 1))
        await asyncio.sleep(1)
        told = []
        ib.updatePortfolioEvent += told.append
        for subscribe in (True, True, False):
            ib.client.reqAccountUpdates(subscribe, "")
        await asyncio.sleep(600)
        unwanted = len(told)
        for _ in range(2):
            ib.client.reqAccountUpdates(True, "")
        await asyncio.sleep(200)
        return unwanted, len(told)

    assert gateway_run(scene, account_update_seconds=180.0) == (0, 2)


def test_a_fill_tells_of_what_was_traded_and_not_of_all_that_is_held(gateway_run):
    """A thousand positions sent a thousand rows with each fill."""

    async def scene(_gateway, ib):
        told, call = [], ii.Option("SPY", "20260109", 500, "C", "SMART")
        for contract in (STOCK, call):
            ib.placeOrder(contract, ii.MarketOrder("BUY", 1))
            await asyncio.sleep(1)
        ib.updatePortfolioEvent += told.append
        ib.placeOrder(STOCK, ii.MarketOrder("SELL", 1))
        await asyncio.sleep(1)
        after_fill = [(row.contract.secType, row.position) for row in told]
        await asyncio.sleep(200)
        return after_fill, [row.contract.secType for row in told[1:]]

    assert gateway_run(scene, account_update_seconds=180.0) == ([("STK", 0.0)], ["STK", "OPT"])


@pytest.mark.parametrize(
    ("duration", "size", "count", "first", "last"),
    [
        ("1800 S", "1 min", 30, "2026-01-05 10:00:00-05:00", "2026-01-05 10:29:00-05:00"),
        ("7200 S", "5 mins", 24, "2026-01-02 15:00:00-05:00", "2026-01-05 10:25:00-05:00"),
        ("1 D", "30 mins", 2, "2026-01-05 09:30:00-05:00", "2026-01-05 10:00:00-05:00"),
        ("2 D", "1 hour", 8, "2026-01-02 09:30:00-05:00", "2026-01-05 09:30:00-05:00"),
        ("5 D", "1 day", 5, "2025-12-30", "2026-01-05"),
        ("1 W", "1 day", 5, "2025-12-30", "2026-01-05"),
        ("1 M", "1 day", 21, "2025-12-08", "2026-01-05"),
    ],
)
def test_history_has_the_bars_of_its_duration(gateway_run, duration, size, count, first, last):
    async def scene(_gateway, ib):
        end = "20260105 10:30:00 US/Eastern"
        await asyncio.sleep(2 * 3600)
        await ib.qualifyContractsAsync(STOCK)
        return await ib.reqHistoricalDataAsync(STOCK, end, duration, size, "TRADES", True)

    bars = gateway_run(scene)

    assert (len(bars), str(bars[0].date), str(bars[-1].date)) == (count, first, last)
    assert (bars[0].volume, bars[0].barCount) == (100, 7)


@pytest.mark.parametrize(
    ("duration", "size", "what", "code", "text"),
    [
        ("60 S", "5 mins", "TRADES", 162, "invalid step"),
        ("3600 S", "3 hours", "TRADES", 162, "invalid step"),
        ("86401 S", "5 mins", "TRADES", 321, "must be made in days"),
        ("1 Q", "5 mins", "TRADES", 321, "duration is invalid"),
        ("1 D", "7 mins", "TRADES", 321, "bar size setting is invalid"),
        ("1 D", "5 mins", "GOSSIP", 321, "GOSSIP"),
    ],
)
def test_history_that_makes_no_sense_is_refused(gateway_run, duration, size, what, code, text):
    async def scene(gateway, ib):
        bars = await ib.reqHistoricalDataAsync(STOCK, "", duration, size, what, True)
        return bars, ib.errors, gateway.counters.open_histories

    bars, [(_, got, said)], waiting = gateway_run(scene)

    assert (list(bars), got, waiting) == ([], code, 0)
    assert text in said


def test_history_of_nothing_is_error_162(gateway_run):
    async def scene(_gateway, ib):
        end = "20260104-10:00:00"  # a Sunday
        bars = await ib.reqHistoricalDataAsync(STOCK, end, "1800 S", "1 min", "TRADES", False)
        return list(bars), ib.errors

    bars, [(_, code, text)] = gateway_run(scene)

    assert (bars, code) == ([], 162)
    assert text.endswith("HMDS query returned no data: SPY@SMART Trades")


def test_a_cancelled_history_says_so(gateway_run):
    async def scene(gateway, ib):
        task = ib.reqHistoricalDataAsync(STOCK, "", "1 D", "1 min", "TRADES", True)
        future = asyncio.ensure_future(task)
        await asyncio.sleep(0.1)
        [request_id] = [key for key in ib.wrapper._futures if isinstance(key, int)]
        ib.client.cancelHistoricalData(request_id)
        await future
        return request_id, ib.errors, gateway.counters.open_histories

    request_id, errors, waiting = gateway_run(scene)

    text = f"API historical data query cancelled: {request_id}"
    assert errors == [(request_id, 162, f"Historical Market Data Service error message:{text}")]
    assert waiting == 0


def test_history_kept_up_to_date_moves_on(gateway_run):
    async def scene(_gateway, ib):
        bars = await ib.reqHistoricalDataAsync(
            STOCK, "", "1800 S", "1 min", "TRADES", True, keepUpToDate=True
        )
        before = len(bars)
        await asyncio.sleep(125)
        ib.cancelHistoricalData(bars)
        await asyncio.sleep(20)
        return [str(bar.date)[11:16] for bar in bars][before:], bars[-1]

    added, last = gateway_run(scene)

    assert added == ["09:31", "09:32"]
    assert last.low <= last.close <= last.high


def test_the_51st_open_history_is_a_pacing_violation(gateway_run):
    async def scene(gateway, ib):
        requests = [ib.reqHistoricalDataAsync(STOCK, "", "1800 S", "1 min", "TRADES", True) for _ in range(3)]
        await asyncio.gather(*requests)
        return ib.errors, gateway.counters

    [(_, code, text)], counters = gateway_run(scene, open_histories=2)

    assert code == 162
    assert "Only 2 simultaneous API historical data requests allowed" in text
    assert (counters.pacing_violations, counters.max_open_histories) == (1, 2)


def test_identical_histories_within_15_seconds_are_a_violation_on_demand(gateway_run):
    async def scene(gateway, ib):
        for wait in (5, 16, 0):
            await ib.reqHistoricalDataAsync(STOCK, "", "1800 S", "1 min", "TRADES", True)
            await asyncio.sleep(wait)
        return gateway.counters.pacing_violations

    assert gateway_run(scene, paces_identical_histories=True) == 1


def test_messages_above_the_rate_are_pacing_violations(gateway_run):
    async def scene(gateway, ib):
        ib.client.MaxRequests = 0
        await asyncio.sleep(2)
        for _ in range(53):
            ib.client.reqIds(1)
        await asyncio.sleep(1)
        return gateway.counters.pacing_violations

    assert gateway_run(scene) == 3


def test_the_client_librarys_own_throttle_is_within_the_rate(gateway_run):
    async def scene(gateway, ib):
        for _ in range(300):
            ib.client.reqIds(1)
        await asyncio.sleep(20)
        return gateway.counters.pacing_violations, gateway.counters.requests["next_id"]

    assert gateway_run(scene) == (0, 300)


def test_a_market_order_fills_and_is_charged(gateway_run):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        trade = ib.placeOrder(STOCK, ii.MarketOrder("BUY", 10, orderRef="entry"))
        await asyncio.sleep(1)
        return trade

    trade = gateway_run(scene)

    [fill] = trade.fills
    assert trade.orderStatus.status == "Filled"
    assert (fill.execution.side, fill.execution.shares, fill.execution.orderRef) == ("BOT", 10, "entry")
    assert fill.commissionReport.commission == 1.0


def test_positions_and_portfolio_follow_a_fill(gateway_run):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        ib.placeOrder(STOCK, ii.MarketOrder("BUY", 10))
        await asyncio.sleep(1)
        [held], [row] = ib.positions(), ib.portfolio()
        fills = await ib.reqExecutionsAsync(ii.ExecutionFilter(side="BUY"))
        sold = await ib.reqExecutionsAsync(ii.ExecutionFilter(side="SELL"))
        completed = await ib.reqCompletedOrdersAsync(False)
        return held.position, row.unrealizedPNL, len(fills), len(sold), completed

    position, unrealized, bought, sold, [completed] = gateway_run(scene)

    assert (position, unrealized, bought, sold) == (10, 1.0, 1, 0)
    assert completed.orderStatus.status == "Filled"


def test_a_resting_order_survives_its_client_and_can_be_cancelled(gateway_run):
    async def scene(gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        ib.placeOrder(STOCK, ii.LimitOrder("BUY", 10, 450, tif="GTC", orderRef="mine"))
        await asyncio.sleep(1)
        ib.disconnect()
        await asyncio.sleep(1)
        other = ii.IB()
        await other.connectAsync(HOST, PORT, clientId=5)
        [trade] = other.openTrades()
        other.cancelOrder(trade.order)
        await asyncio.sleep(1)
        seen = trade.order.orderRef, trade.order.lmtPrice, trade.order.tif
        fresh = other.client.getReqId() > trade.order.orderId
        other.disconnect()
        return seen, fresh, trade.orderStatus.status, gateway.counters.errors_sent[202]

    assert gateway_run(scene) == (("mine", 450.0, "GTC"), True, "Cancelled", 1)


def test_a_global_cancel_ends_every_order(gateway_run):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        trades = [ib.placeOrder(STOCK, ii.LimitOrder("BUY", 1, 450 + n)) for n in range(3)]
        await asyncio.sleep(1)
        ib.reqGlobalCancel()
        await asyncio.sleep(1)
        return [trade.orderStatus.status for trade in trades]

    assert gateway_run(scene) == ["Cancelled"] * 3


def test_an_order_for_an_unknown_contract_is_error_200(gateway_run):
    async def scene(_gateway, ib):
        trade = ib.placeOrder(ii.Stock("NONE", "SMART", "USD"), ii.MarketOrder("BUY", 1))
        await asyncio.sleep(1)
        return trade.order.orderId, ib.errors

    order_id, [(number, code, _)] = gateway_run(scene)

    assert (number, code) == (order_id, 200)


def test_a_what_if_order_shows_its_margin_and_is_not_placed(gateway_run):
    async def scene(gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        state = await ib.whatIfOrderAsync(STOCK, ii.LimitOrder("BUY", 10, 450))
        return state, gateway.venue.open_orders()

    state, placed = gateway_run(scene)

    assert (state.initMarginBefore, state.initMarginChange, state.initMarginAfter) == (
        "0.0", "2250.0", "2250.0",
    )  # fmt: skip
    assert (state.commission, state.commissionCurrency, placed) == (1.0, "USD", [])


def test_account_summary_and_profit_are_served(gateway_run):
    async def scene(_gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        ib.placeOrder(STOCK, ii.MarketOrder("BUY", 10))
        await asyncio.sleep(1)
        pnl = ib.reqPnL("DU1234567")
        single = ib.reqPnLSingle("DU1234567", "", 756733)
        await asyncio.sleep(1)
        return await ib.accountSummaryAsync(), pnl.realizedPnL, single.position

    rows, realized, position = gateway_run(scene)

    assert [(row.tag, row.value) for row in rows if row.tag == "BuyingPower"] == [
        ("BuyingPower", "400000.00")
    ]
    assert (realized, position) == (2.0, 10)


def test_a_client_id_in_use_is_error_326_and_the_end(gateway_run):
    async def scene(gateway, ib):
        second, errors = ii.IB(), []
        second.errorEvent += lambda *args: errors.append(args[1])
        with pytest.raises(TimeoutError):
            await second.connectAsync(HOST, PORT, clientId=5)
        return errors, gateway.client_ids, gateway.counters.refused, ib.isConnected()

    assert gateway_run(scene) == ([326], (5,), 1, True)


def test_a_dropped_client_gives_its_lines_back_and_may_return(gateway_run):
    async def scene(gateway, ib):
        await ib.qualifyContractsAsync(STOCK)
        ib.reqMktData(STOCK)
        await asyncio.sleep(1)
        held = gateway.counters.open_lines
        gateway.drop(5)
        await asyncio.sleep(1)
        left, connected = gateway.counters.open_lines, ib.isConnected()
        await ib.connectAsync(HOST, PORT, clientId=5)
        return held, left, connected, gateway.client_ids

    assert gateway_run(scene) == (1, 0, False, (5,))


def test_a_notice_reaches_every_client(gateway_run):
    async def scene(gateway, ib):
        gateway.broadcast(1100, "Connectivity between IB and Trader Workstation has been lost.")
        await asyncio.sleep(1)
        return [(number, code) for number, code, _ in ib.errors]

    assert gateway_run(scene) == [(-1, 1100)]


def test_a_broken_answer_is_reported_and_the_session_goes_on(gateway_run, small_market, caplog, monkeypatch):
    def broken(_under_con_id):
        raise ZeroDivisionError("broken on purpose")

    async def scene(gateway, ib):
        monkeypatch.setattr(small_market, "option_classes", broken)
        rows = await ib.reqSecDefOptParamsAsync("SPY", "", "STK", 756733)
        time = await ib.reqCurrentTimeAsync()
        failures, gateway.counters.failures = gateway.counters.failures, 0
        return rows, ib.errors, failures, time

    rows, [(_, code, text)], failures, time = gateway_run(scene)

    assert (rows, code, failures) == ([], 320, 1)
    assert "broken on purpose" in text
    assert time is not None
    assert any(record.exc_info for record in caplog.records if record.name == "ibkeel.sim")


def test_messages_nobody_serves_are_logged_once_and_ignored(gateway_run, caplog):
    async def scene(gateway, ib):
        ib.client.send(72, 1)
        ib.client.send(72, 2)
        return await ib.reqCurrentTimeAsync(), gateway.counters.unknown

    time, unknown = gateway_run(scene)

    assert time is not None
    assert unknown == {"72": 2}
    assert caplog.messages.count("message not served, from client 5: number '72'") == 1


@pytest.mark.parametrize("version", [157, 163, 166, 178, 186, 192, 194, 196, 198, 200])
def test_every_version_gets_through_the_start(small_market, small_exchange, version, wire):
    async def main():
        gateway = SimulatedGateway(market=small_market, venue=small_exchange, clock=virtual_clock())
        client = gateway.reception.attach(wire)
        gateway.reception.receive(client, GREETING + frame(f"v100..{version}".encode()))
        gateway.reception.receive(client, encode(("71", "2", "9", "")))

    run_virtual(main())

    messages = FrameReader().receive(b"".join(wire.written))
    assert messages[0][0] == str(version)
    assert [message[0] for message in messages[1:]] == ["15", "9", "4", "4", "4"]


def test_two_runs_send_the_same_bytes(small_market, small_exchange, wire):
    def once():
        async def main():
            gateway = SimulatedGateway(
                market=small_market, venue=type(small_exchange)(small_market), clock=virtual_clock()
            )
            sink = type(wire)()
            async with gateway.listening(HOST, PORT):
                client = gateway.reception.attach(sink)
                gateway.reception.receive(
                    client, GREETING + frame(b"v157..176") + encode(("71", "2", "9", ""))
                )
                for number in range(20):
                    contract = ("0", "SPY", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")
                    request = ("1", "11", str(number), *contract, "0", "", "0", "0", "")
                    gateway.reception.receive(client, encode(request))
                await asyncio.sleep(10)
            return sink.written

        return run_virtual(main())

    first, second = once(), once()

    assert first == second
    assert len(first) > 10


def test_a_gateway_that_listens_refuses_to_start_again(gateway_run):
    async def scene(gateway, _ib):
        with pytest.raises(RuntimeError, match="listens already"):
            await gateway.start(HOST, PORT)
        return True

    assert gateway_run(scene)


def test_clients_see_the_account_that_the_venue_keeps(gateway_run, small_market):
    async def scene(gateway, ib):
        state = await ib.whatIfOrderAsync(STOCK, ii.LimitOrder("BUY", 10, 450))
        ib.placeOrder(STOCK, ii.LimitOrder("BUY", 10, 450))
        await asyncio.sleep(1)
        return ib.managedAccounts(), state.status, len(gateway.venue.open_orders()), ib.errors

    venue = Venue(small_market, account="DU7654321")

    assert gateway_run(scene, venue=venue) == (["DU7654321"], "PreSubmitted", 1, [])
