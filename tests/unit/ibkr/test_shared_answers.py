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

    async def get(self, name, *, key="SPY", takes=1.0, error=None):
        async def ask():
            self.asked.append(name)
            await asyncio.sleep(takes)
            if error is not None:
                raise error
            return f"answer to {name}"

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
