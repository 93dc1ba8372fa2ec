"""When an order can trade."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import attrs

from ibkeel.sim.values import Market, SimContract, SimOrder, SimSession

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

    def _search(self, zone: ZoneInfo, *, extended: bool, at: datetime) -> Window | None:
        day = at.astimezone(zone).date()
        for session in self._market.sessions(day, day + _LOOK_AHEAD):
            window = _window_of(session, zone, extended=extended)
            if at < window.closes_at:
                return window
        return None


def is_expired(order: SimOrder, at: datetime) -> bool:
    """Whether the last trading day of the contract, or of a leg, has passed."""
    contracts = [leg.contract for leg in order.legs] or [order.contract]
    today = at.astimezone(ZoneInfo(order.contract.timezone)).date()
    ends = [contract.last_trading_day or contract.expiry for contract in contracts]
    return any(last is not None and today > last for last in ends)


def _window_of(session: SimSession, zone: ZoneInfo, *, extended: bool) -> Window:
    if not extended:
        return Window(opens_at=session.opens_at, closes_at=session.closes_at)
    return Window(
        opens_at=datetime.combine(session.day, _EXTENDED_OPEN, zone).astimezone(session.opens_at.tzinfo),
        closes_at=datetime.combine(session.day, _EXTENDED_CLOSE, zone).astimezone(session.closes_at.tzinfo),
    )
