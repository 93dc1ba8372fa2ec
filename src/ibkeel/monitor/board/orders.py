"""Today's orders and fills on the board."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkeel.model import OrderState
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
_OVER: Final = frozenset(state.value for state in OrderState if state.is_final)
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


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
    quantity: int = 0
    reason: str = ""
    state: str = "intent"
    state_reason: str = ""
    filled: float = 0.0
    priced: float = 0.0
    price: float | None = None
    was_sent: bool | None = None
    intended_at: datetime | None = None
    changed_at: datetime


@attrs.frozen(kw_only=True)
class FillRow:
    """One execution of today."""

    at: datetime
    exec_id: str
    client_order_id: str
    subject: str
    side: str
    quantity: float
    price: float


def _row_after(row: OrderRow, event: OrderPlaced | OrderChanged | OrderFilled) -> OrderRow:
    match event:
        case OrderPlaced():
            state = "sent" if event.was_sent and row.state == "intent" else row.state
            return attrs.evolve(
                row,
                subject=event.subject,
                side=event.side,
                quantity=event.quantity,
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

    rows: Mapping[str, OrderRow] = _NOTHING
    fills: tuple[FillRow, ...] = ()

    def after(self, event: Event) -> "OrdersPanel":
        """The panel after one more event."""
        match event:
            case OrderIntended():
                return attrs.evolve(self, rows=self._with(_intended(event)))
            case OrderFilled() if any(fill.exec_id == event.exec_id for fill in self.fills):
                return self  # adapter and runner both tell of it
            case OrderPlaced() | OrderChanged() | OrderFilled():
                name = event.client_order_id
                row = self.rows.get(name) or OrderRow(client_order_id=name, changed_at=event.at)
                rows = self._with(_row_after(row, event))
                fills = (
                    (*self.fills[1 - _FILLS :], _fill(event))
                    if isinstance(event, OrderFilled)
                    else self.fills
                )
                return OrdersPanel(rows=rows, fills=fills)
            case TradingDayOpened(opens_at=opens_at):  # an earlier run's of the same day stay
                rows = {name: row for name, row in self.rows.items() if row.changed_at >= opens_at}
                fills = tuple(fill for fill in self.fills if fill.at >= opens_at)
                return OrdersPanel(rows=MappingProxyType(rows), fills=fills)
            case _:
                return self

    def _with(self, row: OrderRow) -> Mapping[str, OrderRow]:
        rows = {**self.rows, row.client_order_id: row}
        if len(rows) > _ORDERS:
            over = (name for name, each in rows.items() if each.state in _OVER)
            del rows[next(over, next(iter(rows)))]
        return MappingProxyType(rows)


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


def _fill(event: OrderFilled) -> FillRow:
    return FillRow(
        at=event.at,
        exec_id=event.exec_id,
        client_order_id=event.client_order_id,
        subject=event.subject,
        side=event.side,
        quantity=event.quantity,
        price=event.price,
    )
