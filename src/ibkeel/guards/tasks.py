"""Tasks that nobody awaits: one that breaks is told of, and begun again; and what a cancel must not end."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from typing_extensions import override

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
