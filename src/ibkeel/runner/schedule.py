"""On which days and at which hours to trade."""

import warnings
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import attrs
from typing_extensions import override

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.model import TradingHours
from ibkeel.model.checks import as_utc

NEW_YORK: Final = ZoneInfo("America/New_York")
_SEARCH_DAYS: Final = 14


@attrs.frozen(kw_only=True)
class Session:
    """One day's regular trading hours.

    Args:
        day: Trading date, in the exchange's calendar.
        opens_at: First instant of trading.
        closes_at: End of trading, exclusive; earlier than usual on a half day.
    """

    day: date
    opens_at: datetime = attrs.field(converter=as_utc)
    closes_at: datetime = attrs.field(converter=as_utc)

    def __attrs_post_init__(self) -> None:
        if self.opens_at >= self.closes_at:
            raise InvalidInput(
                f"session of {self.day} opens at {self.opens_at} and closes at {self.closes_at}"
            )


class SessionCalendar(Protocol):
    """An exchange's trading days."""

    def session(self, day: date) -> Session | None:
        """The session of a day; None at a weekend or on a holiday."""
        ...


class ExchangeCalendar(SessionCalendar):
    """Sessions as the package `exchange_calendars` knows them; needs the extra `[bot]`.

    Args:
        code: Market identifier code of the exchange, such as `XNYS`.
        start: First day that will be asked about; the package's own default is 20 years back.
    """

    def __init__(self, code: str = "XNYS", *, start: date | None = None) -> None:
        try:
            import exchange_calendars  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError(
                "the session calendar needs exchange_calendars; install 'ibkeel[bot]'"
            ) from None
        try:
            with warnings.catch_warnings():
                # The package lags behind pandas' deprecations; they are not the user's to mend.
                warnings.simplefilter("ignore", DeprecationWarning)
                first = start.isoformat() if start else None
                self._calendar = exchange_calendars.get_calendar(code, start=first)
        except exchange_calendars.errors.InvalidCalendarName:
            raise ConfigurationError(f"no exchange {code!r}; valid: a code such as XNYS") from None

    @override
    def session(self, day: date) -> Session | None:
        """The session of a day, with its early close."""
        label = day.isoformat()
        if not self._calendar.is_session(label):
            return None
        return Session(
            day=day,
            opens_at=self._calendar.session_open(label).to_pydatetime(),
            closes_at=self._calendar.session_close(label).to_pydatetime(),
        )


class LiquidHours(SessionCalendar):
    """Sessions as a contract's own liquid hours have them, for the days that these cover.

    Args:
        hours: Such as `ContractDetails.liquid_hours`.
        zone: The exchange's time zone.
    """

    def __init__(self, hours: Iterable[TradingHours], zone: ZoneInfo = NEW_YORK) -> None:
        self._hours, self._zone = tuple(hours), zone

    @override
    def session(self, day: date) -> Session | None:
        """The session of a day; None also for a day that is not covered."""
        return session_from_hours(self._hours, day, self._zone)

    def covers(self, day: date) -> bool:
        """Whether the hours say something of a day: they begin by it and go on after it."""
        days = [row.opens_at.astimezone(self._zone).date() for row in self._hours]
        return bool(days) and min(days) <= day <= max(days)


def session_from_hours(hours: Iterable[TradingHours], day: date, zone: ZoneInfo = NEW_YORK) -> Session | None:
    """The session of a day as a contract's own liquid hours have it.

    Args:
        hours: Liquid hours, such as `ContractDetails.liquid_hours`.
        day: Trading date.
        zone: The exchange's time zone.

    Returns:
        From the first opening to the last close of that day; None when it has none.
    """
    of_day = [row for row in hours if row.opens_at.astimezone(zone).date() == day]
    if not of_day:
        return None
    return Session(
        day=day,
        opens_at=min(row.opens_at for row in of_day),
        closes_at=max(row.closes_at for row in of_day),
    )


def session_now(calendar: SessionCalendar, now: datetime, zone: ZoneInfo = NEW_YORK) -> Session:
    """The session that is open, or the next one.

    Raises:
        ConfigurationError: The calendar has no session within two weeks.
    """
    today = now.astimezone(zone).date()
    for ahead in range(_SEARCH_DAYS):
        session = calendar.session(today + timedelta(days=ahead))
        if session is not None and now < session.closes_at:
            return session
    raise ConfigurationError(f"the calendar has no session in the {_SEARCH_DAYS} days from {today}")
