"""The seeded world by session: paths, option days and bars, each drawn once and kept a while.

A symbol's path has one number a second. It is drawn at once, from a generator of its own, and bridged to the
return that the session was given beforehand; so daily closes need no paths, and agree with them.
"""

import math
from datetime import date, datetime
from functools import lru_cache
from typing import Final, TypeVar

import attrs
import numpy as np

from ibkeel.sim.market.bars import BarTable, Floats, Integers
from ibkeel.sim.market.calendar import latest_session, previous_session
from ibkeel.sim.market.draws import digest, generator
from ibkeel.sim.market.levels import Levels
from ibkeel.sim.market.listing import MARKET_VOLATILITY, Underlying
from ibkeel.sim.market.options import OptionDay, Prints, option_day
from ibkeel.sim.market.universe import Universe
from ibkeel.sim.values import SimContract, SimSession

TICK: Final = 0.01
AHEAD: Final = 1_024
"""Seconds of a session whose prices are looked at at once."""

_FEWEST_TRENDS, _MOST_TRENDS = 4, 7
_Number = TypeVar("_Number", float, Floats)
_PATHS: Final = 48  # of about a megabyte
_CLOSES: Final = 4096
_OPTIONS: Final = 4096
_TABLES: Final = 8192
_STRETCHES: Final = 256
_MINUTE: Final = 60
_FULL_SESSION: Final = 23_400
_VOLATILITY_INDEX: Final = "VIX"


@attrs.frozen(kw_only=True, eq=False)
class DayPath:
    """A session of one underlying; each array has one entry for each second from the open.

    Options are valued on `mid`, which is not rounded. An index has no quotes: its `bid` and `ask` are its `trade`.
    `volume`, `high` and `low` count from the open, that second included.
    """

    mid: Floats
    bid: Floats
    ask: Floats
    trade: Floats
    volume: Integers
    high: Floats
    low: Floats


@attrs.frozen(kw_only=True, eq=False)
class _Factor:
    """The market factor within a session, and the level of volatility that it drives."""

    path: Floats
    heat: Floats


class Days:
    """What happened in each session of a seeded world.

    Everything is a function of seed, contract and day; the caches only save time.
    """

    def __init__(self, seed: int, universe: Universe, levels: Levels) -> None:
        self._seed, self._universe, self._levels = seed, universe, levels
        self._factor = lru_cache(maxsize=_PATHS)(self._drawn_factor)
        self.close = lru_cache(maxsize=_CLOSES)(self._rounded_close)
        self.quote_key = lru_cache(maxsize=_CLOSES)(self._drawn_quote_key)
        self.path = lru_cache(maxsize=_PATHS)(self._drawn_path)
        self.option = lru_cache(maxsize=_OPTIONS)(self._drawn_option)
        self.prices = lru_cache(maxsize=_STRETCHES)(self._drawn_prices)
        self._minutes = lru_cache(maxsize=_TABLES)(self._drawn_minutes)

    def _drawn_quote_key(self, symbol: str, day: date) -> int:
        return digest(self._seed, symbol, day, "sizes")

    def _rounded_close(self, symbol: str, day: date) -> float:
        row = self._universe.row(symbol)
        if symbol == _VOLATILITY_INDEX:
            return round(_points(self._heat_at_close(day)), 2)
        return round(self._levels.close(row, day), 2)

    def expires_at(self, contract: SimContract) -> datetime:
        """The instant at which an option's time value is gone."""
        return self._universe.series_of(contract).expires_at

    def table(self, contract: SimContract, session: SimSession, what: str, end: datetime) -> BarTable:
        """One-minute bars of a kind in a session, of what happens before `end`."""
        until = min(math.ceil((end - session.opens_at).total_seconds()), seconds_of(session))
        whole = until // _MINUTE * _MINUTE
        opens = int(session.opens_at.timestamp())
        everything = self._minutes(contract.con_id, session.day, what)
        table = everything.rows(0, int(np.searchsorted(everything.start, opens + whole)))
        if whole == until:
            return table
        tail = self._prints(contract, session, what, whole, until).grouped(_MINUTE, anchor=opens)
        return BarTable.joined((table, tail))

    def _drawn_minutes(self, con_id: int, day: date, what: str) -> BarTable:
        contract, session = self._known(con_id), latest_session(day)
        prints = self._prints(contract, session, what, 0, seconds_of(session))
        return prints.grouped(_MINUTE, anchor=int(session.opens_at.timestamp()))

    def _prints(
        self, contract: SimContract, session: SimSession, what: str, first: int, last: int
    ) -> BarTable:
        """A row for each print, or each second's quote, with first <= second < last."""
        opens = int(session.opens_at.timestamp())
        if contract.sec_type == "OPT" and what == "TRADES":
            _, prints = self.option(contract.con_id, session.day)
            low, high = np.searchsorted(prints.second, (first, last))
            price, size = prints.price[low:high], prints.size[low:high]
            return BarTable.of_prints(prints.second[low:high] + opens, price, size)
        at = np.arange(first + opens, last + opens, dtype=np.int64)
        if what == "TRADES":
            path = self.path(contract.symbol, session.day)
            shares = np.diff(path.volume[max(first - 1, 0) : last], prepend=0 if not first else [])
            return BarTable.of_prints(at, path.trade[first:last], shares)
        bid, ask = self._quotes(contract, session.day, first, last)
        price = {"BID": bid, "ASK": ask, "MIDPOINT": np.round(0.5 * (bid + ask), 4)}[what]
        shown = np.flatnonzero((bid > 0) | (what == "ASK"))
        nothing = np.zeros(len(shown), dtype=np.int64)
        return BarTable.of_prints(at[shown], price[shown], nothing)

    def _quotes(self, contract: SimContract, day: date, first: int, last: int) -> tuple[Floats, Floats]:
        if contract.sec_type == "OPT":
            return self.option(contract.con_id, day)[0].quotes(first, last)
        path = self.path(contract.symbol, day)
        return path.bid[first:last], path.ask[first:last]

    def _drawn_prices(self, contract: SimContract, day: date, name: str, stretch: int) -> Floats:
        """Bids, asks or last prices of a stretch of `AHEAD` seconds; a price of zero means none."""
        first = stretch * AHEAD
        last = min(first + AHEAD, seconds_of(latest_session(day)))
        if name == "last":
            return self.path(contract.symbol, day).trade[first:last]
        bid, ask = self._quotes(contract, day, first, last)
        return bid if name == "bid" else ask

    def _drawn_factor(self, day: date) -> _Factor:
        deviation, total = self._levels.market_deviation(day), self._levels.market_return(day)
        seconds = seconds_of(latest_session(day))
        course = self._levels.course(day, seconds)
        path = course + _factor_path(
            (self._seed, "market", day),
            seconds=seconds,
            deviation=deviation,
            total=total - float(course[-1]),
        )
        return _Factor(path=path, heat=self._levels.heat(day) * np.exp(path * self._levels.feedback(day)))

    def _drawn_path(self, symbol: str, day: date) -> DayPath:
        row, levels, factor = self._universe.row(symbol), self._levels, self._factor(day)
        name, seconds = (self._seed, symbol, day), len(factor.path)
        if symbol == _VOLATILITY_INDEX:
            return _made_path(name, row, _points(factor.heat), 0.0)
        log_return = row.beta * factor.path
        deviation = levels.own_deviation(row, day)
        if deviation:
            total = levels.own_return(row, day)
            log_return += _factor_path(name, seconds=seconds, deviation=deviation, total=total)
        mid = levels.first_price(row, day) * np.exp(log_return)
        volume = levels.day_volume(row, day) * seconds / _FULL_SESSION
        return _made_path(name, row, mid, volume, bounces=not levels.is_still, auctions=levels.auctions)

    def _drawn_option(self, con_id: int, day: date) -> tuple[OptionDay, Prints]:
        """An option's session and its trades."""
        contract = self._known(con_id)
        session, before = latest_session(day), previous_session(day)
        expires_at = self.expires_at(contract)
        return option_day(
            self._universe.row(contract.symbol),
            contract,
            name=(self._seed, day),
            spots=self.path(contract.symbol, day).mid,
            heats=self._factor(day).heat,
            left=(expires_at - session.opens_at).total_seconds(),
            before=(
                self._levels.close(self._universe.row(contract.symbol), before.day),
                self._heat_at_close(before.day),
                (expires_at - before.closes_at).total_seconds(),
            ),
        )

    def _heat_at_close(self, day: date) -> float:
        total = self._levels.market_return(day)
        return self._levels.heat(day) * math.exp(self._levels.feedback(day) * total)

    def _known(self, con_id: int) -> SimContract:
        contract = self._universe.by_con_id(con_id)
        assert contract is not None, "only contracts of this universe are asked for"
        return contract


def seconds_of(session: SimSession) -> int:
    """Length of a session in seconds."""
    return int((session.closes_at - session.opens_at).total_seconds())


def _factor_path(name: tuple[object, ...], *, seconds: int, deviation: float, total: float) -> Floats:
    """A log-price path from 0 to `total`, with the day's U-shaped variance, of that deviation in all, and with trends."""
    rng = generator(*name, "path")
    share = _variance_shares(seconds)
    steps = rng.standard_normal(seconds) * np.sqrt(share)
    steps[0] = 0.0
    path = deviation * (np.cumsum(steps) + _trends(rng, seconds))
    return np.asarray(path + (total - path[-1]) * np.cumsum(share), dtype=np.float64)


def _made_path(
    name: tuple[object, ...],
    row: Underlying,
    mid: Floats,
    day_volume: float,
    *,
    bounces: bool = True,
    auctions: tuple[float, float] = (0.0, 0.0),
) -> DayPath:
    """Quotes, prints and volume around a price path; the last print is the last price, as in a closing auction.

    An underlying without a volume is an index, which only has prints. The first and the last print have their
    shares of `day_volume` in `auctions` on top of their own.
    """
    rng, seconds = generator(*name, "prints"), len(mid)
    if not row.day_volume:
        trade = np.round(mid, 2)
        bid, ask, volume = trade, trade, np.zeros(seconds, dtype=np.int64)
    else:
        width = _tick_widths(rng, row, seconds, float(mid[0]))
        low = np.floor(mid / TICK - 0.5 * (width - 1))
        bid, ask = np.round(low * TICK, 2), np.round((low + width) * TICK, 2)
        trade = np.where(rng.random(seconds) < 0.5, bid, ask)  # a fair coin
        if not bounces:
            trade = np.round(mid, 2)
        trade[-1] = round(float(mid[-1]), 2)
        expected = day_volume * _volume_shares(seconds)
        sizes = np.maximum(1, expected * rng.exponential(size=seconds)).astype(np.int64)
        sizes[[0, -1]] += np.round(day_volume * np.asarray(auctions)).astype(np.int64)
        volume = np.cumsum(sizes)
    return DayPath(
        mid=mid,
        bid=bid,
        ask=ask,
        trade=trade,
        volume=volume,
        high=np.maximum.accumulate(trade),
        low=np.minimum.accumulate(trade),
    )


def _trends(rng: np.random.Generator, seconds: int) -> Floats:
    """Straight segments of 20 minutes to 2 hours, in units of the session's deviation."""
    count = int(rng.integers(_FEWEST_TRENDS, _MOST_TRENDS + 1))
    lengths = rng.uniform(0.6, 1.6, size=count)
    knots = np.concatenate(([0.0], np.cumsum(lengths / lengths.sum()))) * (seconds - 1)
    sizes = rng.uniform(0.35, 0.9, size=count) * np.sqrt(lengths / lengths.sum())
    moves = np.where(rng.random(count) < 0.5, -sizes, sizes)  # a fair coin
    levels = np.concatenate(([0.0], np.cumsum(moves)))
    return np.asarray(np.interp(np.arange(seconds), knots, levels), dtype=np.float64)


def _tick_widths(rng: np.random.Generator, row: Underlying, seconds: int, first_price: float) -> Floats:
    """Width of the quote in ticks: at least one, more for thin or dear names and at the open."""
    usual = max(1.0, row.spread**1.5 * first_price / 500.0)
    opening = 1.0 + 2.0 * np.exp(-np.arange(seconds) / 180.0)
    return np.asarray(np.floor(usual * opening + rng.random(seconds) * 0.6), dtype=np.float64)


@lru_cache(maxsize=4)
def _variance_shares(seconds: int) -> Floats:
    """Share of the session's variance in each second: most at the open, some at the close."""
    return _u_shape(seconds, opening=2.5, closing=0.8, fade=0.07)


@lru_cache(maxsize=4)
def _volume_shares(seconds: int) -> Floats:
    """Share of the session's volume in each second."""
    return _u_shape(seconds, opening=2.5, closing=2.5, fade=0.06)


def _u_shape(seconds: int, *, opening: float, closing: float, fade: float) -> Floats:
    elapsed = np.linspace(0.0, 1.0, seconds)
    shape = 1.0 + opening * np.exp(-elapsed / fade) + closing * np.exp((elapsed - 1.0) / fade)
    shares = np.asarray(shape / shape.sum(), dtype=np.float64)
    shares.setflags(write=False)
    return shares


def _points(heat: _Number) -> _Number:
    return 100.0 * MARKET_VOLATILITY * heat
