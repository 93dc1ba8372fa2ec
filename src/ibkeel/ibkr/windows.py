"""Hours at which being cut off is normal: resets of the servers, and the weekly login.

They are data, to be replaced by whoever knows better. The broker's page has been seen in two
versions that contradict each other; both are here, and `DEFAULT_WINDOWS` is what either allows for
North America, whose servers paper accounts use wherever they are.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.validators import is_zone

_DAYS: Final = range(7)
_ONE_DAY: Final = timedelta(days=1)
_MONDAY, _TUESDAY, _WEDNESDAY, _THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = _DAYS


def _as_set(days: Iterable[int]) -> frozenset[int]:
    return frozenset(days)


def _weekdays(instance: "ResetWindow", _: object, value: frozenset[int]) -> None:
    if not value or not value <= set(_DAYS):
        raise InvalidInput(
            f"window {instance.name!r}: weekdays are {sorted(value)}; valid: from 0, Monday, to 6, at least one"
        )


def _naive(instance: "ResetWindow", attribute: "attrs.Attribute[time]", value: time) -> None:
    if value.tzinfo is not None:
        raise InvalidInput(
            f"window {instance.name!r}: {attribute.name} has a time zone of its own; give `timezone` only"
        )


def _zone(instance: "ResetWindow", _: object, value: str) -> None:
    if not is_zone(value):
        raise InvalidInput(
            f"window {instance.name!r}: no time zone {value!r}; valid: a name such as 'America/New_York'"
        )


@attrs.frozen(kw_only=True)
class ResetWindow:
    """Hours on some days of the week, in the time of a place.

    Args:
        name: For people.
        region: Whose servers, such as `north america`.
        weekdays: On which days it begins; 0 is Monday.
        begins: Local time.
        ends: Local time; when that is not after `begins`, of the next day.
        timezone: Name in the tz database.
        source: Where the hours are written down.
        needs_login: Whether a person must log in before there can be a session again.

    Raises:
        InvalidInput: A day or the time zone does not exist, or a time has a zone of its own.
    """

    name: str
    region: str
    weekdays: frozenset[int] = attrs.field(converter=_as_set, validator=_weekdays)
    begins: time = attrs.field(validator=_naive)
    ends: time = attrs.field(validator=_naive)
    timezone: str = attrs.field(validator=_zone)
    source: str
    needs_login: bool = False

    def occurrence_at(self, now: datetime) -> "Occurrence | None":
        """The occurrence that an instant falls into; None when it falls into none.

        Raises:
            InvalidInput: `now` has no time zone.
        """
        today = self._date(now)
        for day in (today - _ONE_DAY, today):
            if day.weekday() in self.weekdays and (found := self._on(day)).begins_at <= now < found.ends_at:
                return found
        return None

    def next_occurrence(self, now: datetime) -> "Occurrence":
        """The first occurrence that begins after an instant.

        Raises:
            InvalidInput: `now` has no time zone.
        """
        day = self._date(now)
        while day.weekday() not in self.weekdays or self._on(day).begins_at <= now:
            day += _ONE_DAY
        return self._on(day)

    def _date(self, now: datetime) -> date:
        if now.tzinfo is None:
            raise InvalidInput(f"{now} has no time zone; valid: an aware datetime")
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def _on(self, day: date) -> "Occurrence":
        """An hour that the clocks repeat belongs to it both times, as far as it lies inside."""
        zone = ZoneInfo(self.timezone)
        last = day if self.ends > self.begins else day + _ONE_DAY
        begins = datetime.combine(day, self.begins.replace(fold=0), zone)
        ends = datetime.combine(last, self.ends.replace(fold=1), zone)
        return Occurrence(window=self, begins_at=begins.astimezone(UTC), ends_at=ends.astimezone(UTC))


@attrs.frozen(kw_only=True)
class Occurrence:
    """One night's window.

    Args:
        window: Which.
        begins_at: UTC, inclusive.
        ends_at: UTC, exclusive.
    """

    window: ResetWindow
    begins_at: datetime
    ends_at: datetime


def in_window(now: datetime, windows: Iterable[ResetWindow]) -> ResetWindow | None:
    """The first of the windows that an instant falls into; None when it falls into none.

    Args:
        now: Aware.
        windows: In the order of preference.

    Raises:
        InvalidInput: `now` has no time zone.

    Examples:
        >>> from datetime import UTC, datetime
        >>> in_window(datetime(2026, 7, 7, 4, 30, tzinfo=UTC), DEFAULT_WINDOWS).name
        'reset, North America'
        >>> in_window(datetime(2026, 7, 7, 15, 0, tzinfo=UTC), DEFAULT_WINDOWS) is None
        True
    """
    return next((window for window in windows if window.occurrence_at(now) is not None), None)


def next_window(now: datetime, windows: Iterable[ResetWindow]) -> Occurrence | None:
    """The occurrence that begins soonest after an instant; None when there are no windows.

    Args:
        now: Aware.
        windows: In any order.

    Raises:
        InvalidInput: `now` has no time zone.
    """
    coming = [window.next_occurrence(now) for window in windows]
    return min(coming, key=lambda occurrence: occurrence.begins_at, default=None)


NORTH_AMERICA: Final = "north america"
EUROPE: Final = "europe"
ASIA_PACIFIC: Final = "asia pacific"
EVERYWHERE: Final = "everywhere"

_NEWER: Final = "interactivebrokers.co.uk/pt/software/systemStatus.php, an undated copy"
_OLDER: Final = "interactivebrokers.com/ko/software/systemStatus.php, a copy of 2024-12-15"
_LOGIN: Final = "ibkrguides.com/traderworkstation/auto-restart-considerations.htm"

_newer = partial(
    ResetWindow,
    weekdays={_SUNDAY, _MONDAY, _TUESDAY, _WEDNESDAY, _THURSDAY, _FRIDAY},
    source=_NEWER,
)
_older = partial(
    ResetWindow,
    weekdays={_SATURDAY, _SUNDAY, _MONDAY, _TUESDAY, _WEDNESDAY, _THURSDAY},
    source=_OLDER,
)
_weekend = partial(
    ResetWindow,
    name="weekend reset",
    region=EVERYWHERE,
    weekdays={_FRIDAY},
    begins=time(23),
    ends=time(3),
    timezone="America/New_York",
)

NEWER_PAGE: Final = (
    _newer(
        name="reset, North America",
        region=NORTH_AMERICA,
        begins=time(0, 15),
        ends=time(1, 45),
        timezone="America/New_York",
    ),
    _newer(
        name="reset, Europe",
        region=EUROPE,
        begins=time(6, 25),
        ends=time(7, 45),
        timezone="Europe/Zurich",
    ),
    _newer(
        name="first reset, Asia Pacific",
        region=ASIA_PACIFIC,
        begins=time(4, 45),
        ends=time(6, 5),
        timezone="Asia/Hong_Kong",
    ),
    _newer(
        name="second reset, Asia Pacific",
        region=ASIA_PACIFIC,
        begins=time(20, 15),
        ends=time(21, 15),
        timezone="Asia/Hong_Kong",
    ),
    _weekend(source=_NEWER),
)
"""The newer version of the page, of which the copy seen bears no date."""

OLDER_PAGE: Final = (
    _older(
        name="reset, North America",
        region=NORTH_AMERICA,
        begins=time(23, 45),
        ends=time(0, 45),
        timezone="America/New_York",
    ),
    _older(
        name="reset, Europe",
        region=EUROPE,
        begins=time(5, 45),
        ends=time(6, 45),
        timezone="Europe/Zurich",
    ),
    _older(
        name="first reset, Asia Pacific",
        region=ASIA_PACIFIC,
        begins=time(16, 45),
        ends=time(17, 45),
        timezone="America/New_York",
    ),
    _older(
        name="second reset, Asia Pacific",
        region=ASIA_PACIFIC,
        begins=time(20, 15),
        ends=time(21),
        timezone="Asia/Hong_Kong",
    ),
    _weekend(source=_OLDER),
)
"""The older version of the page, of December 2024."""

WEEKLY_LOGIN: Final = ResetWindow(
    name="weekly login",
    region=EVERYWHERE,
    weekdays={_SUNDAY},
    begins=time(1),
    ends=time(17),  # the source names no end: ours, an hour before the first futures trade
    timezone="America/New_York",
    source=_LOGIN,
    needs_login=True,
)
"""From Sunday on at 01:00 New York time a login no longer renews itself."""


def _of_region(region: str) -> tuple[ResetWindow, ...]:
    resets = [window for window in NEWER_PAGE + OLDER_PAGE if window.region == region]
    return (*resets, NEWER_PAGE[-1], WEEKLY_LOGIN)  # both pages have the same weekend


WINDOWS_OF_REGION: Final = MappingProxyType(
    {region: _of_region(region) for region in (NORTH_AMERICA, EUROPE, ASIA_PACIFIC)}
)
"""For each region the windows of both pages, and the weekly login."""


def windows_of(region: str, auto_restart: str = "") -> tuple[ResetWindow, ...]:
    """Windows of a region, and before them the quarter of an hour in which a Gateway restarts by itself.

    Args:
        region: A key of `WINDOWS_OF_REGION`.
        auto_restart: Local time and place, such as `23:55 Europe/Berlin`; empty for none.

    Raises:
        InvalidInput: There is no such region, time or time zone.
    """
    try:
        windows = WINDOWS_OF_REGION[region]
        if not auto_restart:
            return windows
        at, zone = auto_restart.split()
        begins = datetime.combine(date.min, time.fromisoformat(at))
    except (KeyError, ValueError):
        raise InvalidInput(
            f"no windows of {region!r} with {auto_restart!r}; valid: {', '.join(WINDOWS_OF_REGION)}, "
            "and a time such as 23:55 Europe/Berlin, or empty"
        ) from None
    restart = ResetWindow(
        name="its own restart",
        region=region,
        weekdays=_DAYS,
        begins=begins.timetz(),
        ends=(begins + timedelta(minutes=15)).timetz(),
        timezone=zone,
        source="the Gateway's settings",
    )
    return restart, *windows


DEFAULT_WINDOWS: Final = WINDOWS_OF_REGION[NORTH_AMERICA]
"""Those of North America."""
