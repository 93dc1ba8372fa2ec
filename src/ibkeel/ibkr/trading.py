"""The door by which orders leave: modes are enforced here, where the bytes go."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Final

import attrs

from ibkeel.errors import (
    InvalidInput,
    NotConnected,
    OrderRefused,
    OrderRejected,
    RequestFailed,
    RequestTimeout,
)
from ibkeel.ibkr.client import note_order_id
from ibkeel.ibkr.config import OrderMode
from ibkeel.ibkr.definitions import Definitions
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.services import Service
from ibkeel.ibkr.translate import to_ib_contract, to_ib_order
from ibkeel.model import (
    Bracket,
    ClientOrderId,
    Contract,
    OrderId,
    OrderReport,
    OrderState,
    OrderTicket,
    Placement,
)
from ibkeel.orders import check_name
from ibkeel.resilience import Deadlines, Lane
from ibkeel.telemetry import OrderPlaced
from ibkeel.validators import expect

_UNRECORDED: Final = 100


@attrs.frozen(kw_only=True)
class _Leg:
    order_id: OrderId
    ticket: OrderTicket
    client_order_id: ClientOrderId
    parent: OrderId | None
    ib_order: Any


class _Faulty(Exception):
    """The venue said nothing of an order in time, or that it cannot take any."""

    is_fault = True

    def __init__(self, placement: Placement) -> None:
        super().__init__(f"no good answer to the order {placement.client_order_id}")
        self.placement = placement


def _well(placement: Placement, is_well: bool) -> Placement:
    if not is_well:
        raise _Faulty(placement)
    return placement


def _lane_of(ticket: OrderTicket) -> Lane:
    return Lane.CLOSING if ticket.is_closing else Lane.OPENING


class Trading:
    """Places, changes and cancels orders over one session; `read_fills` asks the venue for those of today."""

    def __init__(
        self, link: Link, definitions: Definitions, read_fills: Callable[[Deadlines], Awaitable[object]]
    ) -> None:
        self._link, self._read_fills = link, read_fills
        self._definitions = definitions
        self._process = f"ibkeel-{link.config.client_id}-{link.clock.now():%y%m%d%H%M%S}"
        self._unnamed = count(1)

    def use_order_ids_above(self, highest: int) -> None:
        """Order ids up to `highest`, and some more, are never used again."""
        if highest > 0:
            note_order_id(self._link.ib, highest + _UNRECORDED)
            self._link.request_id()  # remembered for the next connection too

    async def place(
        self, order: OrderTicket | Bracket, deadlines: Deadlines, may_go: Callable[[], None]
    ) -> Placement:
        """Place an order, or a bracket whole.

        `may_go` raises when the session, or who asks, does not permit the order. It is asked at the last moments, for to
        look the contract up and to wait for the order's turn take time.
        """
        entry, children = (order.entry, order.children()) if isinstance(order, Bracket) else (order, ())
        self._check_name(order)
        try:
            contract = await self._complete(entry, deadlines)
        except RequestFailed as error:
            error.is_unsent = True
            raise
        name = entry.client_order_id or ClientOrderId(f"{self._process}-{next(self._unnamed)}")
        if self._link.config.orders is OrderMode.DRY_RUN:
            return self._intend(entry, children, name)
        may_go()
        if entry.is_closing:
            self._check_name(order)
            return (await self._submit(entry, children, name, contract, deadlines))[0]
        await self._turn()
        may_go()
        self._check_name(order)  # another of the same name may have gone meanwhile
        try:
            with self._link.services[Service.NEW_ORDERS].attempt():
                answer = await self._submit(entry, children, name, contract, deadlines)
                return _well(*answer)
        except _Faulty as fault:
            return fault.placement

    def _check_name(self, order: OrderTicket | Bracket) -> None:
        check_name(order, self._link.book.reports())

    async def _turn(self) -> None:
        """Wait for the turn of an entry here, where it may still be refused, and not among the messages."""
        try:
            await self._link.wire.turn_of_order(Lane.OPENING, self._link.config.pacing_patience)
        except RequestFailed as error:
            error.is_unsent = True
            raise

    async def _complete(self, ticket: OrderTicket, deadlines: Deadlines) -> Contract:
        """The contract with its number; an exit that bears one asks nobody, for who knows who would answer."""
        if ticket.is_closing and ticket.contract.con_id is not None:
            return ticket.contract
        return (await self._definitions.qualify(ticket.contract, deadlines)).contract

    async def _submit(
        self,
        entry: OrderTicket,
        children: tuple[OrderTicket, ...],
        name: ClientOrderId,
        contract: Contract,
        deadlines: Deadlines,
    ) -> tuple[Placement, bool]:
        """Send a family; says whether the venue answered in time, and with no fault of the service."""
        self._link.check()
        legs = self._family(entry, children, name)
        with self._link.wire.lane(_lane_of(entry), has_turn=not entry.is_closing):
            self._send(legs, contract)
        answer: Awaitable[bool] = self._acknowledged(legs, deadlines)
        if children:  # a family that is refused in part is withdrawn though who placed it has left
            answer = asyncio.shield(answer)
        was_answered = await answer
        is_well = was_answered and not any(self._link.book.last_error(leg.order_id)[1] for leg in legs)
        return self._placement(legs), is_well

    def _intend(
        self, entry: OrderTicket, children: tuple[OrderTicket, ...], name: ClientOrderId
    ) -> Placement:
        self._tell(entry, name, was_sent=False)
        return Placement.kept(name, len(children))

    def _family(
        self, entry: OrderTicket, children: tuple[OrderTicket, ...], name: ClientOrderId
    ) -> list[_Leg]:
        """Everything that can fail happens here, before the first byte of the family leaves."""
        legs: list[_Leg] = []
        for number, ticket in enumerate((entry, *children)):
            order_id = OrderId(self._link.request_id())
            ours = name if number == 0 else ClientOrderId(f"{name}-{number}")
            parent = legs[0].order_id if legs else None
            ib_order = to_ib_order(
                ticket, order_id=order_id, account=self._link.account, client_order_id=ours
            )
            ib_order.parentId = parent or 0
            # The venue holds the family back until its last member says that it may go.
            ib_order.transmit = number == len(children)
            legs.append(
                _Leg(order_id=order_id, ticket=ticket, client_order_id=ours, parent=parent, ib_order=ib_order)
            )
        return legs

    def _send(self, legs: list[_Leg], contract: Contract) -> None:
        ib_contract, book = to_ib_contract(contract), self._link.book
        for leg in legs:
            book.sent(
                leg.order_id, leg.ticket, leg.client_order_id, con_id=contract.con_id, parent=leg.parent
            )
            self._link.ib.placeOrder(ib_contract, leg.ib_order)
            self._tell(leg.ticket, leg.client_order_id, was_sent=True)

    def _tell(self, ticket: OrderTicket, name: ClientOrderId, *, was_sent: bool) -> None:
        self._link.observer.on_event(OrderPlaced.of(ticket, name, self._link.clock.now(), was_sent=was_sent))

    async def _acknowledged(self, legs: list[_Leg], deadlines: Deadlines) -> bool:
        """Wait until the venue has said something of all members, or refused one; whether it did in time."""
        book = self._link.book

        def settled() -> bool:
            return self._refused(legs) is not None or all(book.has_answer(leg.order_id) for leg in legs)

        try:
            await book.until(settled, deadlines.orders)
        except (TimeoutError, NotConnected):
            return False  # no error: the placement says UNKNOWN or SENT, and the caller must reconcile
        refused = self._refused(legs)
        if refused is None or not await self._is_withdrawn(legs, deadlines):
            return True
        report, (code, is_fault) = self._require(refused.order_id), book.last_error(refused.order_id)
        raise OrderRejected(
            f"the order {refused.client_order_id} to {refused.ticket.side.value} {refused.ticket.quantity} "
            f"{refused.ticket.contract} was refused: {report.reason}; "
            + ("the rest of its bracket was withdrawn" if len(legs) > 1 else "nothing works at the venue"),
            code=report.code or code,  # a child may have been cancelled
            is_fault=is_fault,
        )

    def _refused(self, legs: list[_Leg]) -> _Leg | None:
        states = [self._require(leg.order_id).state for leg in legs]
        for leg, state in zip(legs, states, strict=True):
            # A child may end because the entry did, or because its sibling filled; else nobody asked for it.
            lost = leg.parent is not None and state is OrderState.CANCELLED
            excused = (
                states[0] in {OrderState.CANCELLED, OrderState.REJECTED} or OrderState.FILLED in states[1:]
            )
            if state is OrderState.REJECTED or (lost and not excused):
                return leg
        return None

    async def _is_withdrawn(self, legs: list[_Leg], deadlines: Deadlines) -> bool:
        """A bracket is accepted whole or not at all: withdraw what works of it.

        The entry goes first, and its protection only once nothing of it can fill any more: a
        part that filled before the cancel keeps its stop, and the placement says so.
        """
        for part in (legs[:1], legs[1:]):
            await self._cancel_all(part, deadlines)
            if self._require(legs[0].order_id).filled:
                return False
        return True

    async def _cancel_all(self, legs: list[_Leg], deadlines: Deadlines) -> None:
        rows = [self._require(leg.order_id) for leg in legs]
        alive = [row for row in rows if not row.state.is_final]
        # An end may be told before what had filled until then, whoever cancelled the entry.
        if not alive and not any(row.state is OrderState.CANCELLED and not row.parent_id for row in rows):
            return
        try:
            for leg in alive:
                self._send_cancel(leg.order_id)
            await self._link.book.until(
                lambda: all(self._require(leg.order_id).state.is_final for leg in alive), deadlines.orders
            )
            await self._read_fills(deadlines)
        except (TimeoutError, ConnectionError, RequestFailed) as late:
            # Bytes of the family have left: it is not "not sent".
            for leg in rows:
                self._link.book.cancel_unanswered(leg.order_id)
            names = ", ".join(leg.client_order_id for leg in rows)
            raise RequestTimeout(
                f"a member of the bracket was refused, and the end of {names} was not confirmed within "
                f"{deadlines.orders:g} s: their state is unknown; read open_orders() before anything else"
            ) from late

    def _placement(self, legs: list[_Leg]) -> Placement:
        def one(leg: _Leg) -> Placement:
            state = self._require(leg.order_id).state
            return Placement(client_order_id=leg.client_order_id, order_id=leg.order_id, state=state)

        return attrs.evolve(one(legs[0]), children=tuple(one(leg) for leg in legs[1:]))

    def _require(self, order_id: OrderId) -> OrderReport:
        report = self._link.book.report(order_id)
        if report is None:
            known = ", ".join(str(row.order_id) for row in self._link.book.reports()[-5:]) or "none"
            raise InvalidInput(
                f"no order {order_id} of client id {self._link.config.client_id}; the last are: {known}"
            )
        return report

    def _refuse_in_dry_run(self, what: str) -> None:
        if self._link.config.orders is OrderMode.DRY_RUN:
            raise OrderRefused(f"{what}: orders is DRY_RUN, so nothing is sent; set orders to PAPER or LIVE")

    async def modify(self, order_id: OrderId, order: OrderTicket, deadlines: Deadlines) -> OrderReport:
        """Replace price or quantity of a working order."""
        expect(order, OrderTicket)
        before = self._require(order_id)
        self._refuse_in_dry_run(f"the change of order {order_id}")
        if before.state.is_final or before.state is OrderState.UNKNOWN:
            # A change of what never reached the venue would be a new order there.
            raise OrderRefused(
                f"order {order_id} is {before.state.value}; only a working order can be changed"
                + ("" if before.state.is_final else ": read open_orders() to learn what became of it")
            )
        fixed = (before.contract, before.side, before.order_type)
        if fixed != (order.contract, order.side, order.order_type.value):
            raise InvalidInput(
                f"a change keeps contract, side and type: order {order_id} is {fixed[1]} {fixed[2]} {fixed[0]}, "
                f"got {order.side} {order.order_type} {order.contract}; cancel it and place another instead"
            )
        ib_order = to_ib_order(
            order, order_id=order_id, account=self._link.account, client_order_id=before.client_order_id
        )
        ib_order.parentId = before.parent_id or 0
        self._link.check()
        self._link.book.modifying(order_id, order.quantity)
        # Not by the library's own placeOrder: it asserts that its guess of the order's state allows it.
        is_protective = before.parent_id is not None or order.is_closing
        with self._link.wire.lane(Lane.CLOSING if is_protective else Lane.OPENING):
            self._link.ib.client.placeOrder(order_id, to_ib_contract(before.contract), ib_order)
        await self._told(order_id, lambda: self._link.book.has_answer(order_id), "the change of", deadlines)
        after = self._require(order_id)
        refusal = self._link.book.refusal(order_id)
        if refusal and not after.state.is_final:
            raise OrderRejected(
                f"the change of order {order_id} was refused: {refusal[1]}; it is {after.state.value}, {after.terms}",
                code=refusal[0],
            )
        return after

    async def cancel(self, order_id: OrderId, deadlines: Deadlines) -> OrderReport:
        """Ask for a cancel and wait for the order's fate."""
        before = self._require(order_id)
        # Of an end that was only inferred from silence the venue is asked once more.
        if before.state.is_final and not self._link.book.is_inferred(order_id):
            return before
        self._refuse_in_dry_run(f"the cancel of order {order_id}")
        self._send_cancel(order_id)
        book, was_inferred = self._link.book, before.state.is_final

        def is_told() -> bool:
            return self._is_settled(order_id) and (not was_inferred or book.has_answer(order_id))

        await self._told(order_id, is_told, "the cancel of", deadlines, book.cancel_unanswered)
        return self._require(order_id)

    def _is_settled(self, order_id: OrderId) -> bool:
        """An error such as 10148 ends the wait too, with the order's fate unknown."""
        state = self._require(order_id).state
        return state.is_final or (state is OrderState.UNKNOWN and self._link.book.has_answer(order_id))

    def _send_cancel(self, order_id: OrderId) -> None:
        self._link.book.cancelling(order_id)
        self._link.ib.client.cancelOrder(order_id, "")

    async def _told(
        self,
        order_id: OrderId,
        condition: Callable[[], bool],
        what: str,
        deadlines: Deadlines,
        given_up: Callable[[OrderId], None] = lambda _: None,
    ) -> None:
        try:
            await self._link.book.until(condition, deadlines.orders)
        except TimeoutError as late:
            given_up(order_id)
            raise RequestTimeout(
                f"{what} order {order_id} was not answered within {deadlines.orders:g} s; its state is "
                f"{self._require(order_id).state.value}: read open_orders() and executions() before acting on it"
            ) from late
