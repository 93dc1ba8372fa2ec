import asyncio
import gc
import weakref
from contextlib import aclosing, suppress

import pytest

from ibkeel.guards import AsyncStream, next_of


class Source:
    """A queue that is subscribed to while a stream of it is read; to subscribe takes a second."""

    def __init__(self, *items):
        self.queue, self.held, self.begun = asyncio.Queue(), 0, 0
        self.put(*items)

    def put(self, *items):
        for item in items:
            self.queue.put_nowait(item)

    async def _subscribed(self):
        self.begun += 1
        await asyncio.sleep(1)
        self.held += 1
        try:
            yield lambda: next_of(self.queue)
        finally:
            await asyncio.sleep(0)  # to unsubscribe takes a turn
            self.held -= 1

    def stream(self):
        return AsyncStream(self._subscribed)


async def read(stream, seconds):
    """What comes within a time limit; None when nothing does."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await anext(stream)


async def test_a_wait_that_was_cancelled_ends_nothing_and_loses_nothing():
    source = Source("a")
    async with aclosing(source.stream()) as stream:
        seen = [await read(stream, 5), await read(stream, 5), await read(stream, 5)]
        source.put("b", "c")
        async for item in stream:
            seen.append(item)
            if item == "c":
                break
        assert source.held == 1

    assert seen == ["a", None, None, "b", "c"]
    assert (source.begun, source.held) == (1, 0)


@pytest.mark.parametrize("wait", [asyncio.wait_for, read])
async def test_an_item_that_comes_at_the_very_moment_of_the_time_limit_is_kept(wait):
    source = Source("first")
    async with aclosing(source.stream()) as stream:
        await anext(stream)
        seen = []
        for number in range(50):
            asyncio.get_running_loop().call_later(1, source.put, number)
            with suppress(TimeoutError):
                if (item := await wait(anext(stream) if wait is asyncio.wait_for else stream, 1)) is not None:
                    seen.append(item)
        while len(seen) < 50:
            seen.append(await anext(stream))

    assert sorted(seen) == list(range(50))


async def test_a_wait_that_was_cancelled_before_the_stream_stood_begins_again():
    source = Source("a")
    async with aclosing(source.stream()) as stream:
        assert await read(stream, 0.5) is None
        assert await anext(stream) == "a"

    assert (source.begun, source.held) == (2, 0)


async def test_an_error_is_raised_again_to_whoever_reads_on():
    source = Source("a", LookupError("gone"), "b")
    stream = source.stream()
    assert await anext(stream) == "a"

    for _ in range(3):
        with pytest.raises(LookupError, match="gone"):
            await anext(stream)
    assert source.held == 0


async def test_a_stream_that_was_closed_is_over():
    for reads in (0, 1):
        source = Source("a", "b")
        stream = source.stream()
        for _ in range(reads):
            await anext(stream)

        await stream.aclose()
        await stream.aclose()

        assert [item async for item in stream] == []
        assert source.held == 0


@pytest.mark.parametrize("items", [(), ("a",), ("a", LookupError("gone"))])
async def test_a_stream_that_is_over_keeps_no_queue_that_others_fill(items):
    def made():
        queue = asyncio.Queue()
        for item in items:
            queue.put_nowait(item)

        async def held():
            yield lambda: next_of(queue)

        return AsyncStream(held), weakref.ref(queue)

    stream, queue = made()
    for item in items:
        with suppress(LookupError):
            assert await anext(stream) == item
    if len(items) < 2:  # else the error has ended it
        await stream.aclose()

    assert queue() is None


async def test_a_thrown_error_closes_it():
    source = Source("a")
    stream = source.stream()
    await anext(stream)

    with pytest.raises(KeyError):
        await stream.athrow(KeyError("x"))

    assert source.held == 0
    assert [item async for item in stream] == []


async def test_a_second_reader_at_the_same_time_is_refused_and_the_first_reads_on():
    source = Source()
    async with aclosing(source.stream()) as stream:
        first = asyncio.create_task(anext(stream))
        await asyncio.sleep(5)

        for second in (anext(stream), stream.aclose()):
            with pytest.raises(RuntimeError, match="a task waits for the next item"):
                await second
        source.put("a")
        assert await first == "a"


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_stream_that_is_forgotten_lets_go(is_cancelled):
    source = Source("a")

    async def forgetful():
        async for _ in source.stream():
            if not is_cancelled:
                break

    task = asyncio.create_task(forgetful())
    await asyncio.sleep(5)
    task.cancel()
    await asyncio.wait({task})
    with suppress(asyncio.CancelledError):
        task.result()
    del task
    gc.collect()
    await asyncio.sleep(1)

    assert (source.begun, source.held) == (1, 0)
