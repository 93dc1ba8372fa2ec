"""An event loop in a thread of its own, for callers that have none.

An interrupt may come at any instant of a caller, also between two lines. So what it has to undo is there
before anything begins, and callers wait for plain locks: futures, conditions and `Thread.join` can take harm.
"""

import asyncio
import concurrent.futures
import os
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from typing_extensions import override

from ibkeel.errors import NotConnected, WrongLoopError

T = TypeVar("T")

_END: Final = object()
# On Windows a wait without an end does not hear of Ctrl-C.
_GLANCE: Final = 0.2 if sys.platform == "win32" else -1


class _Call(Generic[T]):
    """A coroutine that one thread asks for, and the loop's thread runs."""

    def __init__(self, begin: Callable[[], Awaitable[T]]) -> None:
        self._begin = begin
        self._open = threading.Lock()
        self._open.acquire()
        self.task: asyncio.Task[T] | None = None

    def start(self) -> None:
        """On the loop."""
        self.task = asyncio.get_running_loop().create_task(_awaited(self._begin))
        self.task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[T]") -> None:
        if not task.cancelled():
            task.exception()  # whoever waits raises it; who was interrupted meanwhile need not
        self._open.release()

    def give_up(self) -> None:
        """On the loop: cancel it, if it was started and has not ended."""
        if self.task is not None:
            self.task.cancel()

    def wait(self) -> None:
        """In the caller's thread."""
        while not self._open.acquire(timeout=_GLANCE):
            pass


class LoopThread:
    """Runs coroutines for other threads, and ends with what is under way cancelled.

    The thread starts with the first call and does not keep the process alive; at its end it runs `at_end`.
    """

    def __init__(self, name: str, at_end: Callable[[], Awaitable[None]]) -> None:
        self._at_end = at_end
        # Reentrant: the collector may close a forgotten iterator at any point, within a call too.
        self._gate = threading.RLock()
        self._begun, self._alive = threading.Lock(), threading.Lock()
        self._begun.acquire()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._tasks: set[asyncio.Task[Any]] = set()  # the loop itself holds them weakly
        self._is_closed = self._is_stopped = False
        self._ending: asyncio.Task[None] | None = None

    @property
    def is_here(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.current_thread() is self._thread

    def run(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine on the loop and wait for its end.

        An exception in the caller while it waits, such as KeyboardInterrupt, cancels the coroutine.
        """
        if self.is_here:
            raise WrongLoopError(
                "a blocking call from the broker's own event loop would wait for itself; call it from another "
                "thread (asyncio.to_thread), or use IBKRBroker there and await it"
            )
        call = _Call(begin)
        try:
            with self._gate:
                self._open_loop().call_soon_threadsafe(self._start, call)
            call.wait()
            assert call.task is not None
            return call.task.result()
        except asyncio.CancelledError:
            if self._is_closed:
                raise NotConnected("the broker was closed while this call was under way") from None
            raise concurrent.futures.CancelledError from None
        finally:
            if call.task is None or not call.task.done():
                self._hand_over(call.give_up)
            del call  # the trace of an error would keep it

    def run_if_open(self, begin: Callable[[], Awaitable[None]], *, waits: bool) -> None:
        """Run it if that can still matter, and wait for it if asked to, unless this is the loop's own thread."""
        call = _Call(begin)
        with self._gate:
            is_begun = not self._is_closed and self._hand_over(self._start, call)
        if waits and is_begun and not self.is_here:
            call.wait()

    def iterate(self, begin: Callable[[], AsyncGenerator[T, None]], *, at_once: bool) -> "Stream[T]":
        """Iterate over an asynchronous generator, made on the loop.

        With `at_once` it is made now, so that nothing is missed before the first item is asked for.
        """
        return Stream(self, begin, at_once=at_once)

    def close(self) -> None:
        """End the loop and the thread; does nothing when that was done, and goes on where it was interrupted.

        What is under way ends with NotConnected in its caller.
        """
        if self.is_here:
            raise WrongLoopError(
                "the broker cannot be closed from its own event loop; close it from another thread"
            )
        with self._gate:
            self._is_closed = True
            self._hand_over(self._stop)
        if self._process == os.getpid():
            with self._alive:  # until it ends
                ending, self._ending = self._ending, None
            if ending is not None and not ending.cancelled():
                ending.result()

    def abandon(self) -> None:
        """Close without a caller who could wait: at the interpreter's end, or from the collector."""
        if not self.is_here:
            self.close()
            return
        with self._gate:
            self._is_closed = True
        self._stop()

    def _open_loop(self) -> asyncio.AbstractEventLoop:
        if self._is_closed:
            raise NotConnected("the broker was closed; make a new one")
        if self._loop is None:
            loop = asyncio.new_event_loop()
            getattr(loop, "another_loop", lambda: None)()  # on virtual time there is but one
            self._begin(loop)
        elif self._process != os.getpid():
            raise NotConnected(
                "the broker's thread is not in this process: it was forked; make a broker here, with another client id"
            )
        assert self._loop is not None
        return self._loop

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._loop, self._process = loop, os.getpid()
            self._alive.acquire()
            self._thread.start()
        except BaseException:  # no more threads, or an interrupt, which may come once this one has begun
            if not self._begun.acquire(timeout=1.0):
                self._loop = None
                loop.close()
                if self._alive.locked():
                    self._alive.release()
            raise

    def _hand_over(self, do: Callable[..., object], *args: Any) -> bool:
        """Have the loop's thread do it soon, if it runs."""
        with self._gate:
            loop = self._loop
            is_there = loop is not None and self._process == os.getpid() and not loop.is_closed()
            if loop is not None and is_there:
                loop.call_soon_threadsafe(do, *args)
            return is_there

    def _start(self, call: _Call[Any]) -> None:
        call.start()
        assert call.task is not None
        self._tasks.add(call.task)
        call.task.add_done_callback(self._tasks.discard)

    def _stop(self) -> None:
        """Leave `run_forever`, and not what comes after it on the same loop."""
        if not self._is_stopped:
            asyncio.get_running_loop().stop()

    def _main(self) -> None:
        loop = self._loop
        self._begun.release()
        assert loop is not None
        # One of ours, for the loop's own can end only by starting a thread, which an ending interpreter refuses.
        executor = ThreadPoolExecutor(thread_name_prefix=self._thread.name)
        loop.set_default_executor(executor)
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            with self._gate:
                self._is_closed = self._is_stopped = True
            try:
                loop.run_until_complete(self._wind_up())
                loop.run_until_complete(loop.shutdown_asyncgens())
                executor.shutdown()
                asyncio.set_event_loop(None)
                with self._gate:
                    loop.close()
            finally:
                self._alive.release()

    async def _wind_up(self) -> None:
        self._ending = asyncio.create_task(_awaited(self._at_end))
        await asyncio.wait([self._ending])
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class Stream(Iterator[T]):
    """What an asynchronous generator yields, for a program that blocks; close it, or use it in `with`.

    Args:
        thread: Where the generator runs.
        begin: Makes the generator; called there.
        at_once: Make it now, and not when the first item is asked for.
    """

    def __init__(
        self, thread: LoopThread, begin: Callable[[], AsyncGenerator[T, None]], *, at_once: bool
    ) -> None:
        self._thread = thread
        self._begin = begin
        self._source: AsyncGenerator[T, None] | None = None
        self._turn = asyncio.Lock()
        self._reader: asyncio.Task[Any] | None = None
        self._is_closed = self._is_ended = False
        if at_once:
            thread.run(self._made)

    @override
    def __next__(self) -> T:
        item: Any = _END
        if not self._is_closed:
            try:
                item = self._thread.run(self._step)
            except concurrent.futures.CancelledError:
                if not self._is_closed:  # by another thread, meanwhile
                    raise
            except Exception:
                raise  # the generator has ended itself
            except BaseException:
                self.close()
                raise
        if item is _END:
            self.close()
            raise StopIteration
        return item  # type: ignore[no-any-return]  # what the generator yields

    async def _made(self) -> AsyncGenerator[T, None]:
        if self._source is None:
            self._source = self._begin()
        return self._source

    async def _step(self) -> Any:
        async with self._turn:
            if self._is_closed:
                return _END
            self._reader = asyncio.current_task()
            try:
                return await anext(await self._made(), _END)
            finally:
                self._reader = None

    async def _end(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
        async with self._turn:  # a step that was cancelled may not have ended yet
            if self._source is not None:
                await self._source.aclose()
            self._is_ended = True

    def close(self) -> None:
        """End the generator, and with it what it holds and the wait for its next item; once is enough."""
        self._close(waits=True)

    def _close(self, *, waits: bool) -> None:
        self._is_closed = True
        if not self._is_ended:
            self._thread.run_if_open(self._end, waits=waits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        """A stream that is forgotten is closed; the collector may hold what the loop needs, so it does not wait."""
        if hasattr(self, "_is_ended"):
            self._close(waits=False)


async def _awaited(begin: Callable[[], Awaitable[T]]) -> T:
    return await begin()
