"""An event loop in a thread of its own, for callers that have none."""

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from typing_extensions import override

from ibkeel.errors import NotConnected, WrongLoopError

T = TypeVar("T")

_END: Final = object()
# On Windows a wait without an end does not hear of Ctrl-C.
_GLANCE: Final = 0.2 if sys.platform == "win32" else None


class LoopThread:
    """Runs coroutines for other threads, and ends with what is under way cancelled.

    The thread starts with the first call and does not keep the process alive; at its end it runs `at_end`.
    """

    def __init__(self, name: str, at_end: Callable[[], Awaitable[None]]) -> None:
        self._at_end = at_end
        # Reentrant: the collector may close a forgotten iterator at any point, within a call too.
        self._gate = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._is_closed = False

    @property
    def is_here(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.current_thread() is self._thread

    def run(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine on the loop and wait for its end.

        An exception in the caller while it waits, such as KeyboardInterrupt, cancels the coroutine.

        Raises:
            NotConnected: The loop was closed, before or meanwhile, or belongs to a parent process.
            WrongLoopError: Called from the loop's own thread, which would wait for itself.
        """
        return self.wait_for(self.submit(begin))

    def wait_for(self, future: "concurrent.futures.Future[T]") -> T:
        """Wait for what was submitted; an exception in the caller cancels it."""
        try:
            while True:
                concurrent.futures.wait([future], timeout=_GLANCE)
                if future.done():
                    return future.result()
        except concurrent.futures.CancelledError:
            if self._is_closed:
                raise NotConnected("the broker was closed while this call was under way") from None
            raise
        finally:
            future.cancel()

    def iterate(self, begin: Callable[[], AsyncGenerator[T, None]], *, at_once: bool) -> "Stream[T]":
        """Iterate over an asynchronous generator, made on the loop.

        One that begins at once misses nothing before the first item is asked for.

        Raises:
            NotConnected: The loop was closed.
            WrongLoopError: Called from the loop's own thread.
        """
        return Stream(self, begin, at_once=at_once)

    def close(self) -> None:
        """End the loop and the thread; does nothing when that was done.

        What is under way ends with NotConnected in its caller.

        Raises:
            WrongLoopError: Called from the loop's own thread.
        """
        if self.is_here:
            raise WrongLoopError(
                "the broker cannot be closed from its own event loop; close it from another thread"
            )
        ending: concurrent.futures.Future[None] | None = None
        with self._gate:
            is_first, self._is_closed = not self._is_closed, True
            loop = self._loop
        if loop is None:
            return
        if is_first and self._thread.is_alive():
            ending = asyncio.run_coroutine_threadsafe(_awaited(self._at_end), loop)
            try:
                concurrent.futures.wait([ending])
            finally:
                loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        if ending is not None and not ending.cancelled():
            ending.result()

    def abandon(self) -> None:
        """Close without a caller who could wait: at the interpreter's end, or from the collector."""
        if not self.is_here:
            self.close()
            return
        with self._gate:
            self._is_closed = True
        loop = asyncio.get_running_loop()
        loop.create_task(_awaited(self._at_end)).add_done_callback(lambda _: loop.stop())

    def submit(self, begin: Callable[[], Awaitable[T]]) -> "concurrent.futures.Future[T]":
        """Run a coroutine on the loop; the future ends with it.

        Raises:
            NotConnected: The loop was closed.
            WrongLoopError: Called from the loop's own thread.
        """
        if self.is_here:
            raise WrongLoopError(
                "a blocking call from the broker's own event loop would wait for itself; call it from another "
                "thread (asyncio.to_thread), or use IBKRBroker there and await it"
            )
        with self._gate:
            loop = self._open_loop()
            return asyncio.run_coroutine_threadsafe(_awaited(begin), loop)

    def run_if_open(self, begin: Callable[[], Coroutine[Any, Any, None]], *, waits: bool) -> None:
        """Run it if that can still matter, and wait for it if asked to, unless this is the loop's own thread."""
        with self._gate:
            if self._is_closed or self._loop is None or not self._thread.is_alive():
                return
            ending = asyncio.run_coroutine_threadsafe(begin(), self._loop)
        if waits and not self.is_here:
            concurrent.futures.wait([ending])

    def _open_loop(self) -> asyncio.AbstractEventLoop:
        if self._is_closed:
            raise NotConnected("the broker was closed; make a new one")
        if self._loop is None:
            loop = asyncio.new_event_loop()
            if getattr(loop, "stays_with_its_thread", False):
                raise WrongLoopError(
                    "a blocking broker has its loop in a thread of its own, but this process is on virtual time, "
                    "which has one loop, in the main thread; rehearse IBKRBroker here, or this program against "
                    "`ibkeel sim serve --speed FACTOR`"
                )
            self._loop = loop
            self._thread.start()
        elif not self._thread.is_alive():
            raise NotConnected(
                "the broker's thread is not in this process: it was forked; make a broker here, with another client id"
            )
        return self._loop

    def _main(self) -> None:
        loop = self._loop
        assert loop is not None
        # One of ours, for the loop's own can end only by starting a thread, which an ending interpreter refuses.
        executor = ThreadPoolExecutor(thread_name_prefix=self._thread.name)
        loop.set_default_executor(executor)
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            with self._gate:
                self._is_closed = True
            loop.run_until_complete(_cancel_others())
            loop.run_until_complete(loop.shutdown_asyncgens())
            executor.shutdown()
            asyncio.set_event_loop(None)
            loop.close()


class Stream(Iterator[T]):
    """What an asynchronous generator yields, for a program that blocks; close it, or use it in `with`.

    Args:
        thread: Where the generator runs.
        begin: Makes the generator; called there.
        at_once: Begin before the first item is asked for.
    """

    def __init__(
        self, thread: LoopThread, begin: Callable[[], AsyncGenerator[T, None]], *, at_once: bool
    ) -> None:
        self._thread = thread
        self._begin = begin
        self._source: AsyncGenerator[T, None] | None = None
        self._turn = asyncio.Lock()
        self._is_closed = False
        self._first = thread.submit(self._step) if at_once else None

    @override
    def __next__(self) -> T:
        if self._is_closed:
            raise StopIteration
        first, self._first = self._first, None
        try:
            item = self._thread.wait_for(first or self._thread.submit(self._step))
        except BaseException:
            self.close()
            raise
        if item is _END:
            self.close()
            raise StopIteration
        return item  # type: ignore[no-any-return]

    async def _step(self) -> Any:
        async with self._turn:
            if self._source is None:
                self._source = self._begin()
            return await anext(self._source, _END)

    async def _end(self) -> None:
        async with self._turn:  # a step that was cancelled may not have ended yet
            if self._source is not None:
                await self._source.aclose()

    def close(self) -> None:
        """End the generator, and with it what it holds; does nothing when that was done."""
        self._close(waits=True)

    def _close(self, *, waits: bool) -> None:
        if not self._is_closed:
            self._is_closed = True
            if self._first is not None:
                self._first.cancel()
            self._thread.run_if_open(self._end, waits=waits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        """A stream that is forgotten is closed; the collector may hold what the loop needs, so it does not wait."""
        if hasattr(self, "_first"):
            self._close(waits=False)


async def _awaited(begin: Callable[[], Awaitable[T]]) -> T:
    return await begin()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
