"""The orders of a `FakeBroker`: a pure book that fills against quotes."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Final

import attrs

from ibkeel.errors import InvalidInput, OrderRefused, QuoteUnavailable
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
    Position,
    Quote,
    Side,
)
from ibkeel.orders import check_name

Prices = Callable[[Contract], Quote]

_PERM_BASE: Final = 1_000_000


@attrs.define(kw_only=True)
class _Order:
    report: OrderReport
    ticket: OrderTicket
    parent: OrderId | None = None
    is_triggered: bool = False

    @property
    def is_live(self) -> bool:
        return not self.report.state.is_final


class Book:
    """Orders, fills and positions.

    A market order fills at the other side of the quote, a limit order when that side reaches its
    limit, a stop when the side that it would trade at reaches its trigger; always whole.
    """

    def __init__(self, *, account: str, positions: tuple[Position, ...] = (), client_id: int = 0) -> None:
        self._account, self.client_id = account, client_id
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

        Raises:
            OrderRefused: An order of that name works.
        """
        check_name(order, self.working())
        if isinstance(order, OrderTicket):
            placement = self._add(order, None, at)
            return placement, [self.report(_sent(placement))]
        parent = self._add(order.entry, None, at)
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
            for number, child in enumerate(order.children(), 1)
        )
        placement = attrs.evolve(parent, children=children)
        return placement, [self.report(_sent(row)) for row in (parent, *children)]

    def report(self, order_id: OrderId) -> OrderReport:
        """What is known of an order; InvalidInput when there is none."""
        if order_id not in self._orders:
            raise InvalidInput(f"no order {order_id}; valid: one that was placed here")
        return self._orders[order_id].report

    def working(self) -> tuple[OrderReport, ...]:
        """Orders that are not final, in the order placed."""
        return tuple(order.report for order in self._orders.values() if order.is_live)

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

    def modify(self, order_id: OrderId, ticket: OrderTicket, at: datetime) -> OrderReport:
        """Replace price and quantity of a working order.

        Raises:
            InvalidInput: There is no such order.
            OrderRefused: It is final.
        """
        report = self.report(order_id)
        if report.state.is_final:
            raise OrderRefused(
                f"order {order_id} is {report.state.value}; only a working order can be changed"
            )
        order = self._orders[order_id]
        order.ticket = attrs.evolve(ticket, oca_group=order.ticket.oca_group)
        order.report = attrs.evolve(
            report,
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
        family = [order_id, *(i for i, row in self._orders.items() if row.parent == order_id and row.is_live)]
        return [self._end(i, OrderState.CANCELLED, at, reason="cancelled by us") for i in family]

    def match(self, prices: Prices, at: datetime) -> Iterator[OrderReport | Execution]:
        """Fill whatever can fill now; yields what changed, in order."""
        for order_id, order in list(self._orders.items()):
            if order.is_live and self._is_released(order):
                yield from self._try(order_id, prices, at)

    def _add(self, ticket: OrderTicket, parent: Placement | None, at: datetime) -> Placement:
        order_id = OrderId(next(self._ids))
        name = ticket.client_order_id or ClientOrderId(f"fake-{order_id}")
        parent_id = parent.order_id if parent else None
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
            parent_id=parent_id,
            oca_group=ticket.oca_group,
            state=OrderState.WORKING,
            remaining=ticket.quantity,
            at=at,
        )
        self._orders[order_id] = _Order(report=report, ticket=ticket, parent=parent_id)
        return Placement(client_order_id=name, order_id=order_id, state=OrderState.SENT)

    def _is_released(self, order: _Order) -> bool:
        return order.parent is None or self._orders[order.parent].report.state is OrderState.FILLED

    def _try(self, order_id: OrderId, prices: Prices, at: datetime) -> Iterator[OrderReport | Execution]:
        order = self._orders[order_id]
        try:
            quote = prices(order.ticket.contract)
        except QuoteUnavailable:
            return
        price = _fill_price(order, quote)
        if price is None:
            return
        yield self._execute(order_id, price, at)
        yield self._end(order_id, OrderState.FILLED, at, fill=price)
        group = order.ticket.oca_group
        for other_id, other in self._orders.items():
            if group and other_id != order_id and other.ticket.oca_group == group and other.is_live:
                yield self._end(
                    other_id, OrderState.CANCELLED, at, reason=f"order {order_id} of its group filled"
                )

    def _execute(self, order_id: OrderId, price: float, at: datetime) -> Execution:
        report = self._orders[order_id].report
        held, average = self._held.get(report.contract, (0.0, 0.0))
        total = held + report.side.sign * report.quantity
        if held * report.side.sign >= 0:
            average = (abs(held) * average + report.quantity * price) / abs(total)
        elif total * held < 0:  # it went through zero: what is left was opened at this price
            average = price
        self._held[report.contract] = (total, average)
        execution = Execution(
            exec_id=ExecId(f"fake.{len(self._executions) + 1:08d}.01"),
            order_id=order_id,
            perm_id=report.perm_id,
            client_order_id=report.client_order_id,
            account=self._account,
            contract=report.contract,
            side=report.side,
            quantity=report.quantity,
            price=price,
            at=at,
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
    limit: Decimal | None = ticket.limit_price
    if ticket.order_type in {OrderType.LMT, OrderType.STP_LMT} and limit is not None:
        return price if sign * price <= sign * float(limit) else None
    return price
