"""Files of recorded data: which there are, and their lines.

The format is that of the folder which IBKEEL_DATA names: CSV with a header, `ts` in ISO-8601
with offset, an empty field for a missing value, sorted by time. Names say what a file holds:
`equity/goog_minute_trades_2015-12-23_2015-12-28.csv.gz`,
`options/goog_2015-12-24_minute_quote.csv.gz`, `daily/goog_daily_unadjusted_2004_2021.csv.gz`.
"""

import gzip
import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import attrs

from ibkeel.errors import ConfigurationError

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
_DAILY: Final = re.compile(r"(?P<root>[a-z.]+)_daily_.*\.csv(?:\.gz)?")
_WHOLE_DATE: Final = 10


@attrs.frozen(kw_only=True)
class Recording:
    """One file.

    Args:
        path: Where it is.
        root: Ticker, or root of the options, in capitals.
        kind: trades, quotes, daily, option trade, option quote or option openinterest.
        first: First date that the name gives; `date.min` for a daily file.
        last: Last date, inclusive.
        seconds: Length of its bars.
    """

    path: Path
    root: str
    kind: str
    first: date = date.min
    last: date = date.max
    seconds: int = MINUTE

    def covers(self, day: date) -> bool:
        """Whether a date lies in the range that the file's name gives."""
        return self.first <= day <= self.last


def catalogue(folder: Path) -> Sequence[Recording]:
    """The files of a folder, ordered by name.

    Raises:
        ConfigurationError: There is no such folder, or nothing in it has a known name.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder; name one that holds recorded data")
    found = (
        recording
        for part, read in (("daily", _daily), ("equity", _spot), ("index", _spot), ("options", _option))
        for path in sorted((folder / part).glob("*.csv*"))
        for recording in read(path)
    )
    recordings = tuple(found)
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


def lines(path: Path) -> Iterator[str]:
    """The lines of a file after its header.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    rows = iter(text.splitlines())
    next(rows, None)
    return rows


def _spot(path: Path) -> Iterator[Recording]:
    if match := _SPOT.fullmatch(path.name):
        first, last = _range(match)
        kind = match["kind"] or "trades"
        yield Recording(path=path, root=match["root"].upper(), kind=kind, first=first, last=last)


def _option(path: Path) -> Iterator[Recording]:
    if match := _OPTION.fullmatch(path.name):
        first, last = _range(match)
        yield Recording(
            path=path,
            root=match["root"].upper(),
            kind=f"option {match['kind']}",
            first=first,
            last=last,
            seconds=MINUTE if match["size"] == "minute" else HOUR,
        )


def _daily(path: Path) -> Iterator[Recording]:
    if match := _DAILY.fullmatch(path.name):
        yield Recording(path=path, root=match["root"].upper(), kind="daily")


def _range(match: re.Match[str]) -> tuple[date, date]:
    """First and last date of a name; a month stands for all its days."""
    first, last = match["first"], match["last"] or match["first"]
    start = date.fromisoformat(first if len(first) == _WHOLE_DATE else f"{first}-01")
    if len(last) == _WHOLE_DATE:
        return start, date.fromisoformat(last)
    beyond = (date.fromisoformat(f"{last}-01") + timedelta(days=32)).replace(day=1)
    return start, beyond - timedelta(days=1)
