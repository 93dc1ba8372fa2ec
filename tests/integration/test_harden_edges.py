"""What a program does to a hardened object on a bad day: bursts, shutdowns, blocks that are over."""

import asyncio
import inspect
from functools import partial

import pytest
from tests.integration.hardened import PORT, bars_of, connected, no_such, spy_of

from ibkeel.errors import (
    GatewayRejected,
    InvalidInput,
    NotEntitled,
    PacingExceeded,
    RequestFailed,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.ibkr import IBKRConfig, harden
from ibkeel.ibkr.client import library
from ibkeel.model import Grade
from ibkeel.resilience import Rule
from ibkeel.sim import GatewaySettings, Latency, faults
from ibkeel.virtual import virtual_clock


def limit(spy, price):
    return spy, library.LimitOrder("BUY", 10, round(price, 2))


# Places are given back.


async def test_a_first_time_stamp_is_cancelled_and_holds_no_place_once_it_was_answered():
    async with connected() as (ib, hardened, gateway):
        spy = await spy_of(ib)

        for _ in range(51):  # of which 50 may be open
            await asyncio.wait_for(ib.reqHeadTimeStampAsync(spy, "TRADES", True, 1), 60)
            await asyncio.sleep(16)

        assert gateway.counters.requests["cancel_head_timestamp"] == 51
        assert hardened.open_requests == {}


async def test_a_session_that_another_thread_ends_keeps_no_place():
    async with connected() as (ib, hardened, gateway):
        spy = await spy_of(ib)
        for _ in range(3):
            ib.reqMktDepth(library.Contract(conId=spy.conId, exchange="SMART"))
        for n in range(60):
            ib.placeOrder(*limit(spy, 1 + n / 100))
        await asyncio.to_thread(ib.disconnect)
        await asyncio.sleep(0.2)

        await ib.connectAsync("127.0.0.1", PORT, clientId=1)
        ib.reqMktDepth(spy)
        await asyncio.sleep(10)

        assert hardened.waiting == ()
        assert gateway.counters.requests["place_order"] < 60


async def test_bars_that_the_gateway_stopped_are_cancelled_before_they_are_asked_for_again():
    async with connected() as (ib, _, gateway):
        spy, ticks = await spy_of(ib), []
        bars = await bars_of(ib, spy, keepUpToDate=True)
        await asyncio.sleep(30)
        gateway.inject(faults.Bust())
        await asyncio.sleep(60)
        bars.updateEvent += lambda *_: ticks.append(1)
        await asyncio.sleep(60)

        assert ticks
        assert gateway.counters.requests["cancel_historical_data"] == 1


async def test_what_a_thousand_callers_give_up_while_it_waits_does_not_leave():
    async with connected() as (ib, hardened, gateway):
        spy = await spy_of(ib)
        askers = [asyncio.ensure_future(ib.reqContractDetailsAsync(spy)) for _ in range(1000)]
        await asyncio.sleep(0.5)

        for asker in askers:
            asker.cancel()
        await asyncio.sleep(60)

        assert gateway.counters.requests["contract_details"] < 50
        assert hardened.waiting == ()


# Every request comes to an end.


@pytest.mark.parametrize("is_strict", [False, True])
async def test_what_waits_for_its_turn_when_the_object_is_released_ends_with_an_error(is_strict):
    async with connected() as (ib, hardened, _):
        spy = await spy_of(ib)

        async def ask():
            if is_strict:
                return await hardened.checked(ib.reqContractDetailsAsync, spy)
            return await ib.reqContractDetailsAsync(spy)

        askers = [asyncio.ensure_future(ask()) for _ in range(100)]
        await asyncio.sleep(0.5)
        hardened.release()
        answers = await asyncio.wait_for(asyncio.gather(*askers, return_exceptions=True), 60)

        assert {type(answer) for answer in answers} == {list, PacingExceeded}


async def test_what_had_to_wait_has_all_its_time_once_it_left():
    async with connected(GatewaySettings(latency=Latency(history=5.0))) as (ib, hardened, _):
        spy = await spy_of(ib)

        async def ask(n, after):
            await asyncio.sleep(after)
            span = "", f"{1800 + 60 * n} S", "30 secs", "TRADES", True
            return await hardened.checked(ib.reqHistoricalDataAsync, spy, *span, timeout=0)

        many = [asyncio.ensure_future(ask(n, n / 2)) for n in range(60)]
        await asyncio.sleep(
            62
        )  # the next leaves 600 s after the first: ten deadlines after 0, and soon one after this
        many.append(asyncio.ensure_future(ask(60, 0)))

        assert all(await asyncio.gather(*many))


async def test_of_more_definitions_than_are_remembered_each_has_its_own_answer():
    async with connected() as (ib, hardened, _):
        with hardened.strict():
            asked = (ib.reqContractDetailsAsync(no_such()) for _ in range(4200))
            answers = await asyncio.gather(*asked, return_exceptions=True)

        assert {type(answer) for answer in answers} == {UnknownContract}


CALLS = (
    "reqExecutions",
    "reqHistogramData",
    "reqFundamentalData",
    "reqNewsArticle",
    "reqNewsProviders",
    "reqScannerParameters",
    "reqMktDepthExchanges",
    "placeOrder",
)


def asked_of(ib, spy):
    return {
        "reqExecutions": ib.reqExecutionsAsync,
        "reqHistogramData": lambda: ib.reqHistogramDataAsync(spy, True, "1 day"),
        "reqFundamentalData": lambda: ib.reqFundamentalDataAsync(spy, "ReportSnapshot"),
        "reqNewsArticle": lambda: ib.reqNewsArticleAsync("BRFG", "BRFG$1"),
        "reqNewsProviders": ib.reqNewsProvidersAsync,
        "reqScannerParameters": ib.reqScannerParametersAsync,
        "reqMktDepthExchanges": ib.reqMktDepthExchangesAsync,
        "placeOrder": lambda: ib.whatIfOrderAsync(*limit(spy, 1.0)),
    }


@pytest.mark.parametrize("call", CALLS)
async def test_whatever_is_waited_for_in_a_strict_block_has_a_deadline(call):
    async with connected() as (ib, hardened, gateway):
        spy = await spy_of(ib)
        ib.client.conn.transport.pause_reading()  # as if the other side had gone without a word

        with pytest.raises(RequestTimeout):
            await asyncio.wait_for(hardened.checked(asked_of(ib, spy)[call]), 100)

        assert hardened.failures[-1].call == call
        assert "cancel_order" not in gateway.counters.requests


async def test_a_refusal_of_news_is_a_failure_too():
    async with connected() as (ib, hardened, _):
        with pytest.raises(RequestFailed):
            await hardened.checked(ib.reqHistoricalNewsAsync, 756733, "NOBODY", "", "", 10)


async def test_what_is_asked_after_a_block_is_not_strict_though_the_session_began_in_it():
    async with connected() as (ib, hardened, _):
        spy, answers = await spy_of(ib), []
        ib.disconnect()
        await hardened.checked(ib.connectAsync, "127.0.0.1", PORT, clientId=1)

        async def ask(_):
            ib.pendingTickersEvent.clear()
            answers.append(await ib.reqContractDetailsAsync(no_such()))

        ib.pendingTickersEvent += ask
        ib.reqMktData(spy)
        await asyncio.sleep(10)

        assert answers == [[]]


# Orders.


async def test_an_order_that_was_cancelled_is_no_failure():
    async with connected() as (ib, hardened, _):
        trade = ib.placeOrder(*limit(await spy_of(ib), 1.0))
        await asyncio.sleep(1)

        with hardened.strict():
            ib.cancelOrder(trade.order)
            await asyncio.sleep(1)

        assert trade.orderStatus.status == "Cancelled"
        assert hardened.failures == ()


async def test_a_cancel_that_is_refused_is_a_failure():
    async with connected() as (ib, hardened, _):
        await spy_of(ib)

        ib.client.cancelOrder(999, "")
        await asyncio.sleep(1)

        assert isinstance(hardened.last_error(999), GatewayRejected)


async def test_a_cancel_of_all_reaches_orders_that_still_wait_and_none_that_came_after_it():
    async with connected() as (ib, _, _):
        spy = await spy_of(ib)
        await asyncio.sleep(5)
        for n in range(60):
            ib.placeOrder(*limit(spy, 1 + n / 100))

        ib.reqGlobalCancel()
        later = ib.placeOrder(*limit(spy, 3.0))
        await asyncio.sleep(10)

        assert [trade.order.orderId for trade in await ib.reqAllOpenOrdersAsync()] == [later.order.orderId]


async def test_a_cancel_does_not_overtake_the_second_of_two_changes():
    def of_orders(request):
        return "" if request.kind == "order" else None

    rule = Rule(name="orders", limit=1, seconds=1.0, source="ours", key=of_orders)
    async with connected(config=IBKRConfig(pacing_rules=(rule,))) as (ib, _, gateway):
        spy = await spy_of(ib)
        trade = ib.placeOrder(*limit(spy, 1.0))
        for price in (1.1, 1.2):
            trade.order.lmtPrice = price
            ib.placeOrder(spy, trade.order)
        await asyncio.sleep(1.5)  # the first change has left

        ib.cancelOrder(trade.order)
        await asyncio.sleep(10)

        assert trade.orderStatus.status == "Cancelled"
        assert gateway.counters.requests["place_order"] == 2


# A strict function.


def asks_for_none(ib):
    async def ask():
        await asyncio.sleep(1)
        return await ib.reqContractDetailsAsync(no_such())

    return ask


class Asker:
    def __init__(self, ask):
        self.ask = ask

    async def __call__(self):
        return await self.ask()


@pytest.mark.parametrize(
    "made",
    [
        lambda ask: ask,
        partial,
        Asker,
        lambda ask: lambda: ask(),  # noqa: PLW0108 - a plain function
        lambda ask: Asker(ask).__call__,
    ],
    ids=["a coroutine function", "a part of one", "an object", "a function that returns one", "a method"],
)
async def test_a_coroutine_function_that_is_decorated_is_strict_to_its_end_and_nobody_else_is(made):
    async with connected() as (ib, hardened, _):
        strict = hardened.strict()(made(asks_for_none(ib)))

        outcomes = await asyncio.gather(strict(), asks_for_none(ib)(), strict(), return_exceptions=True)

        assert [type(each) for each in outcomes] == [UnknownContract, list, UnknownContract]
        assert await asks_for_none(ib)() == []


async def test_a_decorated_function_is_itself_and_raises_what_nobody_waits_for_at_its_end():
    async with connected(GatewaySettings(is_entitled=False)) as (ib, hardened, _):
        spy, heard = await spy_of(ib), []

        @hardened.strict()
        async def subscribe(seconds):
            """Ask."""
            ib.reqMktData(spy)
            await asyncio.sleep(seconds)
            heard.append(seconds)

        with pytest.raises(NotEntitled):
            await subscribe(2)

        assert heard == [2]
        assert inspect.iscoroutinefunction(subscribe)
        assert (subscribe.__name__, subscribe.__doc__) == ("subscribe", "Ask.")


async def test_a_plain_function_that_is_decorated_has_its_own_value():
    async with connected() as (ib, hardened, _):
        ask = hardened.strict()(
            ib.reqContractDetailsAsync
        )  # no coroutine function: it asks, and returns a future

        with pytest.raises(UnknownContract):
            await ask(no_such())
        assert hardened.strict()(len)("abc") == 3


async def rows():
    yield 1


def lines():
    yield 1


@pytest.mark.parametrize("function", [rows, lines, partial(rows)])
async def test_a_generator_is_no_strict_function(function):
    async with connected() as (_, hardened, _):
        with pytest.raises(InvalidInput, match="is a generator"):
            hardened.strict()(function)
        with pytest.raises(InvalidInput, match="is a generator"):
            hardened.strict()(lambda: function())()  # noqa: PLW0108 - what it returns is seen when it is called


async def test_a_block_is_entered_once_and_a_function_of_a_released_object_never():
    async with connected() as (ib, hardened, _):
        block = hardened.strict()
        with block, pytest.raises(InvalidInput, match="entered already"):
            block.__enter__()
        ask = hardened.strict()(asks_for_none(ib))
        hardened.release()

        with pytest.raises(InvalidInput, match="was released"):
            await ask()


# Clocks.


@pytest.mark.parametrize(
    ("seconds", "grade"),
    [(0, Grade.OK), (-2, Grade.OK), (-30, Grade.DEGRADED), (90, Grade.DOWN), (-86400, Grade.DOWN)],
)
async def test_health_says_how_far_the_clocks_differ(seconds, grade):
    async with connected() as (ib, hardened, gateway):
        gateway.inject(faults.ClockSkew(seconds=float(seconds), duration=600.0))

        health = await hardened.health()
        await asyncio.sleep(2)
        await ib.reqCurrentTimeAsync()  # the program's own question
        await asyncio.sleep(0.9)
        again = await hardened.health()

        assert [row.check("clock").grade for row in (health, again)] == [grade, grade]
        assert health.is_ok
        assert ("network time" in health.check("clock").remedy) is (grade is not Grade.OK)


async def test_a_session_that_was_open_before_has_its_clock_compared_too():
    async with connected() as (ib, hardened, _):
        hardened.release()
        asked = asyncio.ensure_future(ib.reqCurrentTimeAsync())
        again = harden(ib, clock=virtual_clock())
        await asked

        assert (await again.health()).check("clock").grade is Grade.OK
