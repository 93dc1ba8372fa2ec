"""What waits while the ground moves: turns in the queue, lists, loops and files."""

import asyncio
import shutil
from contextlib import aclosing, suppress

import pytest

from ibkeel.errors import ConfigurationError, ConnectionFailure, NotConnected, UnknownContract
from ibkeel.ibkr import Backoff, IBKRBroker, IBKRConfig
from ibkeel.model import OrderTicket, Stock
from ibkeel.orders import plan_exit
from ibkeel.resilience import Rule
from ibkeel.sim import SimulatedGateway, faults
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")
DATA_LOST = "Connectivity between IB and TWS has been restored - data lost."


async def with_a_full_window(broker):
    """Definitions are known, and the next messages have to wait for the limit."""
    await broker.qualify(SPY)
    await asyncio.sleep(2)
    for _ in range(60):
        broker.ib.client.reqIds(1)


def lines(board):
    """Ids of the lines that were asked for, and of those that were cancelled."""
    asked, cancelled = board.asked("market_data"), board.asked("cancel_market_data")
    return {values["request_id"] for values in asked}, {values["request_id"] for values in cancelled}


async def test_what_waits_for_its_turn_ends_with_the_session(stage):
    async with stage() as on:
        asked = [asyncio.create_task(on.broker.qualify(Stock(f"X{number}"))) for number in range(200)]
        await asyncio.sleep(0.5)
        on.board.hang_up()

        async with asyncio.timeout(1):
            outcomes = await asyncio.gather(*asked, return_exceptions=True)

        assert {type(outcome) for outcome in outcomes} == {UnknownContract, NotConnected}


async def test_a_quote_that_waits_when_the_data_is_lost_is_not_sent_any_more(stage):
    async with stage() as on:
        await with_a_full_window(on.broker)
        quote = asyncio.create_task(on.broker.quote(SPY))
        await asyncio.sleep(0.3)
        on.gateway.broadcast(1101, DATA_LOST)
        [outcome] = await asyncio.gather(quote, return_exceptions=True)
        await asyncio.sleep(10)

        assert type(outcome) is NotConnected
        assert lines(on.board) == (set(), set())


async def test_a_stream_that_waits_when_the_data_is_lost_holds_one_line(stage):
    async with stage() as on:
        await with_a_full_window(on.broker)
        async with aclosing(on.broker.stream_quotes(SPY)) as stream:
            first = asyncio.create_task(anext(stream))
            await asyncio.sleep(0.3)
            on.gateway.broadcast(1101, DATA_LOST)
            await first
            await asyncio.sleep(60)
            asked, cancelled = lines(on.board)

            assert asked - cancelled == set(on.broker.open_lines)
        await asyncio.sleep(5)
        asked, cancelled = lines(on.board)
        assert asked == cancelled


async def test_a_session_that_the_library_was_told_to_end_is_sought_again(stage):
    async with stage() as on:
        on.broker.ib.disconnect()
        assert "library's own disconnect()" in on.told.of("SessionChanged")[-1].cause

        await asyncio.sleep(30)

        assert (await on.broker.quote(SPY)).bid is not None


@pytest.mark.parametrize("turns", range(4))
async def test_a_socket_that_closes_as_the_session_opens_is_opened_again(stage, turns):
    async with stage() as on:
        closing = []

        async def close():
            for _ in range(turns):
                await asyncio.sleep(0)
            on.broker.ib.client.conn.transport.abort()

        def opened():
            if not closing:
                closing.append(asyncio.create_task(close()))

        on.broker.ib.connectedEvent += opened
        on.board.hang_up()
        await asyncio.sleep(120)

        assert closing
        assert on.broker.is_connected
        assert on.told.of("AlarmRaised") == []


async def test_a_session_is_sought_also_when_the_pacing_windows_cannot_be_written(stage, tmp_path):
    folder = tmp_path / "state"
    async with stage(pacing_store=str(folder / "pacing.json")) as on:
        await asyncio.sleep(40)
        shutil.rmtree(folder)
        folder.write_text("a file where the folder was")
        await asyncio.sleep(120)
        on.board.hang_up()
        await asyncio.sleep(30)
        was_connected = on.broker.is_connected
        folder.unlink()
        early = on.told.of("AlarmEnded")
        await asyncio.sleep(120)

        assert was_connected
        assert [alarm.name for alarm in on.told.of("AlarmRaised")] == ["pacing store"]
        assert early == []
        assert [alarm.name for alarm in on.told.of("AlarmEnded")] == ["pacing store"]


def test_a_broker_on_another_loop_asks_for_the_time_anew(market):
    brokers = []

    async def said(wait):
        await asyncio.sleep(wait)
        clock = virtual_clock()
        if not brokers:
            brokers.append(IBKRBroker(IBKRConfig(), clock=clock, jitter=lambda: 0.0))
        gateway = SimulatedGateway(market=market, clock=clock)
        async with gateway.listening("127.0.0.1", 4002), brokers[0] as broker:
            return (await broker.health()).check("server time").evidence

    assert "14:40:00 UTC" in run_virtual(said(600))
    assert "14:40:00 UTC" in run_virtual(said(600))
    assert "14:30:30 UTC" in run_virtual(said(30))
    assert "15:30:00 UTC" in run_virtual(said(3600))


async def test_a_caller_who_waits_no_longer_does_not_end_the_search(stage):
    async with stage(connect_backoff=Backoff(attempts=3)) as on:
        on.gateway.inject(faults.Restart(duration=300.0))
        await asyncio.sleep(5)
        with pytest.raises(ConnectionFailure):
            await on.broker.connect()
        await asyncio.sleep(600)

        assert on.broker.is_connected


@pytest.mark.parametrize("turns", range(12))
async def test_two_disconnects_during_a_connect_leave_no_session_behind(market, turns):
    await asyncio.sleep(600)
    gateway = SimulatedGateway(market=market, clock=virtual_clock())
    async with gateway.listening("127.0.0.1", 4002):
        for between in range(4):
            broker = IBKRBroker(IBKRConfig(), clock=virtual_clock(), jitter=lambda: 0.0)
            tasks = [asyncio.create_task(broker.connect())]
            for pause in (turns, between):
                for _ in range(pause):
                    await asyncio.sleep(0)
                tasks.append(asyncio.create_task(broker.disconnect()))
            with suppress(NotConnected):
                await tasks[0]
            await asyncio.gather(*tasks[1:])
            await asyncio.sleep(5)

            assert gateway.client_ids == ()


async def test_a_probe_that_our_own_limits_keep_back_says_nothing_of_the_link(stage):
    rule = Rule(name="mine", limit=30, seconds=300.0, source="a program's own")
    async with stage(pacing_rules=(rule,)) as on:
        for _ in range(40):
            on.broker.ib.client.reqIds(1)

        await asyncio.sleep(600)

        assert on.told.of("ConnectionLost") == []


async def test_a_refused_exit_is_not_told_that_exits_pass(stage):
    async with stage() as on:
        await on.broker.place(OrderTicket(contract=SPY, side="BUY", quantity=1))
        [position] = await on.broker.positions()
        leave = plan_exit(position, await on.broker.open_orders()).ticket
        for code in (1100, 1102, 1100):
            on.gateway.broadcast(code, "flapping")
        await asyncio.sleep(1)

        with pytest.raises(NotConnected, match="cancels still pass, exits once they are"):
            await on.broker.place(leave)


async def test_pacing_windows_that_cannot_be_read_are_refused_each_time(tmp_path):
    store = tmp_path / "pacing.json"
    store.write_text("{")
    broker = IBKRBroker(IBKRConfig(pacing_store=str(store)), clock=virtual_clock())

    for _ in range(2):
        with pytest.raises(ConfigurationError, match="delete it"):
            await broker.connect()
