"""A market that a seed makes up: stocks, funds, indices and their options, by the second."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt
from typing_extensions import override

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.sim.market.bars import BarTable, aligned
from ibkeel.sim.market.calendar import (
    LAST_YEAR,
    NEW_YORK,
    early_closes,
    latest_session,
    next_session,
    previous_session,
    session_on,
    sessions_between,
    trading_day,
    trading_day_start,
)
from ibkeel.sim.market.days import AHEAD, DayPath, Days, seconds_of
from ibkeel.sim.market.draws import digest, mixed, mixed_all
from ibkeel.sim.market.levels import PLAIN, Levels, Mood
from ibkeel.sim.market.universe import Universe
from ibkeel.sim.values import (
    BarSize,
    ContractPattern,
    Market,
    MarketQuote,
    ModelGreeks,
    OptionClass,
    Reach,
    SimBar,
    SimContract,
    SimSession,
)

_SECOND: Final = timedelta(seconds=1)
_SOME: Final = datetime.min.replace(tzinfo=NEW_YORK)
_LOT: Final = 100
_MOST: Final = 24  # lots
_FIRST_CHOICE: Final = date(2023, 1, 3)
_LAST_CHOICE: Final = date(2025, 12, 31)
_FIRST_DATE: Final = date(2015, 1, 2)
_LAST_DATE: Final = date(LAST_YEAR - 3, 12, 31)  # the listing reaches three Januaries ahead
_HISTORY: Final = 300  # sessions before the session date
_SPOT_DAYS: Final = 48  # each holds a path
_QUOTES: Final = 4096  # a margin takes those of a whole account, for each order
_KINDS: Final = ("ASK", "BID", "MIDPOINT", "TRADES")


@attrs.frozen(kw_only=True, eq=False)
class _SpotDay:
    """A session whose path is drawn; `close` is that of the one before, and `key` names the draws of sizes."""

    opens_at: datetime
    path: DayPath
    close: float
    is_quoted: bool
    key: int
    # Of the sizes at each second, for streams ask second after second.
    _draws: npt.NDArray[np.int16] = attrs.field(init=False, repr=False)

    @_draws.default
    def _drawn(self) -> npt.NDArray[np.int16]:
        return (mixed_all(self.key, len(self.path.mid)) % (_MOST * _MOST)).astype(np.int16)

    def quote(self, at: datetime) -> MarketQuote:
        """What the feed shows, at the open or later; after the last second what it left."""
        path, is_quoted = self.path, self.is_quoted
        second = min((at - self.opens_at) // _SECOND, len(path.mid) - 1)
        volume = path.volume.item(second)
        bid_size, ask_size = _sizes(self._draws.item(second)) if is_quoted else (None, None)
        # By position, which takes half as long.
        return MarketQuote(
            at,
            path.bid.item(second) if is_quoted else None,
            path.ask.item(second) if is_quoted else None,
            bid_size,
            ask_size,
            path.trade.item(second),
            volume - path.volume.item(second - 1) if second else volume,
            volume,
            path.trade.item(0),
            path.high.item(second),
            path.low.item(second),
            self.close,
        )


class SeededMarket(Market):
    """Prices as a pure function of seed, contract and time.

    Every draw comes from a generator named after what it is for, so queries may come in any
    order, be repeated or left out without changing an answer. numpy may change its streams
    between releases (NEP 19), and the market with them.

    Nothing trades outside the regular session. From 04:00 until the open, stocks show a flat
    quote around the previous close and options show no sides; after the close the last values
    stay. Rates and dividends are zero, so American options are worth as much as European ones.

    Args:
        seed: Names the world.
        session_date: The session that the option listing is relative to and that history is
            walked back from; by default a full session from 2023 to 2025, picked by the seed.
        symbols: Tickers to list beside the built-in ones; unknown ones get made-up figures.
        mood: What is not left to the seed, such as one of `MOODS`.
        daily: Tickers whose options expire on every session of the next eight weeks, as those of SPX, SPY and QQQ
            do; by default only on the last session of a week.

    Raises:
        ConfigurationError: `session_date` is no session that the calendar can serve, or `daily` names no ticker.
    """

    def __init__(
        self,
        seed: int,
        session_date: date | None = None,
        symbols: Iterable[str] = (),
        *,
        mood: Mood = PLAIN,
        daily: Iterable[str] = (),
    ) -> None:
        self.seed = seed
        self.session_date = _picked(seed) if session_date is None else _checked(session_date)
        self.first_day = _sessions_before(self.session_date, _HISTORY)
        levels = Levels(seed, self.session_date, mood)
        self._universe = Universe(today=self.session_date, extra=symbols, anchor=levels.anchor, daily=daily)
        self._days = Days(seed, self._universe, levels)
        self._spot_day = lru_cache(maxsize=_SPOT_DAYS)(self._drawn_spot_day)
        self._option_quote = lru_cache(maxsize=_QUOTES)(self._drawn_option_quote)
        self._shown = latest_session(self.session_date)  # the trading day that was asked about last

    @override
    def find(self, pattern: ContractPattern) -> Sequence[SimContract]:
        return self._universe.find(pattern)

    @override
    def by_con_id(self, con_id: int) -> SimContract | None:
        return self._universe.by_con_id(con_id)

    @override
    def underlyings(self) -> Sequence[SimContract]:
        return self._universe.underlyings()

    @override
    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        return self._universe.option_classes(under_con_id)

    @override
    def sessions(self, start: date, end: date) -> Sequence[SimSession]:
        return sessions_between(start, end)

    @override
    def quote(self, contract: SimContract, at: datetime) -> MarketQuote:
        """What the feed shows; every field is None before history begins."""
        session = self._session_of(contract, at)
        if session.day < self.first_day:
            return MarketQuote(at=at)
        if contract.sec_type == "OPT":
            return self._option_quote(contract.con_id, session.day, _second(session, at))._replace(at=at)
        return self._spot_quote(contract, session, at)

    @override
    def next_change(self, contract: SimContract, after: datetime) -> datetime | None:
        """The next whole second inside a session, or the next 04:00, when a new day begins."""
        session = self._session_of(contract, after)
        second = after.replace(microsecond=0) + timedelta(seconds=1)
        if second < session.closes_at:
            return max(second, session.opens_at)
        last, following = contract.last_trading_day, next_session(session.day)
        if following is None or (last is not None and following.day > last):
            return None
        return trading_day_start(following)

    def next_reach(self, contract: SimContract, after: datetime, reach: Reach) -> datetime | None:
        """The first second of the session at which the price is there; where it is not soon, when to ask again."""
        at, session = self.next_change(contract, after), self._session_of(contract, after)
        if at is None or not session.opens_at <= at < session.closes_at or session.day < self.first_day:
            return at
        second = (at - session.opens_at) // _SECOND
        prices = self._days.prices(contract, session.day, reach.price, second // AHEAD)[second % AHEAD :]
        there = (prices >= reach.level) if reach.rises else (prices <= reach.level) & (prices > 0.0)
        return at + _SECOND * (int(there.argmax()) if there.any() else len(prices))

    @override
    def greeks(self, contract: SimContract, at: datetime) -> ModelGreeks | None:
        """Model greeks; None for what is no option, before the open and after expiry."""
        session = self._session_of(contract, at)
        second = _second(session, at)
        if contract.sec_type != "OPT" or second is None or session.day < self.first_day:
            return None
        if at >= self._days.expires_at(contract):
            return None
        day, _ = self._days.option(contract.con_id, session.day)
        greeks = day.greeks(second)
        return ModelGreeks(
            iv=day.volatility(second),
            **attrs.asdict(greeks),
            price=day.value(second),
            underlying_price=float(day.spots[second]),
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

        With `rth`, bars are aligned to the session's open, otherwise to the clock in New York;
        a daily bar starts at the open. That the Gateway aligns hourly bars of regular hours to
        09:30 too is unverified. Bars of quotes carry -1 for volume, average and count. An index
        has TRADES only.

        Raises:
            InvalidInput: `what` is none of TRADES, MIDPOINT, BID and ASK.
        """
        if what not in _KINDS:
            raise InvalidInput(f"no bars of {what!r}; there are {', '.join(_KINDS)}")
        if contract.sec_type == "IND" and what != "TRADES":
            return ()
        first = max(self.first_day, start.astimezone(NEW_YORK).date())
        last = min(end.astimezone(NEW_YORK).date(), contract.last_trading_day or date.max)
        tables = (
            aligned(self._days.table(contract, session, what, end), session, size, rth=rth)
            for session in sessions_between(first, last)
            if session.opens_at < end
        )
        wanted = BarTable.joined(tables).between(start, end)
        return wanted.bars(traded=what == "TRADES")

    def _spot_quote(self, contract: SimContract, session: SimSession, at: datetime) -> MarketQuote:
        if at >= session.opens_at:
            return self._spot_day(contract.symbol, session.day).quote(at)
        close = self._days.close(contract.symbol, previous_session(session.day).day)
        quoted = self._universe.row(contract.symbol).sec_type == "STK"
        bid_size, ask_size = _sizes(mixed(self._days.quote_key(contract.symbol, session.day), -1))
        edge = round(0.01 + 0.0002 * close, 2)
        return MarketQuote(
            at=at,
            bid=round(close - edge, 2) if quoted else None,
            ask=round(close + edge, 2) if quoted else None,
            bid_size=bid_size if quoted else None,
            ask_size=ask_size if quoted else None,
            last=close,
            volume=0,
            close=close,
        )

    def _drawn_spot_day(self, symbol: str, day: date) -> _SpotDay:
        return _SpotDay(
            opens_at=latest_session(day).opens_at,
            path=self._days.path(symbol, day),
            close=self._days.close(symbol, previous_session(day).day),
            is_quoted=self._universe.row(symbol).sec_type == "STK",
            key=self._days.quote_key(symbol, day),
        )

    def _session_of(self, contract: SimContract, at: datetime) -> SimSession:
        """The session whose values show at an instant; an expired option keeps its last."""
        session = self._shown
        if not session.opens_at <= at < session.closes_at:
            self._shown = session = trading_day(at)
        last = contract.last_trading_day
        if last is not None and session.day > last:
            return latest_session(last)
        return session

    def _drawn_option_quote(self, con_id: int, date_: date, second: int | None) -> MarketQuote:
        """What shows in a second, or before the open, at whatever instant."""
        at, (day, prints) = _SOME, self._days.option(con_id, date_)
        if second is None:
            return MarketQuote(at=at, close=day.close, open_interest=day.open_interest)
        bid, ask = day.sides(second)
        bid_size, ask_size = day.sizes(second)
        shown = int(prints.second.searchsorted(second, side="right")) - 1
        traded = shown >= 0
        return MarketQuote(
            at=at,
            bid=bid,
            ask=ask,
            bid_size=bid_size if bid is not None else None,
            ask_size=ask_size,
            last=float(prints.price[shown]) if traded else None,
            last_size=int(prints.size[shown]) if traded else None,
            volume=int(prints.volume[shown]) if traded else 0,
            open=float(prints.price[0]) if traded else None,
            high=float(prints.high[shown]) if traded else None,
            low=float(prints.low[shown]) if traded else None,
            close=day.close,
            open_interest=day.open_interest,
        )


def _second(session: SimSession, at: datetime) -> int | None:
    """Seconds since the open, at most the session's last; None before the open."""
    if at < session.opens_at:
        return None
    return min(int((at - session.opens_at).total_seconds()), seconds_of(session) - 1)


def _picked(seed: int) -> date:
    days = [session.day for session in sessions_between(_FIRST_CHOICE, _LAST_CHOICE)]
    full = [day for day in days if day not in early_closes(day.year)]
    return full[digest(seed, "session date") % len(full)]


def _checked(day: date) -> date:
    if not _FIRST_DATE <= day <= _LAST_DATE or session_on(day) is None:
        raise ConfigurationError(
            f"{day} is no session of the simulated exchange; choose one from {_FIRST_DATE} to {_LAST_DATE}"
        )
    return day


def _sessions_before(day: date, count: int) -> date:
    for _ in range(count):
        day = previous_session(day).day
    return day


def _sizes(draw: int) -> tuple[int, int]:
    """Shares at the bid and at the ask, in whole lots."""
    return _LOT * (1 + draw % _MOST), _LOT * (1 + draw // _MOST % _MOST)
