import asyncio

import pytest

from ibkeel.guards import finish, keep_running


class Fragile:
    """What runs as long as its list says, and then breaks; at the end of the list it goes on for ever."""

    def __init__(self, *lives, error=None):
        self.lives, self.begun, self.told = list(lives), [], []
        self.error = error or ValueError("no more")

    async def run(self):
        self.begun.append(asyncio.get_running_loop().time())
        if not self.lives:
            await asyncio.Event().wait()
        await asyncio.sleep(self.lives.pop(0))
        raise self.error

    async def kept_for(self, seconds):
        """Keep it running for that long; returns its task."""
        task = asyncio.create_task(
            keep_running(self.run, "nobody counts", lambda *told: self.told.append(told))
        )
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task


async def test_what_breaks_is_told_and_begun_again_after_a_pause_that_grows_to_a_minute():
    it = Fragile(*[0.0] * 9)

    await it.kept_for(400)

    pauses = [after - before for before, after in zip(it.begun, it.begun[1:], strict=False)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.01)
    assert [error for error, _ in it.told] == [it.error] * 9
    assert it.told[1][1].startswith(
        "a fault in ibkeel, ValueError: no more. For 2 s nobody counts, then it is begun"
    )


async def test_after_a_good_minute_the_pause_is_short_again():
    it = Fragile(0.0, 0.0, 0.0, 61.0)

    await it.kept_for(100)

    assert it.begun[-1] - it.begun[-2] == pytest.approx(62.0)


async def test_it_ends_when_it_is_cancelled_and_not_by_the_end_of_what_it_awaited():
    it = Fragile(0.0, error=asyncio.CancelledError())

    task = await it.kept_for(10)

    assert (len(it.begun), len(it.told), task.cancelled()) == (2, 1, True)


async def test_what_returns_is_not_begun_again():
    begun = []

    async def once():
        begun.append(1)

    await keep_running(once, "", lambda *_: None)

    assert begun == [1]


async def test_whoever_is_told_may_end_it():
    it = Fragile(0.0, 0.0)
    task = asyncio.create_task(keep_running(it.run, "", lambda *_: task.cancel()))

    await asyncio.wait([task])

    assert len(it.begun) == 1


# What must not end half-way.


async def finishing(cancels, seconds=1.0, error=None, patience=20.0):
    """Begin what takes so long, cancel who awaits it at those seconds; what was done, told and when it ended."""
    loop, done, told = asyncio.get_running_loop(), [], []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))

    async def work():
        await asyncio.sleep(seconds)
        done.append(loop.time() - began)
        if error is not None:
            raise error

    began, task = loop.time(), asyncio.create_task(finish(work(), patience))
    for at in cancels:
        loop.call_later(at, task.cancel)
    outcome, took = (await asyncio.gather(task, return_exceptions=True))[0], loop.time() - began
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return outcome, done, told, took


async def test_what_must_not_end_half_way_is_awaited_by_a_task_that_is_cancelled():
    outcome, done, told, took = await finishing([0.5])

    assert isinstance(outcome, asyncio.CancelledError)
    assert (done, told, took) == ([pytest.approx(1.0)], [], pytest.approx(1.0))


async def test_its_error_is_its_caller_s_as_long_as_there_is_one():
    wrong = ValueError("refused")

    outcome, _, told, _ = await finishing([], error=wrong)

    assert (outcome, told) == (wrong, [])


async def test_its_error_is_told_of_when_its_caller_was_cancelled():
    wrong = ValueError("refused")

    outcome, _, told, _ = await finishing([0.5], error=wrong)

    assert isinstance(outcome, asyncio.CancelledError)
    assert told == [wrong]


@pytest.mark.parametrize(
    ("cancels", "ends"), [([0.5], 3.5), ([0.5, 2.0], 2.0)], ids=["out of patience", "cancelled twice"]
)
async def test_it_is_cancelled_too_when_patience_ends_or_its_caller_is_cancelled_again(cancels, ends):
    outcome, done, told, took = await finishing(cancels, seconds=60.0, patience=3.0)

    assert isinstance(outcome, asyncio.CancelledError)
    assert (done, told, took) == ([], [], pytest.approx(ends))
