"""Recorded data: which files there are, their lines, and what their feed showed when.

The format is that of the folder which IBKEEL_DATA names: CSV with a header, `ts` in ISO-8601
with offset, an empty field for a missing value. Names say what a file holds:
`equity/goog_minute_trades_2015-12-23_2015-12-28.csv.gz`,
`options/goog_2015-12-24_minute_quote.csv.gz`, `daily/goog_daily_unadjusted_2004_2021.csv.gz`.

A bar tells its first price and its last, not when in between prices came. So a bar's open shows
at its start, and its close, extremes, volume and size show at its last whole second: `minute +
59 s`. Nothing shows earlier. Each side of a quote is carried forward on its own.
"""

import gzip
import math
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import attrs
import numpy as np

from ibkeel.errors import ConfigurationError
from ibkeel.sim.market.bars import BarTable
from ibkeel.sim.market.calendar import session_on, trading_day

MINUTE: Final = 60
HOUR: Final = 3600
_DATE: Final = r"\d{4}-\d{2}(?:-\d{2})?"
_SPOT: Final = re.compile(
    rf"(?P<root>[a-z.]+)_minute(?:_(?P<kind>trades|quotes))?_(?P<first>{_DATE})(?:_(?P<last>{_DATE}))?"
    r"\.csv(?:\.gz)?"
)
_OPTION: Final = re.compile(
    rf"(?P<root>[a-z.]+)_(?P<first>{_DATE})(?:_(?P<last>{_DATE}))?"
    r"_(?P<size>minute|hourly)_(?P<kind>trade|quote|openinterest)\.csv(?:\.gz)?"
)
_DAILY: Final = re.compile(r"(?P<root>[a-z.]+)_(?P<kind>daily)_.*\.csv(?:\.gz)?")
_NAMES: Final = {"daily": _DAILY, "equity": _SPOT, "index": _SPOT, "options": _OPTION}  # by folder
_WHOLE_DATE: Final = 10
_V = TypeVar("_V")
_R = TypeVar("_R", bound=tuple[Any, ...])


@attrs.frozen(kw_only=True)
class Recording:
    """One file: its ticker, or root of options, its kind, such as `option quote`, and the dates that its name gives.

    `first` is `date.min` for a daily file, `last` inclusive; its bars have a length of so many seconds.
    """

    path: Path
    root: str
    kind: str
    first: date
    last: date
    seconds: int

    def covers(self, day: date) -> bool:
        """Whether a date lies in the range that the file's name gives."""
        return self.first <= day <= self.last


def catalogue(folder: Path) -> Sequence[Recording]:
    """The files of a folder, ordered by name."""
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder; name one that holds recorded data")
    recordings = tuple(
        _recording(path, match)
        for part, name in _NAMES.items()
        for path in sorted((folder / part).glob("*.csv*"))
        if (match := name.fullmatch(path.name))
    )
    if not recordings:
        raise ConfigurationError(
            f"{folder} holds no recorded data: expected files such as "
            "equity/spy_minute_trades_2023-08-03.csv.gz"
        )
    return recordings


def described(recordings: Sequence[Recording]) -> str:
    """The symbols and dates of minute data, for an error message."""
    ranges = sorted(
        f"{each.root} {each.first}" + (f" to {each.last}" if each.last != each.first else "")
        for each in recordings
        if each.kind == "trades"
    )
    return "; ".join(ranges) or "none"


def rows(path: Path, read: Callable[[str], _V | None]) -> list[_V]:
    """What `read` makes of each line of a file after its header; blank lines and None are left out."""
    made, lines = list[_V](), enumerate(_lines(path), start=1)
    number, _ = next(lines, (1, ""))
    try:
        for number, line in lines:  # noqa: B007 - told when it cannot be read
            if line.strip() and (row := read(line)) is not None:
                made.append(row)
    except (ValueError, IndexError) as error:
        raise ConfigurationError(f"{path}, line {number} cannot be read: {error}") from error
    return made


@contextmanager
def told(where: str) -> Iterator[None]:
    """Say where it was that numbers or instants could not be read."""
    try:
        yield
    except (ValueError, IndexError) as error:
        raise ConfigurationError(f"{where} cannot be read: {error}") from error


def _lines(path: Path) -> Iterator[str]:
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    return iter(text.splitlines())


@attrs.frozen
class RecordedBar:
    """One bar of a file: when it starts, when everything but its open shows, and its numbers.

    Instants are seconds since 1970 UTC; `amount` is the volume of trades, or the size of a quote.
    """

    start: int
    shown: int
    open: float
    high: float
    low: float
    close: float
    amount: int


@attrs.frozen(kw_only=True)
class Steps(Generic[_V]):
    """A value that changes at known instants: seconds since 1970 UTC, ascending."""

    times: Sequence[int]
    values: Sequence[_V]

    def at(self, second: int) -> _V | None:
        """The value at an instant; None before the first."""
        position = bisect_right(self.times, second)
        return self.values[position - 1] if position else None


@attrs.frozen(kw_only=True)
class Printed:
    """What the tape of trades shows; `volume` counts from the start of `day`, its trading day.

    Open and extremes are of the regular session and None before it.
    """

    day: date
    last: float
    volume: int
    open: float | None = None
    high: float | None = None
    low: float | None = None


@lru_cache(maxsize=65_536)
def epoch(text: str) -> int:
    """Seconds since 1970 of an ISO-8601 time stamp."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no offset from UTC; valid: {text}-05:00")
    return int(at.timestamp())


def in_order(rows: Iterable[_R]) -> Sequence[_R]:
    """Rows by the instant or date that each begins with, the first of equal ones alone."""
    first: dict[Any, _R] = {}
    for row in rows:
        first.setdefault(row[0], row)
    return [first[at] for at in sorted(first)]


def parsed_bar(start: int, fields: Sequence[str], *, seconds: int = MINUTE) -> RecordedBar:
    """A bar from its texts: open, high, low, close, and volume or size.

    An hourly bar that starts before its session's open is taken to start at the open.
    """
    first, high, low, last, amount = map(float, (*fields[:4], fields[4] or 0))
    if not all(map(math.isfinite, (first, high, low, last, amount))):
        raise ValueError(f"{', '.join(fields[:5])}; valid: finite numbers, or empty")
    shown = start + seconds - 1
    if seconds > MINUTE:
        session = session_on(datetime.fromtimestamp(start, UTC).date())
        start = max(start, int(session.opens_at.timestamp())) if session else start
    return RecordedBar(start, shown, first, high, low, last, int(amount))


def sides(bars: Iterable[RecordedBar]) -> tuple[Steps[float], Steps[int]]:
    """Price and size of one side of a quote.

    A minute without an update is not among `bars`; the side then stays as it was.
    """
    bars = tuple(bars)
    times = [instant for bar in bars for instant in (bar.start, bar.shown)]
    prices = [price for bar in bars for price in (bar.open, bar.close)]
    sizes = Steps(times=[bar.shown for bar in bars], values=[bar.amount for bar in bars])
    return Steps(times=times, values=prices), sizes


def printed(bars: Iterable[RecordedBar]) -> Steps[Printed]:
    """Last price and running figures of the day, from bars of trades, ascending."""
    times: list[int] = []
    values: list[Printed] = []
    state: Printed | None = None
    for bar in bars:
        at = datetime.fromtimestamp(bar.start, UTC)
        session = trading_day(at)
        if state is None or state.day != session.day:
            state = Printed(day=session.day, last=bar.open, volume=0)
        regular = session.opens_at <= at < session.closes_at
        begun = _extended(state, bar.open, (bar.open,), 0, regular=regular)
        state = _extended(begun, bar.close, (bar.high, bar.low), bar.amount, regular=regular)
        times += (bar.start, bar.shown)
        values += (begun, state)
    return Steps(times=times, values=values)


def table_of(bars: Sequence[RecordedBar], *, end: int | None = None) -> BarTable:
    """Bars as columns, and of the one that covers `end` only its open.

    The average price is taken to be (high + low + close) / 3, for the files do not tell; the
    number of prints is unknown and 0.
    """
    rows = [bar for bar in bars if end is None or bar.shown < end]
    if end is not None:
        rows += [
            RecordedBar(bar.start, bar.start, bar.open, bar.open, bar.open, bar.open, 0)
            for bar in bars[len(rows) : len(rows) + 1]
            if bar.start < end
        ]
    first, high, low, last = (
        np.array([getattr(bar, name) for bar in rows], dtype=np.float64)
        for name in ("open", "high", "low", "close")
    )
    volume = np.array([bar.amount for bar in rows], dtype=np.int64)
    return BarTable(
        start=np.array([bar.start for bar in rows], dtype=np.int64),
        open=first,
        high=high,
        low=low,
        close=last,
        volume=volume,
        turnover=(high + low + last) / 3.0 * volume,
        count=np.zeros(len(rows), dtype=np.int64),
    )


def middles(bids: Iterable[RecordedBar], asks: Iterable[RecordedBar]) -> Sequence[RecordedBar]:
    """Bars of the middle of the quote, for each bar in which a side moved and both are known."""
    bid_of = {bar.start: bar for bar in bids}
    ask_of = {bar.start: bar for bar in asks}
    found: list[RecordedBar] = []
    bid: RecordedBar | None = None
    ask: RecordedBar | None = None
    for start in sorted(bid_of.keys() | ask_of.keys()):
        bid, ask = _side(bid_of, start, bid), _side(ask_of, start, ask)
        if bid is not None and ask is not None:
            found.append(_middle(start, bid, ask))
    return found


def _recording(path: Path, match: re.Match[str]) -> Recording:
    kind = match["kind"] or "trades"
    first, last = (date.min, date.max) if kind == "daily" else _range(match)
    return Recording(
        path=path,
        root=match["root"].upper(),
        kind=f"option {kind}" if match.re is _OPTION else kind,
        first=first,
        last=last,
        seconds=HOUR if match.groupdict().get("size") == "hourly" else MINUTE,
    )


def _range(match: re.Match[str]) -> tuple[date, date]:
    """First and last date of a name; a month stands for all its days."""
    first, last = match["first"], match["last"] or match["first"]
    start = date.fromisoformat(first if len(first) == _WHOLE_DATE else f"{first}-01")
    if len(last) == _WHOLE_DATE:
        return start, date.fromisoformat(last)
    beyond = (date.fromisoformat(f"{last}-01") + timedelta(days=32)).replace(day=1)
    return start, beyond - timedelta(days=1)


def _side(bars: Mapping[int, RecordedBar], start: int, before: RecordedBar | None) -> RecordedBar | None:
    """The bar of a side, flat at its last close when it did not move."""
    bar = bars.get(start)
    if bar is not None or before is None:
        return bar
    close = before.close
    return RecordedBar(start, start, close, close, close, close, before.amount)


def _middle(start: int, bid: RecordedBar, ask: RecordedBar) -> RecordedBar:
    def half(name: str) -> float:
        return round(0.5 * (float(getattr(bid, name)) + float(getattr(ask, name))), 6)

    shown = max(bid.shown, ask.shown)
    return RecordedBar(start, shown, half("open"), half("high"), half("low"), half("close"), 0)


def _extended(
    state: Printed, last: float, prices: tuple[float, ...], volume: int, *, regular: bool
) -> Printed:
    if not regular:
        return attrs.evolve(state, last=last, volume=state.volume + volume)
    known = (*prices, *(price for price in (state.high, state.low) if price is not None))
    return Printed(
        day=state.day,
        last=last,
        volume=state.volume + volume,
        open=prices[0] if state.open is None else state.open,
        high=max(known),
        low=min(known),
    )
