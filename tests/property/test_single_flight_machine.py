"""Whoever calls, leaves and waits, in whatever order: alike calls share work, and nobody hurts another.

The story is drawn first and played on virtual time, one second for each step. The model counts who
waits for what, and knows no tasks.
"""

import asyncio

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.errors import NoData
from ibkeel.guards import SingleFlight
from ibkeel.virtual import run_virtual

KEYS = "ab"
STEPS = st.one_of(
    st.tuples(st.just("call"), st.sampled_from(KEYS)),
    st.tuples(st.just("leave"), st.integers(0, 9)),
    st.tuples(st.just("answer"), st.sampled_from(KEYS)),
    st.tuples(st.just("fail"), st.sampled_from(KEYS)),
)


@attrs.define
class Work:
    """One piece of work, as the service sees it."""

    number: int
    end: asyncio.Future
    outcome: str = "open"


class World:
    """A service that answers when told to, its callers, and the model of both."""

    def __init__(self):
        self.flights = SingleFlight()
        self.works = []  # every piece of work that was begun
        self.open = {}  # key: the one that is under way
        self.callers = []  # (task, key, work that it waits for), those that still wait
        self.now = 0.5

    def factory(self, key):
        async def work():
            begun = Work(len(self.works), asyncio.get_running_loop().create_future())
            self.works.append(begun)
            self.open[key] = begun
            try:
                return await begun.end
            except asyncio.CancelledError:
                begun.outcome = "cancelled"
                raise

        return work

    async def settle(self):
        await asyncio.sleep(1)

    async def call(self, key):
        under_way, before = self.open.get(key), len(self.works)

        task = asyncio.create_task(self.flights.do(key, self.factory(key)))
        await self.settle()

        assert len(self.works) == before + (under_way is None)
        self.callers.append((task, key, self.open[key]))

    async def leave(self, number):
        if not self.callers:
            return
        task, key, work = self.callers.pop(number % len(self.callers))
        is_last = all(other is not work for _, _, other in self.callers)

        task.cancel()
        await self.settle()

        assert task.cancelled()
        assert work.outcome == ("cancelled" if is_last else "open")
        if is_last:
            del self.open[key]

    async def end(self, key, error):
        work = self.open.pop(key, None)
        if work is None:
            return
        if error is None:
            work.end.set_result(work.number)
        else:
            work.end.set_exception(error)
        work.outcome = "ended"
        await self.settle()

        waited = [task for task, _, other in self.callers if other is work]
        self.callers = [caller for caller in self.callers if caller[2] is not work]
        assert waited
        for task in waited:
            if error is None:
                assert task.result() == work.number
            else:
                assert task.exception() is error

    def check(self):
        assert len(self.flights) == len(self.open)
        for key in KEYS:
            assert self.flights.waiters(key) == sum(other == key for _, other, _ in self.callers)
        assert not any(task.done() for task, _, _ in self.callers)


async def play(story):
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    world = World()
    for name, detail in story:
        if name == "call":
            await world.call(detail)
        elif name == "leave":
            await world.leave(detail)
        else:
            await world.end(detail, None if name == "answer" else NoData(f"no {detail}"))
        world.check()
    while world.callers:
        await world.leave(0)
    world.check()
    assert not world.open
    assert reported == []


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=25))
def test_any_story_of_callers_ends_as_it_should(story):
    run_virtual(play(story))


@settings(max_examples=60)
@given(st.integers(1, 6), st.sets(st.integers(0, 5)), st.booleans())
def test_all_that_leave_at_one_instant_leave_the_others_their_answer(number, leaving, works):
    async def story():
        world = World()
        for _ in range(number):
            await world.call("a")
        [work] = world.works
        callers = [task for task, _, _ in world.callers]
        staying = [task for place, task in enumerate(callers) if place not in leaving]

        for place in sorted(leaving & set(range(number))):
            callers[place].cancel()
        if staying:
            work.end.set_result(7) if works else work.end.set_exception(NoData("none"))
        await asyncio.wait(callers)

        assert [task.cancelled() for task in callers] == [task not in staying for task in callers]
        for task in staying:
            assert task.result() == 7 if works else isinstance(task.exception(), NoData)
        assert work.outcome == ("open" if staying else "cancelled")
        assert len(world.flights) == 0

    run_virtual(story())
