import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import NoData
from ibkeel.ibkr.waiting import SharedAnswers
from ibkeel.virtual import run_virtual


class Desk:
    def __init__(self):
        self.answers, self.asked = SharedAnswers(), []

    async def get(self, name, *, key="SPY", takes=1.0, error=None, turn=None):
        async def ask():
            self.asked.append(name)
            await asyncio.sleep(takes)
            if error is not None:
                raise error
            return f"answer to {name}"

        if turn is not None:
            return await self.answers.get_later(turn, key, ask)
        return await self.answers.get(key, ask)


async def test_those_who_ask_the_same_get_one_answer():
    desk = Desk()

    answers = await asyncio.gather(*(desk.get(name) for name in "abc"))

    assert answers == ["answer to a"] * 3
    assert desk.asked == ["a"]
    assert len(desk.answers) == 0


async def test_another_key_is_another_question():
    desk = Desk()

    assert await asyncio.gather(desk.get("a"), desk.get("b", key="QQQ")) == ["answer to a", "answer to b"]


async def test_the_next_question_is_asked_anew():
    desk = Desk()
    await desk.get("a")
    await desk.get("b")

    assert desk.asked == ["a", "b"]


async def test_an_error_reaches_everybody():
    desk = Desk()
    outcomes = await asyncio.gather(
        *(desk.get(name, error=NoData("none")) for name in "abc"), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [NoData] * 3
    assert desk.asked == ["a"]


async def test_when_the_asker_is_cancelled_the_one_who_waited_longest_asks_anew():
    desk = Desk()
    first, second, third = (asyncio.create_task(desk.get(name)) for name in "abc")
    await asyncio.sleep(0.5)
    first.cancel()

    assert await asyncio.gather(second, third) == ["answer to b"] * 2
    assert desk.asked == ["a", "b"]
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_one_who_waits_and_is_cancelled_disturbs_nobody():
    desk = Desk()
    first, second, third = (asyncio.create_task(desk.get(name)) for name in "abc")
    await asyncio.sleep(0.5)
    second.cancel()

    assert await asyncio.gather(first, third) == ["answer to a"] * 2
    assert desk.asked == ["a"]


async def test_a_question_that_leads_to_itself_does_not_wait_for_ever():
    answers = SharedAnswers()

    async def inner():
        return 1

    async def outer():
        return await answers.get("SPY", inner) + 1

    assert await answers.get("SPY", outer) == 2


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3), st.booleans()), min_size=1, max_size=8))
def test_everybody_who_stays_gets_an_answer_and_nobody_is_asked_twice_at_once(plan):
    async def main():
        desk, running, most = Desk(), 0, 0

        async def ask():
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                await asyncio.sleep(1)
                return "answer"
            finally:
                running -= 1

        async def one(starts, leaves, is_cancelled):
            await asyncio.sleep(starts)
            task = asyncio.create_task(desk.answers.get("SPY", ask))
            if is_cancelled:
                await asyncio.sleep(leaves)
                task.cancel()
            return (await asyncio.gather(task, return_exceptions=True))[0]

        outcomes = await asyncio.gather(*(one(*step) for step in plan))
        return outcomes, most, len(desk.answers)

    outcomes, most, left = run_virtual(main())

    assert all(
        outcome == "answer" or (is_cancelled and isinstance(outcome, asyncio.CancelledError))
        for outcome, (_, __, is_cancelled) in zip(outcomes, plan, strict=True)
    )
    assert (most, left) == (1, 0)


async def test_who_comes_while_a_list_is_read_shares_the_next_with_all_who_do():
    desk = Desk()

    async def after(seconds, name):
        await asyncio.sleep(seconds)
        return await desk.get(name, turn="list")

    answers = await asyncio.gather(*(after(0.1 * place, name) for place, name in enumerate("abcd")))

    assert answers == ["answer to a", *["answer to b"] * 3]
    assert desk.asked == ["a", "b"]
    assert len(desk.answers) == 0


async def test_lists_of_one_turn_are_asked_for_one_at_a_time():
    desk, loop = Desk(), asyncio.get_running_loop()
    began = loop.time()

    ours, everybodys = await asyncio.gather(
        desk.get("ours", key="ours", turn="list"), desk.get("all", key="all", turn="list")
    )

    assert (ours, everybodys) == ("answer to ours", "answer to all")
    assert loop.time() - began == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("leaves_at", [0.5, 1.5])
async def test_who_leaves_while_he_waits_or_asks_leaves_the_next_list_to_the_others(leaves_at):
    desk = Desk()
    first = asyncio.create_task(desk.get("a", turn="list"))
    await asyncio.sleep(0.1)
    leaver = asyncio.create_task(desk.get("b", turn="list"))
    await asyncio.sleep(0.1)
    last = asyncio.create_task(desk.get("c", turn="list"))
    await asyncio.sleep(leaves_at)
    leaver.cancel()

    assert await first == "answer to a"
    assert await last == "answer to c"
    assert leaver.cancelled()
    assert len(desk.answers) == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["ours", "all"]), st.booleans()), max_size=8))
def test_a_list_was_asked_for_after_who_gets_it_came(callers):
    asked = {}

    async def main():
        answers, loop = SharedAnswers(), asyncio.get_running_loop()

        async def ask():
            began = loop.time()
            await asyncio.sleep(1.0)
            return began

        async def call(at, key, leaves):
            await asyncio.sleep(at)
            came = loop.time()
            try:
                async with asyncio.timeout(0.7 if leaves else None):
                    assert await answers.get_later("list", key, ask) >= came
            except TimeoutError:
                assert leaves
            else:
                assert loop.time() - came < 3.1 or any(leaver for *_, leaver in callers)

        await asyncio.gather(*(call(*caller) for caller in callers))
        asked["left"] = len(answers)

    run_virtual(main())
    assert asked["left"] == 0
