"""The venue's lists of orders and fills; the book hears what they say of ours, and what they do not."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from ibkeel.ibkr.client import library
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.listed_orders import (
    UNREADABLE,
    Message,
    OrderList,
    completed_order,
    ended_at,
    foreign_orders,
)
from ibkeel.ibkr.requests import Pending
from ibkeel.model import Execution, OrderReport
from ibkeel.resilience import Deadlines, RequestKind


class OrderLists:
    """Asks for lists of orders and fills.

    Args:
        link: The session.
        is_ready: Whether the session is good: lists that are read on another prove nothing.
        alarm: Tells a person: what it is about, and what to do.
    """

    def __init__(self, link: Link, is_ready: Callable[[], bool], alarm: Callable[[str, str], None]) -> None:
        self._link, self._is_ready, self._alarm = link, is_ready, alarm
        self._unread: set[str] = set()

    async def open_orders(self, deadlines: Deadlines) -> tuple[OrderReport, ...]:
        """Orders that work now, after a round trip."""
        await self._list_orders("the open orders", self._link.ib.client.reqOpenOrders, deadlines)
        return tuple(row for row in self._link.book.reports() if not row.state.is_final)

    async def all_open_orders(self, deadlines: Deadlines) -> tuple[OrderReport, ...]:
        """Orders that work now, ours and those of other clients and of people."""
        send = self._link.ib.client.reqAllOpenOrders
        rows = await self._list_orders("all open orders", send, deadlines)
        client_id, now = self._link.config.client_id, self._link.clock.now()
        return (*self._ours_open(), *foreign_orders(rows, client_id, now, self._cannot_read))

    def _cannot_read(self, order: Any, error: Exception) -> None:
        """A person is told once of each: without one row the others count all the same."""
        name = f"order {order.orderRef or order.permId or order.orderId}"
        if name not in self._unread:
            self._unread.add(name)
            self._alarm(
                name,
                f"a row of the venue's lists cannot be read, {type(error).__name__}: {error}. It is of client id "
                f"{order.clientId}, and is left out: it counts neither as a stop nor beside an exit. Look at it in "
                "TWS or Client Portal, and report this",
            )

    def _ours_open(self) -> tuple[OrderReport, ...]:
        return tuple(row for row in self._link.book.reports() if not row.state.is_final)

    async def _list_orders(self, what: str, send: Callable[[], None], deadlines: Deadlines) -> list[Message]:
        """The messages that make up a list of orders; the book hears those of ours by itself."""

        def heard(pending: Pending, message: str, args: tuple[Any, ...]) -> None:
            if message == "openOrderEnd":
                pending.finish(pending.rows)
            else:
                pending.rows.append((message, args))

        async with self._link.lock("openOrders"):
            turn = self._link.book.roll.begin()
            rows: list[Message] = await self._link.requests.ask(
                "openOrders",
                RequestKind.ORDERS,
                what,
                deadline=deadlines.orders,
                send=send,
                heard=heard,
            )
            lacks = self._was_read(OrderList.OPEN, turn)
            self._look_for_ours(rows)
        if lacks:  # what became of it is on the other lists
            await self.executions(deadlines)
            await self.completed_orders(deadlines)
        return rows

    def _look_for_ours(self, rows: Sequence[Message]) -> None:
        """What is of our client id, and the book could not take in."""
        for name, args in rows:
            if name != "openOrder" or args[2].clientId != self._link.config.client_id or args[2].whatIf:
                continue
            if self._link.book.report(args[0]) is None:
                self._cannot_read(args[2], ValueError("the book of orders did not take it"))

    def _was_read(self, which: OrderList, turn: int, *, is_whole: bool = True) -> bool:
        at = asyncio.get_running_loop().time() if is_whole and self._is_ready() else None
        return self._link.book.list_read(which, turn, at)

    async def completed_orders(self, deadlines: Deadlines) -> tuple[OrderReport, ...]:
        """Orders of this session that ended, of every client id."""

        def heard(pending: Pending, message: str, args: tuple[Any, ...]) -> None:
            if message == "completedOrdersEnd":
                pending.finish(pending.rows)
            else:
                pending.rows.append(args)

        async with self._link.lock("completedOrders"):
            turn = self._link.book.roll.begin()
            rows = await self._link.requests.ask(
                "completedOrders",
                RequestKind.ORDERS,
                "the completed orders",
                deadline=deadlines.orders,
                send=lambda: self._link.ib.client.reqCompletedOrders(False),
                heard=heard,
            )
        reports = []
        for row in rows:
            try:
                reports.append(completed_order(*row, at=self._link.clock.now()))
            except UNREADABLE as error:
                self._cannot_read(row[1], error)
                continue
            self._link.book.on_completed(reports[-1], ended_at(row[2]))
        # What cannot be read may be what is looked for.
        self._was_read(OrderList.COMPLETED, turn, is_whole=len(reports) == len(rows))
        return tuple(reports)

    async def executions(self, deadlines: Deadlines) -> tuple[Execution, ...]:
        """Fills since midnight of the account's day."""
        request_id, turn = self._link.request_id(), self._link.book.roll.begin()

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
        self._was_read(OrderList.FILLED, turn)
        return self._link.book.fills()
