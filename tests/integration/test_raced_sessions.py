"""Sessions and streams that several tasks, or several loops, open and close at the same time."""

import asyncio
import gc
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from ibkeel.errors import (
    CircuitOpen,
    GatewayUnreachable,
    NotConnected,
    QuoteUnavailable,
    RequestFailed,
    UnknownContract,
    WrongLoopError,
)
from ibkeel.ibkr import Backoff, Deadlines, IBKRBroker, IBKRConfig
from ibkeel.model import BarSpec, Stock
from ibkeel.sim import SimulatedGateway, faults
from ibkeel.virtual import run_virtual, virtual_clock

SPY, QQQ = Stock("SPY"), Stock("QQQ")
MINUTES = BarSpec(duration="3600 S", size="1 min")
TURNS = range(40)


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


def adapters():
    """Names of the tasks of adapters that run now."""
    return sorted(
        task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith(("ibkeel", "stream of"))
    )


def made(**config):
    return IBKRBroker(IBKRConfig(**config), clock=virtual_clock(), jitter=lambda: 0.0)


@pytest.fixture
def gateway(market):
    @asynccontextmanager
    async def opened():
        await asyncio.sleep(600)
        complaints = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(context["message"])
        )
        gateway = SimulatedGateway(market=market, clock=virtual_clock())
        async with gateway.listening("127.0.0.1", 4002):
            yield gateway
        await asyncio.sleep(1)
        gc.collect()
        await asyncio.sleep(1)
        assert complaints == []
        assert adapters() == []

    return opened


async def test_many_may_connect_at_once_and_get_one_session(gateway):
    async with gateway() as at:
        broker = made()

        await asyncio.gather(*(broker.connect() for _ in range(5)))

        assert (at.counters.connections, at.client_ids) == (1, (1,))
        await asyncio.gather(*(broker.disconnect() for _ in range(5)))
        assert at.client_ids == ()


async def test_who_disconnects_while_others_connect_ends_their_wait(gateway):
    async with gateway() as at:
        for number in TURNS:
            broker = made()
            connecting = [asyncio.create_task(broker.connect()) for _ in range(3)]
            await turns(1 + number)
            await broker.disconnect()
            async with asyncio.timeout(1):
                outcomes = await asyncio.gather(*connecting, return_exceptions=True)
            await asyncio.sleep(0.5)

            assert {type(outcome) for outcome in outcomes} <= {NotConnected, type(None)}
            assert (broker.is_connected, at.client_ids, adapters()) == (False, (), [])


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.5])
async def test_who_connects_while_another_disconnects_gets_a_session(gateway, pause):
    async with gateway() as at:
        broker = made()
        for number in TURNS:
            first = asyncio.create_task(broker.connect())
            await asyncio.sleep(pause)
            ending = asyncio.create_task(broker.disconnect())
            await turns(number)
            async with asyncio.timeout(70):
                with suppress(NotConnected):
                    await broker.connect()
            await asyncio.gather(first, ending, return_exceptions=True)

            assert broker.is_connected is (at.client_ids == (1,))
            async with asyncio.timeout(70):
                await broker.connect()
            assert (await broker.quote(SPY)).bid is not None
            assert adapters() == ["ibkeel fates", "ibkeel pulse"]
            await broker.disconnect()
            await asyncio.sleep(0.5)
            assert (at.client_ids, adapters()) == ((), [])


async def test_a_connect_whose_link_is_lost_while_orders_are_compared_leaves_no_session(gateway):
    async with gateway() as at:
        broker = made()
        async with broker:
            pass
        connecting = asyncio.create_task(broker.connect())
        while not broker.is_connected:
            await asyncio.sleep(0.001)
        at.inject(faults.Restart(duration=5.0))

        with pytest.raises(NotConnected, match="begin again"):
            await connecting

        await asyncio.sleep(60)
        assert (broker.is_connected, at.client_ids, adapters()) == (False, (), [])
        async with broker:
            assert (await broker.quote(SPY)).bid is not None


async def test_a_connect_that_one_of_two_gives_up_goes_on_for_the_other(gateway):
    async with gateway() as at:
        broker = made()
        impatient, patient = (asyncio.create_task(broker.connect()) for _ in range(2))
        await turns(5)
        impatient.cancel()
        await patient

        assert at.client_ids == (1,)
        assert impatient.cancelled()
        await broker.disconnect()


async def test_giving_up_the_wait_for_a_session_that_is_sought_does_not_end_the_search(gateway):
    async with gateway() as at:
        broker = made()
        await broker.connect()
        at.inject(faults.Restart(duration=60.0))
        await asyncio.sleep(5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await broker.connect()
        await asyncio.sleep(120)

        assert broker.is_connected
        await broker.disconnect()


@pytest.mark.parametrize("after", [0.5, 5.0, 20.0, 61.0, 62.0])
async def test_a_disconnect_during_the_search_ends_it(gateway, after):
    async with gateway() as at:
        broker = made()
        await broker.connect()
        at.inject(faults.Restart(duration=60.0))
        await asyncio.sleep(after)

        await broker.disconnect()
        await asyncio.sleep(600)

        assert (broker.is_connected, at.client_ids, adapters()) == (False, (), [])


async def test_a_connect_that_fails_leaves_no_search_behind():
    broker = made(connect_backoff=Backoff(attempts=2))

    with pytest.raises(GatewayUnreachable):
        await broker.connect()

    await asyncio.sleep(0.1)
    assert adapters() == []


async def test_a_fault_of_our_own_ends_the_wait_and_is_reported(market):
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told["message"]))
    broker = IBKRBroker(IBKRConfig(), clock=virtual_clock(), jitter=lambda: 1 / 0)

    with pytest.raises(NotConnected, match=r"a fault in ibkeel .* ZeroDivisionError"):
        await broker.connect()

    assert len(complaints) == 1
    assert adapters() == []


def test_a_broker_that_disconnected_may_be_used_on_another_loop(market):
    brokers = []

    async def session():
        await asyncio.sleep(600)
        clock = virtual_clock()
        if not brokers:
            brokers.append(IBKRBroker(IBKRConfig(market_data_lines=1), clock=clock, jitter=lambda: 0.0))
        gateway = SimulatedGateway(market=market, clock=clock)
        async with gateway.listening("127.0.0.1", 4002), brokers[0] as broker:
            answers = await broker.quotes([SPY, QQQ])  # one waits for the other's line
            positions = await asyncio.gather(broker.positions(), broker.positions())
            await asyncio.sleep(120)
            healthy = (await broker.health()).check("server time").grade
            return len(answers), positions, str(healthy)

    first, second = run_virtual(session()), run_virtual(session())

    assert first == second == (2, [(), ()], "ok")


def test_a_session_that_is_sought_belongs_to_its_loop(market):
    async def main():
        await asyncio.sleep(600)
        gateway = SimulatedGateway(market=market, clock=virtual_clock())
        broker = made(exclusive=False)
        async with gateway.listening("127.0.0.1", 4002):
            await broker.connect()
            gateway.inject(faults.Restart(duration=60.0))
            await asyncio.sleep(5)
            with pytest.raises(WrongLoopError):
                await asyncio.to_thread(asyncio.run, broker.connect())
            await asyncio.sleep(120)
            assert broker.is_connected
            await broker.disconnect()

    run_virtual(main())


async def test_two_brokers_on_one_loop_do_not_disturb_each_other(gateway):
    async with gateway() as at:
        one, other = made(client_id=1), made(client_id=2)
        async with one, other:
            quotes = await asyncio.gather(one.quote(SPY), other.quote(QQQ))
            at.drop(1)
            assert (await other.quote(SPY)).bid is not None
            await asyncio.sleep(30)

            assert [quote.contract for quote in quotes] == [SPY, QQQ]
            assert sorted(at.client_ids) == [1, 2]
            assert (await one.quote(QQQ)).bid is not None


async def test_a_drop_that_takes_many_requests_is_no_failure_of_their_service(gateway):
    async with gateway() as at:
        broker = made(deadlines=Deadlines(quote=30.0))
        await broker.connect()
        at.inject(faults.Unanswered(when_request="market_data", duration=2.0))
        symbols = [Stock(name) for name in ("SPY", "QQQ", "AAPL", "MSFT", "NVDA")]
        lost = [asyncio.create_task(broker.quote(each)) for each in symbols]
        await asyncio.sleep(1)
        at.inject(faults.Restart(duration=10.0))
        outcomes = await asyncio.gather(*lost, return_exceptions=True)
        await asyncio.sleep(60)
        again = await asyncio.gather(*(broker.quote(each) for each in symbols), return_exceptions=True)

        assert {type(outcome) for outcome in outcomes} == {NotConnected}
        assert [type(each) for each in again if isinstance(each, CircuitOpen)] == []
        await broker.disconnect()


# Streams.


async def first_of(stream):
    async with aclosing(stream) as quotes:
        return await anext(quotes)


async def test_a_stream_may_be_closed_after_any_number_of_turns(gateway):
    async with gateway() as at, made() as broker:
        for number in range(120):
            stream = broker.stream_quotes(SPY)
            reading = asyncio.create_task(anext(stream))
            await turns(number // 3)
            if number % 3 == 1:
                await asyncio.sleep(0.05)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            await stream.aclose()
            await asyncio.sleep(0.2)

            assert (dict(broker.open_lines), at.counters.open_lines) == ({}, 0)
        assert at.counters.errors_sent[300] == 0


async def test_a_stream_that_is_opened_while_the_last_one_closes_is_shared_by_those_who_follow(gateway):
    async with gateway() as at, made() as broker:
        for number in TURNS:
            stream = broker.stream_quotes(SPY)
            await anext(stream)
            closing = asyncio.create_task(stream.aclose())
            await turns(number % 8)
            second = broker.stream_quotes(SPY)
            await anext(second)
            await closing
            third = broker.stream_quotes(SPY)
            await anext(third)
            await asyncio.sleep(0.2)

            assert (len(broker.open_lines), at.counters.open_lines) == (1, 1)
            await second.aclose()
            await third.aclose()
            await asyncio.sleep(0.2)
            assert (len(broker.open_lines), at.counters.open_lines) == (0, 0)


async def test_a_stream_outlives_every_time_limit_on_it(gateway):
    async with gateway() as at, made() as broker:
        async with aclosing(broker.stream_quotes(SPY)) as stream:
            for number in range(200):
                with suppress(TimeoutError):
                    async with asyncio.timeout(number / 1000):
                        await anext(stream)
                assert len(broker.open_lines) <= 1
            quotes = [await anext(stream) for _ in range(5)]
            assert len(broker.open_lines) == at.counters.open_lines == 1
        await asyncio.sleep(0.2)

        assert [row.at for row in quotes] == sorted({row.at for row in quotes})
        assert (dict(broker.open_lines), at.counters.open_lines) == ({}, 0)


@pytest.mark.parametrize("given_up", [False, True])
async def test_a_stream_that_is_forgotten_gives_its_line_back(gateway, given_up):
    async with gateway() as at, made() as broker:
        stream = broker.stream_quotes(SPY)
        await anext(stream)
        if given_up:
            with suppress(TimeoutError):
                await asyncio.wait_for(anext(stream), 0.0001)
        assert len(broker.open_lines) == 1

        del stream
        gc.collect()
        await asyncio.sleep(0.2)

        assert (dict(broker.open_lines), at.counters.open_lines) == ({}, 0)


async def test_a_stream_whose_session_ends_after_a_time_limit_says_so_to_whoever_reads_on(gateway):
    async with gateway():
        broker = made()
        await broker.connect()
        stream, events = broker.stream_quotes(SPY), broker.order_events()
        await anext(stream)
        for each in (stream, events):
            with suppress(TimeoutError):
                await asyncio.wait_for(anext(each), 0.0001)

        await broker.disconnect()

        for each in (stream, events, stream, events):
            with pytest.raises(NotConnected):
                async for _ in each:
                    pass
        assert dict(broker.open_lines) == {}


async def test_a_stream_that_fails_while_nobody_reads_it_is_not_reported_as_forgotten(gateway):
    async with gateway() as at, made() as broker:
        stream = broker.stream_quotes(SPY)
        await anext(stream)
        at.inject(faults.NotEntitled(code=354))
        unread = broker.stream_quotes(QQQ)
        reading = asyncio.create_task(anext(unread))
        await asyncio.sleep(0.005)
        reading.cancel()
        with suppress(asyncio.CancelledError, RequestFailed):
            await reading
        await unread.aclose()
        await broker.disconnect()
        await asyncio.sleep(1)
        await stream.aclose()


async def test_a_stream_that_nobody_closed_is_ended_by_the_disconnect(gateway):
    async with gateway():
        broker = made()
        await broker.connect()
        stream = broker.stream_quotes(SPY)
        await anext(stream)

        await broker.disconnect()

        with pytest.raises(NotConnected):
            async for _ in stream:
                pass
        assert dict(broker.open_lines) == {}


async def test_a_stream_of_what_does_not_exist_ends_for_all_who_read_it(gateway):
    async with gateway() as at, made() as broker:
        outcomes = await asyncio.gather(
            *(first_of(broker.stream_quotes(Stock("NOSUCH"))) for _ in range(3)), return_exceptions=True
        )

        assert {type(outcome) for outcome in outcomes} == {UnknownContract}
        assert at.counters.open_lines == 0


async def test_a_competing_session_is_no_reason_for_a_new_connection(gateway):
    async with gateway() as at, made(competing_session_wait=300.0) as broker:
        stream = broker.stream_quotes(SPY)
        await anext(stream)
        at.inject(faults.CompetingSession(duration=200.0))
        await asyncio.sleep(5)
        at.inject(faults.FarmBroken(duration=1.0))
        await asyncio.sleep(400)

        assert at.counters.connections == 1
        await stream.aclose()


async def test_everything_under_a_short_deadline_leaves_nothing(gateway):
    async with gateway() as at, made() as broker:
        for number in range(60):
            with suppress(TimeoutError, QuoteUnavailable):
                async with asyncio.timeout(number / 500):
                    await asyncio.gather(
                        broker.quote(SPY), broker.bars(QQQ, MINUTES), first_of(broker.stream_quotes(QQQ))
                    )
            await asyncio.sleep(0.3)

            assert (dict(broker.open_lines), at.counters.open_lines, at.counters.open_histories) == ({}, 0, 0)
            assert len(broker._link.requests) == 0
