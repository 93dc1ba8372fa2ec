"""The run on the board, its money and what guards it: session, cycles, loss guard, halt; and today's decisions."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

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
    PositionsSeen,
    RunBegan,
    RunFinished,
    SignalSeen,
    SymbolFailed,
    SymbolSkipped,
    SymbolWarmed,
    TradingDayClosed,
    TradingDayOpened,
)

_POINTS: Final = 500

_DECISIONS: Final = 400
_SIGNALS: Final = 1000  # whose decision is not made yet


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
    symbols: Mapping[str, SymbolRow] = attrs.field(factory=dict)
    counts: Mapping[str, int] = attrs.field(factory=dict)
    _signals: Mapping[str, SignalSeen] = attrs.field(factory=dict, alias="signals", repr=False)

    def after(self, event: Event) -> "DecisionsPanel":
        """The panel after one more event."""
        match event:
            case SignalSeen():
                signals = {**self._signals, event.signal_id: event}
                if len(signals) > _SIGNALS:
                    del signals[next(iter(signals))]
                return attrs.evolve(self, signals=signals)
            case DecisionMade():
                return self._decided(event)
            case SymbolFailed():
                return self._noted(event.symbol, event.at, "failed", f"{event.error}: {event.message}")
            case SymbolSkipped():
                return self._noted(event.symbol, event.at, "skipped", f"{event.cycles_left} more to sit out")
            case SymbolWarmed():
                return self._noted(event.symbol, event.at, "warm" if event.is_ready else "cold", event.detail)
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
        return attrs.evolve(self, symbols={**self.symbols, symbol: row})

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
            symbols={**self.symbols, event.symbol: symbol},
            counts={**self.counts, event.outcome: self.counts.get(event.outcome, 0) + 1},
            signals=signals,
        )
