"""Every limit: a greedy client breaks it and is told so, a polite one just below it is not."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from ibkeel.ibkr.client import library as ii
from ibkeel.sim import GatewaySettings, Limits, SimulatedGateway
from ibkeel.sim.codec import REQUESTS
from ibkeel.sim.counters import CAPACITIES
from ibkeel.sim.wire import GREETING, encode, frame
from ibkeel.virtual import run_virtual, virtual_clock

HOST, PORT, CLIENT = "127.0.0.1", 4002, 5
STOCK = ii.Stock("SPY", "SMART", "USD")
ALMOST = 0.99  # a polite client keeps to this part of a rate


class SetClock:
    """Shows what it is set to."""

    shown = datetime(2026, 1, 5, 15, tzinfo=UTC)

    def monotonic(self):
        return self.shown.timestamp()

    def now(self):
        return self.shown

    def pass_time(self, seconds):
        self.shown += timedelta(seconds=seconds)


def history(ib, end="", size="5 secs"):
    ib.client.reqHistoricalData(ib.client.getReqId(), STOCK, end, "60 S", size, "TRADES", False, 1, False, [])


def other_history(ib):
    """One that is identical to none before."""
    second = ib.client.getReqId() % 3600
    history(ib, f"20260102-20:{second // 60:02d}:{second % 60:02d}")


def long_history(ib):
    history(ib, size="1 min")


def ticks(ib):
    ib.client.reqTickByTickData(ib.client.getReqId(), STOCK, "Last", 0, False)


def depth(ib):
    ib.client.reqMktDepth(ib.client.getReqId(), STOCK, 5, False, [])


def quotes(ib):
    ib.client.reqMktData(ib.client.getReqId(), STOCK, "", False, False, [])


def real_time_bars(ib):
    ib.client.reqRealTimeBars(ib.client.getReqId(), STOCK, 5, "TRADES", True, [])


def brief_real_time_bars(ib):
    number = ib.client.getReqId()
    ib.client.reqRealTimeBars(number, STOCK, 5, "TRADES", True, [])
    ib.client.cancelRealTimeBars(number)


def symbols(ib):
    ib.client.reqMatchingSymbols(ib.client.getReqId(), "SP")


def summary(ib):
    ib.client.reqAccountSummary(ib.client.getReqId(), "All", "NetLiquidation")


def scanner(ib):
    wanted = ii.ScannerSubscription(instrument="STK", locationCode="STK.US.MAJOR", scanCode="MOST_ACTIVE")
    ib.client.reqScannerSubscription(ib.client.getReqId(), wanted, [], [])


def order(ib):
    ib.placeOrder(STOCK, ii.LimitOrder("BUY", 1, 1.0))


def any_message(ib):
    ib.client.reqIds(1)


@attrs.frozen
class Limit:
    """A rule, how often its request may be made at once or in `seconds`, and the error for one more."""

    rule: str
    ask: Callable
    allowed: int
    code: int | None
    seconds: float | None = None  # None: a capacity
    settings: dict = attrs.field(factory=dict)
    limits: dict = attrs.field(factory=dict)

    def __str__(self):
        return self.rule


PACE = {"histories": None, "identical_history": None, "same_contract_histories": None}
LIMITS = [
    Limit("message_rate", any_message, 50, None, 1.0, {"messages_per_second": 50}),
    Limit("message_rate", any_message, 50, 100, 1.0, {"messages_per_second": 50, "rejects_over_rate": True}),
    Limit("market_data_lines", quotes, 3, 101, None, {"market_data_lines": 3}),
    Limit("market_data_lines", real_time_bars, 3, 101, None, {"market_data_lines": 3}),
    Limit("depth", depth, 3, 309),
    Limit("tick_by_tick", ticks, 5, 10190, limits={"tick_by_tick_repeat": None}),
    Limit("tick_by_tick_repeat", ticks, 1, 10190, 15.0, limits={"tick_by_tick": None}),
    Limit("scanners", scanner, 10, 162),
    Limit("account_summaries", summary, 2, 322),
    Limit("symbol_search", symbols, 1, 322, 1.0),
    Limit("active_orders", order, 20, 201),
    Limit("open_histories", long_history, 50, 162, limits=PACE),
    Limit("histories", other_history, 60, 162, 600.0, {"open_histories": 100}, {**PACE, "histories": 60}),
    Limit(
        "histories", brief_real_time_bars, 60, 420, 600.0, {"market_data_lines": 1000},
        limits={**PACE, "histories": 60},
    ),
    Limit("identical_history", history, 1, 162, 15.0),
    Limit("same_contract_histories", other_history, 5, 162, 2.0, limits={"histories": None}),
]  # fmt: skip
PACES = [limit for limit in LIMITS if limit.seconds is not None]


@pytest.fixture
def played(small_market):
    """What a scene with a client, which throttles nothing itself, leaves in the Gateway's counters."""

    def play(scene, settings, limits):
        async def main():
            gateway = SimulatedGateway(
                market=small_market,
                clock=virtual_clock(),
                settings=GatewaySettings(
                    **{"messages_per_second": 1000, **settings}, limits=Limits(**limits)
                ),
            )
            ib, errors = ii.IB(), []
            ib.client.MaxRequests = 0
            async with gateway.listening(HOST, PORT):
                await ib.connectAsync(HOST, PORT, clientId=CLIENT)
                ib.errorEvent += lambda number, code, *_: errors.append(code)
                await asyncio.sleep(1.5)
                await scene(ib)
                await asyncio.sleep(1)
                ib.disconnect()
                await asyncio.sleep(1)
            assert gateway.counters.failures == 0
            assert (gateway.counters.open_lines, gateway.counters.open_histories) == (0, 0)
            return gateway.counters, errors

        return run_virtual(main())

    return play


@pytest.mark.parametrize("limit", LIMITS, ids=str)
def test_one_more_than_allowed_breaks_the_rule_and_is_attributed(played, limit):
    async def greedy(ib):
        for _ in range(limit.allowed + 1):
            limit.ask(ib)

    counters, errors = played(greedy, limit.settings, limit.limits)

    assert counters.violations == Counter({limit.rule: 1})
    assert counters.violations_by_client == {CLIENT: counters.violations}
    assert counters.pacing_violations == (0 if limit.rule in CAPACITIES else 1)
    # Cancels of what was refused get an error of their own.
    assert [code for code in errors if code not in {202, 300}] == ([] if limit.code is None else [limit.code])


@pytest.mark.parametrize("limit", LIMITS, ids=str)
def test_as_many_as_allowed_break_nothing(played, limit):
    async def bold(ib):
        for _ in range(limit.allowed):
            limit.ask(ib)

    counters, errors = played(bold, limit.settings, limit.limits)

    assert (counters.violations, errors) == (Counter(), [])


@pytest.mark.parametrize("limit", PACES, ids=str)
def test_a_client_that_keeps_just_below_the_rate_is_never_refused(played, limit):
    async def polite(ib):
        for _ in range(3 * limit.allowed + 1):
            limit.ask(ib)
            await asyncio.sleep(limit.seconds / limit.allowed / ALMOST)

    generous = {"market_data_lines": 1000, **limit.settings}

    counters, errors = played(polite, generous, limit.limits)

    assert (counters.violations, errors) == (Counter(), [])


@pytest.mark.parametrize("limit", PACES, ids=str)
def test_a_client_just_above_the_rate_is_refused_in_the_end(played, limit):
    async def hasty(ib):
        for _ in range(3 * limit.allowed + 1):
            limit.ask(ib)
            await asyncio.sleep(limit.seconds / (limit.allowed + 1))

    generous = {"market_data_lines": 1000, **limit.settings, "rejects_over_rate": False}

    counters, _ = played(hasty, generous, limit.limits)

    assert set(counters.violations) == {limit.rule}


@pytest.mark.parametrize(
    "limit", [each for each in LIMITS if hasattr(Limits.none(), each.rule)], ids=str
)  # fmt: skip
def test_a_limit_that_is_switched_off_refuses_nobody(played, limit):
    async def greedy(ib):
        for _ in range(limit.allowed + 1):
            limit.ask(ib)

    off = attrs.asdict(Limits.none())

    counters, errors = played(greedy, {"open_histories": 100, **limit.settings}, off)

    assert (counters.violations, errors) == (Counter(), [])


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("market_data_lines", quotes),
        ("market_data_lines", ticks),
        ("messages_per_second", any_message),
        ("open_histories", long_history),
    ],
)
@pytest.mark.parametrize("paces", [False, True])
def test_what_the_gateways_settings_limit_is_switched_off_by_none(played, name, ask, paces):
    async def greedy(ib):
        for _ in range(200):
            ask(ib)

    limits = {**PACE, "tick_by_tick_repeat": None}
    counters, errors = played(greedy, {name: None, "paces_over_rate": paces}, limits)

    assert (counters.violations, errors) == (Counter(), [])


def test_messages_above_the_rate_are_read_late_where_the_gateway_paces(played):
    late = []

    async def greedy(ib):
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        for _ in range(149):
            any_message(ib)
        await ib.reqCurrentTimeAsync()
        late.append(asyncio.get_running_loop().time() - began)
        await ib.reqCurrentTimeAsync()
        late.append(asyncio.get_running_loop().time() - began)

    counters, errors = played(greedy, {"messages_per_second": 50, "paces_over_rate": True}, {})

    assert late == pytest.approx([2.0, 2.0], abs=0.1)
    assert counters.violations["message_rate"] == 100
    assert errors == []


def test_what_is_read_late_keeps_its_order_and_outlives_its_client(small_market, small_exchange, wire):
    clock, spy = SetClock(), {"symbol": "SPY", "sec_type": "STK", "exchange": "SMART"}
    terms = {"action": "BUY", "quantity": 1, "order_type": "LMT", "limit_price": 1.0, "transmit": True}
    settings = GatewaySettings(messages_per_second=1, paces_over_rate=True)
    gateway = SimulatedGateway(market=small_market, venue=small_exchange, clock=clock, settings=settings)
    client = gateway.reception.attach(wire)

    def say(*messages):
        gateway.reception.receive(client, b"".join(messages))

    def asked(name, **values):
        [request] = [each for each in REQUESTS.values() if each.name == name]
        return encode(request.build(values, 176))

    say(GREETING + frame(b"v157..176"), asked("start_api", client_id=5))
    say(*(asked("place_order", order_id=number, **spy, **terms) for number in (1, 2)))
    clock.pass_time(2.5)  # the loop is busy: what is due has not run when the next message comes
    say(asked("cancel_order", order_id=1))
    gateway.reception.detach(client)
    there = gateway.client_ids
    for _ in range(2):  # to be read, and to be done
        clock.pass_time(5)
        gateway.reception.receive(gateway.reception.attach(wire), b"")  # anything makes it look at its clock

    assert (there, gateway.client_ids) == ((5,), ())
    assert sorted(small_exchange.orders) == [(5, 2)]
    assert gateway.counters.errors_sent[10147] == 0


def test_the_thirty_third_client_is_turned_away(played):
    others = []

    async def crowd(_ib):
        for number in range(31):
            others.append(ii.IB())
            await others[-1].connectAsync(HOST, PORT, clientId=100 + number, readonly=True)
        with pytest.raises(TimeoutError):
            await ii.IB().connectAsync(HOST, PORT, clientId=200)
        for other in others:
            other.disconnect()

    counters, _ = played(crowd, {}, {})

    assert len(others) == 31
    assert counters.violations == Counter({"clients": 1})
    assert (counters.refused, counters.violations_by_client) == (1, {200: counters.violations})


def test_bars_above_thirty_seconds_are_not_paced(played):
    async def busy(ib):
        for _ in range(70):
            long_history(ib)
            await asyncio.sleep(0.3)

    counters, errors = played(busy, {}, {})

    assert (counters.violations, errors) == (Counter(), [])


def test_bars_of_every_size_are_paced_where_the_settings_say_so(played):
    async def busy(ib):
        long_history(ib)
        long_history(ib)

    counters, errors = played(busy, {}, {"paced_bar_seconds": float("inf")})

    assert (counters.violations, errors) == (Counter({"identical_history": 1}), [162])


def test_bars_of_both_sides_count_twice(played):
    async def busy(ib):
        for second in range(31):
            ib.client.reqHistoricalData(
                ib.client.getReqId(), STOCK, f"20260102-20:00:{second:02d}", "60 S", "5 secs", "BID_ASK",
                False, 1, False, [],
            )  # fmt: skip

    counters, errors = played(busy, {}, {"same_contract_histories": None})

    assert counters.violations == Counter({"histories": 1})
    assert errors == [162]


def test_a_request_that_was_cancelled_makes_room_for_another(played):
    async def tidy(ib):
        numbers = []
        for _ in range(6):
            numbers.append(ib.client.getReqId())
            ib.client.reqMktDepth(numbers[-1], STOCK, 5, False, [])
            await asyncio.sleep(0.5)
            if len(numbers) >= 3:
                ib.client.cancelMktDepth(numbers.pop(0), False)

    counters, errors = played(tidy, {}, {})

    assert (counters.violations, errors) == (Counter(), [])


def test_a_kept_history_and_a_head_timestamp_stay_open_until_they_are_cancelled(played):
    async def keep(ib):
        ib.client.reqHistoricalData(
            101, STOCK, "", "1800 S", "1 min", "TRADES", True, 1, True, []
        )  # fmt: skip
        ib.client.reqHeadTimeStamp(102, STOCK, "TRADES", True, 1)
        await asyncio.sleep(5)
        history(ib)
        await asyncio.sleep(5)
        ib.client.cancelHistoricalData(101)
        ib.client.cancelHeadTimeStamp(102)
        history(ib, "20260102-20:00:00")
        await asyncio.sleep(1)

    counters, errors = played(keep, {"open_histories": 2}, {"same_contract_histories": None})

    assert errors == [162, 162]  # one request too many, and the notice of the cancel
    assert counters.violations == Counter({"open_histories": 1})


@pytest.mark.parametrize("zone", ["Mars/Base", "", None])
def test_a_zone_that_is_none_is_refused(zone):
    with pytest.raises(ValueError, match="valid: a time zone, such as US/Eastern"):
        GatewaySettings(timezone=zone)


@pytest.mark.parametrize("name", ["profit_seconds", "account_update_seconds"])
def test_an_interval_too_short_to_keep_is_refused(name):
    with pytest.raises(ValueError, match=r"valid: 0\.001 or more"):
        GatewaySettings(**{name: 1e-8})
