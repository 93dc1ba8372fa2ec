"""Trading of stocks before the open and after the close, laid over any market: one path for each such span."""

import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import attrs
import numpy as np
from typing_extensions import override

from ibkeel.sim.market.bars import BarTable, Floats, Integers, joined
from ibkeel.sim.market.draws import generator
from ibkeel.sim.market.overlays import Overlay
from ibkeel.sim.values import (
    BarSize,
    Market,
    MarketQuote,
    SimBar,
    SimContract,
    SimSession,
)

_STEP: Final = timedelta(seconds=5)
_TICK: Final = 0.01
_LOT: Final = 100
_MOST_LOTS: Final = 5
_HALF_WIDTH: Final = 0.0006  # of the price, and up to twice as much
_WANDERS: Final = 0.004  # standard deviation of a span's return
_TRADES: Final = 0.2  # share of the steps that see a print

# Source: extended hours of US stocks, as IBKR lists them in a contract's trading hours: unverified for
# half days.
_EARLY, _LATE = time(4), time(20)
_SEARCH: Final = timedelta(days=10)
_SPANS: Final = 64
_BEFORE, _REGULAR, _AFTER = range(3)


@attrs.frozen(kw_only=True)
class Span:
    """When a stock trades outside its session: starts_at <= t < ends_at."""

    starts_at: datetime
    ends_at: datetime

    @property
    def steps(self) -> int:
        """How often its quote changes, the first showing included."""
        return max(1, (self.ends_at - self.starts_at) // _STEP)

    def step(self, at: datetime) -> int:
        """The step that shows at an instant; before the span its first, after it its last."""
        return min(max(0, (at - self.starts_at) // _STEP), self.steps - 1)


@attrs.frozen(kw_only=True, eq=False)
class Thin:
    """Quotes and prints of a span, one entry a step.

    Before the first print `last` is what the session left, and `last_size` 0. `traded` has the shares of the step's
    print; 0 where there was none.
    """

    span: Span
    bid: Floats
    ask: Floats
    bid_size: Integers
    ask_size: Integers
    last: Floats
    last_size: Integers
    traded: Integers

    def table(self, what: str) -> BarTable:
        """The span as the shortest bars of a kind: TRADES, BID, ASK or MIDPOINT."""
        at = int(self.span.starts_at.timestamp()) + np.arange(len(self.bid)) * int(_STEP.total_seconds())
        if what == "TRADES":
            printed = np.flatnonzero(self.traded)
            return BarTable.of_prints(at[printed], self.last[printed], self.traded[printed])
        prices = {"BID": self.bid, "ASK": self.ask, "MIDPOINT": np.round((self.bid + self.ask) / 2, 4)}
        return BarTable.of_prints(at, prices[what], np.zeros(len(at), dtype=np.int64))


class ExtendedMarket(Overlay):
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
        super().__init__(market)
        self._seed = seed
        self._late = lru_cache(maxsize=_SPANS)(self._drawn_late)
        self._early = lru_cache(maxsize=_SPANS)(self._drawn_early)
        self._latest = lru_cache(maxsize=_SPANS)(self._session_before)

    @override
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

    @override
    def next_change(self, contract: SimContract, after: datetime) -> datetime | None:
        own = (_next_step(span, after) for span in self._spans(contract, after))
        changes = (self._market.next_change(contract, after), *own)
        return min(filter(None, changes), default=None)

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
        return _drawn((self._seed, contract.con_id, session.day, "late"), span, close)

    def _drawn_early(self, contract: SimContract, session: SimSession) -> Thin | None:
        before = self._latest(session.day - timedelta(days=1))
        late = None if before is None else self._late(contract, before)
        quote = self._market.quote(contract, session.opens_at)
        opening = quote.last if quote.open is None else quote.open
        if late is None or opening is None:
            return None
        span = _early_hours(session, ZoneInfo(contract.timezone))
        name = (self._seed, contract.con_id, session.day, "early")
        return _drawn(name, span, float(late.last[-1]), opening)


def _drawn(name: tuple[object, ...], span: Span, last: float, opening: float | None = None) -> Thin:
    """A walk away from the last price before it, or a way from there to where the session opens."""
    rng = generator(*name)
    steps = rng.standard_normal(span.steps)
    steps[0] = 0.0
    walk = _WANDERS * np.cumsum(steps) / math.sqrt(span.steps)
    if opening is not None:
        walk = walk + np.linspace(0.0, 1.0, span.steps) * (math.log(opening / last) - walk[-1])
    return _thin(rng, span, last * np.exp(walk), last)


def _thin(rng: np.random.Generator, span: Span, mid: Floats, before: float) -> Thin:
    half = np.maximum(_TICK, mid * _HALF_WIDTH * (1.0 + rng.random(span.steps)))
    bid = np.round(np.maximum(np.floor((mid - half) / _TICK), 1.0) * _TICK, 2)
    ask = np.round(np.maximum(np.ceil((mid + half) / _TICK), 2.0) * _TICK, 2)
    is_traded = rng.random(span.steps) < _TRADES
    is_traded[0] = False  # the session's own last price is still the last
    paid = np.where(rng.random(span.steps) < 0.5, bid, ask)  # a fair coin
    shown = np.maximum.accumulate(np.where(is_traded, np.arange(span.steps), 0))
    last = np.where(shown > 0, paid[shown], before)
    sizes = _LOT * rng.integers(1, _MOST_LOTS + 1, size=(3, span.steps))
    return Thin(
        span=span,
        bid=bid,
        ask=ask,
        bid_size=sizes[0],
        ask_size=sizes[1],
        last=last,
        last_size=np.where(shown > 0, sizes[2][shown], 0),
        traded=np.where(is_traded, sizes[2], 0),
    )


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
    return min(span.starts_at + ((after - span.starts_at) // _STEP + 1) * _STEP, span.ends_at)
