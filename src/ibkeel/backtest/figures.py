"""What fills come to: round trips, the curve of equity, and the table of figures.

A curve is a quantity over time, and tells how far it fell from its tops.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Self
from zoneinfo import ZoneInfo

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput
from ibkeel.model.bars import instant_of, second_of

_FLAT = 1e-9


class Deal(NamedTuple):
    """One change of a position: contracts or shares, negative when sold, at a price per share, and what made it."""

    name: str
    symbol: str
    at: datetime
    signed: float
    price: float
    commission: float
    multiplier: int
    cause: str


@attrs.frozen(kw_only=True)
class Trade:
    """A position from its first fill until it was flat again.

    Args:
        name: What was traded.
        symbol: Ticker of the underlying.
        quantity: Most that was held, negative when short.
        entered_at: Its first fill.
        entry_price: Average, per share.
        left_at: Its last fill; None when it is still held.
        exit_price: Average, per share; None while nothing was closed.
        cause: What closed it, such as `stop`; empty when it is still held.
        profit: Dollars of what was closed, by the average cost of what was held then, after all commissions.
        commission: Dollars.
    """

    name: str
    symbol: str
    quantity: float
    entered_at: datetime
    entry_price: float
    left_at: datetime | None
    exit_price: float | None
    cause: str
    profit: float
    commission: float

    @property
    def is_closed(self) -> bool:
        """Whether nothing of it is held."""
        return self.left_at is not None

    @property
    def seconds(self) -> float | None:
        """How long it was held; None when it still is."""
        return None if self.left_at is None else (self.left_at - self.entered_at).total_seconds()

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "contract": self.name,
            "symbol": self.symbol,
            "quantity": self.quantity,
            "entered_at": self.entered_at.isoformat(),
            "entry_price": round(self.entry_price, 6),
            "left_at": None if self.left_at is None else self.left_at.isoformat(),
            "exit_price": None if self.exit_price is None else round(self.exit_price, 6),
            "cause": self.cause,
            "profit": round(self.profit, 2),
            "commission": round(self.commission, 2),
        }


class _Open:
    """A position that is being built, or taken down."""

    def __init__(self, deal: Deal) -> None:
        self.begun = self.last = deal
        self.held = self.most = self.bought = self.closed = 0.0
        self.entry = self.exit = self.commission = self.cost = self.gain = 0.0

    def take(self, deal: Deal) -> None:
        self.last = deal
        self.commission += deal.commission
        worth = deal.signed * deal.price
        if self.held * deal.signed >= 0:
            self.bought += deal.signed
            self.entry += worth
            self.cost += worth
        else:
            cost = deal.signed * self.cost / self.held
            self.closed += deal.signed
            self.exit += worth
            self.gain += cost - worth
            self.cost += cost
        self.held += deal.signed
        if abs(self.held) > abs(self.most):
            self.most = self.held

    def trade(self) -> Trade:
        deal, is_flat = self.begun, abs(self.held) < _FLAT
        return Trade(
            name=deal.name,
            symbol=deal.symbol,
            quantity=self.most,
            entered_at=deal.at,
            entry_price=self.entry / self.bought,
            left_at=self.last.at if is_flat else None,
            exit_price=self.exit / self.closed if self.closed else None,
            cause=self.last.cause if is_flat else "",
            profit=self.gain * deal.multiplier - self.commission,
            commission=self.commission,
        )


def trades_of(deals: Iterable[Deal]) -> tuple[Trade, ...]:
    """Round trips in the order of their beginnings; what crosses zero ends one and begins another."""
    positions: dict[str, _Open] = {}
    everything: list[_Open] = []
    for deal in deals:
        for part in _parts(deal, positions.get(deal.name)):
            position = positions.get(part.name)
            if position is None:
                position = positions[part.name] = _Open(part)
                everything.append(position)
            position.take(part)
            if abs(position.held) < _FLAT:
                del positions[part.name]
    return tuple(position.trade() for position in everything)


def _parts(deal: Deal, position: _Open | None) -> tuple[Deal, ...]:
    """A deal that crosses zero, as the part that closes and the part that opens."""
    held = 0.0 if position is None else position.held
    after = held + deal.signed
    if held * after >= 0 or abs(after) < _FLAT:
        return (deal,)
    share = abs(held) / abs(deal.signed)
    closing = deal._replace(signed=-held, commission=deal.commission * share)
    opening = deal._replace(signed=after, commission=deal.commission * (1 - share))
    return closing, opening


Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.datetime64]
Places = npt.NDArray[np.int64]
_SECOND: Final = np.timedelta64(1, "s")
_LEGIBLE: Final = 100.0  # of a unit; more is easier read in the next
_SESSIONS_A_YEAR: Final = 252
_FEWEST_SESSIONS: Final = 20  # fewer say nothing of a yearly ratio


def _instants(value: npt.ArrayLike) -> Instants:
    return np.asarray(value, dtype="datetime64[s]")


def _floats(value: npt.ArrayLike) -> Floats:
    return np.asarray(value, dtype=np.float64)


@attrs.frozen(kw_only=True)
class Drawdown:
    """The deepest fall of a curve from a top before it.

    Args:
        amount: How far it fell, zero or more, in the curve's unit.
        fraction: The same in parts of that top; of all falls the one with the largest part.
        longest: Seconds from a top until it was reached again, or the curve ended; the longest.
    """

    amount: float
    fraction: float
    longest: float


@attrs.frozen(kw_only=True, eq=False)
class Curve:
    """Values at instants, as columns of shape `(n_points,)`.

    Args:
        at: Instants, `datetime64[s]` in UTC, ascending; the last of equal ones counts.
        value: One for each.

    Raises:
        InvalidInput: The columns differ in length.
    """

    at: Instants = attrs.field(converter=_instants)
    value: Floats = attrs.field(converter=_floats)

    def __attrs_post_init__(self) -> None:
        if self.at.shape != self.value.shape:
            raise InvalidInput(f"a curve has {len(self.at)} instants and {len(self.value)} values")

    @classmethod
    def of(cls, points: Iterable[tuple[datetime, float]]) -> Self:
        """A curve from points: aware instants, and values in the account's currency."""
        rows = list(points)
        return cls(at=[int(at.timestamp()) for at, _ in rows], value=[value for _, value in rows])

    def __len__(self) -> int:
        return len(self.at)

    def instant(self, index: int) -> datetime:
        """An instant, aware, in UTC."""
        return instant_of(self.at[index])

    def index(self, at: datetime) -> int:
        """The last point at or before an instant; the first when there is none."""
        place = int(np.searchsorted(self.at, second_of(at), side="right"))
        return max(place - 1, 0)

    def falls(self) -> "Curve":
        """How far the curve is below its highest value so far, in parts of it; zero or less."""
        tops = np.maximum.accumulate(self.value)
        falls = np.divide(self.value - tops, tops, out=np.zeros(len(self)), where=tops > 0)
        return Curve(at=self.at, value=falls)

    def drawdown(self) -> Drawdown:
        """The deepest and the longest fall."""
        if not len(self):
            return Drawdown(amount=0.0, fraction=0.0, longest=0.0)
        tops = np.maximum.accumulate(self.value)
        begins = np.maximum.accumulate(np.where(self.value >= tops, np.arange(len(self)), 0))
        # What is below its top at a point is so until the next one, where the top may be reached again.
        until = np.append(self.at[1:], self.at[-1:])
        under = np.where(self.value < tops, (until - self.at[begins]) / _SECOND, 0.0)
        return Drawdown(
            amount=float((tops - self.value).max()),
            fraction=abs(float(self.falls().value.min())),
            longest=float(under.max()),
        )

    def thinned(self, most: int) -> "Curve":
        """At most so many points that keep the ends, and the extremes of each stretch.

        Args:
            most: 4 or more.
        """
        kept = self.extremes(most)
        return Curve(at=self.at[kept], value=self.value[kept])

    def extremes(self, most: int) -> Places:
        """Indices of at most so many points: the ends, and the extremes of each stretch between them.

        Args:
            most: 4 or more.
        """
        if len(self) <= most:
            return np.arange(len(self))
        inner = np.array_split(np.arange(1, len(self) - 1), (most - 2) // 2)
        pairs = [(part[self.value[part].argmin()], part[self.value[part].argmax()]) for part in inner]
        return np.unique(np.array([0, *(index for pair in pairs for index in pair), len(self) - 1]))

    def rows(self) -> list[list[str | float]]:
        """Pairs of ISO text and value, for JSON."""
        return [
            [f"{text}Z", round(value, 6)]
            for text, value in zip(np.datetime_as_string(self.at), self.value.tolist(), strict=True)
        ]


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


def figures_of(equity: Curve, trades: Sequence[Trade], timezone: str = "America/New_York") -> Figures:
    """Sum up one point of equity or more, and the round trips, by the days of the exchange's time zone."""
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
        sharpe=_sharpe(equity, timezone),
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


def _sharpe(equity: Curve, timezone: str) -> float | None:
    ahead = ZoneInfo(timezone).utcoffset(equity.instant(0)) or timedelta()
    days = (equity.at + np.timedelta64(ahead)).astype("datetime64[D]")
    ends = np.append(days[1:] != days[:-1], np.True_)
    count = ends.sum()
    ends[0] = True  # where the first session begins
    closes = equity.value[ends]
    if count < _FEWEST_SESSIONS or (closes <= 0).any():
        return None
    returns = np.diff(closes) / closes[:-1]
    spread = float(returns.std(ddof=1))
    return float(returns.mean()) / spread * math.sqrt(_SESSIONS_A_YEAR) if spread > 0 else None
