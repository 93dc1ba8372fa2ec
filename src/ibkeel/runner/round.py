"""One round over all symbols, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

_AT_A_STRETCH: Final = 50  # visits, before others in the loop have their turn

Visit = Callable[[str], Awaitable[None]]


class Round:
    """Visits symbols in their order, so many at once as it takes and is allowed.

    One worker begins. Only when it has to wait does the next one, and then the one after that: a broker
    that answers from what it has already costs no task and no turn of the loop for each symbol.

    Args:
        symbols: Tickers.
        concurrency: Most of them that are visited at the same time.
        gap: Least time from one symbol's beginning to the next one's, in seconds.
    """

    def __init__(self, symbols: Sequence[str], *, concurrency: int, gap: float) -> None:
        self._symbols, self._concurrency, self._gap = symbols, concurrency, gap

    async def go(self, visit: Visit) -> None:
        """Visit each symbol once.

        Args:
            visit: Deals with its own failures: what it raises ends the round.
        """
        left = iter(enumerate(self._symbols))
        async with asyncio.TaskGroup() as group:
            await _Shift(group, left, visit, self._concurrency, self._gap).work()


class _Shift:
    """Those who work in one round."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        left: Iterator[tuple[int, str]],
        visit: Visit,
        concurrency: int,
        gap: float,
    ) -> None:
        self._group, self._left, self._visit, self._gap = group, left, visit, gap
        self._loop = asyncio.get_running_loop()
        self._began, self._may_come = self._loop.time(), concurrency
        self._is_over = False

    async def work(self) -> None:
        """Visit what is left, until nothing is."""
        self._may_come -= 1
        called = self._loop.call_soon(self._call_another)
        try:
            for number, (position, symbol) in enumerate(self._left, start=1):
                if self._gap:
                    await asyncio.sleep(self._began + position * self._gap - self._loop.time())
                await self._visit(symbol)
                if number % _AT_A_STRETCH == 0:
                    await asyncio.sleep(0)
        finally:
            self._is_over = True
            called.cancel()

    def _call_another(self) -> None:
        """Runs only while the one who asked for it waits."""
        if self._may_come > 0 and not self._is_over:
            self._group.create_task(self.work())
