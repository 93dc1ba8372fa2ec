"""Today's orders and fills on the board."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import attrs

from ibkeel.model import OrderState, fill_name
from ibkeel.telemetry import (
    Event,
    OrderChanged,
    OrderFilled,
    OrderIntended,
    OrderPlaced,
    TradingDayOpened,
)

_ORDERS: Final = 400
_FILLS: Final = 400
_IN_DOUBT: Final = OrderState.UNKNOWN.value
_OVER: Final = frozenset(state.value for state in OrderState if state.is_final)


@attrs.frozen(kw_only=True)
class OrderRow:
    """One order of today, from the signal behind it to its fate.

    Args:
        client_order_id: Our name of it.
        signal_id: The signal behind it; empty for what protects or closes.
        symbol: Ticker of the underlying; empty when only the venue spoke of it, as of a bracket's children.
        subject: The contract.
        purpose: `entry`, `exit` or `protection`; empty as above.
        side: `BUY` or `SELL`.
        quantity: Contracts or shares.
        terms: Its type and prices; empty while nobody told them.
        reason: Why it was decided, in words.
        state: `intent` until it left, then what the venue says.
        state_reason: What the venue says about it.
        filled: How much, as the venue said or its fills add up to.
        priced: How much of that by fills that were told.
        price: Average price of the fills that were told; None before the first.
        was_sent: Whether it left; None until that is known.
        intended_at: When it was decided.
        changed_at: When anything was last heard of it.
    """

    client_order_id: str
    signal_id: str = ""
    symbol: str = ""
    subject: str = ""
    purpose: str = ""
    side: str = ""
    quantity: float = 0
    terms: str = ""
    reason: str = ""
    state: str = "intent"
    state_reason: str = ""
    filled: float = 0.0
    priced: float = 0.0
    price: float | None = None
    was_sent: bool | None = None
    intended_at: datetime | None = None
    changed_at: datetime


def _row_after(row: OrderRow, event: OrderPlaced | OrderChanged | OrderFilled) -> OrderRow:
    match event:
        case OrderPlaced():
            state = "sent" if event.was_sent and row.state == "intent" else row.state
            return attrs.evolve(
                row,
                subject=event.subject,
                side=event.side,
                quantity=event.quantity,
                terms=event.terms or row.terms,
                was_sent=event.was_sent,
                state=state,
                changed_at=event.at,
            )
        case OrderChanged():
            return attrs.evolve(
                row,
                state=event.state,
                state_reason=event.reason,
                filled=max(row.filled, event.filled),
                quantity=event.quantity or row.quantity,
                terms=event.terms or row.terms,
                changed_at=event.at,
            )
        case OrderFilled() if event.is_leg:
            return attrs.evolve(row, changed_at=event.at)
        case OrderFilled():
            total = row.priced + event.quantity
            price = (
                event.price
                if row.price is None
                else row.price + (event.price - row.price) * event.quantity / total
            )
            is_whole = row.state == "intent" and total >= row.quantity  # nobody told of it otherwise
            return attrs.evolve(
                row,
                state="filled" if is_whole else row.state,
                subject=row.subject or event.subject,
                side=event.side,
                filled=max(row.filled, total),
                priced=total,
                price=price,
                changed_at=event.at,
            )


@attrs.frozen(kw_only=True)
class OrdersPanel:
    """Today's orders and fills.

    Args:
        rows: By name of the order, in the order of first mention; beyond 400 the oldest that is over is dropped.
        fills: Executions, oldest first; the oldest are dropped beyond 400.
    """

    rows: Mapping[str, OrderRow] = attrs.field(factory=dict)
    fills: tuple[OrderFilled, ...] = ()

    def after(self, event: Event) -> "OrdersPanel":
        """The panel after one more event."""
        match event:
            case OrderIntended():
                return attrs.evolve(self, rows=self._with(_intended(event)))
            case OrderFilled():
                return self._filled(event)
            case OrderPlaced() | OrderChanged():
                return attrs.evolve(self, rows=self._with(_row_after(self._row(event), event)))
            case TradingDayOpened(opens_at=opens_at):
                # An earlier run's of the same day stay, and what is in doubt.
                rows = {
                    name: row
                    for name, row in self.rows.items()
                    if row.changed_at >= opens_at or row.state == _IN_DOUBT
                }
                fills = tuple(fill for fill in self.fills if fill.at >= opens_at)
                return OrdersPanel(rows=rows, fills=fills)
            case _:
                return self

    def _row(self, event: OrderPlaced | OrderChanged | OrderFilled) -> OrderRow:
        name = event.client_order_id
        return self.rows.get(name) or OrderRow(client_order_id=name, changed_at=event.at)

    def _filled(self, event: OrderFilled) -> "OrdersPanel":
        name = fill_name(event.exec_id)
        before = next((fill for fill in self.fills if fill_name(fill.exec_id) == name), None)
        row = self._row(event)
        if before is not None:
            if before.exec_id >= event.exec_id:
                return self  # adapter and runner both tell of it
            row = row if event.is_leg else _without(row, before)
        fills = tuple(fill for fill in self.fills if fill is not before)
        return OrdersPanel(rows=self._with(_row_after(row, event)), fills=(*fills[1 - _FILLS :], event))

    def _with(self, row: OrderRow) -> Mapping[str, OrderRow]:
        rows = {**self.rows, row.client_order_id: row}
        if len(rows) > _ORDERS:
            over = (name for name, each in rows.items() if each.state in _OVER)
            del rows[next(over, next(iter(rows)))]
        return rows


def _without(row: OrderRow, fill: OrderFilled) -> OrderRow:
    """The row as it was before a fill that is corrected."""
    left = row.priced - fill.quantity
    cost = (row.price or 0.0) * row.priced - fill.price * fill.quantity
    return attrs.evolve(
        row, priced=left, price=cost / left if left else None, filled=row.filled - fill.quantity
    )


def _intended(event: OrderIntended) -> OrderRow:
    return OrderRow(
        client_order_id=event.client_order_id,
        signal_id=event.signal_id,
        symbol=event.symbol,
        subject=event.subject,
        purpose=event.purpose,
        side=event.side,
        quantity=event.quantity,
        reason=event.reason,
        intended_at=event.at,
        changed_at=event.at,
    )
