"""One round over all symbols, a few at a time."""

import asyncio

import pytest

from ibkeel.runner.visiting import Round

SYMBOLS = tuple(f"S{number}" for number in range(7))


class Visits:
    """Notes who comes when, and how many are there at once."""

    def __init__(self, seconds=0.0):
        self.began, self.tasks, self.most, self._seconds, self._now = [], set(), 0, seconds, 0

    async def __call__(self, symbol):
        self._now += 1
        self.most = max(self.most, self._now)
        self.began.append((symbol, asyncio.get_running_loop().time()))
        self.tasks.add(asyncio.current_task())
        if self._seconds:
            await asyncio.sleep(self._seconds)
        self._now -= 1


async def test_visits_that_need_not_wait_are_made_in_one_task_without_a_turn_of_the_loop():
    visits, turns = Visits(), []
    asyncio.get_running_loop().call_soon(turns.append, "turn")

    await Round(SYMBOLS, concurrency=5, gap=0.0).go(visits)

    assert [symbol for symbol, _ in visits.began] == list(SYMBOLS)
    assert visits.tasks == {asyncio.current_task()}
    assert turns == []


@pytest.mark.parametrize(("concurrency", "seconds"), [(1, 70), (3, 30), (7, 10), (50, 10)])
async def test_visits_that_wait_are_made_side_by_side_as_many_as_are_allowed(concurrency, seconds):
    visits = Visits(10.0)
    started = asyncio.get_running_loop().time()

    await Round(SYMBOLS, concurrency=concurrency, gap=0.0).go(visits)

    assert [symbol for symbol, _ in visits.began] == list(SYMBOLS)
    assert visits.most == min(concurrency, len(SYMBOLS))
    assert asyncio.get_running_loop().time() - started == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 5.0])
async def test_a_gap_lies_between_the_beginnings(seconds):
    visits = Visits(seconds)

    await Round(SYMBOLS, concurrency=50, gap=0.5).go(visits)

    first = visits.began[0][1]
    assert [at - first for _, at in visits.began] == pytest.approx([n * 0.5 for n in range(7)], abs=0.01)


async def test_a_slow_visit_holds_up_no_other_one():
    ended = []

    async def visit(symbol):
        if symbol == "S1":
            await asyncio.sleep(100)
        ended.append(symbol)

    await Round(SYMBOLS, concurrency=2, gap=0.0).go(visit)

    assert ended == ["S0", "S2", "S3", "S4", "S5", "S6", "S1"]


async def test_others_in_the_loop_have_their_turn_between_many_visits():
    turns = []

    async def visit(_):
        asyncio.get_running_loop().call_soon(turns.append, len(turns))

    await Round([f"S{n}" for n in range(1000)], concurrency=50, gap=0.0).go(visit)

    assert len(turns) >= 900


async def test_a_round_that_is_cut_short_leaves_nobody_at_work():
    visits = Visits(10.0)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(15.0):
            await Round(SYMBOLS, concurrency=2, gap=0.0).go(visits)
    begun = len(visits.began)
    await asyncio.sleep(100.0)

    assert len(visits.began) == begun == 4
    assert all(task.done() for task in visits.tasks - {asyncio.current_task()})


async def test_what_a_visit_raises_ends_the_round():
    visits = Visits(10.0)

    async def visit(symbol):
        await visits(symbol)
        if symbol == "S1":
            raise ValueError(symbol)

    with pytest.raises(ExceptionGroup) as caught:
        await Round(SYMBOLS, concurrency=3, gap=0.0).go(visit)
    await asyncio.sleep(100.0)

    assert [str(error) for error in caught.value.exceptions] == ["S1"]
    assert len(visits.began) <= 5


async def test_no_symbols_are_no_round():
    await Round((), concurrency=3, gap=1.0).go(Visits())
