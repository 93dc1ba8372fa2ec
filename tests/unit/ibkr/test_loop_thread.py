import asyncio
import concurrent.futures
import threading

import pytest

from ibkeel.errors import NotConnected
from ibkeel.ibkr.loop_thread import LoopThread


class Session:
    """What the loop's owner ends with it."""

    def __init__(self, error=None):
        self.ended, self.error = 0, error

    async def end(self):
        self.ended += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def thread(session):
    thread = LoopThread("a loop", session.end)
    yield thread
    thread.close()


async def count_to_three():
    for number in (1, 2, 3):
        yield number


def test_it_starts_with_the_first_call_and_ends_when_it_is_closed(thread, session):
    before = threading.active_count()
    answer = thread.run(lambda: asyncio.sleep(0, "value"))
    during = threading.active_count()
    thread.close()

    assert answer == "value"
    assert (during - before, threading.active_count() - before) == (1, 0)
    assert session.ended == 1


def test_what_goes_wrong_at_the_end_is_told():
    thread = LoopThread("a loop", Session(OSError("broken")).end)
    thread.run(lambda: asyncio.sleep(0))

    with pytest.raises(OSError, match="broken"):
        thread.close()
    thread.close()


def test_a_call_that_cancels_itself_is_no_end_of_the_connection(thread):
    async def give_up():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    with pytest.raises(concurrent.futures.CancelledError):
        thread.run(give_up)


def test_a_stream_may_be_forgotten_by_whoever_holds_what_the_loop_waits_for(thread):
    held, streams = threading.Lock(), [thread.iterate(count_to_three, at_once=False)]
    next(streams[0])

    async def need():
        with held:
            return "got it"

    def forget():
        with held:
            needing.append(thread.submit(need))
            streams.clear()

    needing = []
    forgetter = threading.Thread(target=forget, daemon=True)
    forgetter.start()
    forgetter.join(timeout=20)

    assert not forgetter.is_alive()
    assert needing[0].result(timeout=20) == "got it"


def test_it_can_be_left_from_its_own_loop(thread, session):
    async def leave():
        thread.abandon()

    thread.run(leave)
    thread.close()

    assert session.ended == 1
    with pytest.raises(NotConnected):
        thread.run(leave)


def test_a_stream_ends_where_its_generator_ends(thread):
    stream = thread.iterate(count_to_three, at_once=False)

    assert list(stream) == [1, 2, 3]
    assert list(stream) == []


def test_a_stream_that_begins_at_once_can_be_closed_before_its_first_item(thread):
    begun, ended = threading.Event(), threading.Event()

    async def endless():
        try:
            begun.set()
            await asyncio.Event().wait()
            yield 1
        finally:
            ended.set()

    with thread.iterate(endless, at_once=True):
        begun.wait(timeout=10)

    assert ended.is_set()
    assert list(thread.iterate(count_to_three, at_once=True)) == [1, 2, 3]


def test_a_stream_of_a_closed_loop_says_so(thread):
    stream = thread.iterate(count_to_three, at_once=False)
    thread.close()

    with pytest.raises(NotConnected):
        next(stream)
    with pytest.raises(NotConnected):
        thread.iterate(count_to_three, at_once=True)
