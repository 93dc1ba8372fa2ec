"""The contracts of a recorded day, and the recorded feed of each, read from files when it is asked for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

import attrs

from ibkeel.errors import ConfigurationError
from ibkeel.sim.market.calendar import FIRST_YEAR, NEW_YORK, latest_session, session_on
from ibkeel.sim.market.draws import digest
from ibkeel.sim.market.listing import listing_order, local_symbol
from ibkeel.sim.market.recordings import (
    HOUR,
    MINUTE,
    Printed,
    RecordedBar,
    Recording,
    Steps,
    catalogue,
    described,
    epoch,
    in_order,
    middles,
    parsed_bar,
    printed,
    rows,
    sides,
    told,
)
from ibkeel.sim.values import SimContract

_Quoted = tuple[int, RecordedBar | None, RecordedBar | None]
OptionKey = tuple[str, str, str, str]  # root, expiry, strike and right, as the file writes them

_BID: Final = slice(0, 5)
_ASK: Final = slice(5, 10)
_DATE: Final = 10
_NO_BARS: Final[tuple[RecordedBar, ...]] = ()

_INDICES: Final = frozenset({"SPX", "VIX", "NDX", "RUT"})
_ROOTS: Final = {"SPXW": "SPX"}
_IDS: Final = (1 << 31) - 2


@attrs.frozen(kw_only=True, eq=False)
class Feed:
    """All that was recorded of one contract.

    Args:
        bars: Bars by kind: TRADES, BID, ASK and MIDPOINT; of quotes, without the minutes in
            which the side did not move.
        tape: What the tape of trades shows.
        bid: Best bid.
        bid_size: Its size, which shows with the close of a minute.
        ask: Best offer.
        ask_size: Its size.
        interest: Open interest from the time of its publication.
        changes: Every instant at which something above changes, ascending.
    """

    bars: Mapping[str, Sequence[RecordedBar]]
    tape: Steps[Printed]
    bid: Steps[float]
    bid_size: Steps[int]
    ask: Steps[float]
    ask_size: Steps[int]
    interest: Steps[int]
    changes: Sequence[int]

    @classmethod
    def of(
        cls,
        trades: Sequence[RecordedBar],
        bids: Sequence[RecordedBar] = _NO_BARS,
        asks: Sequence[RecordedBar] = _NO_BARS,
        interest: Sequence[tuple[int, int]] = (),
    ) -> Self:
        """A feed from the bars of each kind, each ascending."""
        (bid, bid_size), (ask, ask_size) = sides(bids), sides(asks)
        tape = printed(trades)
        published = Steps(times=[at for at, _ in interest], values=[count for _, count in interest])
        return cls(
            bars={"TRADES": trades, "BID": bids, "ASK": asks, "MIDPOINT": middles(bids, asks)},
            tape=tape,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
            interest=published,
            changes=sorted({*tape.times, *bid.times, *ask.times, *published.times}),
        )


class OptionLines:
    """The lines of the option files of one day, sorted into contracts, not yet numbers.

    A day of one underlying can have hundreds of thousands of lines; most contracts are never
    asked for.
    """

    def __init__(self, files: Iterable[Recording], day: date) -> None:
        self._rows: dict[str, dict[OptionKey, list[tuple[int, str, int]]]] = {}
        for file in files:
            self._read(file, day)

    def contracts(self) -> Sequence[OptionKey]:
        """Contracts of the day that were quoted or traded, or else that had open interest.

        After a split the morning's open interest is still on the old terms, so with quotes or
        trades at hand it does not count as a listing.
        """
        live = {*self._rows.get("option quote", {}), *self._rows.get("option trade", {})}
        return sorted(live or self._rows.get("option openinterest", {}))

    def feed(self, key: OptionKey) -> Feed:
        """The feed of one contract."""
        with told(f"the recording of {' '.join(key)}"):
            return Feed.of(
                [
                    parsed_bar(at, text.split(","), seconds=seconds)
                    for at, text, seconds in self._of("option trade", key)
                ],
                *_sides(
                    [
                        _quoted(at, text.split(","), seconds)
                        for at, text, seconds in self._of("option quote", key)
                    ]
                ),
                [(at, int(text)) for at, text, _ in self._of("option openinterest", key)],
            )

    def _of(self, kind: str, key: OptionKey) -> Sequence[tuple[int, str, int]]:
        return in_order(self._rows.get(kind, {}).get(key, ()))

    def _read(self, file: Recording, day: date) -> None:
        found = self._rows.setdefault(file.kind, {})
        first = datetime.combine(day, time(), NEW_YORK)
        # Not by the text, in which a session of New York may have two dates.
        begins, ends = (int(at.timestamp()) for at in (first, first + timedelta(days=1)))
        for key, row in rows(file.path, lambda line: _option_row(line, file, begins, ends)):
            found.setdefault(key, []).append(row)


class Library:
    """What a folder of recordings holds for one day and some symbols."""

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
        key = self._keys.get(con_id)
        if key is not None:
            return self._options.feed(key)
        return self._spots[self.contracts[con_id].symbol]

    def _daily(self, symbol: str) -> Mapping[date, RecordedBar]:
        return _daily_bars(file for file in self._files if (file.root, file.kind) == (symbol, "daily"))

    def _spot(self, folder: Path, symbol: str) -> Feed:
        """Minutes of a symbol up to the day's file; without any at all, its daily bars."""
        files = [f for f in self._files if f.root == symbol and f.kind in {"trades", "quotes"}]
        feed = _spot_feed(file for file in files if file.first <= self._day)
        if any(state.day == self._day for state in feed.tape.values):
            return feed
        daily = self.daily[symbol]
        if self._day in daily and not files:
            return Feed.of(list(daily.values()))
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


def _option_row(
    line: str, file: Recording, begins: int, ends: int
) -> tuple[OptionKey, tuple[int, str, int]] | None:
    """A contract, and when what was said of it in a bar of how many seconds; None on another day."""
    stamp, root, expiry, strike, right, rest = line.split(",", 5)
    at = epoch(stamp)
    if not begins <= at < ends:
        return None
    if _ROOTS.get(root, root) != _ROOTS.get(file.root, file.root):
        raise ValueError(f"its root is {root!r}; valid: {file.root!r} or another class of its underlying")
    return (root, expiry, strike, right), (at, rest, file.seconds)


def _spot_feed(files: Iterable[Recording]) -> Feed:
    trades: list[tuple[int, RecordedBar]] = []
    quotes: list[_Quoted] = []
    for file in files:
        if file.kind == "trades":
            trades += rows(file.path, _spot_trade)
        else:
            quotes += rows(file.path, lambda line: _quoted(*_spot_row(line)))
    return Feed.of([bar for _, bar in in_order(trades)], *_sides(in_order(quotes)))


def _spot_row(line: str) -> tuple[int, Sequence[str]]:
    stamp, _, rest = line.split(",", 2)
    return epoch(stamp), rest.split(",")


def _spot_trade(line: str) -> tuple[int, RecordedBar]:
    at, fields = _spot_row(line)
    return at, parsed_bar(at, fields)


def _daily_bars(files: Iterable[Recording]) -> Mapping[date, RecordedBar]:
    return dict(in_order(row for file in files for row in rows(file.path, _daily_bar)))


def _daily_bar(line: str) -> tuple[date, RecordedBar] | None:
    """A date, and the only bar of its session; None before the calendar's first year, and where there is no session."""
    day = date.fromisoformat(line[:_DATE])
    session = session_on(day) if day.year >= FIRST_YEAR else None
    if session is None:
        return None
    opens, closes = int(session.opens_at.timestamp()), int(session.closes_at.timestamp())
    return day, parsed_bar(opens, [*line[_DATE + 1 :].split(","), ""], seconds=closes - opens)


def _quoted(at: int, fields: Sequence[str], seconds: int = MINUTE) -> _Quoted:
    """Bid and ask of a row; None where a side is blank, which did not move in that bar."""
    bid, ask = (
        parsed_bar(at, fields[side], seconds=seconds) if fields[side][0] else None for side in (_BID, _ASK)
    )
    return at, bid, ask


def _sides(quotes: Sequence[_Quoted]) -> tuple[Sequence[RecordedBar], Sequence[RecordedBar]]:
    """The bars of the bid, and those of the ask."""
    return [bid for _, bid, _ in quotes if bid], [ask for _, _, ask in quotes if ask]


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
