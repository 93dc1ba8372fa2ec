"""Finds out what became of orders of which nobody knows, so that no caller has to ask for it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Final, Protocol

from ibkeel.errors import IbkeelError, NotConnected
from ibkeel.guards import keep_running
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.listed_orders import MAY_BE_KEPT, MAY_HAVE_FILLED
from ibkeel.model import OrderId, OrderReport, OrderState
from ibkeel.resilience import Deadlines

_APART: Final = 31.0  # seconds between two rounds of the lists: a little more than the proof of absence takes
_DOUBTFUL: Final = frozenset({OrderState.SENT, OrderState.UNKNOWN})
_NOT_TOLD: Final = "its lists, which know the fills and ended orders of the present day only, do not tell"
_ROUNDS: Final = 3  # without a fate before a person must look


class _Lists(Protocol):
    """Who asks the venue."""

    async def all_open_orders(self, deadlines: Deadlines) -> object: ...
    async def executions(self, deadlines: Deadlines) -> object: ...
    async def completed_orders(self, deadlines: Deadlines) -> object: ...


class FateFinder:
    """Reads the venue's lists while an order is unanswered or of unknown fate.

    The first round begins once the venue has had its time to answer. With each round the servers are asked
    for a sign: two rounds on a good session, after such a sign, that do not name an order prove that it is
    not at the venue. Either way a person is told: of an order that was lost, and of one whose fate no list
    tells.

    Args:
        link: Its book knows the orders.
        lists: Asks for them; the book hears what they say, and what they do not.
        ask_servers: Asks for a sign of the servers, of which the book hears too; whether it came.
        alarm: Tells a person: what it is about, and what to do.
        broke: Told of a fault of our own.
    """

    def __init__(
        self,
        link: Link,
        lists: _Lists,
        *,
        ask_servers: Callable[[], Awaitable[bool]],
        alarm: Callable[[str, str], None],
        broke: Callable[[BaseException, str], None],
    ) -> None:
        self._link, self._lists, self._alarm, self._broke = link, lists, alarm, broke
        self._ask_servers = ask_servers
        self._task: asyncio.Task[None] | None = None
        self._rounds: dict[OrderId, int] = {}
        self._lost: dict[OrderId, None] = {}

    def start(self) -> None:
        """Mind the orders by itself from now on; again does nothing."""
        if self._task is None or self._task.done():
            minding = keep_running(self._mind, "nobody finds out what became of orders", self._broke)
            self._task = asyncio.create_task(minding, name="ibkeel fates")

    def end(self) -> list[asyncio.Task[None]]:
        """Mind them no more.

        Returns:
            What is still to unwind, to be waited for.
        """
        task, self._task = self._task, None
        if task is None or task.done():
            return []
        task.cancel()
        return [task]

    async def _mind(self) -> None:
        while True:
            try:
                async with aclosing(self._link.book.events()) as events:
                    await self._find()
                    async for event in events:
                        if isinstance(event, OrderReport) and event.state in _DOUBTFUL:
                            await self._find()
            except NotConnected:
                continue  # what was alive is of unknown fate now, and looked for on the next link

    async def _find(self) -> None:
        """Ask until nothing is open any more."""
        pause = self._link.config.deadlines.orders
        while self.is_needed:
            await asyncio.sleep(pause)
            pause = _APART
            if self._link.is_up:  # else the session's own alarm tells
                self._tell_open(await self._read() if self.is_needed else _NOT_TOLD)
            self._tell_lost()
        self._tell_lost()

    def _open(self) -> Sequence[OrderReport]:
        """Orders of which the venue has said nothing that tells their fate."""
        return [row for row in self._link.book.reports() if row.state in _DOUBTFUL]

    @property
    def is_needed(self) -> bool:
        """Whether the fate of an order is open."""
        return bool(self._open())

    async def _read(self) -> str:
        """Read every list; why they tell no fate."""
        has_sign = await self._ask_servers()
        deadlines = self._link.config.deadlines
        asked: tuple[Callable[[Deadlines], Awaitable[object]], ...] = (
            self._lists.all_open_orders,
            self._lists.executions,
            self._lists.completed_orders,
        )
        try:
            for ask in asked:
                await ask(deadlines)
        except IbkeelError as error:
            return f"its lists cannot be read ({type(error).__name__}: {error})"
        return _NOT_TOLD if has_sign else MAY_BE_KEPT

    def _tell_lost(self) -> None:
        """Tell a person, once for each order, whoever read the lists that prove it."""
        book = self._link.book
        lost = [row for row in book.reports() if book.is_inferred(row.order_id)]
        for name, words in _families([row for row in lost if row.order_id not in self._lost]):
            self._alarm(
                f"order {name}",
                f"lost on the way and not at the venue: {words}. What did not fill counts as cancelled, and nothing was "
                "sent again for it; to cancel it all the same asks the venue once more",
            )
        self._lost = dict.fromkeys(row.order_id for row in lost)

    def _tell_open(self, why: str) -> None:
        """Tell a person, once for each order, what nobody else can find out."""
        still = self._open()
        self._rounds = {row.order_id: self._rounds.get(row.order_id, 0) + 1 for row in still}
        for name, words in _families([row for row in still if self._rounds[row.order_id] == _ROUNDS]):
            self._alarm(
                f"order {name}",
                f"nobody knows what became of {words}: the venue was asked, and {why}. Look for it in TWS or Client "
                f"Portal, and cancel it there if it works and should not. Nothing is sent again for it, and the lists "
                f"are read every {_APART:g} s until they tell",
            )


def _families(reports: Sequence[OrderReport]) -> Iterator[tuple[str, str]]:
    """Name and words of each order; of a bracket once, for its entry and its children together."""
    for row in reports:
        if any(row.parent_id == other.order_id for other in reports):
            continue
        children = sum(other.parent_id == row.order_id for other in reports)
        words = f"{row.side} {row.quantity:g} {row.contract} {row.order_type}"
        if row.filled:
            words += f", of which {row.filled:g} filled"
        words += "".join(f" ({doubt})" for doubt in (MAY_BE_KEPT, MAY_HAVE_FILLED) if doubt in row.reason)
        yield row.client_order_id, words + (f" and {children} with it" if children else "")
