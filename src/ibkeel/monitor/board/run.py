"""The run on the board, its money, and what guards it: session, cycles, loss guard, halt."""

from datetime import date, datetime
from typing import Final

import attrs

from ibkeel.telemetry import (
    AccountSeen,
    CycleEnded,
    CycleOverran,
    CycleStarted,
    Event,
    ExposureSeen,
    HaltChanged,
    HeldPosition,
    LossGuardRead,
    PositionsSeen,
    RunBegan,
    RunFinished,
    TradingDayClosed,
    TradingDayOpened,
)

_POINTS: Final = 500


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
