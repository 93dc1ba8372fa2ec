import asyncio

import pytest

from ibkeel.errors import RequestTimeout
from ibkeel.model import Grade
from ibkeel.resilience import Deadlines
from ibkeel.sim.settings import GatewaySettings, Latency

SLOW = GatewaySettings(latency=Latency(local=0.3))


def questions(on):
    return len(on.board.asked("current_time"))


async def test_who_is_hasty_again_and_again_gets_the_answer_to_the_first_question(stage):
    async with stage(settings=SLOW) as on:
        before, hasty = questions(on), on.broker.with_deadline(0.1)
        outcomes = [await asyncio.gather(hasty.server_time(), return_exceptions=True) for _ in range(4)]

        assert [type(outcome) for [outcome] in outcomes[:2]] == [RequestTimeout] * 2
        assert outcomes[3] == [await on.broker.server_time()]
        assert questions(on) - before == 1


async def test_an_answer_that_comes_when_nobody_waits_serves_who_asks_within_a_second(stage):
    async with stage(settings=SLOW) as on:
        before = questions(on)
        with pytest.raises(RequestTimeout):
            await on.broker.with_deadline(0.1).server_time()
        await asyncio.sleep(0.5)
        on.board.kept_back = {"current_time"}

        assert await on.broker.with_deadline(0.1).server_time() is not None
        assert questions(on) - before == 1


async def test_who_leaves_in_the_turn_of_the_answer_leaves_it_to_the_next(stage):
    async with stage() as on:
        before, loop = questions(on), asyncio.get_running_loop()
        asked = asyncio.create_task(on.broker.server_time())
        while on.broker._link.requests.get("currentTime") is None:
            await asyncio.sleep(0)
        answer = on.broker._link.requests.get("currentTime").future
        answer.add_done_callback(lambda _: asked.cancel())
        began = loop.time()
        await asyncio.wait({asked})
        await on.broker.server_time()

        assert loop.time() - began < 0.5
        assert questions(on) - before == 1


async def test_those_who_wait_are_served_though_who_asked_leaves(stage):
    async with stage(settings=SLOW) as on:
        before = questions(on)
        first, *others = (asyncio.create_task(on.broker.server_time()) for _ in range(3))
        await asyncio.sleep(0.1)
        first.cancel()

        assert len({await other for other in others}) == 1
        assert first.cancelled()
        assert questions(on) - before == 1


async def test_a_question_that_a_session_took_with_it_is_asked_anew_in_the_next(stage):
    async with stage(deadlines=Deadlines(probe=5.0)) as on:
        on.board.kept_back = {"current_time"}
        with pytest.raises(RequestTimeout):
            await on.broker.with_deadline(0.1).server_time()
        on.board.kept_back = set()
        on.board.hang_up()
        await asyncio.sleep(0.01)
        await on.broker.ready()
        before = questions(on)
        await asyncio.sleep(1.5)

        assert (await on.broker.health()).grade is Grade.OK
        assert questions(on) > before


async def test_a_gateway_that_says_nothing_to_the_hasty_is_found_out_by_the_heartbeat(stage):
    async with stage(deadlines=Deadlines(probe=2.0), heartbeat=10.0) as on:
        on.board.kept_back = {"current_time", "symbol_samples"}
        for _ in range(300):
            await asyncio.gather(on.broker.with_deadline(0.1).server_time(), return_exceptions=True)

        assert "reconnecting" in {change.after for change in on.told.of("SessionChanged")}


async def test_an_answer_that_nobody_took_is_not_waited_for_again(stage):
    async with stage(settings=SLOW) as on:
        before = questions(on)
        with pytest.raises(RequestTimeout):
            await on.broker.with_deadline(0.1).server_time()
        await asyncio.sleep(1.5)

        assert await on.broker.server_time() is not None
        assert questions(on) - before == 2


async def test_an_answer_that_is_read_in_the_turn_in_which_who_asked_leaves_is_not_waited_for(stage):
    async with stage() as on:
        asked, loop = asyncio.create_task(on.broker.server_time()), asyncio.get_running_loop()
        while on.broker._link.requests.get("currentTime") is None:
            await asyncio.sleep(0)
        asked.cancel()
        on.broker.ib.wrapper.currentTime(int(on.broker._link.clock.now().timestamp()))
        on.board.kept_back = {"current_time"}
        await asyncio.wait({asked})
        began = loop.time()
        await on.broker.server_time()

        assert asked.cancelled()
        assert loop.time() - began < 0.5


async def test_a_question_that_was_left_before_it_was_sent_is_asked(stage):
    async with stage() as on:
        on.board.kept_back = {"current_time"}
        with pytest.raises(RequestTimeout):
            await on.broker.server_time()
        on.board.kept_back = set()
        on.broker._link.wire.hold("messages")
        with pytest.raises(RequestTimeout):
            await on.broker.with_deadline(0.1).server_time()
        await asyncio.sleep(1.5)

        assert await on.broker.server_time() is not None


async def test_an_answer_that_nobody_took_tells_that_the_link_lives(stage):
    async with stage(settings=SLOW) as on:
        for _ in range(3):
            on.board.kept_back = {"current_time"}
            with pytest.raises(RequestTimeout):
                await on.broker.server_time()
            on.board.kept_back = set()
            with pytest.raises(RequestTimeout):
                await on.broker.with_deadline(0.1).server_time()
            await asyncio.sleep(1.5)

        assert "reconnecting" not in {change.after for change in on.told.of("SessionChanged")}


async def test_who_leaves_early_sets_the_heartbeat_to_find_out_about_a_silent_gateway(stage):
    async with stage(deadlines=Deadlines(probe=5.0), heartbeat=600.0) as on:
        on.board.kept_back = {"current_time"}
        with pytest.raises(RequestTimeout):
            await on.broker.with_deadline(0.5).server_time()
        await asyncio.sleep(16)

        assert "reconnecting" in {change.after for change in on.told.of("SessionChanged")}
