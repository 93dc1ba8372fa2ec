"""Trading of stocks before the open and after the close, laid over any market."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from ibkeel.sim.market.afterhours import STEP, Span, Thin, early_span, late_span
from ibkeel.sim.market.bars import joined
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

# Source: extended hours of US stocks, as IBKR lists them in a contract's trading hours: unverified for
# half days.
_EARLY, _LATE = time(4), time(20)
_SEARCH: Final = timedelta(days=10)
_SPANS: Final = 64
_BEFORE, _REGULAR, _AFTER = range(3)


class ExtendedMarket:
    """A market whose stocks trade from 04:00 to 20:00 in New York on days with a session.

    Outside the session a stock has a wider quote of a few hundred shares that changes every five
    seconds, and now and then a print. After the close it walks away from the last price; before the open it
    comes from where that walk ended to where the session opens. Orders with `outside_rth` fill there. Options
    and indices have nothing, and the day's volume, high and low remain those of the session: unverified.
    Bars that are not of regular hours alone hold these prints; daily ones do not.

    Args:
        market: The market under it.
        seed: Names the draws.
    """

    def __init__(self, market: Market, *, seed: int = 0) -> None:
        self._market, self._seed = market, seed
        self._late = lru_cache(maxsize=_SPANS)(self._drawn_late)
        self._early = lru_cache(maxsize=_SPANS)(self._drawn_early)
        self._latest = lru_cache(maxsize=_SPANS)(self._session_before)

    def find(self, pattern: ContractPattern) -> Sequence[SimContract]:
        """Every contract that fits."""
        return self._market.find(pattern)

    def by_con_id(self, con_id: int) -> SimContract | None:
        """The contract of that id."""
        return self._market.by_con_id(con_id)

    def underlyings(self) -> Sequence[SimContract]:
        """Every stock and index that is listed."""
        return self._market.underlyings()

    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        """Option-chain definitions."""
        return self._market.option_classes(under_con_id)

    def sessions(self, start: date, end: date) -> Sequence[SimSession]:
        """Regular sessions with start <= day <= end."""
        return self._market.sessions(start, end)

    def greeks(self, contract: SimContract, at: datetime) -> ModelGreeks | None:
        """Model greeks, as of the market under it."""
        return self._market.greeks(contract, at)

    def quote(self, contract: SimContract, at: datetime) -> MarketQuote:
        """What the feed shows; between two days of trading, what the first one left."""
        base = self._market.quote(contract, at)
        session = self._session(contract, at)
        if session is None or session.opens_at <= at < session.closes_at:
            return base
        thin = self._early(contract, session) if at < session.opens_at else self._late(contract, session)
        if thin is None:
            return base
        step = thin.span.step(at)
        return base._replace(
            bid=float(thin.bid[step]),
            ask=float(thin.ask[step]),
            bid_size=int(thin.bid_size[step]),
            ask_size=int(thin.ask_size[step]),
            last=float(thin.last[step]),
            last_size=int(thin.last_size[step]) or base.last_size,
            is_extended=at < thin.span.ends_at,
        )

    def next_change(self, contract: SimContract, after: datetime) -> datetime | None:
        """First instant after `after` at which the quote may differ."""
        change = self._market.next_change(contract, after)
        own = (_next_step(span, after) for span in self._spans(contract, after))
        return min((at for at in (change, *own) if at is not None), default=None)

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
        """Bars with start <= at < end; those outside the session too unless `rth`."""
        regular = self._market.bars(contract, start=start, end=end, size=size, what=what, rth=rth)
        if rth or size is BarSize.DAY_1 or contract.sec_type != "STK":
            return regular
        parts = [(_REGULAR, bar) for bar in regular]
        parts += self._own_bars(contract, start, end, size, what)
        made: dict[datetime, SimBar] = {}
        for _, bar in sorted(parts, key=lambda part: (part[1].at, part[0])):
            made[bar.at] = joined(made[bar.at], bar) if bar.at in made else bar
        return tuple(made.values())

    def _own_bars(
        self, contract: SimContract, start: datetime, end: datetime, size: BarSize, what: str
    ) -> Iterator[tuple[int, SimBar]]:
        """Bars of the spans, each with its place beside a regular one of the same start."""
        zone = ZoneInfo(contract.timezone)
        for session in self._market.sessions(start.astimezone(zone).date(), end.astimezone(zone).date()):
            midnight = datetime.combine(session.day, time(), zone)
            spans = ((_BEFORE, self._early(contract, session)), (_AFTER, self._late(contract, session)))
            for place, thin in spans:
                if thin is None or thin.span.starts_at >= end:
                    continue
                seen = thin.table(what).between(thin.span.starts_at, min(end, thin.span.ends_at))
                table = seen.grouped(size.seconds, anchor=int(midnight.timestamp()))
                for bar in table.between(start, end).bars(traded=what == "TRADES"):
                    yield place, bar

    def _session(self, contract: SimContract, at: datetime) -> SimSession | None:
        """The session in whose extended day, or after it, an instant lies; None for what has only sessions."""
        if contract.sec_type != "STK":
            return None
        zone = ZoneInfo(contract.timezone)
        local = at.astimezone(zone)
        day = local.date() if local.time() >= _EARLY else local.date() - timedelta(days=1)
        return self._latest(day)

    def _session_before(self, day: date) -> SimSession | None:
        """The session of a day, or the last one before it."""
        return next(reversed(self._market.sessions(day - _SEARCH, day)), None)

    def _spans(self, contract: SimContract, at: datetime) -> Iterator[Span]:
        if contract.sec_type != "STK":
            return
        zone = ZoneInfo(contract.timezone)
        today = at.astimezone(zone).date()
        for session in self._market.sessions(today, today + _SEARCH)[:2]:
            yield _early_hours(session, zone)
            yield _late_hours(session, zone)

    def _drawn_late(self, contract: SimContract, session: SimSession) -> Thin | None:
        close = self._market.quote(contract, session.closes_at).last
        if close is None:
            return None
        span = _late_hours(session, ZoneInfo(contract.timezone))
        return late_span((self._seed, contract.con_id, session.day), span, close)

    def _drawn_early(self, contract: SimContract, session: SimSession) -> Thin | None:
        before = self._latest(session.day - timedelta(days=1))
        late = None if before is None else self._late(contract, before)
        quote = self._market.quote(contract, session.opens_at)
        opening = quote.last if quote.open is None else quote.open
        if late is None or opening is None:
            return None
        span = _early_hours(session, ZoneInfo(contract.timezone))
        name = (self._seed, contract.con_id, session.day)
        return early_span(name, span, float(late.last[-1]), opening)


def _early_hours(session: SimSession, zone: ZoneInfo) -> Span:
    starts_at = datetime.combine(session.day, _EARLY, zone).astimezone(session.opens_at.tzinfo)
    return Span(starts_at=starts_at, ends_at=session.opens_at)


def _late_hours(session: SimSession, zone: ZoneInfo) -> Span:
    ends_at = datetime.combine(session.day, _LATE, zone).astimezone(session.closes_at.tzinfo)
    return Span(starts_at=session.closes_at, ends_at=ends_at)


def _next_step(span: Span, after: datetime) -> datetime | None:
    if after >= span.ends_at:
        return None
    if after < span.starts_at:
        return span.starts_at
    return min(span.starts_at + ((after - span.starts_at) // STEP + 1) * STEP, span.ends_at)
