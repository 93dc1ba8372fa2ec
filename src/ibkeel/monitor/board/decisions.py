"""Today's decisions on the board, with their reasons."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkeel.telemetry import (
    DecisionMade,
    Event,
    SignalSeen,
    SymbolFailed,
    SymbolSkipped,
    SymbolWarmed,
    TradingDayOpened,
)

_DECISIONS: Final = 400
_SIGNALS: Final = 1000  # whose decision is not made yet
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


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
