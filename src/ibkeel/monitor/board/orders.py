"""Requests and orders on the board: how many and how fast over the last hour; today's orders and fills."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from ibkeel.model import LatencySummary, OrderState, fill_name
from ibkeel.telemetry import (
    Event,
    OrderChanged,
    OrderFilled,
    OrderIntended,
    OrderPlaced,
    RequestEnded,
    RequestQueued,
    RequestSent,
    TradingDayOpened,
)

_KEPT: Final = 256
_POINTS: Final = 60
_MINUTE: Final = timedelta(minutes=1)
_ORDERS: Final = 400
_FILLS: Final = 400
_IN_DOUBT: Final = OrderState.UNKNOWN.value
_OVER: Final = frozenset(state.value for state in OrderState if state.is_final)


@attrs.frozen
class SparkPoint:
    """The requests of one kind that ended in one minute.

    Args:
        at: When the minute began.
        count: How many ended in a value.
        mean: Seconds of these, on average; 0 when there are none.
        worst: Seconds of the slowest.
        errors: How many ended in an error.
    """

    at: datetime
    count: int
    mean: float
    worst: float
    errors: int


@attrs.frozen
class KindRow:
    """Requests of one kind.

    Args:
        kind: Such as `quote`.
        answered: How many ended in a value.
        failed: How many ended in an error.
        last_error: Type of the last error; empty when there was none.
        last_error_at: When it came.
        seconds: From their bytes to their end, of the last values, oldest first.
        queued: Seconds in our queue, of the same.
        spark: One point for each of the last minutes in which any ended, oldest first.
    """

    kind: str
    answered: int = 0
    failed: int = 0
    last_error: str = ""
    last_error_at: datetime | None = None
    seconds: tuple[float, ...] = ()
    queued: tuple[float, ...] = ()
    spark: tuple[SparkPoint, ...] = ()

    @property
    def latency(self) -> LatencySummary | None:
        """Percentiles from sending to the value; None before the first."""
        return LatencySummary.of(self.seconds) if self.seconds else None

    @property
    def queueing(self) -> LatencySummary | None:
        """Percentiles of the wait in our own queue; None before the first."""
        return LatencySummary.of(self.queued) if self.queued else None

    def after(self, ended: Sequence[RequestEnded]) -> "KindRow":
        """The row with some more."""
        good = [event for event in ended if not event.error]
        bad = [event for event in ended if event.error]
        return KindRow(
            kind=self.kind,
            answered=self.answered + len(good),
            failed=self.failed + len(bad),
            last_error=bad[-1].error if bad else self.last_error,
            last_error_at=bad[-1].at if bad else self.last_error_at,
            seconds=(*self.seconds, *(event.seconds - event.queue_seconds for event in good))[-_KEPT:],
            queued=(*self.queued, *(event.queue_seconds for event in good))[-_KEPT:],
            spark=_extended(self.spark, ended),
        )


def _extended(spark: tuple[SparkPoint, ...], ended: Sequence[RequestEnded]) -> tuple[SparkPoint, ...]:
    points = list(spark)
    group: list[RequestEnded] = []
    for event in ended:
        if not points or event.at - points[-1].at >= _MINUTE:
            _close(points, group)
            group = []
            points.append(SparkPoint(event.at.replace(second=0, microsecond=0), 0, 0.0, 0.0, 0))
        group.append(event)
    _close(points, group)
    return tuple(points[-_POINTS:])


def _close(points: list[SparkPoint], group: Sequence[RequestEnded]) -> None:
    """Put what ended within the last point's minute into that point."""
    if not group:
        return
    point = points[-1]
    seconds = [event.seconds - event.queue_seconds for event in group if not event.error]
    count = point.count + len(seconds)
    points[-1] = SparkPoint(
        point.at,
        count,
        (point.mean * point.count + sum(seconds)) / count if count else 0.0,
        max((point.worst, *seconds)),
        point.errors + len(group) - len(seconds),
    )


@attrs.frozen
class RequestsPanel:
    """Requests by kind.

    Args:
        kinds: By name.
        under_way: Sent and not ended.
        queued: Waiting for their turn.
    """

    kinds: Mapping[str, KindRow] = attrs.field(factory=dict)
    under_way: int = 0
    queued: int = 0

    def on(self, events: Sequence[Event]) -> "RequestsPanel":
        """The panel after some more events."""
        ended: dict[str, list[RequestEnded]] = {}
        under_way, queued = self.under_way, self.queued
        for event in events:
            match event:
                case RequestEnded():
                    ended.setdefault(event.kind, []).append(event)
                    under_way -= event.was_sent
                    queued -= not event.was_sent and event.queue_seconds > 0
                case RequestSent():
                    under_way += 1
                    queued -= event.queue_seconds > 0
                case RequestQueued():
                    queued += 1
            # What began before the board did is not counted; after each event, or batches would differ.
            under_way, queued = max(0, under_way), max(0, queued)
        rows = {kind: (self.kinds.get(kind) or KindRow(kind)).after(few) for kind, few in ended.items()}
        kinds = {**self.kinds, **rows} if rows else self.kinds
        return RequestsPanel(kinds, under_way, queued)


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
