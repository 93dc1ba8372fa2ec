"""The machine sleeps, or the process is stopped: what was sent before is not taken for news afterwards."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest

from ibkeel.errors import NotConnected, QuoteUnavailable
from ibkeel.ibkr.pulse import LEAST_GAP
from ibkeel.model import BarSpec, OrderState, OrderTicket, Stock
from ibkeel.resilience import BreakerPolicy
from ibkeel.sim import GatewaySettings, Latency, faults
from ibkeel.sim.codec import REPLIES
from ibkeel.sim.wire import split

STALL = 1200.0  # seconds
HOURS = timedelta(hours=3)
DAY = BarSpec(duration="1 D", size="5 mins")
SYMBOLS = ("SPY", "QQQ", "AAPL", "MSFT")


def stop_the_process(seconds):
    """Nothing runs for so long, and all that was due comes late."""
    loop = asyncio.get_running_loop()
    loop._move_to(loop.time() + seconds)


def stop_at(board, name, seconds):
    """Stop the process when the first reply of a name is on its way to it; how often that was."""
    passes, stopped = board.times, []

    def times(payload):
        if not stopped and split(payload)[0] == str(REPLIES[name].number):
            stopped.append(name)
            stop_the_process(seconds)
        return passes(payload)

    board.times = times
    return stopped


async def a_price(stream):
    return await asyncio.wait_for(anext(stream), 30)


async def complete(on, stream):
    """Follow a stream of a stock until it answers for a quote."""
    quote = await a_price(stream)
    while None in {quote.bid, quote.ask, quote.last, quote.volume, quote.close}:
        quote = await a_price(stream)
    asked = len(on.board.asked("market_data"))
    assert (await on.broker.quote(on.stock)).at == quote.at
    assert len(on.board.asked("market_data")) == asked
    return quote


async def test_a_quote_that_was_asked_for_before_the_machine_slept_is_no_answer_afterwards(stage, set_clock):
    async with stage(own_clock=set_clock) as on:
        asked = asyncio.create_task(on.broker.quote(on.option))
        await asyncio.sleep(0.02)
        set_clock.off = HOURS

        with pytest.raises(NotConnected, match="did not run for about 10795 s; ask again"):
            await asked

        again = await on.broker.quote(on.option)
        assert abs(again.at - set_clock.now()) < timedelta(seconds=1)
        await asyncio.sleep(1)
        assert len(on.board.asked("cancel_market_data")) == 2


async def test_a_quote_that_came_while_the_process_was_stopped_is_no_answer_afterwards(stage):
    async with stage() as on:
        stopped = stop_at(on.board, "tick_price", STALL)

        with pytest.raises(NotConnected, match="ask again"):
            await on.broker.quote(on.option)

        assert stopped
        assert (await on.broker.quote(on.option)).bid
        assert [row.name for row in on.told.of("AlarmRaised")] == ["loop"]
        assert on.told.of("ServiceChanged") == []


@pytest.mark.parametrize("slept", [True, False])
async def test_a_streams_price_from_before_answers_no_question_and_the_stream_is_asked_for_again(
    stage, slept, set_clock
):
    async with stage(own_clock=set_clock) as on, aclosing(on.broker.stream_quotes(on.stock)) as stream:
        before = await complete(on, stream)
        asked = len(on.board.asked("market_data"))
        if slept:
            set_clock.off = HOURS
        else:
            stop_the_process(STALL)

        await asyncio.sleep(10)
        after = await on.broker.quote(on.stock)
        while (told := await a_price(stream)).at == before.at:
            pass

        assert abs(after.at - set_clock.now()) < timedelta(seconds=5)
        assert told.at > before.at + timedelta(seconds=STALL)
        assert len(on.board.asked("market_data")) > asked
        assert len(on.broker.open_lines) == 1


@pytest.mark.parametrize(("seconds", "is_over"), [(150, False), (600, True)])
async def test_a_stream_whose_servers_come_back_some_minutes_after_a_sleep_goes_on(
    stage, seconds, is_over, set_clock
):
    """Until its own link is back, a Gateway on the same machine sends nothing, and may not know it."""
    async with stage(own_clock=set_clock) as on, aclosing(on.broker.stream_quotes(on.stock)) as stream:
        await complete(on, stream)
        await asyncio.sleep(60)
        on.board.kept_back |= {"tick_price", "tick_size", "tick_string", "tick_generic"}
        on.board.kept_back |= {"market_data_type", "tick_parameters"}
        asyncio.get_running_loop().call_later(seconds, on.board.kept_back.clear)
        set_clock.off, back = HOURS, set_clock.now() + HOURS + timedelta(seconds=seconds)

        async def goes_on():
            while (await anext(stream)).at < back:
                pass

        if is_over:
            with pytest.raises(QuoteUnavailable, match="did not come back"):
                await goes_on()
        else:
            await goes_on()


async def test_right_after_a_sleep_a_streams_price_does_not_look_two_seconds_old(stage, set_clock):
    async with stage(own_clock=set_clock) as on, aclosing(on.broker.stream_quotes(on.stock)) as stream:
        before = await complete(on, stream)
        asked = len(on.board.asked("market_data"))
        set_clock.off = HOURS

        quote = await on.broker.quote(on.stock)

        assert len(on.board.asked("market_data")) > asked
        assert quote.at > before.at
        assert (await on.broker.account()).at > before.at


async def test_bars_from_before_a_sleep_are_not_shown_as_seconds_old(stage, set_clock):
    async with stage(own_clock=set_clock) as on:
        await on.broker.bars(on.stock, DAY)
        known = await on.broker.last_good_bars(on.stock, DAY)
        set_clock.off = HOURS
        await asyncio.sleep(6)

        assert known.age < 1
        assert await on.broker.last_good_bars(on.stock, DAY) is None


@pytest.mark.parametrize("slept", [True, False])
async def test_contracts_and_chains_are_not_asked_for_again(stage, slept, set_clock):
    async with stage(own_clock=set_clock) as on:
        await on.broker.option_chain(on.stock)
        asked = len(on.board.requests)
        if slept:
            set_clock.off = HOURS
        else:
            stop_the_process(STALL)

        await asyncio.sleep(6)
        await on.broker.option_chain(on.stock)
        await on.broker.qualify(on.stock)

        assert [row.name for row in on.board.requests[asked:]] == ["current_time"]


async def test_bars_from_before_the_loop_was_blocked_are_shown_with_their_age(stage):
    async with stage() as on:
        await on.broker.bars(on.stock, DAY)
        stop_the_process(20)
        await asyncio.sleep(1)

        known = await on.broker.last_good_bars(on.stock, DAY)

        assert known.age > 20


async def test_of_a_clock_that_is_off_a_person_hears_once_also_when_the_loop_is_blocked_again_and_again(
    stage,
    set_clock,
):
    async with stage(own_clock=set_clock) as on:
        set_clock.off = timedelta(minutes=-3)
        for _ in range(4):
            await asyncio.sleep(6)
            stop_the_process(12)
            await on.broker.health()

        assert [row.name for row in on.told.of("AlarmRaised")] == ["loop", "clock"]


async def test_a_link_is_probed_as_soon_as_the_machine_is_awake(stage, set_clock):
    async with stage(own_clock=set_clock, heartbeat=300.0) as on:
        await asyncio.sleep(3)
        asked = len(on.board.asked("current_time"))
        set_clock.off = HOURS

        await asyncio.sleep(6)

        assert len(on.board.asked("current_time")) == asked + 1


@pytest.mark.parametrize("seconds", [-3600.0, 4.0])
async def test_a_clock_that_is_set_back_or_slewed_is_no_sleep(stage, seconds, set_clock):
    async with stage(own_clock=set_clock) as on:
        set_clock.off = timedelta(seconds=seconds)

        await asyncio.sleep(20)

        assert [row.name for row in on.told.of("AlarmRaised") if row.name == "loop"] == []


async def test_answers_that_came_while_the_process_was_stopped_are_not_late(stage):
    """Its deadlines come with the first turn of the loop, and the answers with the next ones."""
    slow = GatewaySettings(latency=Latency(history=1.0))
    async with stage(settings=slow) as on:
        stocks = [Stock(symbol) for symbol in SYMBOLS]
        for stock in stocks:
            await on.broker.qualify(stock)
        asked = [asyncio.create_task(on.broker.with_deadline(5).bars(stock, DAY)) for stock in stocks]
        await asyncio.sleep(0.5)

        stop_the_process(8)
        bars = await asyncio.gather(*asked, return_exceptions=True)

        assert [len(row) > 0 for row in bars] == [True] * 4
        assert on.told.of("ServiceChanged") == []
        assert (await on.broker.health()).check("data path").grade == "ok"


async def test_after_a_stop_an_answer_that_does_not_come_is_waited_for_a_second_more(stage):
    async with stage() as on:
        await on.broker.qualify(on.stock)
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        ticket = OrderTicket(contract=on.stock, side="BUY", quantity=1, order_type="LMT", limit_price=100)
        placing = asyncio.create_task(on.broker.place(ticket))
        await asyncio.sleep(0.1)

        stop_the_process(20)

        assert (await asyncio.wait_for(placing, 2)).state is OrderState.SENT


@pytest.mark.parametrize("seconds", [10.5, 14.0])
async def test_answers_that_were_read_late_do_not_open_a_circuit_as_slow(stage, seconds):
    policy = BreakerPolicy(slow_after=5.0, slow_limit=2)
    async with stage(breakers={"market data": policy}) as on:
        asked = [asyncio.create_task(on.broker.quote(Stock(symbol))) for symbol in SYMBOLS]
        await asyncio.sleep(0.1)

        stop_the_process(seconds)
        await asyncio.gather(*asked, return_exceptions=True)

        assert on.told.of("ServiceChanged") == []


async def test_balances_from_before_a_sleep_are_no_answer_afterwards(stage, set_clock):
    async with stage(own_clock=set_clock) as on:
        asked = asyncio.create_task(on.broker.account())
        await asyncio.sleep(0.02)
        set_clock.off = HOURS

        with pytest.raises(NotConnected, match="ask again"):
            await asked

        set_clock.off *= 2  # what is asked after a sleep is answered
        assert (await on.broker.account()).net_liquidation > 0


async def test_the_answer_to_an_order_that_came_while_the_process_was_stopped_is_not_late(stage):
    far = OrderTicket(contract=Stock("SPY"), side="BUY", quantity=1, order_type="LMT", limit_price="100")
    async with stage(breakers={"new orders": BreakerPolicy(failures=1)}) as on:
        await on.broker.qualify(on.stock)
        stopped = stop_at(on.board, "open_order", 20)
        placed = await on.broker.place(far)

        again = stop_at(on.board, "order_status", 20)
        ended = await on.broker.cancel(placed.order_id)

        assert (stopped, again) == (["open_order"], ["order_status"])
        assert (placed.state, ended.state) == (OrderState.WORKING, OrderState.CANCELLED)
        assert on.told.of("ServiceChanged") == []


def ignore_haste(board):
    """Drop the answer to a question for the time that comes within a second of the last answer, as a Gateway does."""
    passes, answered = board.times, [-10.0]

    def times(payload):
        if split(payload)[0] != str(REPLIES["current_time"].number):
            return passes(payload)
        now = asyncio.get_running_loop().time()
        if now - answered[-1] < LEAST_GAP:
            return 0
        answered.append(now)
        return passes(payload)

    board.times = times


async def test_a_clock_that_is_set_right_after_a_probe_makes_no_gateway_seem_dead(stage, set_clock):
    async with stage(own_clock=set_clock) as on:
        ignore_haste(on.board)
        await asyncio.sleep(3)
        await on.broker.server_time()
        await asyncio.sleep(0.1)
        set_clock.off = timedelta(seconds=30)
        await on.broker.positions()

        await asyncio.sleep(10)

        assert [row.after for row in on.told.of("SessionChanged")][-1] == "ready"
        assert [row.error for row in on.told.of("RequestEnded") if row.kind == "probe"] == ["", ""]
