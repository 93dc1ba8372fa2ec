"""The trading half of a backtest's broker: orders go to the venue, and its news come back."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import count
from typing import Final
from weakref import WeakKeyDictionary

import attrs

from ibkeel.backtest.prices import Directory
from ibkeel.clock import Clock
from ibkeel.errors import InvalidInput, NotConnected, OrderRefused, OrderRejected
from ibkeel.model import (
    Bracket,
    ClientOrderId,
    Contract,
    ExecId,
    Execution,
    OrderId,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    PermId,
    Placement,
    Side,
)
from ibkeel.model.checks import as_optional_decimal
from ibkeel.orders import check_name, state_of_status
from ibkeel.sim.values import (
    Commission,
    OrderEcho,
    OrderError,
    OrderStatus,
    SimContract,
    SimOrder,
    VenueEvent,
)
from ibkeel.sim.values import Execution as SimExecution
from ibkeel.sim.venue import Venue
from ibkeel.validators import expect

OrderEvent = OrderReport | Execution
CLIENT: Final = 1
"""The client id under which a backtest trades."""
_NEWS_ONLY: Final = (202, 399)  # the confirmation of a cancel, and a warning
_ENDED: Final = ("Cancelled", "Inactive")


class Dealing:
    """Gives orders to a venue, keeps what it says of them, and lets its time pass."""

    def __init__(
        self, venue: Venue, directory: Directory, clock: Clock, traded: Callable[[Execution], None]
    ) -> None:
        self._venue, self._directory, self._clock, self._traded = venue, directory, clock, traded
        self._numbers = count(1)
        self._reports: dict[OrderId, OrderReport] = {}
        self._fills: list[Execution] = []
        self._closing: set[OrderId] = set()
        self._half_told: dict[str, SimExecution] = {}
        self._listeners: WeakKeyDictionary[asyncio.Queue[OrderEvent | Exception], None] = WeakKeyDictionary()
        self._timer: asyncio.TimerHandle | None = None

    def place(self, order: OrderTicket | Bracket) -> Placement:
        """Give an order, or a bracket whole, to the venue."""
        check_name(order, self._reports.values())
        entry, children = (order.entry, order.children()) if isinstance(order, Bracket) else (order, ())
        family = (entry, *children)
        numbers = [OrderId(next(self._numbers)) for _ in family]
        name = entry.client_order_id or ClientOrderId(f"backtest-{numbers[0]}")
        names = [name, *(ClientOrderId(f"{name}-{row}") for row in range(1, len(family)))]
        listed, now = self._directory.find(entry.contract), self._clock.now()
        orders = [
            order_of(
                ticket,
                listed,
                order_id=numbers[row],
                name=names[row],
                parent=numbers[0] if row else 0,
                transmit=row == len(children),
            )
            for row, ticket in enumerate(family)
        ]
        for ticket, number, sent in zip(family, numbers, orders, strict=True):
            if ticket.is_closing:
                self._closing.add(number)
            pending = attrs.evolve(sent, status="PendingSubmit")
            self._reports[number] = report_of(pending, ticket.contract, now)
        for sent in orders:
            self._take(self._venue.submit(sent, now))
        self._check(entry, numbers)
        self._set_timer()
        return self._placement(numbers)

    def _check(self, entry: OrderTicket, numbers: list[OrderId]) -> None:
        """Withdraw a family of which a member was refused, and raise OrderRejected."""
        refused = next((n for n in numbers if self._reports[n].state is OrderState.REJECTED), None)
        if refused is None:
            return
        for number in numbers:
            if not self._reports[number].state.is_final:
                self._take(self._venue.cancel(CLIENT, number, self._clock.now()))
        report = self._reports[refused]
        raise OrderRejected(
            f"the order {report.client_order_id} to {entry.side.value} {entry.quantity} {entry.contract} was "
            f"refused: {report.reason}",
            code=report.code,
        )

    def _placement(self, numbers: list[OrderId]) -> Placement:
        reports = [self._reports[number] for number in numbers]
        rows = [
            Placement(client_order_id=row.client_order_id, order_id=row.order_id, state=row.state)
            for row in reports
        ]
        return attrs.evolve(rows[0], children=tuple(rows[1:]))

    def modify(self, order_id: OrderId, ticket: OrderTicket) -> OrderReport:
        """Give a working order another price or quantity."""
        expect(ticket, OrderTicket)
        before = self.report(order_id)
        if before.state.is_final:
            raise OrderRefused(
                f"order {order_id} is {before.state.value}; only a working order can be changed"
            )
        kept = (before.contract, before.side, before.order_type)
        if kept != (ticket.contract, ticket.side, ticket.order_type.value):
            raise InvalidInput(f"a change keeps contract, side and type: order {order_id} is {kept}")
        listed = self._directory.find(ticket.contract)
        order = order_of(
            ticket, listed, order_id=order_id, name=before.client_order_id, parent=before.parent_id or 0
        )
        events = self._venue.submit(order, self._clock.now())
        error = next((row for row in events if _is_refusal(row)), None)
        if isinstance(error, OrderError):
            raise OrderRejected(f"the change of order {order_id}: {error.text}", code=error.code)
        self._take(events)
        self._set_timer()
        return self.report(order_id)

    def cancel(self, order_id: OrderId) -> OrderReport:
        """Cancel an order; one that has ended stays as it is. InvalidInput when there is none."""
        if not self.report(order_id).state.is_final:
            self._take(self._venue.cancel(CLIENT, order_id, self._clock.now()))
            self._set_timer()
        return self.report(order_id)

    def report(self, order_id: OrderId) -> OrderReport:
        """What is known of an order."""
        if order_id not in self._reports:
            raise InvalidInput(f"there is no order {order_id}; {len(self._reports)} were placed")
        return self._reports[order_id]

    def cause_of(self, order_id: OrderId) -> str:
        """What kind of order it is, in a word or two."""
        report = self.report(order_id)
        if report.order_type.startswith(OrderType.STP.value):
            return "stop"
        if report.parent_id is not None:
            return "take profit"
        return "exit" if order_id in self._closing else "entry"

    def open_orders(self) -> tuple[OrderReport, ...]:
        """Orders that work."""
        return tuple(row for row in self._reports.values() if not row.state.is_final)

    def completed_orders(self) -> tuple[OrderReport, ...]:
        """Orders that have ended."""
        return tuple(row for row in self._reports.values() if row.state.is_final)

    def executions(self) -> tuple[Execution, ...]:
        """Every fill, oldest first."""
        return tuple(self._fills)

    def listen(self) -> asyncio.Queue[OrderEvent | Exception]:
        """Reports and fills from now on; an error is their end."""
        queue: asyncio.Queue[OrderEvent | Exception] = asyncio.Queue()
        self._listeners[queue] = None
        return queue

    def stop(self) -> None:
        """Let no more time pass, and end the streams of events."""
        if self._timer is not None:
            self._timer.cancel()
        for queue in self._listeners:
            queue.put_nowait(NotConnected("the session ended, and with it the order events"))

    def _set_timer(self) -> None:
        """Look at the venue again when something may happen in it."""
        if self._timer is not None:
            self._timer.cancel()
        now = self._clock.now()
        due = self._venue.next_event(now)
        if due is None:
            self._timer = None
            return
        wait = max((due - now).total_seconds(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _tick(self) -> None:
        self._take(self._venue.advance(self._clock.now()))
        self._set_timer()

    # News.

    def _take(self, events: Iterable[VenueEvent]) -> None:
        now = self._clock.now()
        for event in events:
            match event:
                case SimExecution():
                    self._half_told[event.exec_id] = event
                case Commission():
                    self._filled(self._half_told.pop(event.exec_id), event)
                case OrderError() if _is_refusal(event):
                    self._refused(event, now)
                case OrderEcho():
                    self._say(event, now)
                case OrderStatus() if event.status in _ENDED:
                    self._ended(event, now)
                case _:
                    pass  # an echo says the same as a status, and more

    def _say(self, event: OrderEcho, now: datetime) -> None:
        number = OrderId(event.order.order_id)
        self._keep(report_of(event.order, self._reports[number].contract, now))

    def _ended(self, event: OrderStatus, now: datetime) -> None:
        """A cancel is told by a status alone."""
        before = self._reports[OrderId(event.order_id)]
        self._keep(
            attrs.evolve(
                before, state=OrderState.CANCELLED, filled=event.filled, remaining=event.remaining, at=now
            )
        )

    def _filled(self, fill: SimExecution, commission: Commission) -> None:
        contract = self._reports[OrderId(fill.order_id)].contract
        execution = execution_of(fill, commission, contract)
        self._fills.append(execution)
        self._tell(execution)
        self._traded(execution)

    def _refused(self, event: OrderError, now: datetime) -> None:
        before, reason = self._reports[OrderId(event.order_id)], f"error {event.code}: {event.text}"
        state = OrderState.REJECTED
        self._keep(attrs.evolve(before, state=state, reason=reason, code=event.code, at=now))

    def _keep(self, report: OrderReport) -> None:
        before = self._reports[report.order_id]
        self._reports[report.order_id] = report
        if (before.state, before.filled, before.quantity) != (report.state, report.filled, report.quantity):
            self._tell(report)

    def _tell(self, event: OrderEvent) -> None:
        for queue in self._listeners:
            queue.put_nowait(event)


def _is_refusal(event: VenueEvent) -> bool:
    return isinstance(event, OrderError) and event.code not in _NEWS_ONLY


def order_of(
    ticket: OrderTicket,
    listed: SimContract,
    *,
    order_id: int,
    name: str,
    parent: int = 0,
    transmit: bool = True,
) -> SimOrder:
    """The venue's order, for the contract as the market lists it.

    Its number is above all before it; `parent` is that of the order that it protects. Without `transmit` it is held
    back until a member of its family comes with it.
    """
    return SimOrder(
        client_id=CLIENT,
        order_id=order_id,
        contract=listed,
        action=ticket.side.value,
        quantity=float(ticket.quantity),
        order_type=ticket.order_type.value,
        limit_price=None if ticket.limit_price is None else float(ticket.limit_price),
        stop_price=None if ticket.stop_price is None else float(ticket.stop_price),
        tif=ticket.tif.value,
        oca_group=ticket.oca_group,
        parent_id=parent,
        transmit=transmit,
        outside_rth=ticket.outside_rth,
        order_ref=name,
    )


def report_of(order: SimOrder, contract: Contract, at: datetime) -> OrderReport:
    """What the venue says of an order."""
    return OrderReport(
        order_id=OrderId(order.order_id),
        perm_id=PermId(order.perm_id),
        client_id=order.client_id,
        client_order_id=ClientOrderId(order.order_ref),
        contract=contract,
        side=Side(order.action),
        quantity=order.quantity,
        order_type=order.order_type,
        limit_price=as_optional_decimal(order.limit_price),
        stop_price=as_optional_decimal(order.stop_price),
        tif=order.tif,
        parent_id=OrderId(order.parent_id) if order.parent_id else None,
        oca_group=order.oca_group,
        state=_state(order),
        filled=order.filled,
        remaining=max(order.quantity - order.filled, 0.0),
        average_fill_price=order.average_fill_price or None,
        at=at,
    )


def execution_of(fill: SimExecution, commission: Commission, contract: Contract) -> Execution:
    """A fill with what it cost."""
    return Execution(
        exec_id=ExecId(fill.exec_id),
        order_id=OrderId(fill.order_id),
        perm_id=PermId(fill.perm_id),
        client_order_id=ClientOrderId(fill.order_ref),
        account=fill.account,
        contract=contract,
        side=Side.BUY if fill.side == "BOT" else Side.SELL,
        quantity=fill.quantity,
        price=fill.price,
        at=fill.at,
        commission=commission.commission,
        realized_pnl=commission.realized_pnl,
    )


def _state(order: SimOrder) -> OrderState:
    state = state_of_status(order.status)
    return OrderState.PARTIALLY_FILLED if state is OrderState.WORKING and order.filled else state
