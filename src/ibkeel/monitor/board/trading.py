"""Money on the board: run, account, positions, today's orders and decisions, and what guards them."""

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkeel.telemetry import (
    AccountSeen,
    CycleEnded,
    CycleOverran,
    CycleStarted,
    DecisionMade,
    Event,
    ExposureSeen,
    HaltChanged,
    HeldPosition,
    LossGuardRead,
    OrderChanged,
    OrderFilled,
    OrderIntended,
    OrderPlaced,
    PositionsSeen,
    RunBegan,
    RunFinished,
    SignalSeen,
    SymbolFailed,
    SymbolSkipped,
    TradingDayClosed,
    TradingDayOpened,
)

__all__ = [
    "DecisionRow",
    "DecisionsPanel",
    "FillRow",
    "GuardPanel",
    "MoneyPanel",
    "OrderRow",
    "OrdersPanel",
    "RunPanel",
    "SymbolRow",
]

_ORDERS: Final = 400
_FILLS: Final = 400
_DECISIONS: Final = 400
_POINTS: Final = 500
_SIGNALS: Final = 1000  # whose decision is not made yet
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class RunPanel:
    """The run, its day and its cycles.

    Args:
        run: Its name; empty before it began.
        mode: Order mode.
        strategy: Name of the strategy.
        symbols: Tickers.
        began_at: When it began.
        outcome: How it ended; empty while it runs.
        day: Trading date; None before the first session.
        opens_at: When that session opens.
        closes_at: When it closes.
        day_is_over: Whether it was closed.
        cycle: Number of the last cycle.
        cycle_at: When it began.
        cycle_seconds: How long it took; None while it runs.
        interval: Seconds from one cycle to the next.
        overran: Cycles of this run that took longer than they might.
        failures: Failures of the last cycle that ended.
    """

    run: str = ""
    mode: str = ""
    strategy: str = ""
    symbols: tuple[str, ...] = ()
    began_at: datetime | None = None
    outcome: str = ""
    day: date | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    day_is_over: bool = False
    cycle: int = 0
    cycle_at: datetime | None = None
    cycle_seconds: float | None = None
    interval: float | None = None
    overran: int = 0
    failures: int = 0

    def after(self, event: Event) -> "RunPanel":
        """The panel after one more event."""
        match event:
            case CycleStarted():
                return attrs.evolve(
                    self,
                    cycle=event.number,
                    cycle_at=event.at,
                    cycle_seconds=None,
                    interval=event.interval,
                )
            case CycleEnded():
                return attrs.evolve(
                    self, cycle=event.number, cycle_seconds=event.seconds, failures=event.failures
                )
            case CycleOverran():
                return attrs.evolve(self, overran=self.overran + 1)
            case TradingDayOpened():
                return attrs.evolve(
                    self,
                    day=event.day,
                    opens_at=event.opens_at,
                    closes_at=event.closes_at,
                    day_is_over=False,
                )
            case TradingDayClosed():
                return attrs.evolve(self, day_is_over=True)
            case RunBegan():
                return RunPanel(
                    run=event.run,
                    mode=event.mode,
                    strategy=event.strategy,
                    symbols=event.symbols,
                    began_at=event.at,
                )
            case RunFinished():
                return attrs.evolve(self, outcome=event.outcome)
            case _:
                return self


@attrs.frozen(kw_only=True)
class MoneyPanel:
    """Account and positions.

    Args:
        account: As last read; None before.
        equity: Time and equity of the session's readings, thinned out, oldest first.
        positions: As last read, each with the orders that protect it.
        positions_at: When that was; None before.
        exposure: What the positions amount to; None when that was not told.
    """

    account: AccountSeen | None = None
    equity: tuple[tuple[datetime, float], ...] = ()
    positions: tuple[HeldPosition, ...] = ()
    positions_at: datetime | None = None
    exposure: ExposureSeen | None = None

    def after(self, event: Event) -> "MoneyPanel":
        """The panel after one more event."""
        match event:
            case AccountSeen():
                equity = (*self.equity, (event.at, event.net_liquidation))
                if len(equity) > _POINTS:
                    equity = (*equity[:-1:2], equity[-1])
                return attrs.evolve(self, account=event, equity=equity)
            case PositionsSeen():
                return attrs.evolve(self, positions=event.positions, positions_at=event.at)
            case ExposureSeen():
                return attrs.evolve(self, exposure=event)
            case TradingDayOpened():
                return attrs.evolve(self, equity=())
            case _:
                return self


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
        case OrderFilled():
            total = row.priced + event.quantity
            price = (
                event.price
                if row.price is None
                else row.price + (event.price - row.price) * event.quantity / total
            )
            return attrs.evolve(
                row,
                subject=event.subject,
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
        rows: By name of the order, in the order of first mention; the oldest are dropped beyond 400.
        fills: Executions, oldest first, likewise.
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
            case TradingDayOpened():
                return OrdersPanel()
            case _:
                return self

    def _with(self, row: OrderRow) -> Mapping[str, OrderRow]:
        rows = {**self.rows, row.client_order_id: row}
        if len(rows) > _ORDERS:
            del rows[next(iter(rows))]
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


@attrs.frozen(kw_only=True)
class DecisionRow:
    """What came of one symbol in one cycle, if it came to more than no signal.

    Args:
        at: When.
        signal_id: As in the orders that came of it.
        symbol: Ticker.
        direction: What the strategy said: `up` or `down`; empty for no signal.
        confidence: From 0 to 1.
        outcome: One word.
        reasons: Why it went no further, or why this order.
        facts: What the signal rests on.
    """

    at: datetime
    signal_id: str
    symbol: str
    direction: str = ""
    confidence: float = 0.0
    outcome: str
    reasons: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


@attrs.frozen
class SymbolRow:
    """How one symbol fares.

    Args:
        symbol: Ticker.
        at: When anything was last heard of it.
        outcome: Of its last cycle: a decision's word, `failed` or `skipped`.
        detail: Why, in words.
        failures: Failures since its last decision.
    """

    symbol: str
    at: datetime
    outcome: str
    detail: str = ""
    failures: int = 0


@attrs.frozen(kw_only=True)
class DecisionsPanel:
    """Today's decisions.

    Args:
        rows: Signals and what came of them, oldest first; the oldest are dropped beyond 400.
        symbols: The last word on each symbol.
        counts: How many decisions of today came to each outcome.
    """

    rows: tuple[DecisionRow, ...] = ()
    symbols: Mapping[str, SymbolRow] = _NOTHING
    counts: Mapping[str, int] = _NOTHING
    _signals: Mapping[str, SignalSeen] = attrs.field(default=_NOTHING, alias="signals", repr=False)

    def after(self, event: Event) -> "DecisionsPanel":
        """The panel after one more event."""
        match event:
            case SignalSeen():
                signals = {**self._signals, event.signal_id: event}
                if len(signals) > _SIGNALS:
                    del signals[next(iter(signals))]
                return attrs.evolve(self, signals=MappingProxyType(signals))
            case DecisionMade():
                return self._decided(event)
            case SymbolFailed():
                return self._noted(event.symbol, event.at, "failed", f"{event.error}: {event.message}")
            case SymbolSkipped():
                return self._noted(event.symbol, event.at, "skipped", f"{event.cycles_left} more to sit out")
            case TradingDayOpened():
                return DecisionsPanel()
            case _:
                return self

    def _noted(self, symbol: str, at: datetime, outcome: str, detail: str) -> "DecisionsPanel":
        if not symbol:
            return self
        before = self.symbols.get(symbol)
        failures = (before.failures if before else 0) + (outcome == "failed")
        row = SymbolRow(symbol, at, outcome, detail, failures)
        return attrs.evolve(self, symbols=MappingProxyType({**self.symbols, symbol: row}))

    def _decided(self, event: DecisionMade) -> "DecisionsPanel":
        signals = {**self._signals}
        signal = signals.pop(event.signal_id, None)
        reasons = event.reasons
        symbol = SymbolRow(event.symbol, event.at, event.outcome, "; ".join(reasons))
        rows = self.rows
        if signal is not None or event.outcome != "no_signal":
            row = DecisionRow(
                at=event.at,
                signal_id=event.signal_id,
                symbol=event.symbol,
                direction=signal.direction if signal else "",
                confidence=signal.confidence if signal else 0.0,
                outcome=event.outcome,
                reasons=reasons,
                facts=signal.reasons if signal else (),
            )
            rows = (*rows[1 - _DECISIONS :], row)
        return DecisionsPanel(
            rows=rows,
            symbols=MappingProxyType({**self.symbols, event.symbol: symbol}),
            counts=MappingProxyType({**self.counts, event.outcome: self.counts.get(event.outcome, 0) + 1}),
            signals=MappingProxyType(signals),
        )


@attrs.frozen(kw_only=True)
class GuardPanel:
    """What stops new entries.

    Args:
        loss: The daily loss guard's last verdict; None before.
        is_halted: Whether entries are halted.
        halt_reason: Why.
        halted_at: When that was turned; None when it never was.
    """

    loss: LossGuardRead | None = None
    is_halted: bool = False
    halt_reason: str = ""
    halted_at: datetime | None = None

    def after(self, event: Event) -> "GuardPanel":
        """The panel after one more event."""
        match event:
            case LossGuardRead():
                return attrs.evolve(self, loss=event)
            case HaltChanged():
                return attrs.evolve(
                    self, is_halted=event.is_halted, halt_reason=event.reason, halted_at=event.at
                )
            case _:
                return self
