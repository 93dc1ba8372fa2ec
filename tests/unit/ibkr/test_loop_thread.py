import asyncio
import concurrent.futures
import gc
import queue
import signal
import threading
import weakref

import pytest

from ibkeel.errors import NotConnected
from ibkeel.guards import AsyncStream
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
    thread._thread.join(10)  # its last steps come after ours

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

    got = queue.SimpleQueue()

    async def need():
        with held:
            got.put("it")

    def forget():
        with held:
            thread.run_if_open(need, waits=False)
            streams.clear()

    forgetter = threading.Thread(target=forget, daemon=True)
    forgetter.start()
    forgetter.join(timeout=20)

    assert not forgetter.is_alive()
    assert got.get(timeout=20) == "it"


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


class Endless:
    """Makes a stream of which nothing ever comes."""

    def __init__(self):
        self.made, self.is_awaited, self.ended = threading.Event(), threading.Event(), threading.Event()

    def __call__(self):
        self.made.set()
        return AsyncStream(self._held)

    async def _held(self):
        try:
            self.is_awaited.set()
            yield asyncio.Event().wait
        finally:
            self.ended.set()


def test_a_stream_that_begins_at_once_is_made_by_then_and_can_be_closed_before_its_first_item(thread):
    endless = Endless()

    with thread.iterate(endless, at_once=True):
        assert endless.made.is_set()

    assert list(thread.iterate(count_to_three, at_once=True)) == [1, 2, 3]


def test_a_stream_that_another_thread_closes_ends_for_who_waits_for_its_next_item(thread):
    endless, items = Endless(), queue.SimpleQueue()
    stream = thread.iterate(endless, at_once=True)
    reader = threading.Thread(target=lambda: items.put(list(stream)), daemon=True)
    reader.start()
    assert endless.is_awaited.wait(timeout=20)
    closer = threading.Thread(target=stream.close, daemon=True)
    closer.start()
    closer.join(timeout=20)

    assert items.get(timeout=20) == []
    assert endless.ended.wait(timeout=20)


def test_a_stream_that_began_and_is_forgotten_is_let_go(thread):
    streams = weakref.WeakSet()

    def made():
        streams.add(stream := AsyncStream(Endless()))
        return stream

    thread.iterate(made, at_once=True)
    gc.collect()
    thread.run(lambda: asyncio.sleep(0))

    assert len(streams) == 0


def test_a_stream_that_ended_in_an_error_says_so_to_whoever_reads_on(thread):
    async def held():
        raise OSError("broken")
        yield

    stream = thread.iterate(lambda: AsyncStream(held), at_once=False)

    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            next(stream)


class InterruptedLoop(asyncio.SelectorEventLoop):
    """Interrupts a thread that hands it something, once that has been handed over."""

    is_armed = False

    def call_soon_threadsafe(self, *args, **options):
        handle = super().call_soon_threadsafe(*args, **options)
        if self.is_armed and threading.current_thread() is threading.main_thread():
            self.is_armed = False
            raise KeyboardInterrupt
        return handle


@pytest.fixture
def interrupts(thread, monkeypatch):
    """Interrupts this thread in the next call, at the worst of all instants."""
    monkeypatch.setattr(asyncio, "new_event_loop", InterruptedLoop)

    async def loop():
        return asyncio.get_running_loop()

    def arm():
        running.is_armed = True

    running = thread.run(loop)
    return arm


def test_what_is_interrupted_as_it_is_handed_over_does_not_happen(thread, interrupts):
    done, may_leave = [], asyncio.Event()

    async def order():
        await may_leave.wait()
        done.append("sent")

    async def let_it_leave():
        may_leave.set()

    interrupts()
    with pytest.raises(KeyboardInterrupt):
        thread.run(order)

    for _ in range(10):
        thread.run(let_it_leave)
    assert done == []


def test_a_stream_that_is_interrupted_does_not_wait_for_its_next_item(thread, interrupts):
    endless = Endless()
    stream = thread.iterate(endless, at_once=True)

    interrupts()
    with pytest.raises(KeyboardInterrupt):
        next(stream)

    assert list(stream) == []


def test_to_close_again_goes_on_where_an_interrupt_ended_it(thread, session, interrupts):
    interrupts()
    with pytest.raises(KeyboardInterrupt):
        thread.close()
    thread.close()
    thread._thread.join(10)  # its last steps come after ours

    assert session.ended == 1
    assert not thread._thread.is_alive()


def test_a_call_whose_caller_was_interrupted_may_fail_unheard(thread):
    complaints, main = [], threading.main_thread().ident

    async def fail():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        signal.pthread_kill(main, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("broken")

    with pytest.raises(KeyboardInterrupt):
        thread.run(fail)
    thread.run(lambda: asyncio.sleep(0))
    gc.collect()

    assert complaints == []


@pytest.mark.parametrize("is_too_late", [False, True], ids=["before it began", "after it began"])
def test_an_interrupt_as_the_thread_starts_hangs_nothing_that_follows(thread, monkeypatch, is_too_late):
    start = thread._thread.start

    def interrupted():
        if is_too_late:
            start()
        raise KeyboardInterrupt

    monkeypatch.setattr(thread._thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        thread.run(lambda: asyncio.sleep(0))
    monkeypatch.undo()

    assert thread.run(lambda: asyncio.sleep(0, "value")) == "value"
    thread.close()


def test_where_no_more_threads_are_to_be_had_a_call_says_so_and_the_next_may_work(thread, monkeypatch):
    def refuse():
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(thread._thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        thread.run(lambda: asyncio.sleep(0))
    monkeypatch.undo()

    assert thread.run(lambda: asyncio.sleep(0, "value")) == "value"


def test_what_exits_within_the_loop_exits_its_caller_and_ends_the_loop_in_order(session, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    is_ending = threading.Event()

    async def end():
        is_ending.set()
        await asyncio.sleep(0.01)
        await session.end()

    async def leave():
        raise SystemExit(3)

    thread = LoopThread("a loop", end)
    with pytest.raises(SystemExit):
        thread.run(leave)
    is_ending.wait(timeout=20)
    thread.close()

    assert session.ended == 1


def test_a_stream_of_a_closed_loop_says_so(thread):
    stream = thread.iterate(count_to_three, at_once=False)
    thread.close()

    with pytest.raises(NotConnected):
        next(stream)
    with pytest.raises(NotConnected):
        thread.iterate(count_to_three, at_once=True)
