"""A market that was recorded: nothing is invented, and nothing shows before its time."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final

import attrs
from typing_extensions import override

from ibkeel.errors import InvalidInput
from ibkeel.sim.market.bars import BarTable, aligned
from ibkeel.sim.market.calendar import (
    FIRST_YEAR,
    NEW_YORK,
    latest_session,
    next_session,
    previous_session,
    sessions_between,
    trading_day,
    trading_day_start,
)
from ibkeel.sim.market.library import Feed, Library
from ibkeel.sim.market.listing import fits, wanted_symbol
from ibkeel.sim.market.options import greeks, implied_volatility
from ibkeel.sim.market.recordings import RecordedBar, table_of
from ibkeel.sim.values import (
    BarSize,
    ContractPattern,
    Market,
    MarketQuote,
    ModelGreeks,
    OptionClass,
    SimBar,
    SimContract,
    SimSession,
)

_YEAR: Final = 365.0 * 86400.0
_FIRST_DAY: Final = date(FIRST_YEAR, 1, 2)


class ReplayMarket(Market):
    """Recorded quotes, trades and open interest of one day, with the history before it.

    Each bar shows its open at its start and everything else at its last whole second (`minute +
    59 s`). Each side of a quote is carried forward on its own; a side that never came is None.
    The listing is what was recorded that day. Prices are as they were: no adjustment for
    splits and dividends. What the files do not hold stays None: the size of the last trade, an
    option's previous close.

    Model greeks invert the simulator's own pricer, with neither rate nor dividend, on the middle
    of the quote.

    Args:
        folder: Root of the recordings, with `equity`, `index`, `options` and `daily` in it.
        day: The session to replay.
        symbols: Underlyings to list. One that was only recorded daily, such as VIX, shows its
            open from the open and its close from the close.

    Raises:
        ConfigurationError: `day` is no session, or a symbol was not recorded on it; the message
            names what there is.
    """

    def __init__(self, folder: Path | str, *, day: date, symbols: Iterable[str]) -> None:
        self.session_date = day
        self._library = Library(Path(folder), day=day, symbols=symbols)
        self._listing: dict[str, list[SimContract]] = {}
        for contract in self._library.contracts.values():
            self._listing.setdefault(contract.symbol, []).append(contract)

    @override
    def find(self, pattern: ContractPattern) -> Sequence[SimContract]:
        if pattern.con_id:
            known = self.by_con_id(pattern.con_id)
            return (known,) if known is not None and fits(known, pattern) else ()
        listing = self._listing.get(wanted_symbol(pattern), ())
        return tuple(contract for contract in listing if fits(contract, pattern))

    @override
    def by_con_id(self, con_id: int) -> SimContract | None:
        return self._library.contracts.get(con_id)

    @override
    def underlyings(self) -> Sequence[SimContract]:
        spots = (each for each in self._library.contracts.values() if each.sec_type != "OPT")
        return tuple(sorted(spots, key=lambda contract: contract.symbol))

    @override
    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        classes: dict[str, list[SimContract]] = {}
        for contract in self._library.contracts.values():
            if contract.under_con_id == under_con_id and contract.sec_type == "OPT":
                classes.setdefault(contract.trading_class, []).append(contract)
        return tuple(
            OptionClass(
                exchange="SMART",
                trading_class=name,
                multiplier=100,
                expiries=tuple(sorted({each.last_trading_day for each in options if each.last_trading_day})),
                strikes=tuple(sorted({each.strike for each in options})),
            )
            for name, options in sorted(classes.items())
        )

    @override
    def sessions(self, start: date, end: date) -> Sequence[SimSession]:
        return sessions_between(start, end)

    @override
    def quote(self, contract: SimContract, at: datetime) -> MarketQuote:
        """What the feed showed; figures of the day are None until its first trade."""
        feed, second = self._library.feed(contract.con_id), math.floor(at.timestamp())
        if not feed.changes or second < feed.changes[0]:
            return MarketQuote(at=at)
        shown_at = datetime.fromtimestamp(min(second, feed.changes[-1]), UTC)
        tape, day = feed.tape.at(second), trading_day(shown_at).day
        today = tape if tape is not None and tape.day == day else None
        return MarketQuote(
            at=at,
            bid=feed.bid.at(second),
            ask=feed.ask.at(second),
            bid_size=feed.bid_size.at(second),
            ask_size=feed.ask_size.at(second),
            last=tape.last if tape else None,
            volume=today.volume if today else None,
            open=today.open if today else None,
            high=today.high if today else None,
            low=today.low if today else None,
            close=self._close_before(contract, feed, day),
            open_interest=feed.interest.at(second),
        )

    @override
    def next_change(self, contract: SimContract, after: datetime) -> datetime | None:
        """The next bar boundary that has data, or 04:00 before it when a day begins in between."""
        changes = self._library.feed(contract.con_id).changes
        position = bisect_right(changes, math.floor(after.timestamp()))
        if position == len(changes):
            return None
        change = datetime.fromtimestamp(changes[position], UTC)
        if position == 0 or trading_day(change).day == trading_day(after).day:
            return change
        following = next_session(trading_day(after).day)
        return change if following is None else min(change, trading_day_start(following))

    @override
    def greeks(self, contract: SimContract, at: datetime) -> ModelGreeks | None:
        """Greeks at the volatility implied by the middle of the quote.

        None when a side or the underlying's price is missing, after expiry, and when no
        volatility gives that price.
        """
        quote = self.quote(contract, at)
        spot = self._spot(contract, at)
        if contract.sec_type != "OPT" or quote.bid is None or quote.ask is None or spot is None:
            return None
        expiry = latest_session(contract.last_trading_day or date.min)
        years = (expiry.closes_at - at).total_seconds() / _YEAR
        middle, strike = 0.5 * (quote.bid + quote.ask), contract.strike
        volatility = implied_volatility(contract.right, middle, spot, strike, years)
        if volatility is None:
            return None
        found = greeks(contract.right, spot, strike, years, volatility)
        return ModelGreeks(
            iv=volatility,
            **attrs.asdict(found),
            price=middle,
            underlying_price=spot,
        )

    @override
    def bars(
        self,
        contract: SimContract,
        *,
        start: datetime,
        end: datetime,
        size: BarSize,
        what: str,
        rth: bool,
    ) -> Sequence[SimBar]:
        """Bars with start <= at < end, ascending; a bar that covers `end` is partial.

        Alignment is as in `SeededMarket.bars`. Minutes without activity have no bar. Daily bars
        come from the daily file where the session had ended by `end`, else from minutes. The
        average price of a minute is taken to be (high + low + close) / 3; the count is 0.

        Raises:
            InvalidInput: `what` is none of TRADES, MIDPOINT, BID and ASK.
        """
        feed = self._library.feed(contract.con_id)
        if what not in feed.bars:
            raise InvalidInput(f"no bars of {what!r}; there are {', '.join(sorted(feed.bars))}")
        first = max(_FIRST_DAY, start.astimezone(NEW_YORK).date())
        last = end.astimezone(NEW_YORK).date()
        daily = self._library.daily[contract.symbol] if _from_daily(contract, size, what) else {}
        tables = (
            table_of([daily[session.day]])
            if session.day in daily and session.closes_at <= end
            else aligned(
                table_of(_of_day(feed.bars[what], session, rth=rth), end=_ceiling(end)),
                session,
                size,
                rth=rth,
            )
            for session in sessions_between(first, last)
        )
        wanted = BarTable.joined(tables).between(start, end)
        return wanted.bars(traded=what == "TRADES")

    def _spot(self, contract: SimContract, at: datetime) -> float | None:
        under = self.by_con_id(contract.under_con_id)
        if under is None:
            return None
        quote = self.quote(under, at)
        if quote.bid is None or quote.ask is None:
            return quote.last
        return 0.5 * (quote.bid + quote.ask)

    def _close_before(self, contract: SimContract, feed: Feed, day: date) -> float | None:
        """Close of the session before a trading day; None when it was not recorded."""
        if contract.sec_type == "OPT":
            return None
        session = previous_session(day)
        daily = self._library.daily[contract.symbol].get(session.day)
        if daily is not None:
            return daily.close
        last = feed.tape.at(int(session.closes_at.timestamp()) - 1)
        return last.last if last is not None and last.day == session.day else None


def _from_daily(contract: SimContract, size: BarSize, what: str) -> bool:
    return size is BarSize.DAY_1 and what == "TRADES" and contract.sec_type != "OPT"


def _of_day(bars: Sequence[RecordedBar], session: SimSession, *, rth: bool) -> Sequence[RecordedBar]:
    """Bars of a session's date, or of the session alone."""
    if rth:
        first, end = session.opens_at, session.closes_at
    else:
        first = datetime.combine(session.day, time(), NEW_YORK)
        end = datetime.combine(session.day, time.max, NEW_YORK)
    begin, stop = _ceiling(first), _ceiling(end)
    return bars[bisect_right(bars, begin - 1, key=_start) : bisect_right(bars, stop - 1, key=_start)]


def _start(bar: RecordedBar) -> int:
    return bar.start


def _ceiling(at: datetime) -> int:
    return math.ceil(at.timestamp())
