"""When an order can trade."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import attrs

from ibkeel.sim.values import Market, SimContract, SimOrder, SimSession
from ibkeel.sim.venue.settlement import ends_at

# The longest run of closed days since 1945 was six, in September 2001.
_LOOK_AHEAD = timedelta(days=10)

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
    """The market's sessions, as windows in which an order trades.

    Args:
        market: Where the sessions come from.
    """

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
        ends = [ends_at(each, self._market) for each in _traded(order)]
        return min((at for at in ends if at is not None), default=None)

    def _search(self, zone: ZoneInfo, *, extended: bool, at: datetime) -> Window | None:
        day = at.astimezone(zone).date()
        for session in self._market.sessions(day, day + _LOOK_AHEAD):
            window = _window_of(session, zone, extended=extended)
            if at < window.closes_at:
                return window
        return None


def has_ended(contract: SimContract, at: datetime) -> bool:
    """Whether the last trading day of a contract has passed."""
    last = contract.last_trading_day or contract.expiry
    return last is not None and at.astimezone(ZoneInfo(contract.timezone)).date() > last


def is_expired(order: SimOrder, at: datetime) -> bool:
    """Whether the contract, or a leg, has ended."""
    return any(has_ended(each, at) for each in _traded(order))


def _traded(order: SimOrder) -> list[SimContract]:
    return [leg.contract for leg in order.legs] or [order.contract]


def _window_of(session: SimSession, zone: ZoneInfo, *, extended: bool) -> Window:
    if not extended:
        return Window(opens_at=session.opens_at, closes_at=session.closes_at)
    return Window(
        opens_at=datetime.combine(session.day, _EXTENDED_OPEN, zone).astimezone(session.opens_at.tzinfo),
        closes_at=datetime.combine(session.day, _EXTENDED_CLOSE, zone).astimezone(session.closes_at.tzinfo),
    )
