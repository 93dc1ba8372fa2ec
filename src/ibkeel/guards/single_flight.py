"""One call instead of many alike, while it is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from types import TracebackType
from typing import Any, TypeVar

from ibkeel.errors import InvalidInput, WrongLoopError

T = TypeVar("T")


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
