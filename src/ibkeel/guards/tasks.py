"""Tasks that nobody awaits, what a cancel must not end, and one call instead of many alike while it is under way."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Hashable
from types import TracebackType
from typing import Any, Final, TypeVar

from typing_extensions import override

from ibkeel.errors import InvalidInput, WrongLoopError

_FIRST: Final = 1.0
_LONGEST: Final = 60.0
T = TypeVar("T")
Held = AsyncGenerator[Callable[[], Awaitable[T]], None]
"""Yields once, what waits for the next item, and lets go of what the stream lives on when it is closed."""


async def keep_running(
    begin: Callable[[], Coroutine[Any, Any, None]], meaning: str, broke: Callable[[BaseException, str], None]
) -> None:
    """Run a coroutine, and again after an error, until it returns or this is cancelled.

    The pause grows from one second to a minute, and is short again once it has run for longer than that.
    The loop's exception handler, which by default logs, hears of each error too.

    Args:
        begin: Makes the coroutine.
        meaning: What it means that it does not run.
        broke: Told of each error, and of it in words for a person.
    """
    loop, task, pause = asyncio.get_running_loop(), asyncio.current_task(), _FIRST
    assert task is not None
    while True:
        began = loop.time()
        try:
            return await begin()
        except asyncio.CancelledError as cancelled:
            if task.cancelling():
                raise
            error: BaseException = cancelled  # that of something it awaited: nobody ended this task
        except Exception as failure:  # noqa: BLE001 - what nobody awaits would die unseen
            error = failure
        if loop.time() - began > _LONGEST:
            pause = _FIRST
        loop.call_exception_handler({"message": "a task broke, and is begun again", "exception": error})
        words = f"a fault in ibkeel, {type(error).__name__}: {error}. For {pause:g} s {meaning}, then it is "
        broke(error, f"{words}begun again; what works at the venue works on. Report this, with the log")
        if task.cancelling():  # by whoever was told
            return None
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST)


def cut_short(task: asyncio.Task[None] | None) -> list[asyncio.Task[None]]:
    """Cancel what goes on by itself.

    Returns:
        What is still to unwind, to be waited for; nothing where nothing went on.
    """
    if task is None or task.done():
        return []
    task.cancel()
    return [task]


async def finish(work: Coroutine[Any, Any, None], patience: float = 20.0) -> None:
    """Await what must not end half-way: whoever is cancelled meanwhile waits for it.

    An error that it then ends with goes to the loop's exception handler: nobody is left to take it.

    Args:
        work: What must not.
        patience: Seconds to wait, once cancelled; then it is cancelled too.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await asyncio.wait([task], timeout=patience)
        finally:
            was_done = not task.cancel()
        if was_done and not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "what a cancelled task had to finish broke", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        raise


async def next_of(queue: "asyncio.Queue[T | Exception]") -> T:
    """The next item; an error in its place is raised."""
    item = await queue.get()
    if isinstance(item, Exception):
        del queue  # the error's trace would keep it, and it might be filled on and on
        raise item
    return item


class AsyncStream(AsyncGenerator[T, None]):
    """Items for one reader; a wait that is cancelled, as by a time limit, loses none and ends nothing.

    An error ends it, and is raised again to whoever reads on. Forgotten, it is closed like a generator.

    Args:
        begin: Makes what holds the stream; again when it was cancelled before it yielded.
    """

    def __init__(self, begin: Callable[[], Held[T]]) -> None:
        self._begin = begin
        self._held: Held[T] | None = None
        self._next: Callable[[], Awaitable[T]] | None = None
        self._end: Exception | None = None
        self._is_read = False

    @override
    async def asend(self, value: None = None) -> T:
        self._refuse_a_second_reader()
        if self._end is not None:
            raise self._end.with_traceback(None)
        self._is_read = True
        try:
            if self._next is None:
                self._held = self._begin()
                self._next = await anext(self._held)
            return await self._next()
        except Exception as error:
            await self._let_go(error)
            raise
        finally:
            self._is_read = False

    @override
    async def athrow(self, typ: Any, val: Any = None, tb: Any = None) -> T:
        self._refuse_a_second_reader()
        await self._let_go(StopAsyncIteration())
        raise val or typ

    async def _let_go(self, end: Exception) -> None:
        if self._end is None:
            del self._begin  # and with it what it would begin with
        self._end, self._next = end, None
        if self._held is not None:
            await self._held.aclose()

    def _refuse_a_second_reader(self) -> None:
        if self._is_read:
            raise RuntimeError(
                "a task waits for the next item of this stream: cancel it, or open a second stream"
            )


class _Flight:
    """Work under way, how many wait for it, and where it failed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, factory: Callable[[], Awaitable[Any]]) -> None:
        self._landings: list[asyncio.Future[None]] = []
        self.waiters = 0
        self.trace: TracebackType | None = None
        self.task = loop.create_task(self._work(factory))

    async def _work(self, factory: Callable[[], Awaitable[T]]) -> T:
        try:
            return await factory()
        finally:
            self.wake()  # from here, and not from the task's end: that would be a turn of the loop later

    async def landed(self) -> None:
        """Wait for the end of the work; a cancelled wait leaves it alone."""
        while not self.task.done():
            landing: asyncio.Future[None] = self.task.get_loop().create_future()
            self._landings.append(landing)
            await landing

    def wake(self) -> None:
        """Tell those who wait."""
        landings, self._landings = self._landings, []
        for landing in landings:
            if not landing.done():
                landing.set_result(None)

    def result(self) -> Any:
        """What the work came to; a task itself shows the place of an error to the first caller only."""
        if not self.task.cancelled() and (error := self.task.exception()) is not None:
            raise error.with_traceback(self.trace)
        return self.task.result()


class SingleFlight:
    """Lets calls with the same key that overlap in time share one piece of work.

    Nothing is kept once the work has ended: the next call starts anew. Whoever is cancelled leaves
    the work to the others; with the last one the work itself is cancelled, and that caller waits for
    its end, as if it had awaited the work directly. It belongs to the loop on which it is first used.

    Args:
        goes_on: Whether work that nobody waits for any more goes on instead.

    Examples:
        >>> calls = []
        >>> async def ask() -> str:
        ...     calls.append("asked")
        ...     await asyncio.sleep(0)
        ...     return "answer"
        >>> async def main() -> list[str]:
        ...     flights = SingleFlight()
        ...     return await asyncio.gather(*(flights.do("SPY", ask) for _ in range(3)))
        >>> asyncio.run(main())
        ['answer', 'answer', 'answer']
        >>> calls
        ['asked']
    """

    def __init__(self, *, goes_on: bool = False) -> None:
        self._goes_on = goes_on
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flights: dict[Hashable, _Flight] = {}

    def __len__(self) -> int:
        """How many pieces of work are under way, those that were given up apart."""
        return len(self._flights)

    def waiters(self, key: Hashable) -> int:
        """How many wait for a key; 0 when nothing is under way for it."""
        flight = self._flights.get(key)
        return 0 if flight is None else flight.waiters

    async def do(self, key: Hashable, factory: Callable[[], Awaitable[T]]) -> T:
        """Await the work for a key: that which is under way, or a new one.

        The work runs in a task of its own, so a deadline around `do` ends the wait of that caller
        alone. What it raises, every caller gets.

        Args:
            key: Calls are alike when their keys are equal; it must say all that the answer depends on.
            factory: Starts the work; not called when it is under way.

        Raises:
            InvalidInput: The work asks for its own key, so it would wait for itself for ever.
            WrongLoopError: The flights belong to another loop.
        """
        flight = self._joined(key, factory)
        flight.waiters += 1
        try:
            await flight.landed()
        except asyncio.CancelledError:
            if flight.waiters == 1 and not flight.task.done() and not self._goes_on:
                await self._give_up(key, flight)
            raise
        finally:
            flight.waiters -= 1
        self._landed(key, flight)
        result: T = flight.result()
        return result

    def _joined(self, key: Hashable, factory: Callable[[], Awaitable[T]]) -> _Flight:
        loop = self._own_loop()
        flight = self._flights.get(key)
        if flight is None or flight.task.done():
            flight = self._flights[key] = _Flight(loop, factory)
            flight.task.add_done_callback(lambda _: self._landed(key, flight))
        elif flight.task is asyncio.current_task():
            raise InvalidInput(f"the work for {key!r} asks for itself; it would wait for ever")
        return flight

    async def _give_up(self, key: Hashable, flight: _Flight) -> None:
        """Cancel work that nobody wants; whoever asks from now on starts anew."""
        self._remove(key, flight)
        flight.task.cancel()
        await asyncio.wait({flight.task})
        if not flight.task.cancelled() and flight.task.exception() is not None:
            flight.result()

    def _landed(self, key: Hashable, flight: _Flight) -> None:
        """Make room for the next call; the error is looked at here, should all callers have left.

        Whoever comes first does it, a caller or the task's end.
        """
        self._remove(key, flight)
        flight.wake()  # those who wait for work that was cancelled before it began
        if flight.trace is None and not flight.task.cancelled() and (error := flight.task.exception()):
            flight.trace = error.__traceback__

    def _remove(self, key: Hashable, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        running = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = running
        elif self._loop is not running:
            raise WrongLoopError(
                "these flights belong to another loop; make one for each, or call from its own"
            )
        return running
