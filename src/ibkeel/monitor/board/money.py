"""Money on the board: account, positions, exposure."""

from datetime import datetime
from typing import Final

import attrs

from ibkeel.telemetry import (
    AccountSeen,
    Event,
    ExposureSeen,
    HeldPosition,
    PositionsSeen,
    TradingDayOpened,
)

__all__ = ["MoneyPanel"]

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
