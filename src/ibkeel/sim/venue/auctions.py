"""Orders for the auctions that open and close a session.

An order for the opening (time in force OPG) or for the close (types MOC and LOC) trades at the price of its
auction and nowhere else; what does not trade there is cancelled. Sizes on show do not bound it, no cut-off
before an auction is enforced, and imbalances are not told: simplifications. A stock's prices are its first
and its last print of the session. Options have no closing auction; for their opening they trade at the first
quote with the side that they need (unverified). A stock that is halted at the open opens when the halt ends, at
the first price after it; one that is halted at the close has no closing auction (unverified).

Source:
    TWS API, "Market-On-Open", "Market-On-Close", "Limit-On-Open", "Limit-On-Close". What a client is told
    meanwhile and afterwards is unverified: PreSubmitted until the auction, and an ordinary cancellation.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import attrs

from ibkeel.sim.values import Market, MarketQuote, SimOrder, SimSession
from ibkeel.sim.venue.matching import usable_price

CLOSING_TYPES: Final = ("LOC", "MOC")
OPENING: Final = "OPG"

_LOOK_AHEAD: Final = timedelta(days=10)


@attrs.frozen(kw_only=True)
class Auction:
    """The auction that an order waits for: when it is held, and until when its price may still come."""

    at: datetime
    closes_at: datetime


class Outcome(NamedTuple):
    """What an auction came to; without a price nothing traded."""

    price: float | None


class Auctions:
    """When the auctions of a market are held, and at which price.

    Args:
        market: Sessions and prints.
    """

    def __init__(self, market: Market) -> None:
        self._market = market

    def ahead(self, order: SimOrder, at: datetime) -> Auction | None:
        """The next auction of the kind that an order is for; None for an order that is for none."""
        if order.tif != OPENING and order.order_type not in CLOSING_TYPES:
            return None
        today = at.astimezone(ZoneInfo(order.contract.timezone)).date()
        sessions = self._market.sessions(today, today + _LOOK_AHEAD)
        held = (Auction(at=_instant(order, each), closes_at=each.closes_at) for each in sessions)
        return next((auction for auction in held if auction.at > at), None)

    def outcome(self, order: SimOrder, auction: Auction, at: datetime) -> Outcome | None:
        """What the auction came to; None while it is not over."""
        if at < auction.at:
            return None
        if order.order_type in CLOSING_TYPES:
            closing = self._market.quote(order.contract, auction.at)
            return Outcome(None if closing.halted else usable_price(closing.last))
        if at >= auction.closes_at:
            return Outcome(None)
        price = self._opening(order, auction, self._market.quote(order.contract, at))
        return None if price is None else Outcome(price)

    def looks(self, order: SimOrder, auction: Auction, after: datetime) -> Iterable[datetime]:
        """Instants after `after`, one of which is the first at which there may be an outcome."""
        if after < auction.at:
            return (auction.at,)
        change = self._market.next_change(order.contract, after)
        return (auction.closes_at,) if change is None else (change, auction.closes_at)

    def _opening(self, order: SimOrder, auction: Auction, quote: MarketQuote) -> float | None:
        if quote.halted:
            return None
        if order.contract.sec_type == "OPT":
            return usable_price(quote.ask if order.action == "BUY" else quote.bid)
        was_halted = self._market.quote(order.contract, auction.at).halted
        return usable_price(quote.last if was_halted else quote.open)


def _instant(order: SimOrder, session: SimSession) -> datetime:
    return session.opens_at if order.tif == OPENING else session.closes_at
