"""The venue's lists of orders and fills, of which the book hears; and who reads them until no fate is open."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, Final

from ibkeel.errors import IbkeelError, NotConnected
from ibkeel.guards import cut_short, keep_running
from ibkeel.ibkr.client import hear_undecoded, library
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.listed_orders import (
    MAY_BE_KEPT,
    MAY_HAVE_FILLED,
    UNREADABLE,
    Message,
    OrderList,
    completed_order,
    ended_at,
    foreign_orders,
    is_of_client,
)
from ibkeel.ibkr.pending import Pending, collecting
from ibkeel.ibkr.translate import begun_order
from ibkeel.model import Execution, OrderId, OrderReport, OrderState
from ibkeel.resilience import Deadlines, RequestKind

_APART: Final = 31.0  # seconds between two rounds of the lists: a little more than the proof of absence takes
_DOUBTFUL: Final = frozenset({OrderState.SENT, OrderState.UNKNOWN})
_NOT_TOLD: Final = "its lists do not tell"
_LEFT_OUT: Final = "is left out: it counts neither as a stop nor beside an exit"
_OPEN_ORDER: Final = "5"
_ROWS: Final = {5: "openOrder", 11: "execDetails", 101: "completedOrder"}
_ROUNDS: Final = 3  # without a fate before a person must look


class OrderLists:
    """Asks for lists of orders and fills."""

    def __init__(self, link: Link, is_ready: Callable[[], bool], alarm: Callable[[str, str], None]) -> None:
        self._link, self._is_ready, self._alarm = link, is_ready, alarm
        self._unread: set[str] = set()
        self._undecoded = 0  # rows of which nobody heard: of whose orders they are is not known either
        hear_undecoded(link.ib, _ROWS, self._cannot_decode)

    async def open_orders(self, deadlines: Deadlines) -> tuple[OrderReport, ...]:
        """Orders that work now, after a round trip."""
        await self._list_orders("the open orders", self._link.ib.client.reqOpenOrders, deadlines)
        return self._link.book.open_reports()

    async def all_open_orders(self, deadlines: Deadlines) -> tuple[OrderReport, ...]:
        """Orders that work now in the account, ours and those of other clients and of people."""
        send = self._link.ib.client.reqAllOpenOrders
        rows = await self._list_orders("all open orders", send, deadlines)
        client_id, now = self._link.config.client_id, self._link.clock.now()
        return (*self._link.book.open_reports(), *foreign_orders(rows, client_id, now, self._cannot_read))

    def _cannot_read(self, order: Any, error: Exception) -> None:
        name = f"order {order.orderRef or order.permId or order.orderId}"
        words = f"{type(error).__name__}: {error}. It is of client id {order.clientId}, and {_LEFT_OUT}"
        self._tell(name, words)

    def _cannot_decode(self, fields: list[str], error: Exception) -> None:
        how = _LEFT_OUT
        with suppress(*UNREADABLE):
            if fields[0] == _OPEN_ORDER and self._hear_begun(begun_order(fields)):
                how = "counts as its first fields say"
        self._undecoded += how is _LEFT_OUT
        words = f"for the client library cannot decode it, {type(error).__name__}. It {how}"
        self._tell(f"order row {' '.join(fields[2:6])}", words)

    def _hear_begun(self, row: tuple[int, Any, Any, Any]) -> bool:
        """Hear of an open order by the first fields of its message; a what-if is none, and a combo's legs come later."""
        requests, is_combo = self._link.requests, row[1].secType == "BAG"
        if is_combo or requests.get(row[0]) is not None or self._link.is_elsewhere(row[2]):
            return False
        self._link.book.on_open_order(*row)
        if (listing := requests.get("openOrders")) is not None:
            listing.take("openOrder", row)
        return True

    def _tell(self, name: str, why: str) -> None:
        """A person is told once of each: without one row the others count all the same."""
        if name not in self._unread:
            self._unread.add(name)
            self._alarm(
                name,
                f"a row of the venue's lists cannot be read, {why}. Look at it in TWS or Client Portal, and report this",
            )

    async def _list_orders(self, what: str, send: Callable[[], None], deadlines: Deadlines) -> list[Message]:
        """The messages that make up a list of orders; the book hears those of ours by itself."""

        def heard(pending: Pending, message: str, args: tuple[Any, ...]) -> None:
            if message == "openOrderEnd":
                pending.finish(pending.rows)
            elif message != "openOrder" or not self._link.is_elsewhere(args[2]):
                pending.rows.append((message, args))

        async def read() -> tuple[list[Message], bool]:
            turn, undecoded = self._link.book.roll.begin(), self._undecoded
            rows: list[Message] = await self._link.requests.ask(
                "openOrders",
                RequestKind.ORDERS,
                what,
                deadline=deadlines.orders,
                send=send,
                heard=heard,
            )
            lacks = self._was_read(OrderList.OPEN, turn, is_whole=undecoded == self._undecoded)
            self._look_for_ours(rows)
            return rows, lacks

        rows, lacks = await self._link.in_turn("openOrders", (what, deadlines.orders), read)
        if lacks:  # what became of it is on the other lists
            await self.executions(deadlines)
            await self.completed_orders(deadlines)
        return rows

    def _look_for_ours(self, rows: Sequence[Message]) -> None:
        """What is of our client id, and the book could not take in."""
        for name, args in rows:
            if name != "openOrder" or args[2].whatIf or self._link.book.report(args[0]) is not None:
                continue
            if is_of_client(self._link.config.client_id, args[0], args[2]):
                self._cannot_read(args[2], ValueError("the book of orders did not take it"))

    def _was_read(self, which: OrderList, turn: int, *, is_whole: bool) -> bool:
        at = asyncio.get_running_loop().time() if is_whole and self._is_ready() else None
        return self._link.book.list_read(which, turn, at, is_whole=is_whole)

    async def completed_orders(self, deadlines: Deadlines) -> tuple[OrderReport, ...]:
        """Orders of the account that ended in this session, of every client id."""
        patience = deadlines.orders
        return await self._link.in_turn("completedOrders", patience, partial(self._completed, patience))

    async def _completed(self, patience: float) -> tuple[OrderReport, ...]:
        turn, undecoded = self._link.book.roll.begin(), self._undecoded
        rows = await self._link.requests.ask(
            "completedOrders",
            RequestKind.ORDERS,
            "the completed orders",
            deadline=patience,
            send=lambda: self._link.ib.client.reqCompletedOrders(False),
            heard=collecting("completedOrder", "completedOrdersEnd"),
        )
        reports = []
        rows = [row for row in rows if not self._link.is_elsewhere(row[1])]
        for row in rows:
            try:
                reports.append(completed_order(*row, at=self._link.clock.now()))
            except UNREADABLE as error:
                self._cannot_read(row[1], error)
                continue
            self._link.book.on_completed(reports[-1], ended_at(row[2]))
        # What cannot be read may be what is looked for.
        is_whole = len(reports) == len(rows) and undecoded == self._undecoded
        self._was_read(OrderList.COMPLETED, turn, is_whole=is_whole)
        return tuple(reports)

    async def executions(self, deadlines: Deadlines) -> tuple[Execution, ...]:
        """Fills of today, and those that the book has."""
        request_id, turn = self._link.request_id(), self._link.book.roll.begin()
        undecoded = self._undecoded

        def heard(pending: Pending, message: str, _: tuple[Any, ...]) -> None:
            if message == "execDetailsEnd":
                pending.finish()

        await self._link.requests.ask(
            request_id,
            RequestKind.ORDERS,
            "the executions",
            deadline=deadlines.orders,
            send=lambda: self._link.ib.client.reqExecutions(request_id, library.ExecutionFilter()),
            heard=heard,
        )
        self._was_read(OrderList.FILLED, turn, is_whole=undecoded == self._undecoded)
        return self._link.book.fills()


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
        lists: OrderLists,
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
        """Mind them no more; returns what is still to unwind, to be waited for."""
        task, self._task = self._task, None
        return cut_short(task)

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
        pause = self._link.config.deadlines.orders
        while self.is_needed:
            await asyncio.sleep(pause)
            pause = _APART
            if self._link.is_up:  # else the session's own alarm tells
                self._tell_open(await self._read() if self.is_needed else _NOT_TOLD)
            self._tell_lost()
        self._tell_lost()

    def _open(self) -> Sequence[OrderReport]:
        return [row for row in self._link.book.open_reports() if row.state in _DOUBTFUL]

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
                "Portal, and cancel it there if it works and should not. Nothing is sent again for it, and the lists are "
                f"read every {_APART:g} s until they tell",
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
