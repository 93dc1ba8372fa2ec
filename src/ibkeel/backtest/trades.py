"""From fills to round trips: what each position brought, from flat to flat."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import attrs

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
