"""Instants and dates as the wire writes them."""

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ibkeel.errors import WireError

_ZONES_SINCE: Final = 174  # older clients cannot read a zone name after the time
_YEARS: Final = range(1900, 9999)  # the longest requests go back 68 years, and no farther than year 1
_SHOWN: Final = 60  # characters of a text that is refused
_INSTANT: Final = re.compile(r"(\d{8})(-| +)(\d{2}:\d{2}:\d{2})(?: (\S+))?")


def parse_zone(name: str) -> ZoneInfo:
    """The time zone of that name; a WireError when there is none."""
    try:
        return ZoneInfo(name)
    except (
        ZoneInfoNotFoundError,
        OSError,
        ValueError,
    ) as error:  # OSError: a folder of zones, or a long name
        raise WireError(f"{name[:_SHOWN]!r} is not a time zone") from error


@lru_cache(maxsize=16_384)  # a bar is asked for as many times as there are later ones
def zoned(at: datetime, zone: str, version: int) -> str:
    """An instant in the Gateway's zone, with the zone's name for versions that read it."""
    local = at.astimezone(parse_zone(zone))
    if version < _ZONES_SINCE:
        return f"{local:%Y%m%d  %H:%M:%S}"
    return f"{local:%Y%m%d %H:%M:%S} {zone}"


def clock_text(at: datetime, zone: str) -> str:
    """The time of day, as in account updates."""
    return f"{at.astimezone(parse_zone(zone)):%H:%M}"


def compact(day: date | None) -> str:
    """A date as YYYYMMDD; empty for None."""
    return "" if day is None else f"{day:%Y%m%d}"


def parse_instant(text: str, zone: str) -> datetime | None:
    """An instant that a client sent; None when it sent an empty text, which means now.

    Forms: `YYYYMMDD HH:MM:SS Zone/Name`, `YYYYMMDD-HH:MM:SS` (UTC), and `YYYYMMDD HH:MM:SS`, which
    is in the Gateway's own zone.
    """
    if not text.strip():
        return None
    match, shown = _INSTANT.fullmatch(text.strip()), text[:_SHOWN]
    if match is None:
        raise WireError(f"{shown!r} is not an instant; 20260105 15:30:00 US/Eastern would be")
    day, separator, time, name = match.groups()
    try:
        local = datetime.strptime(day + time, "%Y%m%d%H:%M:%S")  # noqa: DTZ007 - zone comes below
    except ValueError as error:
        raise WireError(f"{shown!r} is not an instant: {error}") from error
    if local.year not in _YEARS:
        raise WireError(f"{shown!r} is out of reach; years go from {_YEARS[0]} to {_YEARS[-1]}")
    is_utc = name is None and separator == "-"
    place = UTC if is_utc else parse_zone(name or zone)
    return local.replace(tzinfo=place).astimezone(UTC)
