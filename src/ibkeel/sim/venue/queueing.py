"""Where a resting limit stands among those who want the same price."""

import attrs

from ibkeel.sim.values import MarketQuote, SimOrder
from ibkeel.sim.venue.orders import OrderKey

__all__ = ["Queue"]


@attrs.define
class _Place:
    limit: float
    ahead: float | None  # None: the market has not come to this price yet
    volume: float


class Queue:
    """Fills of resting limits from trades at their price, after those who came first.

    An order joins behind the size that is shown at its price, or in front when it is better than the best.
    Each trade at its price or beyond serves first those ahead. Nobody ahead cancels, and our order changes no
    quote: unverified, and careful.
    """

    def __init__(self) -> None:
        self._places: dict[OrderKey, _Place] = {}

    def reached(self, order: SimOrder, quote: MarketQuote) -> float:
        """Units that have traded behind those ahead since the last look; the first look joins the queue."""
        key, limit = (order.client_id, order.order_id), order.limit_price
        best, size = (quote.bid, quote.bid_size) if order.action == "BUY" else (quote.ask, quote.ask_size)
        if limit is None or best is None or quote.volume is None:
            return 0.0
        place = self._places.get(key)
        if place is None or place.limit != limit:
            place = self._places[key] = _Place(limit=limit, ahead=None, volume=quote.volume)
        traded, place.volume = max(0.0, quote.volume - place.volume), quote.volume
        behind = best - limit if order.action == "BUY" else limit - best
        if behind > 0:  # others want it more
            return 0.0
        if place.ahead is None:
            place.ahead = float(size or 0) if behind == 0 else 0.0
            return 0.0
        if not _serves(order, limit, quote.last):
            return 0.0
        served = min(place.ahead, traded)
        place.ahead -= served
        return traded - served


def _serves(order: SimOrder, limit: float, last: float | None) -> bool:
    """Whether the last trade was at the order's price or beyond it."""
    if last is None:
        return False
    return last <= limit if order.action == "BUY" else last >= limit
