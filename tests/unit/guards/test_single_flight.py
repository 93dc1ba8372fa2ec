import asyncio
import gc
import traceback

import pytest

from ibkeel.errors import InvalidInput, NoData, WrongLoopError
from ibkeel.guards import SingleFlight


class Service:
    """Takes five seconds for each answer, and keeps a record."""

    def __init__(self, error=None):
        self.begun, self.cancelled, self.error = 0, 0, error

    async def __call__(self):
        self.begun += 1
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            self.cancelled += 1
            await asyncio.sleep(1)  # tells the server
            raise
        if self.error is not None:
            raise self.error
        return f"answer {self.begun}"


def now():
    return int(asyncio.get_running_loop().time())


async def test_calls_that_overlap_share_one_answer():
    flights, service = SingleFlight(), Service()
    first = asyncio.create_task(flights.do("SPY", service))
    await asyncio.sleep(4)

    second = asyncio.create_task(flights.do("SPY", service))
    await asyncio.sleep(0)
    assert flights.waiters("SPY") == 2

    assert [await first, await second] == ["answer 1", "answer 1"]
    assert now() == 5
    assert (len(flights), flights.waiters("SPY")) == (0, 0)


async def test_calls_with_other_keys_are_other_calls():
    flights, service = SingleFlight(), Service()

    answers = await asyncio.gather(flights.do("SPY", service), flights.do("QQQ", service))

    assert service.begun == 2
    assert len(answers) == 2


async def test_nothing_is_kept_once_the_answer_is_there():
    flights, service = SingleFlight(), Service()
    await flights.do("SPY", service)

    assert await flights.do("SPY", service) == "answer 2"


async def test_whoever_calls_at_the_instant_of_the_answer_gets_one_of_its_own():
    flights, service = SingleFlight(), Service()
    ended = asyncio.Event()

    async def work():
        answer = await service()
        ended.set()  # wakes the other before the flight hears of its own end
        return answer

    async def call_later():
        await ended.wait()
        return await flights.do("SPY", service)

    later = asyncio.create_task(call_later())

    assert await flights.do("SPY", work) == "answer 1"
    assert await later == "answer 2"


async def test_a_caller_that_is_cancelled_leaves_the_work_to_the_others():
    flights, service = SingleFlight(), Service()
    first, second = (asyncio.create_task(flights.do("SPY", service)) for _ in range(2))
    await asyncio.sleep(1)

    first.cancel()
    await asyncio.wait({first})

    assert first.cancelled()
    assert now() == 1
    assert flights.waiters("SPY") == 1
    assert await second == "answer 1"
    assert service.cancelled == 0


async def test_the_deadline_of_one_caller_is_not_that_of_the_others():
    flights, service = SingleFlight(), Service()

    async def in_haste():
        async with asyncio.timeout(2):
            await flights.do("SPY", service)

    hasty = asyncio.create_task(in_haste())
    patient = asyncio.create_task(flights.do("SPY", service))

    with pytest.raises(TimeoutError):
        await hasty
    assert await patient == "answer 1"


async def test_the_last_caller_takes_the_work_along_and_waits_for_its_end():
    flights, service = SingleFlight(), Service()
    callers = [asyncio.create_task(flights.do("SPY", service)) for _ in range(3)]
    await asyncio.sleep(1)

    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)

    assert all(caller.cancelled() for caller in callers)
    assert (service.begun, service.cancelled) == (1, 1)
    assert now() == 2  # the work took a second to end


async def test_work_that_was_given_up_is_not_joined():
    flights, service = SingleFlight(), Service()
    first = asyncio.create_task(flights.do("SPY", service))
    await asyncio.sleep(1)
    first.cancel()
    await asyncio.sleep(0.5)  # the work is still ending

    assert len(flights) == 0
    assert await flights.do("SPY", service) == "answer 2"


async def test_an_error_that_work_ends_with_when_it_is_cancelled_is_not_swallowed():
    flights = SingleFlight()

    async def work():
        try:
            await asyncio.sleep(5)
        finally:
            raise NoData("while cleaning up")

    caller = asyncio.create_task(flights.do("SPY", work))
    await asyncio.sleep(1)
    caller.cancel()

    with pytest.raises(NoData, match="cleaning up"):
        await caller


async def test_every_caller_gets_the_error():
    flights, service = SingleFlight(), Service(NoData("no bars"))

    results = await asyncio.gather(*(flights.do("SPY", service) for _ in range(3)), return_exceptions=True)

    assert [(type(error), str(error)) for error in results] == [(NoData, "no bars")] * 3
    assert service.begun == 1


async def test_an_error_shows_every_caller_where_the_work_failed_and_no_other_caller():
    flights, service = SingleFlight(), Service(NoData("no bars"))

    async def frames():
        try:
            await flights.do("SPY", service)
        except NoData as error:
            return [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    shown = await asyncio.gather(*(frames() for _ in range(4)))

    assert shown == [["frames", "do", "result", "_work", "__call__"]] * 4


async def test_an_error_that_nobody_waits_for_is_not_reported_as_forgotten():
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    flights = SingleFlight()
    stubborn = asyncio.Event()

    async def work():
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            await stubborn.wait()
            raise NoData("too late") from None

    caller = asyncio.create_task(flights.do("SPY", work))
    await asyncio.sleep(1)
    caller.cancel()
    await asyncio.sleep(1)
    caller.cancel()  # it does not even wait for the end
    await asyncio.wait({caller})
    stubborn.set()
    await asyncio.sleep(1)
    gc.collect()

    assert caller.cancelled()
    assert reported == []


async def test_work_that_cancels_itself_cancels_whoever_waits():
    flights = SingleFlight()

    async def work():
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await flights.do("SPY", work)


async def test_a_factory_that_fails_at_once_fails_its_callers():
    flights = SingleFlight()

    def broken():
        raise NoData("nothing to start")

    with pytest.raises(NoData):
        await flights.do("SPY", broken)
    assert len(flights) == 0


async def test_work_that_asks_for_itself_is_refused():
    flights = SingleFlight()

    async def work():
        return await flights.do("SPY", work)

    with pytest.raises(InvalidInput, match="asks for itself"):
        await flights.do("SPY", work)


def test_another_loop_is_refused():
    flights, service = SingleFlight(), Service(NoData("x"))

    async def quick():
        return 1

    assert asyncio.run(flights.do("SPY", quick)) == 1
    with pytest.raises(WrongLoopError):
        asyncio.run(flights.do("SPY", service))
    assert service.begun == 0
