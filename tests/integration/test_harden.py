"""An unmodified client library with `harden` around its object, on the simulated Gateway."""

import asyncio
import copy
from contextlib import nullcontext, suppress

import pytest
from tests.integration.hardened import MARKET, PORT, bars_of, connected, no_such, spy_of

from ibkeel.errors import (
    AccountMismatch,
    ConfigurationError,
    GatewayRejected,
    InvalidInput,
    NoData,
    NotConnected,
    NotEntitled,
    OrderRefused,
    PacingExceeded,
    RequestTimeout,
    UnknownContract,
    WrongLoopError,
)
from ibkeel.ibkr import Deadlines, IBKRConfig, harden
from ibkeel.ibkr.client import library
from ibkeel.model import Grade
from ibkeel.resilience import Rule
from ibkeel.sim import GatewaySettings, Latency, SimulatedGateway, faults
from ibkeel.virtual import run_virtual, virtual_clock

NEVER = GatewaySettings(latency=Latency(history=7200.0))


class Told:
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


# Nothing changes.


async def script(*, is_hardened):
    """What a program sees, with nothing of ours in it but one line."""
    await asyncio.sleep(3600)
    gateway = SimulatedGateway(market=MARKET, clock=virtual_clock())
    async with gateway.listening("127.0.0.1", PORT):
        ib, errors, changes = library.IB(), [], []
        if is_hardened:
            harden(ib)
        ib.errorEvent += lambda *args: errors.append(args[:3])
        await ib.connectAsync("127.0.0.1", PORT, clientId=1)
        spy = await spy_of(ib)
        await ib.qualifyContractsAsync(no_such())
        tickers = await ib.reqTickersAsync(spy)
        bars = await bars_of(ib, spy)
        none = await ib.reqContractDetailsAsync(no_such())
        chains = await ib.reqSecDefOptParamsAsync("SPY", "", "STK", spy.conId)
        ib.pendingTickersEvent += lambda some: changes.append(
            [(t.contract.symbol, t.bid, t.time) for t in some]
        )
        ib.reqMktData(spy)
        trade = ib.placeOrder(spy, library.LimitOrder("BUY", 10, round(tickers[0].ask + 0.05, 2)))
        resting = ib.placeOrder(spy, library.LimitOrder("BUY", 10, 1.0))
        await asyncio.sleep(30)
        ib.cancelOrder(resting.order)
        ib.cancelMktData(spy)
        await asyncio.sleep(1)
        told = (
            [(t.contract.symbol, t.bid, t.ask, t.time) for t in tickers],
            [(bar.date, bar.close) for bar in bars],
            none,
            [(chain.exchange, chain.expirations, chain.strikes) for chain in chains],
            (trade.orderStatus.status, [fill.execution.price for fill in trade.fills]),
            resting.orderStatus.status,
            [position.position for position in ib.positions()],
            len(ib.tickers()),
            errors,
            changes,
        )
        ib.disconnect()
        await asyncio.sleep(1)
    return told


def test_an_unmodified_program_gets_the_same_results_to_the_last_tick():
    plain = run_virtual(script(is_hardened=False))
    hardened = run_virtual(script(is_hardened=True))

    assert hardened == plain
    assert len(plain[-1]) > 10


async def test_releasing_gives_the_object_back_as_it_was():
    async with connected() as (ib, hardened, _):
        spy = await spy_of(ib)

        hardened.release()

        fresh = library.IB()
        assert vars(ib.client).keys() == vars(fresh.client).keys()
        assert vars(ib.wrapper).keys() == vars(fresh.wrapper).keys()
        assert ib.client.MaxRequests == type(ib.client).MaxRequests
        assert len(await bars_of(ib, spy)) > 0
        assert hardened.counts == {}


async def test_an_object_is_hardened_once():
    ib = library.IB()
    hardened = harden(ib)

    with pytest.raises(InvalidInput, match="hardened already"):
        harden(ib)

    hardened.release()
    harden(ib).release()
    with pytest.raises(InvalidInput, match="valid: an IB object"):
        harden(object())


# Pacing.


async def test_a_burst_of_three_hundred_requests_breaks_no_limit():
    async with connected() as (ib, hardened, gateway):
        spy = await spy_of(ib)

        burst = [ib.reqContractDetailsAsync(copy.copy(spy)) for _ in range(300)]
        waiting = hardened.waiting
        trade = ib.placeOrder(spy, library.MarketOrder("BUY", 1))
        await trade.filledEvent
        left = sum(not answer.done() for answer in burst)
        answers = await asyncio.gather(*burst)

        assert all(len(details) == 1 for details in answers)
        assert gateway.counters.pacing_violations == 0
        assert hardened.counts["reqContractDetails"] == 301
        assert "messages" in waiting[0]
        assert left > 200  # the order went before them


async def test_a_program_that_shares_its_login_keeps_to_its_share_of_the_lines():
    async with connected(config=IBKRConfig(market_data_lines=2)) as (ib, hardened, gateway):
        contracts = await ib.qualifyContractsAsync(
            *(library.Stock(symbol, "SMART", "USD") for symbol in ("SPY", "QQQ", "AAPL"))
        )
        for contract in contracts:
            ib.reqMktData(contract)
        await asyncio.sleep(2)
        held_back = gateway.counters.open_lines, hardened.waiting

        ib.cancelMktData(contracts[0])
        await asyncio.sleep(2)

        assert (held_back[0], len(held_back[1])) == (2, 1)
        assert "market data lines (2 open)" in held_back[1][0]
        assert (gateway.counters.open_lines, hardened.waiting) == (2, ())
        assert gateway.counters.errors_sent[300] == 0


async def test_what_the_library_had_queued_is_paced_too():
    async with connected() as (ib, hardened, gateway):
        spy = await spy_of(ib)
        hardened.release()
        burst = [ib.reqContractDetailsAsync(spy) for _ in range(120)]

        again = harden(ib, clock=virtual_clock())
        answers = await asyncio.gather(*burst)
        await asyncio.sleep(5)

        assert all(len(details) == 1 for details in answers)
        assert gateway.counters.requests["contract_details"] == 121
        assert again.counts["reqContractDetails"] > 60


async def test_what_waits_for_its_turn_is_not_late_and_leaves_no_trace_when_it_is_given_up():
    once = Rule(
        name="one history an hour",
        limit=1,
        seconds=3600.0,
        source="a test",
        key=lambda request: "" if request.kind == "history" else None,
    )
    config = IBKRConfig(pacing_rules=(once,), deadlines=Deadlines(history=5.0))
    async with connected(config=config) as (ib, hardened, gateway):
        spy = await spy_of(ib)
        await bars_of(ib, spy)

        with pytest.raises(PacingExceeded, match="one history an hour"), hardened.strict():
            await bars_of(ib, spy, timeout=60)

        assert gateway.counters.requests["historical_data"] == 1
        assert "cancel_historical_data" not in gateway.counters.requests


# Typed errors.


async def test_a_failure_that_the_library_hides_is_kept_with_its_type():
    told, failures = Told(), []
    async with connected(observer=told, on_failure=failures.append) as (ib, hardened, _):
        details = await ib.reqContractDetailsAsync(no_such())

        [failure] = hardened.failures
        assert details == []
        assert isinstance(failure.error, UnknownContract)
        assert failure.call == "reqContractDetails"
        assert hardened.last_error() is hardened.last_error(failure.request_id) is failure.error
        assert hardened.last_error(99_999) is None
        [event] = [event for event in told.events if hasattr(event, "error")]
        assert (event.error, event.kind) == ("UnknownContract", "reqContractDetails")
        assert 0.1 < event.seconds < 1
        assert failures == [failure]


async def test_a_failure_that_is_printed_is_a_sentence_with_its_time():
    async with connected() as (ib, hardened, _):
        await ib.reqContractDetailsAsync(no_such())

        [failure] = hardened.failures
        assert str(failure) == f"{failure.at:%H:%M:%S} UTC UnknownContract: {failure.error}"


async def test_within_a_strict_block_it_is_raised():
    async with connected() as (ib, hardened, _):
        with pytest.raises(UnknownContract, match="reqContractDetails"), hardened.strict():
            await ib.reqContractDetailsAsync(no_such())
        with pytest.raises(UnknownContract):
            await hardened.checked(ib.reqContractDetailsAsync, no_such())

        assert await ib.reqContractDetailsAsync(no_such()) == []
        assert await hardened.checked(ib.reqContractDetailsAsync, await spy_of(ib))


async def test_what_the_library_waits_for_in_vain_is_a_time_out():
    async with connected(NEVER) as (ib, hardened, gateway):
        spy = await spy_of(ib)

        assert len(await bars_of(ib, spy, timeout=5)) == 0
        silent = hardened.last_error()
        with pytest.raises(RequestTimeout, match="cancelled at the server"), hardened.strict():
            await bars_of(ib, spy, timeout=5)

        await asyncio.sleep(1)
        assert isinstance(silent, RequestTimeout)
        assert gateway.counters.requests["cancel_historical_data"] == 2
        assert hardened.open_requests == {}


@pytest.mark.parametrize("patience", [0, 3600])
async def test_a_strict_request_has_a_deadline_of_its_own(patience):
    config = IBKRConfig(deadlines=Deadlines(history=20.0))
    async with connected(NEVER, config=config) as (ib, hardened, gateway):
        spy = await spy_of(ib)
        began = asyncio.get_running_loop().time()

        with pytest.raises(RequestTimeout), hardened.strict():
            await bars_of(ib, spy, timeout=patience)

        assert asyncio.get_running_loop().time() - began == pytest.approx(20.0, abs=0.1)
        await asyncio.sleep(1)
        assert gateway.counters.requests["cancel_historical_data"] == 1
        assert len(hardened.failures) == 1


@pytest.mark.parametrize(
    ("call", "about", "cancels"),
    [("reqPositions", 0, 0), ("reqCurrentTime", 0, 0), ("reqContractDetails", 1, 0), ("reqTickers", 1, 1)],
)
async def test_a_strict_request_does_not_wait_for_ever(call, about, cancels):
    async with connected() as (ib, hardened, gateway):
        arguments = [await spy_of(ib)][:about]
        ib.client.conn.transport.pause_reading()  # as if the other side had gone without a word

        with pytest.raises(RequestTimeout, match="no answer"):
            await hardened.checked(getattr(ib, f"{call}Async"), *arguments)

        await asyncio.sleep(1)
        assert gateway.counters.requests["cancel_market_data"] == cancels
        assert hardened.failures[-1].call == call.replace("Tickers", "MktData")


async def test_a_span_without_bars_is_no_data():
    async with connected() as (ib, hardened, _):
        spy = await spy_of(ib)

        with pytest.raises(NoData), hardened.strict():
            await ib.reqHistoricalDataAsync(spy, "20100101 00:00:00 UTC", "1800 S", "1 min", "TRADES", True)


async def test_a_subscription_that_fails_is_raised_where_the_block_ends():
    async with connected(GatewaySettings(is_entitled=False)) as (ib, hardened, _):
        spy = await spy_of(ib)

        async def subscribe():
            with hardened.strict():
                ib.reqMktData(spy)
                ib.reqMktData(library.Contract(conId=spy.conId, exchange="SMART"))
                await asyncio.sleep(2)

        with pytest.raises(NotEntitled) as caught:
            await subscribe()

        assert hardened.open_lines == {}
        assert "also failed" in caught.value.__notes__[0]


async def test_strictness_is_for_one_object():
    async with connected() as (ib, hardened, _):
        other = harden(library.IB())

        with other.strict():
            details = await ib.reqContractDetailsAsync(no_such())

        assert details == []
        assert hardened.failures


async def test_an_object_is_strict_also_where_the_block_of_another_stands_within_its_own():
    async with connected() as (ib, hardened, _):
        other = harden(library.IB())

        with hardened.strict(), other.strict(), pytest.raises(UnknownContract):
            await ib.reqContractDetailsAsync(no_such())


# The ledger.


async def test_lines_are_known_from_the_wire_and_finished_snapshots_are_not_cancelled():
    settings = GatewaySettings(snapshot_seconds=2.0)
    async with connected(settings) as (ib, hardened, gateway):
        spy = await spy_of(ib)
        ib.reqMktData(spy)
        [other] = await ib.qualifyContractsAsync(library.Stock("QQQ", "SMART", "USD"))
        ib.reqMktData(other, "", snapshot=True)
        before = len(hardened.open_lines)
        await asyncio.sleep(15)

        after = dict(hardened.open_lines)
        ib.cancelMktData(spy)
        ib.cancelMktData(other)
        await asyncio.sleep(1)

        assert (before, len(after)) == (2, 1)
        assert next(iter(after.values())).startswith("SPY")
        assert 300 not in gateway.counters.errors_sent
        assert hardened.open_lines == {}


async def test_what_the_gateway_forgot_with_its_data_holds_no_line_and_is_told():
    told = []
    config = IBKRConfig(market_data_lines=2)
    async with connected(config=config, on_failure=told.append) as (ib, hardened, gateway):
        contracts = await ib.qualifyContractsAsync(
            *(library.Stock(symbol, "SMART", "USD") for symbol in ("SPY", "QQQ", "AAPL"))
        )

        def ask_again(_, code, *__):
            if code == 1101:
                for contract in contracts[:2]:
                    ib.cancelMktData(contract)
                    ib.reqMktData(contract)

        for contract in contracts[:2]:
            ib.reqMktData(contract)
        ib.errorEvent += ask_again
        gateway.inject(faults.UpstreamLost(duration=60.0, restores_as=1101))
        await asyncio.sleep(90)

        assert gateway.counters.open_lines == len(hardened.open_lines) == 2
        assert hardened.waiting == ()
        assert [(failure.call, type(failure.error)) for failure in told] == [("reqMktData", NotConnected)] * 2
        assert 300 not in gateway.counters.errors_sent


async def test_what_had_not_left_when_the_data_was_lost_leaves_then():
    async with connected(config=IBKRConfig(market_data_lines=1)) as (ib, hardened, gateway):
        contracts = await ib.qualifyContractsAsync(
            *(library.Stock(symbol, "SMART", "USD") for symbol in ("SPY", "QQQ"))
        )
        for contract in contracts:
            ib.reqMktData(contract)
        gateway.inject(faults.UpstreamLost(duration=60.0, restores_as=1101))
        await asyncio.sleep(90)

        assert gateway.counters.open_lines == 1
        assert [subject.partition(" ")[0] for subject in hardened.open_lines.values()] == ["QQQ"]
        assert len(hardened.failures) == 1


async def test_a_stream_that_the_gateway_forgot_is_raised_where_the_strict_block_ends():
    async with connected() as (ib, hardened, gateway):
        spy = await spy_of(ib)

        async def stream_while_the_data_is_lost():
            with hardened.strict():
                ib.reqMktData(spy)
                gateway.inject(faults.UpstreamLost(duration=60.0, restores_as=1101))
                await asyncio.sleep(90)

        with pytest.raises(NotConnected, match="lost its data subscriptions; ask again"):
            await stream_while_the_data_is_lost()


async def test_bars_that_are_kept_up_to_date_are_open_until_they_are_cancelled():
    async with connected() as (ib, hardened, _):
        bars = await bars_of(ib, await spy_of(ib), keepUpToDate=True)
        while_open = list(hardened.open_requests.values())
        ib.cancelHistoricalData(bars)

        assert while_open == ["reqHistoricalData"]
        assert hardened.open_requests == {}
        assert hardened.failures == ()


async def test_what_names_no_request_of_ours_goes_to_the_library_alone():
    async with connected() as (ib, hardened, gateway):
        heard, messages = [], gateway.counters.messages
        ib.errorEvent += lambda *args: heard.append(args[:2])

        ib.wrapper.error(99_999, 200, "no security definition", "")
        ib.wrapper.tickSnapshotEnd(99_999)
        ib.wrapper.historicalDataEnd(99_999, "", "")
        ib.client.sendMsg("")
        await asyncio.sleep(1)

        assert heard == [(99_999, 200)]
        assert hardened.failures == ()
        assert gateway.counters.messages == messages


async def test_a_notice_about_a_request_or_an_order_is_no_failure():
    async with connected() as (ib, hardened, _):
        spy = await spy_of(ib)
        ib.reqMktData(spy)
        trade = ib.placeOrder(spy, library.LimitOrder("BUY", 1, 1.0))
        await asyncio.sleep(1)

        ib.wrapper.error(next(iter(hardened.open_lines)), 10167, "displaying delayed market data", "")
        ib.wrapper.error(trade.order.orderId, 399, "the order will be held", "")

        assert hardened.failures == ()
        assert len(hardened.open_lines) == 1


async def test_what_has_ended_can_be_forgotten():
    async with connected() as (ib, hardened, _):
        spy = await spy_of(ib)
        await ib.reqTickersAsync(spy)
        ib.reqMktData(await spy_of(ib))
        before = len(ib.tickers())

        trimmed = hardened.trim()

        assert len(ib.tickers()) == before - trimmed
        assert hardened.trim() == 0
        assert len(ib.tickers()) >= 1


# Health.


async def test_health_makes_one_round_trip_for_all_who_ask():
    async with connected() as (ib, hardened, gateway):
        answers = await asyncio.gather(hardened.health(), hardened.health(), ib.reqCurrentTimeAsync())

        assert [answer.grade for answer in answers[:2]] == [Grade.OK, Grade.OK]
        assert answers[0].round_trip > 0
        assert gateway.counters.requests["current_time"] == 2


async def test_health_says_when_nobody_answers():
    async with connected() as (ib, hardened, _):
        ib.client.conn.transport.pause_reading()  # as if the other side had gone without a word
        mute = await hardened.health()
        hanging = asyncio.create_task(hardened.health())
        await asyncio.sleep(1)
        ib.disconnect()

        assert mute.grade is Grade.DOWN
        assert (await hanging).grade is Grade.DOWN
        assert (await hardened.health()).checks[0].evidence == "no session"


async def test_health_says_when_the_answer_is_no_time():
    async with connected() as (ib, hardened, gateway):
        gateway.inject(faults.Unanswered(when_request="current_time", times=1))
        asked = asyncio.create_task(hardened.health())
        await asyncio.sleep(0.5)
        ib.client.decoder.interpret(["49", "1", str(10**13)])

        (check,) = [check for check in (await asked).checks if check.name == "server time"]
        assert check.grade is Grade.DOWN
        assert "10000000000000 s from 1970 on: the Gateway sent what cannot be read" in check.evidence
        assert (await hardened.health()).is_ok


async def test_an_asker_who_leaves_takes_the_answer_from_nobody():
    async with connected() as (_, hardened, _):
        first, second = asyncio.create_task(hardened.health()), asyncio.create_task(hardened.health())
        await asyncio.sleep(0)
        first.cancel()

        assert (await second).is_ok


async def test_a_gateway_is_not_asked_again_within_a_second_of_its_answer():
    async with connected() as (_, hardened, gateway):
        first = await hardened.health()
        second = await hardened.health()
        asked = gateway.counters.requests["current_time"]
        await asyncio.sleep(1)

        assert (first.is_ok, second.is_ok, asked) == (True, True, 1)
        assert (await hardened.health()).is_ok
        assert gateway.counters.requests["current_time"] == 2


async def test_an_answer_that_is_lost_is_asked_for_anew_though_others_wait():
    async with connected() as (_, hardened, gateway):
        gateway.inject(faults.Unanswered(when_request="current_time", duration=8.0))
        outcomes = []
        for _ in range(10):
            outcomes.append(asyncio.create_task(hardened.health()))
            await asyncio.sleep(2)

        assert [task.result().is_ok for task in outcomes][-2:] == [True, True]


async def test_a_fault_of_the_programs_own_keeps_no_message_from_the_library():
    def fail(failure):
        raise RuntimeError(failure.call)

    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with connected(on_failure=fail) as (ib, _, _):
        async with asyncio.timeout(10):
            assert await ib.reqContractDetailsAsync(no_such()) == []

    assert [str(context["exception"]) for context in told] == ["reqContractDetails"]


@pytest.mark.parametrize("call", ["reqContractDetailsAsync", "reqPositionsAsync"])
@pytest.mark.parametrize("is_ours", [True, False])
async def test_a_strict_request_ends_with_the_session_whoever_ends_it(is_ours, call):
    async with connected(GatewaySettings(latency=Latency(definitions=7200.0))) as (ib, hardened, gateway):
        gateway.inject(faults.Unanswered(when_request="positions"))
        about = [no_such()] if "Contract" in call else []
        asked = asyncio.create_task(hardened.checked(getattr(ib, call), *about))
        await asyncio.sleep(1)
        if is_ours:
            ib.disconnect()
        else:
            gateway.drop(1)

        async with asyncio.timeout(1):
            with pytest.raises(NotConnected, match="the session ended meanwhile"):
                await asked


async def test_an_account_id_in_a_message_of_the_gateway_is_masked():
    async with connected(NEVER) as (ib, hardened, _):
        spy = await spy_of(ib)
        asked = asyncio.create_task(hardened.checked(bars_of, ib, spy))
        await asyncio.sleep(1)
        [key] = hardened.open_requests
        ib.wrapper.error(key, 321, "account DU1234567 may not", "")
        with pytest.raises(GatewayRejected, match=r"account DU\*\*\*67 may not"):
            await asked


async def test_what_was_released_neither_calls_a_gateway_dead_nor_an_empty_list_good():
    async with connected() as (ib, hardened, _):
        hardened.release()

        with pytest.raises(InvalidInput, match="was released"):
            await hardened.health()
        with pytest.raises(InvalidInput, match="was released"):
            await hardened.checked(ib.reqContractDetailsAsync, no_such())


@pytest.mark.parametrize("is_strict", [False, True])
async def test_what_its_caller_gives_up_is_cancelled_at_the_server_and_holds_no_place(is_strict):
    async with connected(NEVER) as (ib, hardened, gateway):
        spy = await spy_of(ib)
        for number in range(50):
            with hardened.strict() if is_strict else nullcontext(), suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await bars_of(ib, spy, f"{1800 + number} S")
        await asyncio.sleep(1)
        left = dict(hardened.open_requests)

        waiting = asyncio.create_task(bars_of(ib, spy, "7200 S"))
        await asyncio.sleep(1)

        assert left == {}
        assert hardened.waiting == ()
        assert gateway.counters.requests["cancel_historical_data"] == 50
        assert gateway.counters.errors_sent[300] == 0
        waiting.cancel()


async def test_notices_count_for_health():
    async with connected() as (_, hardened, gateway):
        gateway.broadcast(2103, "Market data farm connection is broken:usfarm")
        await asyncio.sleep(1)

        assert (await hardened.health()).grade is Grade.DEGRADED


# One owner.


async def test_another_thread_or_loop_is_refused_at_once():
    async with connected() as (ib, hardened, gateway):
        spy = await spy_of(ib)
        asked = gateway.counters.messages

        with pytest.raises(WrongLoopError, match="call_soon_threadsafe"):
            await asyncio.to_thread(lambda: asyncio.run(bars_of(ib, spy)))
        with pytest.raises(WrongLoopError):
            await asyncio.to_thread(lambda: asyncio.run(hardened.health()))

        await asyncio.sleep(1)
        assert gateway.counters.messages == asked
        assert len(await bars_of(ib, spy)) > 0


async def test_an_object_may_connect_again():
    async with connected() as (ib, hardened, _):
        ib.disconnect()
        await asyncio.sleep(1)
        await ib.connectAsync("127.0.0.1", PORT, clientId=1)

        assert len(await bars_of(ib, await spy_of(ib))) > 0
        assert (await hardened.health()).grade is Grade.OK


# Orders.


async def test_orders_leave_only_in_the_mode_that_was_asked_for():
    async with connected(orders="DRY_RUN") as (ib, _, gateway):
        spy = await spy_of(ib)
        with pytest.raises(OrderRefused, match="DRY_RUN"):
            ib.placeOrder(spy, library.MarketOrder("BUY", 1))

        assert ib.trades() == []
        assert "place_order" not in gateway.counters.requests


async def test_paper_orders_do_not_reach_a_live_account():
    async with connected(orders="PAPER", account="U1234567", config=IBKRConfig(port=4009)) as (
        ib,
        _,
        gateway,
    ):
        spy = await spy_of(ib)
        with pytest.raises(AccountMismatch):
            ib.placeOrder(spy, library.MarketOrder("BUY", 1))

        assert "place_order" not in gateway.counters.requests
    with pytest.raises(ConfigurationError, match="live_account"):
        harden(library.IB(), orders="LIVE")


async def test_live_orders_reach_the_account_that_was_named():
    config = IBKRConfig(live_account="U1234567", port=4009)
    arguments = {"orders": "LIVE", "account": "U1234567", "config": config}
    async with connected(**arguments) as (ib, _, gateway):
        ib.client.port = 4009  # the port of paper trading would be refused
        ib.placeOrder(await spy_of(ib), library.LimitOrder("BUY", 1, 1.0))
        await asyncio.sleep(1)

        assert gateway.counters.requests["place_order"] == 1


@pytest.mark.parametrize("named", ["U7654321", ""])
async def test_live_orders_reach_no_other_account_of_the_login(named):
    config = IBKRConfig(live_account="U1234567", port=4009)
    accounts = {"account": "U1234567", "further_accounts": {"U7654321": 1e6}}
    async with connected(orders="LIVE", config=config, **accounts) as (ib, _, gateway):
        ib.client.port = 4009
        spy = await spy_of(ib)
        ib.placeOrder(spy, library.LimitOrder("BUY", 1, 1.0, account="U1234567"))
        with pytest.raises(AccountMismatch, match=r"LIVE for U1\*\*\*67, but the account is U7"):
            ib.placeOrder(spy, library.LimitOrder("BUY", 1, 1.0, account=named))
        await asyncio.sleep(1)

        assert [order.account for order in gateway.venue.open_orders()] == ["U1234567"]


async def test_a_preview_that_fails_is_raised():
    async with connected() as (ib, hardened, _):
        with pytest.raises(UnknownContract, match="placeOrder"):
            await hardened.checked(ib.whatIfOrderAsync, no_such(), library.LimitOrder("BUY", 1, 1.0))


async def test_paper_orders_reach_a_paper_account_and_cancels_are_never_kept_back():
    async with connected(orders="PAPER") as (ib, _, gateway):
        trade = ib.placeOrder(await spy_of(ib), library.LimitOrder("BUY", 1, 1.0))
        await asyncio.sleep(1)
        ib.cancelOrder(trade.order)
        ib.cancelOrder(trade.order)
        await asyncio.sleep(1)

        assert trade.orderStatus.status == "Cancelled"
        assert gateway.counters.requests["cancel_order"] == 2


async def test_a_rejected_order_has_a_typed_error_too():
    async with connected() as (ib, hardened, _):
        trade = ib.placeOrder(await spy_of(ib), library.LimitOrder("BUY", 1, 100.123))
        await asyncio.sleep(1)

        assert type(hardened.last_error(trade.order.orderId)).__name__ == "OrderRejected"


async def test_an_answer_without_a_bar_is_no_data():
    async with connected(NEVER) as (ib, hardened, _):
        spy = await spy_of(ib)
        with hardened.strict():
            asking = asyncio.create_task(bars_of(ib, spy))
            await asyncio.sleep(1)
            [(key, _)] = hardened.open_requests.items()
            ib.client.decoder.interpret(["17", str(key), "", "", "0"])

            with pytest.raises(NoData, match="sent no bars"):
                await asking


async def test_the_deadline_of_a_request_does_not_end_one_of_the_next_session_with_its_id():
    late = GatewaySettings(latency=Latency(history=15.0))
    async with connected(late, config=IBKRConfig(deadlines=Deadlines(history=20.0))) as (
        ib,
        hardened,
        gateway,
    ):
        spy = await spy_of(ib)
        with hardened.strict():
            first = asyncio.create_task(bars_of(ib, spy))
            await asyncio.sleep(10)
            gateway.drop(1)
            with pytest.raises(NotConnected):
                await first
        await ib.connectAsync("127.0.0.1", PORT, clientId=1)
        await spy_of(ib)

        assert len(await bars_of(ib, spy)) > 0


async def test_the_deadline_of_an_answered_question_does_not_end_the_next_of_its_name():
    async with connected(config=IBKRConfig(deadlines=Deadlines(account=10.0))) as (ib, hardened, gateway):
        began = asyncio.get_running_loop().time()
        await hardened.checked(ib.reqPositionsAsync)
        gateway.inject(faults.Slow(when_request="positions", delay=2.0))
        await asyncio.sleep(began + 9.0 - asyncio.get_running_loop().time())

        assert await hardened.checked(ib.reqPositionsAsync) == []
        assert hardened.failures == ()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (IBKRConfig(order_reserve=50), "order_reserve is 50 of 50"),
        (
            IBKRConfig(pacing_rules=(Rule(name="messages", limit=9, seconds=1.0, source="a test"),)),
            "two rules have the same name",
        ),
    ],
)
async def test_settings_that_no_message_could_leave_by_are_refused_before_it_connects(config, said):
    ib = library.IB()

    with pytest.raises(InvalidInput, match=said):
        harden(ib, config=config)

    harden(ib)
