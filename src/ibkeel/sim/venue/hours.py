"""When an order can trade: the sessions, and the auctions that open and close one.

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
from datetime import datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import attrs

from ibkeel.sim.values import Market, MarketQuote, SimContract, SimOrder, SimSession
from ibkeel.sim.venue.matching import usable_price
from ibkeel.sim.venue.settlement import ends_at

CLOSING_TYPES: Final = ("LOC", "MOC")
OPENING: Final = "OPG"

# The longest run of closed days since 1945 was six, in September 2001.
_LOOK_AHEAD: Final = timedelta(days=10)

# Source: extended hours of US stocks, as IBKR lists them in a contract's trading hours: unverified.
_EXTENDED_OPEN, _EXTENDED_CLOSE = time(4), time(20)


@attrs.frozen(kw_only=True)
class Window:
    """A span in which orders trade: opens_at <= t < closes_at."""

    opens_at: datetime
    closes_at: datetime

    def is_open(self, at: datetime) -> bool:
        """Whether orders trade at that instant."""
        return self.opens_at <= at < self.closes_at


class TradingHours:
    """The market's sessions, as windows in which an order trades."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._known: dict[tuple[str, bool], tuple[datetime, Window]] = {}

    def window(self, contract: SimContract, *, extended: bool, at: datetime) -> Window | None:
        """The window that holds `at`, else the next one; None when no session follows.

        Args:
            contract: What is traded; its time zone names the day.
            extended: Count the hours before and after a stock's regular session.
            at: Instant to look from.
        """
        extended = extended and contract.sec_type == "STK"
        key = (contract.timezone, extended)
        if key in self._known:
            since, window = self._known[key]
            if since <= at < window.closes_at:
                return window
        found = self._search(ZoneInfo(contract.timezone), extended=extended, at=at)
        if found is not None:
            self._known[key] = (at, found)
        return found

    def last_close(self, order: SimOrder) -> datetime | None:
        """When an order can trade last: the end of its option, or of the leg that ends first; None: no end.

        That a Gateway cancels what rests then in the ordinary way is unverified.
        """
        return min(filter(None, [ends_at(each, self._market) for each in traded(order)]), default=None)

    def _search(self, zone: ZoneInfo, *, extended: bool, at: datetime) -> Window | None:
        day = at.astimezone(zone).date()
        for session in self._market.sessions(day, day + _LOOK_AHEAD):
            window = window_of(session, zone, extended=extended)
            if at < window.closes_at:
                return window
        return None


def has_ended(contract: SimContract, at: datetime) -> bool:
    """Whether the last trading day of a contract has passed."""
    last = contract.last_trading_day or contract.expiry
    return last is not None and at.astimezone(ZoneInfo(contract.timezone)).date() > last


def is_expired(order: SimOrder, at: datetime) -> bool:
    """Whether the contract, or a leg, has ended."""
    return any(has_ended(each, at) for each in traded(order))


def traded(order: SimOrder) -> list[SimContract]:
    """What an order trades: its contract, or the legs of a combo."""
    return [leg.contract for leg in order.legs] or [order.contract]


def window_of(session: SimSession, zone: ZoneInfo, *, extended: bool) -> Window:
    """A session as a window."""
    if not extended:
        return Window(opens_at=session.opens_at, closes_at=session.closes_at)
    return Window(
        opens_at=datetime.combine(session.day, _EXTENDED_OPEN, zone).astimezone(session.opens_at.tzinfo),
        closes_at=datetime.combine(session.day, _EXTENDED_CLOSE, zone).astimezone(session.closes_at.tzinfo),
    )


@attrs.frozen(kw_only=True)
class Auction:
    """The auction that an order waits for: when it is held, and until when its price may still come."""

    at: datetime
    closes_at: datetime


class Outcome(NamedTuple):
    """What an auction came to; without a price nothing traded."""

    price: float | None


class Auctions:
    """When the auctions of a market are held, and at which price."""

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
