"""Those who wait: for something to become true, for one answer to all who ask the same, for tasks to end."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


class Waiters:
    """They look again whenever they are waked."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds."""
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            finally:
                self._waiting.remove(waiter)

    def wake(self) -> None:
        """Something changed."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


async def gone(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait until tasks have ended, and those who waited for them have heard of it.

    To cancel the wait leaves them alone: a second cancel would interrupt what they close.
    """
    # Those of a loop that was closed have ended, and cannot be waited for.
    if left := [task for task in tasks if not task.done()]:
        await asyncio.wait(left)
    await asyncio.sleep(0)


class _Question:
    """A question under way, and those who wait for its answer."""

    __slots__ = ("asker", "waiting")

    def __init__(self, asker: "asyncio.Task[Any] | None") -> None:
        self.asker = asker
        self.waiting: list[asyncio.Future[tuple[Any] | None]] = []

    def answer(self, value: Any) -> None:
        for future in self._there():
            future.set_result((value,))

    def fail(self, error: Exception) -> None:
        for future in self._there():
            future.set_exception(error)
            future.exception()  # whoever waits raises it; who has left meanwhile need not

    def give_up(self) -> None:
        for future in self._there():
            future.set_result(None)

    def _there(self) -> "list[asyncio.Future[tuple[Any] | None]]":
        return [future for future in self.waiting if not future.done()]


class SharedAnswers:
    """Lets calls with the same key that overlap in time share one answer.

    Whoever asks first asks in his own name, without a task that would cost two turns of the loop; the
    others wait. Should he be cancelled, the one who has waited longest asks anew. Where the work must
    go on whoever leaves, `ibkeel.guards.SingleFlight` is the right one.
    """

    def __init__(self) -> None:
        self._questions: dict[Hashable, _Question] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    def __len__(self) -> int:
        return len(self._questions)

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer for a key: that of the question under way, or of a new one."""
        while (
            question := self._questions.get(key)
        ) is not None and question.asker is not asyncio.current_task():
            future: asyncio.Future[tuple[T] | None] = asyncio.get_running_loop().create_future()
            question.waiting.append(future)
            answer = await future
            if answer is not None:
                return answer[0]
        return await self._ask(key, ask)

    async def get_later(self, turn: str, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question that begins after the call: all who come while one is under way share the next.

        Of one `turn` one is asked at a time, as where answers carry no id.
        """
        place = turn, key

        async def asked() -> T:
            async with self._turns.setdefault(turn, asyncio.Lock()):
                del self._questions[place]  # whoever comes from now on is for the next
                return await ask()

        return await self.get(place, asked)

    async def _ask(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        question = self._questions[key] = _Question(asyncio.current_task())
        try:
            answer = await ask()
        except Exception as error:
            self._end(key, question)
            question.fail(error)
            raise
        except BaseException:  # cancelled or interrupted: that is the asker's alone
            self._end(key, question)
            question.give_up()
            raise
        self._end(key, question)
        question.answer(answer)
        return answer

    def _end(self, key: Hashable, question: _Question) -> None:
        if self._questions.get(key) is question:
            del self._questions[key]
