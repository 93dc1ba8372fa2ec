"""The orders of a `FakeBroker`: a pure book that fills against quotes."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from typing import Final

import attrs

from ibkeel.errors import InvalidInput, OrderRefused, OrderRejected, QuoteUnavailable
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
    PermId,
    Placement,
    Position,
    Quote,
    Side,
    TimeInForce,
)

Prices = Callable[[Contract], Quote]

_HELD: Final = (
    OrderState.ACKNOWLEDGED
)  # the venue has it, and works it once its trigger or its parent lets it
_IMMEDIATE: Final = (TimeInForce.IOC, TimeInForce.FOK)
_PERM_BASE: Final = 1_000_000


@attrs.define(kw_only=True)
class _Order:
    report: OrderReport
    ticket: OrderTicket
    is_triggered: bool = False

    @property
    def is_live(self) -> bool:
        return not self.report.state.is_final


class Book:
    """Orders, fills and positions.

    A market order fills at the other side of the quote, a limit order when that side reaches its
    limit, a stop when the side that it would trade at reaches its trigger; always whole. What is good for the
    moment alone and does not fill is cancelled.
    """

    def __init__(
        self,
        *,
        account: str,
        find: Callable[[Contract], Contract],
        positions: tuple[Position, ...] = (),
        client_id: int = 0,
    ) -> None:
        self._account, self._find, self.client_id = account, find, client_id
        self._ids = count(1)
        self._orders: dict[OrderId, _Order] = {}
        self._executions: list[Execution] = []
        self._held: dict[Contract, tuple[float, float]] = {
            row.contract: (row.signed_quantity, row.average_price) for row in positions
        }

    def enter(self, order: OrderTicket | Bracket, at: datetime) -> tuple[Placement, list[OrderReport]]:
        """Take in an order, or a bracket whole.

        Returns:
            Its placement, and the first report of each of its orders.
        """
        entry, tickets = (order.entry, order.children()) if isinstance(order, Bracket) else (order, ())
        parent = self._add(entry, None, at)
        group = f"bracket-{parent.order_id}"
        children = tuple(
            self._add(
                attrs.evolve(
                    child,
                    oca_group=group,
                    client_order_id=ClientOrderId(f"{parent.client_order_id}-{number}"),
                ),
                parent,
                at,
            )
            for number, child in enumerate(tickets, 1)
        )
        placement = attrs.evolve(parent, children=children)
        return placement, [self.report(_sent(row)) for row in placement.family()]

    def report(self, order_id: OrderId) -> OrderReport:
        """What is known of an order; InvalidInput when there is none."""
        if order_id not in self._orders:
            raise InvalidInput(f"no order {order_id}; valid: one that was placed here")
        return self._orders[order_id].report

    def working(self) -> tuple[OrderReport, ...]:
        """Orders that are not final, in the order placed."""
        return tuple(order.report for order in self._orders.values() if order.is_live)

    def lost(self) -> list[OrderReport]:
        """What is known of the orders that work when the session ends, until it is asked again."""
        return [attrs.evolve(row, state=OrderState.UNKNOWN) for row in self.working()]

    def ended(self) -> tuple[OrderReport, ...]:
        """Orders that are final, in the order placed."""
        return tuple(order.report for order in self._orders.values() if not order.is_live)

    def executions(self) -> tuple[Execution, ...]:
        """Fills, in the order made."""
        return tuple(self._executions)

    def positions(self) -> tuple[Position, ...]:
        """What is held and not zero."""
        return tuple(
            Position(account=self._account, contract=contract, signed_quantity=quantity, average_price=price)
            for contract, (quantity, price) in self._held.items()
            if quantity
        )

    def check_change(self, order_id: OrderId, ticket: OrderTicket) -> None:
        """Refuse to change what cannot be.

        Raises:
            InvalidInput: There is no such order, or it would become another one.
            OrderRefused: It is final.
            OrderRejected: Its group would change.
        """
        report, before = self.report(order_id), self._orders[order_id].ticket
        if report.state.is_final:
            raise OrderRefused(
                f"order {order_id} is {report.state.value}; only a working order can be changed"
            )
        kept = (before.contract, before.side, before.order_type)
        if kept != (ticket.contract, ticket.side, ticket.order_type):
            raise InvalidInput(f"a change keeps contract, side and type: order {order_id} is {kept}")
        if ticket.oca_group != before.oca_group and report.parent_id is None:
            raise OrderRejected(
                f"a change keeps the group: order {order_id} is in {before.oca_group!r}", code=105
            )

    def modify(self, order_id: OrderId, ticket: OrderTicket, at: datetime) -> OrderReport:
        """Replace price and quantity of a working order, once `check_change` has passed."""
        order = self._orders[order_id]
        order.ticket = attrs.evolve(ticket, oca_group=order.ticket.oca_group)
        order.report = attrs.evolve(
            order.report,
            quantity=ticket.quantity,
            remaining=ticket.quantity,
            limit_price=ticket.limit_price,
            stop_price=ticket.stop_price,
            tif=ticket.tif.value,
            at=at,
        )
        return order.report

    def cancel(self, order_id: OrderId, at: datetime) -> list[OrderReport]:
        """Cancel an order and its children.

        Returns:
            The reports that changed, the order's own first; its last report when it was final.

        Raises:
            InvalidInput: There is no such order.
        """
        report = self.report(order_id)
        if report.state.is_final:
            return [report]
        return self._cancelled(order_id, at, "cancelled by us")

    def placed(self, placement: Placement) -> Placement:
        """The placement with what has become of its orders."""
        rows = tuple(map(self.placed, placement.children))
        return attrs.evolve(placement, state=self.report(_sent(placement)).state, children=rows)

    def match(self, prices: Prices, at: datetime) -> Iterator[OrderReport | Execution]:
        """Fill whatever can fill now; yields what changed, in order."""
        for order_id, order in list(self._orders.items()):
            if order.is_live and self._is_released(order):
                yield from self._try(order_id, prices, at)

    def _add(self, ticket: OrderTicket, parent: Placement | None, at: datetime) -> Placement:
        order_id = OrderId(next(self._ids))
        name = ticket.client_order_id or ClientOrderId(f"fake-{order_id}")
        report = OrderReport(
            order_id=order_id,
            perm_id=PermId(_PERM_BASE + order_id),
            client_id=self.client_id,
            client_order_id=name,
            contract=ticket.contract,
            side=ticket.side,
            quantity=ticket.quantity,
            order_type=ticket.order_type.value,
            limit_price=ticket.limit_price,
            stop_price=ticket.stop_price,
            tif=ticket.tif.value,
            parent_id=parent.order_id if parent else None,
            oca_group=ticket.oca_group,
            state=_HELD if parent or ticket.stop_price is not None else OrderState.WORKING,
            remaining=ticket.quantity,
            at=at,
        )
        self._orders[order_id] = _Order(report=report, ticket=ticket)
        return Placement(client_order_id=name, order_id=order_id, state=OrderState.SENT)

    def _is_released(self, order: _Order) -> bool:
        parent = order.report.parent_id
        return parent is None or self._orders[parent].report.state is OrderState.FILLED

    def _try(self, order_id: OrderId, prices: Prices, at: datetime) -> Iterator[OrderReport | Execution]:
        order = self._orders[order_id]
        try:
            price = _fill_price(order, prices(order.ticket.contract))
        except QuoteUnavailable:
            price = None
        if price is None:
            yield from self._rests(order_id, at)
            return
        fill = self._execute(order_id, price, at)
        yield self._end(order_id, OrderState.FILLED, at, fill=price)
        yield attrs.evolve(
            fill, commission=None
        )  # as a Gateway tells it: first without its commission, then again
        yield fill
        group = order.ticket.oca_group
        for other_id, other in self._orders.items():
            if group and other_id != order_id and other.ticket.oca_group == group and other.is_live:
                yield self._end(
                    other_id, OrderState.CANCELLED, at, reason=f"order {order_id} of its group filled"
                )

    def _rests(self, order_id: OrderId, at: datetime) -> Iterator[OrderReport]:
        """What is told of an order that may fill, and does not: nothing while a trigger is waited for."""
        order = self._orders[order_id]
        if order.ticket.stop_price is not None and not order.is_triggered:
            return
        if order.ticket.tif in _IMMEDIATE:
            yield from self._cancelled(order_id, at, "it could not fill at once")
        elif order.report.state is _HELD:
            order.report = attrs.evolve(order.report, state=OrderState.WORKING, at=at)
            yield order.report

    def _cancelled(self, order_id: OrderId, at: datetime, reason: str) -> list[OrderReport]:
        """End an order and its children."""
        children = (row.order_id for row in self.working() if row.parent_id == order_id)
        family = [order_id, *children]
        return [self._end(i, OrderState.CANCELLED, at, reason=reason) for i in family]

    def _execute(self, order_id: OrderId, price: float, at: datetime) -> Execution:
        report = self._orders[order_id].report
        contract = self._find(
            report.contract
        )  # asked for with its trading class or without, it is one position
        held, average = self._held.get(contract, (0.0, 0.0))
        total = held + report.side.sign * report.quantity
        if held * report.side.sign >= 0:
            average = (abs(held) * average + report.quantity * price) / abs(total)
        elif total * held < 0:  # it went through zero: what is left was opened at this price
            average = price
        self._held[contract] = (total, average)
        execution = Execution(
            exec_id=ExecId(f"fake.{len(self._executions) + 1:08d}.01"),
            order_id=order_id,
            perm_id=report.perm_id,
            client_order_id=report.client_order_id,
            account=self._account,
            contract=contract,
            side=report.side,
            quantity=report.quantity,
            price=price,
            at=at,
            commission=0.0,
        )
        self._executions.append(execution)
        return execution

    def _end(
        self,
        order_id: OrderId,
        state: OrderState,
        at: datetime,
        *,
        fill: float | None = None,
        reason: str = "",
    ) -> OrderReport:
        order = self._orders[order_id]
        filled = order.report.quantity if fill is not None else 0.0
        order.report = attrs.evolve(
            order.report,
            state=state,
            filled=filled,
            remaining=order.report.quantity - filled,
            average_fill_price=fill,
            reason=reason,
            at=at,
        )
        return order.report


def _sent(placement: Placement) -> OrderId:
    assert placement.order_id is not None
    return placement.order_id


def _fill_price(order: _Order, quote: Quote) -> float | None:
    """The price at which the order fills whole now; None when it does not."""
    ticket = order.ticket
    price = quote.ask if ticket.side is Side.BUY else quote.bid
    if price is None:
        return None
    sign = ticket.side.sign
    if ticket.stop_price is not None and not order.is_triggered:
        order.is_triggered = sign * price >= sign * float(ticket.stop_price)
        if not order.is_triggered:
            return None
    limit = ticket.limit_price
    return price if limit is None or sign * price <= sign * float(limit) else None
