"""The table of figures: what a curve of equity and its trades come to."""

import math
from collections.abc import Sequence
from typing import Any, Final

import attrs
import numpy as np

from ibkeel.backtest.curve import Curve, Floats
from ibkeel.backtest.trades import Trade

_LEGIBLE: Final = 100.0  # of a unit; more is easier read in the next
_SESSIONS_A_YEAR: Final = 252
_FEWEST_SESSIONS: Final = 20  # fewer say nothing of a yearly ratio


@attrs.frozen(kw_only=True)
class Figures:
    """What came out, in dollars and fractions; None where there is nothing to reckon with.

    Args:
        start_equity: Before the first trade.
        end_equity: At the end, open positions at the market's price.
        net_profit: Their difference.
        total_return: The same as a fraction of the start.
        max_drawdown: Deepest fall from a top, as a fraction of it.
        max_drawdown_amount: Deepest fall in dollars.
        longest_drawdown: Seconds; the longest time below a top.
        sharpe: Yearly, of daily returns without a risk-free rate; needs 20 sessions.
        trades: Positions opened.
        open_trades: Those that were still held at the end.
        win_rate: Part of the closed trades that won.
        average_win: Of the closed trades that won.
        average_loss: Of the others, zero or below.
        profit_factor: All wins over all losses.
        expectancy: Average of all closed trades.
        best: The best closed trade.
        worst: The worst.
        average_holding: Seconds that a closed trade was held.
        commissions: All that was paid.
    """

    start_equity: float
    end_equity: float
    net_profit: float
    total_return: float
    max_drawdown: float
    max_drawdown_amount: float
    longest_drawdown: float
    sharpe: float | None
    trades: int
    open_trades: int
    win_rate: float | None
    average_win: float | None
    average_loss: float | None
    profit_factor: float | None
    expectancy: float | None
    best: float | None
    worst: float | None
    average_holding: float | None
    commissions: float

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in attrs.asdict(self).items()
        }


def figures_of(equity: Curve, trades: Sequence[Trade]) -> Figures:
    """Sum up.

    Args:
        equity: At least one point.
        trades: Round trips.
    """
    start, end = float(equity.value[0]), float(equity.value[-1])
    fall, closed = equity.drawdown(), [trade for trade in trades if trade.is_closed]
    profits = [trade.profit for trade in closed]
    wins = [value for value in profits if value > 0]
    losses = [value for value in profits if value <= 0]
    return Figures(
        start_equity=start,
        end_equity=end,
        net_profit=end - start,
        total_return=(end - start) / start if start else 0.0,
        max_drawdown=fall.fraction,
        max_drawdown_amount=fall.amount,
        longest_drawdown=fall.longest,
        sharpe=_sharpe(equity),
        trades=len(trades),
        open_trades=len(trades) - len(closed),
        win_rate=len(wins) / len(profits) if profits else None,
        average_win=_mean(wins),
        average_loss=_mean(losses),
        profit_factor=sum(wins) / -sum(losses) if sum(losses) < 0 else None,
        expectancy=_mean(profits),
        best=max(profits, default=None),
        worst=min(profits, default=None),
        average_holding=_mean([trade.seconds or 0.0 for trade in closed]),
        commissions=math.fsum(trade.commission for trade in trades),
    )


def lasting(seconds: float) -> str:
    """A length of time in the unit that reads best: minutes, hours or days."""
    for unit, name in ((60.0, "min"), (3600.0, "h")):
        if seconds < _LEGIBLE * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds / 86400.0:,.1f} days"


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _sharpe(equity: Curve) -> float | None:
    closes = _last_of_each_day(equity)
    if len(closes) < _FEWEST_SESSIONS or (closes <= 0).any():
        return None
    returns = np.diff(closes) / closes[:-1]
    spread = float(returns.std(ddof=1))
    return float(returns.mean()) / spread * math.sqrt(_SESSIONS_A_YEAR) if spread > 0 else None


def _last_of_each_day(equity: Curve) -> Floats:
    # A New York session lies within one day of UTC.
    days = equity.at.astype("datetime64[D]")
    is_last = np.append(days[1:] != days[:-1], np.True_)
    closes: Floats = equity.value[is_last]
    return closes
