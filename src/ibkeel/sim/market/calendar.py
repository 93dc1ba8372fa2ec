"""Regular sessions of the New York Stock Exchange, by rule, 2013 to 2030.

Terms: a *session* is 09:30 to 16:00 New York time, or to 13:00 on an early close; a *trading
day* starts at 04:00, when pre-market trading begins, and lasts until the next one starts.
Options on some funds trade until 16:15; that quarter of an hour is left out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from ibkeel.errors import InvalidInput
from ibkeel.sim.values import SimSession

NEW_YORK: Final = ZoneInfo("America/New_York")
FIRST_YEAR: Final = 2013
LAST_YEAR: Final = 2030

_OPEN: Final = time(9, 30)
_CLOSE: Final = time(16)
_EARLY_CLOSE: Final = time(13)
_PRE_MARKET: Final = time(4)
_MONDAY, _THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = 0, 3, 4, 5, 6
_JUNETEENTH_SINCE: Final = 2022

# Source: NYSE announcements of national days of mourning.
CLOSURES: Final[Mapping[date, str]] = {
    date(2018, 12, 5): "mourning for George H. W. Bush",
    date(2025, 1, 9): "mourning for Jimmy Carter",
}


@cache
def holidays(year: int) -> Mapping[date, str]:
    """Full-day closures of a year, each with its reason.

    Source: NYSE Rule 7.2: a holiday on a Saturday is kept on the Friday before unless that ends
    a month or a year, one on a Sunday on the Monday after.
    """
    found = {
        _nth(year, 1, _MONDAY, 3): "Martin Luther King Jr. Day",
        _nth(year, 2, _MONDAY, 3): "Washington's Birthday",
        _easter(year) - timedelta(days=2): "Good Friday",
        _nth(year, 6, _MONDAY, 1) - timedelta(days=7): "Memorial Day",
        _observed(date(year, 7, 4)): "Independence Day",
        _nth(year, 9, _MONDAY, 1): "Labor Day",
        _nth(year, 11, _THURSDAY, 4): "Thanksgiving Day",
        _observed(date(year, 12, 25)): "Christmas Day",
    }
    if date(year, 1, 1).weekday() != _SATURDAY:  # 31 December ends a year: not kept then
        found[_observed(date(year, 1, 1))] = "New Year's Day"
    if year >= _JUNETEENTH_SINCE:
        found[_observed(date(year, 6, 19))] = "Juneteenth"
    found.update({day: reason for day, reason in CLOSURES.items() if day.year == year})
    return found


@cache
def early_closes(year: int) -> Mapping[date, str]:
    """Sessions that end at 13:00, each with its reason.

    Source: NYSE holiday and early-closing calendars since 2013.
    """
    candidates = {
        date(year, 7, 3): "eve of Independence Day",
        _nth(year, 11, _THURSDAY, 4) + timedelta(days=1): "day after Thanksgiving",
        date(year, 12, 24): "Christmas Eve",
    }
    closed = holidays(year)
    return {
        day: reason for day, reason in candidates.items() if day.weekday() < _SATURDAY and day not in closed
    }


@lru_cache(maxsize=8192)
def session_on(day: date) -> SimSession | None:
    """The session of a date; None when the exchange is closed."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise InvalidInput(
            f"no session table for {day}: the simulated calendar covers {FIRST_YEAR} to {LAST_YEAR}"
        )
    if day.weekday() >= _SATURDAY or day in holidays(day.year):
        return None
    close = _EARLY_CLOSE if day in early_closes(day.year) else _CLOSE
    return SimSession(
        day=day,
        opens_at=datetime.combine(day, _OPEN, NEW_YORK).astimezone(UTC),
        closes_at=datetime.combine(day, close, NEW_YORK).astimezone(UTC),
    )


@cache
def _all_sessions() -> tuple[SimSession, ...]:
    first, last = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple(session for session in map(session_on, days) if session is not None)


@cache
def _all_days() -> tuple[date, ...]:
    return tuple(session.day for session in _all_sessions())


@lru_cache(maxsize=1024)  # an order at work asks every second when its option ends
def sessions_between(start: date, end: date) -> tuple[SimSession, ...]:
    """Sessions with start <= day <= end, ascending; those the table covers."""
    days = _all_days()
    return _all_sessions()[bisect_left(days, start) : bisect_right(days, end)]


@lru_cache(maxsize=8192)
def latest_session(day: date) -> SimSession:
    """The session of a date, or the nearest one before it."""
    position = bisect_right(_all_days(), day)
    if position == 0 or day.year > LAST_YEAR:
        raise InvalidInput(
            f"no session on or before {day}: the simulated calendar covers {FIRST_YEAR} to {LAST_YEAR}"
        )
    return _all_sessions()[position - 1]


def previous_session(day: date) -> SimSession:
    """The nearest session before a date."""
    return latest_session(day - timedelta(days=1))


@lru_cache(maxsize=8192)
def next_session(day: date) -> SimSession | None:
    """The nearest session after a date; None at the end of the table."""
    position = bisect_right(_all_days(), day)
    return _all_sessions()[position] if position < len(_all_sessions()) else None


@lru_cache(maxsize=256)  # every contract is asked about the same instant
def trading_day(at: datetime) -> SimSession:
    """The session of the trading day that an aware instant belongs to."""
    local = at.astimezone(NEW_YORK)
    day = local.date() if local.time() >= _PRE_MARKET else local.date() - timedelta(days=1)
    return latest_session(day)


def trading_day_start(session: SimSession) -> datetime:
    """04:00 New York time on the day of a session."""
    return datetime.combine(session.day, _PRE_MARKET, NEW_YORK).astimezone(UTC)


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _observed(day: date) -> date:
    if day.weekday() == _SATURDAY:
        return day - timedelta(days=1)
    if day.weekday() == _SUNDAY:
        return day + timedelta(days=1)
    return day


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar.

    Source: the anonymous algorithm in Meeus, "Astronomical Algorithms" (1991), chapter 8.
    """
    century, of_century = divmod(year, 100)
    golden = year % 19
    skipped = century - century // 4 - (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + skipped + 15) % 30
    to_sunday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - epact - of_century % 4) % 7
    correction = (golden + 11 * epact + 22 * to_sunday) // 451
    month, day = divmod(epact + to_sunday - 7 * correction + 114, 31)
    return date(year, month, day + 1)
