"""The seeded world by session: paths, option days and bars, each drawn once and kept a while."""

import math
from datetime import date, datetime
from functools import lru_cache
from typing import Final, TypeVar

import attrs
import numpy as np

from ibkeel.sim.market.bars import BarTable, Floats
from ibkeel.sim.market.calendar import latest_session, previous_session
from ibkeel.sim.market.draws import digest
from ibkeel.sim.market.levels import Levels
from ibkeel.sim.market.optiondays import OptionDay, Prints, option_day
from ibkeel.sim.market.paths import DayPath, factor_path, made_path
from ibkeel.sim.market.underlyings import MARKET_VOLATILITY
from ibkeel.sim.market.universe import Universe
from ibkeel.sim.values import SimContract, SimSession

_Number = TypeVar("_Number", float, Floats)

_PATHS: Final = 48  # of about a megabyte
_CLOSES: Final = 4096
_OPTIONS: Final = 4096
_TABLES: Final = 8192
_MINUTE: Final = 60
_FULL_SESSION: Final = 23_400
_VOLATILITY_INDEX: Final = "VIX"


@attrs.frozen(kw_only=True, eq=False)
class _Factor:
    """The market factor within a session, and the level of volatility that it drives."""

    path: Floats
    heat: Floats


class Days:
    """What happened in each session of a seeded world.

    Everything is a function of seed, contract and day; the caches only save time.

    Args:
        seed: Seed of the market.
        universe: Contracts of the world.
        levels: Where sessions start and end.
    """

    def __init__(self, seed: int, universe: Universe, levels: Levels) -> None:
        self._seed, self._universe, self._levels = seed, universe, levels
        self._factor = lru_cache(maxsize=_PATHS)(self._drawn_factor)
        self.close = lru_cache(maxsize=_CLOSES)(self._rounded_close)
        self.quote_key = lru_cache(maxsize=_CLOSES)(self._drawn_quote_key)
        self.path = lru_cache(maxsize=_PATHS)(self._drawn_path)
        self._option = lru_cache(maxsize=_OPTIONS)(self._drawn_option)
        self._minutes = lru_cache(maxsize=_TABLES)(self._drawn_minutes)

    def _drawn_quote_key(self, symbol: str, day: date) -> int:
        """Key of the small draws of a symbol's quotes."""
        return digest(self._seed, symbol, day, "sizes")

    def _rounded_close(self, symbol: str, day: date) -> float:
        """Close of a session, rounded to a cent."""
        row = self._universe.row(symbol)
        if symbol == _VOLATILITY_INDEX:
            return round(_points(self._heat_at_close(day)), 2)
        return round(self._levels.close(row, day), 2)

    def option(self, contract: SimContract, day: date) -> tuple[OptionDay, Prints]:
        """An option's session and its trades."""
        return self._option(contract.con_id, day)

    def expires_at(self, contract: SimContract) -> datetime:
        """The instant at which an option's time value is gone."""
        return self._universe.series_of(contract).expires_at

    def table(self, contract: SimContract, session: SimSession, what: str, until: int) -> BarTable:
        """One-minute bars of a session.

        Args:
            contract: What to look at.
            session: The session.
            what: TRADES, MIDPOINT, BID or ASK.
            until: Seconds from the open, exclusive; what happens later is not in the table.
        """
        length = seconds_of(session)
        until = min(until, length)
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
            _, prints = self.option(contract, session.day)
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
            return self.option(contract, day)[0].quotes(first, last)
        path = self.path(contract.symbol, day)
        return path.bid[first:last], path.ask[first:last]

    def _drawn_factor(self, day: date) -> _Factor:
        deviation, total = self._levels.market_deviation(day), self._levels.market_return(day)
        seconds = seconds_of(latest_session(day))
        course = self._levels.course(day, seconds)
        path = course + factor_path(
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
            return made_path(name, row, _points(factor.heat), 0.0)
        log_return = row.beta * factor.path
        deviation = levels.own_deviation(row, day)
        if deviation:
            total = levels.own_return(row, day)
            log_return += factor_path(name, seconds=seconds, deviation=deviation, total=total)
        mid = levels.first_price(row, day) * np.exp(log_return)
        volume = levels.day_volume(row, day) * seconds / _FULL_SESSION
        return made_path(name, row, mid, volume, bounces=not levels.is_still, auctions=levels.auctions)

    def _drawn_option(self, con_id: int, day: date) -> tuple[OptionDay, Prints]:
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


def _points(heat: _Number) -> _Number:
    return 100.0 * MARKET_VOLATILITY * heat
