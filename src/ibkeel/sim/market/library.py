"""The contracts of a recorded day, and where the record of each is."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

from ibkeel.errors import ConfigurationError
from ibkeel.sim.market.calendar import latest_session, session_on
from ibkeel.sim.market.draws import digest
from ibkeel.sim.market.feeds import (
    DailyBar,
    Feed,
    OptionKey,
    OptionLines,
    daily_bars,
    day_long_bar,
    spot_feed,
)
from ibkeel.sim.market.listing import local_symbol
from ibkeel.sim.market.matching import listing_order
from ibkeel.sim.market.recordings import HOUR, MINUTE, Recording, catalogue, described
from ibkeel.sim.values import SimContract

_INDICES: Final = frozenset({"SPX", "VIX", "NDX", "RUT"})
_ROOTS: Final = {"SPXW": "SPX"}
_IDS: Final = (1 << 31) - 2


class Library:
    """What a folder of recordings holds for one day and some symbols.

    Args:
        folder: Root of the recordings.
        day: The session to replay.
        symbols: Underlyings to list, each with the options that were recorded on that day.

    Raises:
        ConfigurationError: `day` is no session, or a symbol was not recorded on it.
    """

    def __init__(self, folder: Path, *, day: date, symbols: Iterable[str]) -> None:
        if session_on(day) is None:
            raise ConfigurationError(f"{day} is no session of the exchange: nothing to replay")
        self._day, self._files = day, catalogue(folder)
        self._symbols = tuple(sorted(set(symbols)))
        if not self._symbols:
            raise ConfigurationError(f"no symbols to replay; recorded in {folder}: {described(self._files)}")
        self.daily = {symbol: self._daily(symbol) for symbol in self._symbols}
        self._spots = {symbol: self._spot(folder, symbol) for symbol in self._symbols}
        self._options = OptionLines(self._option_files(), day)
        self.contracts, self._keys = self._listed()
        self.feed = lru_cache(maxsize=None)(self._feed)

    def _feed(self, con_id: int) -> Feed:
        """The record of a contract."""
        key = self._keys.get(con_id)
        if key is not None:
            return self._options.feed(key)
        return self._spots[self.contracts[con_id].symbol]

    def _daily(self, symbol: str) -> Mapping[date, DailyBar]:
        return daily_bars(file for file in self._files if (file.root, file.kind) == (symbol, "daily"))

    def _spot(self, folder: Path, symbol: str) -> Feed:
        """Minutes of a symbol up to the day's file; without any at all, its daily bars."""
        files = [f for f in self._files if f.root == symbol and f.kind in {"trades", "quotes"}]
        feed = spot_feed(file for file in files if file.first <= self._day)
        if any(state.day == self._day for state in feed.tape.values):
            return feed
        daily = self.daily[symbol]
        if self._day in daily and not files:
            return Feed.of([day_long_bar(day, bar) for day, bar in daily.items() if session_on(day)])
        raise ConfigurationError(
            f"{symbol} was not recorded on {self._day} in {folder}; "
            f"minute data there: {described(self._files)}"
        )

    def _option_files(self) -> Sequence[Recording]:
        """Option files of the day; hourly ones only where there are none by the minute."""
        files = [
            file
            for file in self._files
            if file.kind.startswith("option ")
            and _ROOTS.get(file.root, file.root) in self._symbols
            and file.covers(self._day)
        ]
        fine = {(file.root, file.kind) for file in files if file.seconds == MINUTE}
        return [f for f in files if f.seconds != HOUR or (f.root, f.kind) not in fine]

    def _listed(self) -> tuple[Mapping[int, SimContract], Mapping[int, OptionKey]]:
        taken: set[int] = set()
        spots = {symbol: _spot_contract(symbol, taken) for symbol in self._symbols}
        keys = {key: _number(key, taken) for key in self._options.contracts()}
        options = [
            _option_contract(key, con_id, spots[_ROOTS.get(key[0], key[0])].con_id)
            for key, con_id in keys.items()
        ]
        listing = sorted((*spots.values(), *options), key=listing_order)
        return {each.con_id: each for each in listing}, {number: key for key, number in keys.items()}


def _number(name: Sequence[str], taken: set[int]) -> int:
    """A contract id that depends on the name, and on others only when two collide."""
    number = 1 + digest("recorded", *name) % _IDS
    while number in taken:
        number = 1 + number % _IDS
    taken.add(number)
    return number


def _spot_contract(symbol: str, taken: set[int]) -> SimContract:
    index = symbol in _INDICES
    return SimContract(
        con_id=_number((symbol,), taken),
        symbol=symbol,
        sec_type="IND" if index else "STK",
        exchange="CBOE" if index else "SMART",
        primary_exchange="CBOE" if index else "",
        local_symbol=symbol,
        trading_class=symbol,
        long_name=symbol,
    )


def _option_contract(key: OptionKey, con_id: int, under_con_id: int) -> SimContract:
    root, stamp, strike, right = key
    expiry = date.fromisoformat(stamp)
    symbol = _ROOTS.get(root, root)
    return SimContract(
        con_id=con_id,
        symbol=symbol,
        sec_type="OPT",
        expiry=expiry,
        # Monthly expiries before February 2015 were Saturdays; trading ended on the Friday.
        last_trading_day=latest_session(expiry).day,
        strike=float(strike),
        right=right,
        multiplier=100,
        local_symbol=local_symbol(root, expiry, right, float(strike)),
        trading_class=root,
        long_name=symbol,
        under_con_id=under_con_id,
    )
