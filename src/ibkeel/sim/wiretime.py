"""Instants and dates as the wire writes them."""

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ibkeel.errors import WireError

_ZONES_SINCE: Final = 174  # older clients cannot read a zone name after the time
_INSTANT: Final = re.compile(r"(\d{8})(-| +)(\d{2}:\d{2}:\d{2})(?: (\S+))?")


def parse_zone(name: str) -> ZoneInfo:
    """The time zone of that name.

    Raises:
        WireError: There is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise WireError(f"{name!r} is not a time zone") from error


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

    Raises:
        WireError: The text has another form.
    """
    if not text.strip():
        return None
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        raise WireError(f"{text!r} is not an instant; 20260105 15:30:00 US/Eastern would be")
    day, separator, time, name = match.groups()
    try:
        local = datetime.strptime(day + time, "%Y%m%d%H:%M:%S")  # noqa: DTZ007 - zone comes below
    except ValueError as error:
        raise WireError(f"{text!r} is not an instant: {error}") from error
    is_utc = name is None and separator == "-"
    place = UTC if is_utc else parse_zone(name or zone)
    return local.replace(tzinfo=place).astimezone(UTC)
