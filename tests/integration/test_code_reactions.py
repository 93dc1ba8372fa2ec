"""What the session does about a code, beside what becomes of the request: seen on the wire."""

import asyncio
from contextlib import aclosing, suppress

import attrs
import pytest

from ibkeel.cli.live import unknown_symbols
from ibkeel.errors import (
    CompetingSession,
    NotConnected,
    OrderRejected,
    PacingExceeded,
    QuoteUnavailable,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.ibkr import ERROR_TABLE, About, Meaning, Reaction
from ibkeel.model import BarSpec, Grade, OrderTicket, Stock
from ibkeel.resilience import Rule
from ibkeel.sim import faults
from ibkeel.sim.codec import REPLIES

SPY, QQQ = Stock("SPY"), Stock("QQQ")
FAR = OrderTicket(contract=SPY, side="BUY", quantity=5, order_type="LMT", limit_price="100")
EXIT = attrs.evolve(FAR, side="SELL", limit_price="10000", is_closing=True)
SMALL, LONG = BarSpec(duration="1800 S", size="5 secs"), BarSpec(duration="1 D", size="5 mins")
TICKS = {name for name in REPLIES if name.startswith("tick")}
RESUBSCRIBES = sorted({row.code for row in ERROR_TABLE.rows if row.reaction is Reaction.RESUBSCRIBE})


def states(on):
    return [event.after for event in on.told.of("SessionChanged")]


def names(on, *wanted):
    return [request.name for request in on.board.requests if request.name in wanted]


async def hear(on, request_id, code, text="of its own accord:usfarm"):
    on.board.say("error", request_id=request_id, code=code, text=text, at_millis=0)
    await asyncio.sleep(0.05)


async def read(broker, contract, quotes):
    async with aclosing(broker.stream_quotes(contract)) as stream:
        async for quote in stream:
            quotes.append((asyncio.get_running_loop().time(), quote))


@pytest.mark.parametrize("names_an_order", [True, False])
async def test_100_holds_messages_for_a_second_and_lets_exits_pass(stage, names_an_order):
    async with stage() as on:
        spy = (await on.broker.qualify(SPY)).contract
        placed = await on.broker.place(FAR)
        await hear(on, placed.order_id if names_an_order else -1, 100, "Max rate of messages exceeded")
        asking = asyncio.create_task(on.broker.quote(QQQ))
        await on.broker.place(attrs.evolve(EXIT, contract=spy))
        before = len(on.board.asked("market_data"))
        await asyncio.sleep(0.8)
        during = len(on.board.asked("market_data"))
        await asking

        assert (before, during, len(on.board.asked("market_data"))) == (0, 0, 1)
        assert [event.rule for event in on.told.of("PacingWaited")] == ["messages (44 in 1 s)"]


async def test_a_pacing_violation_holds_the_history_of_small_bars_and_nothing_else(stage):
    async with stage(pacing_patience=900.0) as on:
        on.gateway.inject(
            faults.AnsweredWith(
                when_request="historical_data",
                code=162,
                text="Historical Market Data Service error message:Historical data request pacing violation",
                times=1,
            )
        )
        with pytest.raises(PacingExceeded):
            await on.broker.bars(SPY, SMALL)
        asking = asyncio.create_task(on.broker.bars(QQQ, SMALL))
        await asyncio.sleep(590)
        held = len(on.board.asked("historical_data"))

        assert len(await on.broker.bars(QQQ, LONG)) > 0
        assert (await on.broker.quote(QQQ)).bid is not None
        await asyncio.sleep(20)
        assert (held, len(on.board.asked("historical_data"))) == (1, 3)
        assert asking.done()
        assert not isinstance(asking.exception(), RequestTimeout)  # its time ran from when it was sent


async def test_a_request_that_is_given_up_names_the_limit_that_held_it_back_in_the_end(stage):
    """It waited for another one first, which had room long before."""
    slow = Rule(
        name="slow",
        limit=1,
        seconds=600.0,
        source="a test",
        key=lambda one: "" if one.kind == "history" else None,
    )
    rules = (attrs.evolve(slow, name="quick", seconds=5.0), attrs.evolve(slow, limit=2))
    async with stage(pacing_rules=rules, pacing_patience=60.0) as on:
        await on.broker.bars(SPY, LONG)
        await on.broker.bars(QQQ, LONG)

        with pytest.raises(PacingExceeded, match=r"60 s for its turn, behind the limit slow \(2 in 600 s\)"):
            await on.broker.bars(SPY, SMALL)


@pytest.mark.parametrize("code", RESUBSCRIBES)
async def test_a_stream_that_the_gateway_ends_is_cancelled_first_and_then_asked_for_again(stage, code):
    async with stage() as on:
        quotes = []
        reading = asyncio.create_task(read(on.broker, SPY, quotes))
        await asyncio.sleep(5)
        await hear(on, on.board.asked("market_data")[0]["request_id"], code)
        before = len(quotes)
        await asyncio.sleep(5)

        assert names(on, "market_data", "cancel_market_data") == [
            "market_data",
            "cancel_market_data",
            "market_data",
        ]
        first, second = on.board.asked("market_data")
        assert first["request_id"] != second["request_id"]
        assert on.board.asked("cancel_market_data")[0]["request_id"] == first["request_id"]
        assert len(quotes) > before
        assert (len(on.broker.open_lines), on.gateway.counters.open_lines) == (1, 1)
        reading.cancel()


async def test_a_feed_that_died_with_its_farm_is_cancelled_before_it_is_asked_for_again(stage):
    async with stage() as on:
        quotes = []
        reading = asyncio.create_task(read(on.broker, SPY, quotes))
        await asyncio.sleep(5)
        on.gateway.inject(faults.FarmBroken(duration=3.0, revives=False))
        await asyncio.sleep(60)

        assert quotes[-1][0] > asyncio.get_running_loop().time() - 5
        assert (len(on.broker.open_lines), on.gateway.counters.open_lines) == (1, 1)
        assert names(on, "market_data", "cancel_market_data")[:3] == [
            "market_data",
            "cancel_market_data",
            "market_data",
        ]
        reading.cancel()


@pytest.mark.parametrize(("code", "times"), [(1101, 2), (1102, 1)])
async def test_streams_are_asked_for_again_after_1101_and_only_watched_after_1102(stage, code, times):
    async with stage() as on:
        quotes = []
        reading = asyncio.create_task(read(on.broker, SPY, quotes))
        await asyncio.sleep(5)
        on.gateway.inject(faults.UpstreamLost(duration=20.0, restores_as=code))
        await asyncio.sleep(60)

        assert len(on.board.asked("market_data")) == times
        assert on.gateway.counters.open_lines == 1
        assert quotes[-1][0] > asyncio.get_running_loop().time() - 5
        assert "open_orders" in {request.name for request in on.board.requests}
        reading.cancel()


async def test_1300_opens_a_new_session_and_tells_a_person_the_port(stage):
    async with stage() as on:
        on.board.say(
            "error",
            request_id=-1,
            code=1300,
            text="TWS socket port has been reset and this connection is being dropped. The new port is 4005",
            at_millis=0,
        )
        await asyncio.sleep(1)

        assert "reconnecting" in states(on)
        assert ["4005" in event.message for event in on.told.of("AlarmRaised")] == [True]


@pytest.mark.parametrize("code", [2103, 2110, 1100])
async def test_what_breaks_the_market_data_refuses_entries_and_passes_cancels(stage, code):
    async with stage() as on:
        placed = await on.broker.place(FAR)
        await hear(on, -1, code)
        with pytest.raises(NotConnected, match="no new position"):
            await on.broker.place(FAR)

        assert (await on.broker.cancel(placed.order_id)).state == "cancelled"


@pytest.mark.parametrize(("broken", "well"), [(2103, 2104), (2103, 2108), (2110, 1102), (1100, 1101)])
async def test_what_mends_the_market_data_admits_entries_again(stage, broken, well):
    async with stage() as on:
        await hear(on, -1, broken)
        await hear(on, -1, well)
        await asyncio.sleep(1)

        assert (await on.broker.place(FAR)).state == "working"


@pytest.mark.parametrize("code", [2105, 2157])
async def test_farms_that_give_no_prices_refuse_no_entry(stage, code):
    async with stage() as on:
        await hear(on, -1, code, "broken:ushmds")

        assert (await on.broker.place(FAR)).state == "working"
        assert (await on.broker.health()).check("farm ushmds").grade is Grade.DEGRADED


@pytest.mark.parametrize("code", [2107, 2108, 2119, 2158, 2100, 2148])
async def test_notices_that_are_no_trouble_change_no_state(stage, code):
    async with stage() as on:
        before = states(on)
        await hear(on, -1, code)

        assert states(on) == before
        assert (await on.broker.place(FAR)).state == "working"


async def test_no_such_contract_is_not_believed_while_the_definitions_are_broken(stage):
    async with stage() as on:
        await hear(on, -1, 2157, "Sec-def data farm connection is broken:secdefnj")
        on.gateway.inject(
            faults.AnsweredWith(
                when_request="contract_details", code=200, text="No security definition", times=1
            )
        )
        with pytest.raises(UnknownContract):
            await on.broker.qualify(SPY)

        assert (await on.broker.qualify(SPY)).contract.con_id is not None


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_bot_is_not_refused_for_its_symbols_while_the_definitions_are_broken(stage, is_new):
    async with stage() as on:
        no = faults.AnsweredWith(
            when_request="contract_details", code=200, text="No security definition", times=2
        )
        on.gateway.inject(no)
        with pytest.raises(UnknownContract):
            await unknown_symbols(on.broker, ["QQQ"], is_new=is_new)

        await hear(on, -1, 2157, "Sec-def data farm connection is broken:secdefnj")

        assert list(await unknown_symbols(on.broker, ["IWM"], is_new=is_new)) == ["IWM"]


async def test_a_competing_session_is_waited_for_for_minutes_and_told_once(stage):
    async with stage(competing_session_wait=120.0) as on:
        reading = asyncio.create_task(read(on.broker, SPY, []))
        await asyncio.sleep(5)
        await hear(on, on.board.asked("market_data")[0]["request_id"], 10197, "competing live session")
        await asyncio.sleep(115)
        before = len(on.board.asked("market_data"))
        await asyncio.sleep(10)

        assert (before, len(on.board.asked("market_data"))) == (1, 2)
        assert len(on.told.of("AlarmRaised")) == 1
        reading.cancel()


async def test_a_quote_that_a_competing_session_takes_is_refused_at_once(stage):
    async with stage() as on:
        on.gateway.inject(faults.CompetingSession(duration=10.0))
        with pytest.raises(CompetingSession):
            await on.broker.quote(SPY)


async def test_an_order_that_a_read_only_gateway_refuses_says_so_in_health(stage):
    async with stage() as on:
        on.board.kept_back = {"open_order", "order_status"}
        placing = asyncio.create_task(on.broker.place(FAR))
        async with asyncio.timeout(10):
            while not on.board.asked("place_order"):
                await asyncio.sleep(0.001)
        await hear(
            on,
            on.board.asked("place_order")[0]["order_id"],
            321,
            "Error validating request.-'b_' : cause - The API interface is currently in Read-Only mode.",
        )
        with pytest.raises(OrderRejected, match="Read-Only API"):
            await placing

        check = (await on.broker.health()).check("order path")
        assert (check.grade, "untick" in check.remedy) == (Grade.DOWN, True)


async def test_a_row_of_the_users_gives_a_code_another_reaction(stage):
    mine = Meaning(code=399, about=About.SYSTEM, reaction=Reaction.UPSTREAM_LOST)
    async with stage(codes=ERROR_TABLE.with_rows(mine)) as on:
        await hear(on, -1, 399)

        assert states(on)[-1] == "upstream lost"
        assert (await on.broker.health()).check("upstream").grade is Grade.DOWN


async def test_a_row_of_the_users_lets_a_stream_be_asked_for_again(stage):
    mine = Meaning(code=77777, about=About.REQUEST, reaction=Reaction.RESUBSCRIBE)
    async with stage(codes=ERROR_TABLE.with_rows(mine)) as on:
        reading = asyncio.create_task(read(on.broker, SPY, []))
        await asyncio.sleep(2)
        await hear(on, on.board.asked("market_data")[0]["request_id"], 77777)
        await asyncio.sleep(2)

        assert len(on.board.asked("market_data")) == 2
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


async def test_lines_of_lost_data_count_no_longer(stage):
    async with stage() as on:
        reading = [asyncio.create_task(read(on.broker, stock, [])) for stock in (SPY, QQQ)]
        await asyncio.sleep(5)
        for _ in range(60):  # each time two streams: more than a hundred lines if they went on counting
            on.gateway.inject(faults.UpstreamLost(duration=1.0, restores_as=1101))
            await asyncio.sleep(5)

        assert len(on.broker.open_lines) == 2
        assert on.broker._link.wire.waiting() == ()
        assert len(on.board.asked("market_data")) == 122
        assert on.board.asked("cancel_market_data") == []
        for task in reading:
            task.cancel()


async def test_a_quote_that_waits_when_the_data_are_lost_ends_at_once_without_a_cancel(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="market_data", times=1))
        asking = asyncio.create_task(on.broker.quote(SPY))
        await asyncio.sleep(1)
        await hear(on, -1, 1101)
        with pytest.raises(NotConnected, match="ask again"):
            await asking

        assert on.board.asked("cancel_market_data") == []
        assert on.broker.open_lines == {}


async def test_a_stream_that_hears_nothing_at_all_is_asked_for_once_more(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="market_data", times=1))
        quotes = []
        reading = asyncio.create_task(read(on.broker, SPY, quotes))
        await asyncio.sleep(40)

        assert quotes
        assert names(on, "market_data", "cancel_market_data") == [
            "market_data",
            "cancel_market_data",
            "market_data",
        ]
        assert on.told.of("StreamRestored") == []
        reading.cancel()


async def test_a_stream_that_was_asked_for_twice_for_nothing_ends_in_an_error_and_with_a_cancel(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="market_data", duration=600.0))
        with pytest.raises(QuoteUnavailable, match="asked for twice"):
            async with asyncio.timeout(600):
                await read(on.broker, SPY, [])
        await asyncio.sleep(1)

        assert (on.broker.open_lines, on.gateway.counters.open_lines) == ({}, 0)


async def test_a_stream_that_is_given_up_is_cancelled_at_the_gateway(stage):
    async with stage() as on:
        quotes = []
        reading = asyncio.create_task(read(on.broker, SPY, quotes))
        await asyncio.sleep(5)
        on.board.kept_back = TICKS
        await hear(on, -1, 1102)
        with pytest.raises(QuoteUnavailable, match="not even on a new connection"):
            async with asyncio.timeout(600):
                await reading
        await asyncio.sleep(1)

        assert on.gateway.counters.connections == 2
        assert (on.broker.open_lines, on.gateway.counters.open_lines) == ({}, 0)


async def test_a_stream_of_a_silent_market_is_left_alone(stage):
    async with stage(kept_back=TICKS) as on:
        reading = asyncio.create_task(read(on.broker, SPY, []))
        await asyncio.sleep(600)

        assert len(on.board.asked("market_data")) == 1
        reading.cancel()


async def test_orders_that_the_gateway_could_not_resolve_are_compared_and_a_loss_is_not_taken_back(stage):
    async with stage() as on:
        await on.broker.place(FAR)
        await hear(on, -1, 10328, "Connection lost, order data could not be resolved")
        await asyncio.sleep(2)
        assert (states(on)[-2:], len(on.board.asked("open_orders"))) == (["syncing", "ready"], 2)

        on.gateway.inject(faults.UpstreamLost(duration=60.0))
        await asyncio.sleep(1)
        await hear(on, -1, 10328, "Connection lost, order data could not be resolved")

        assert states(on)[-1] == "upstream lost"
