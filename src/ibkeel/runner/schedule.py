"""On which days and at which hours to trade, and at which instants of a session the cycles begin."""

import re
import warnings
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final, Protocol, Self
from zoneinfo import ZoneInfo

import attrs
from typing_extensions import override

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.model import TradingHours
from ibkeel.model.checks import NEW_YORK, Words, as_utc
from ibkeel.validators import series

_SEARCH_DAYS: Final = 14

_FORM: Final = re.compile(r"\s*(open|close)\s*(?:([+-])\s*(\d{1,5})\s*(s|min|h))?\s*", re.ASCII)
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600}


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

    def is_open(self, now: datetime) -> bool:
        """Whether it is under way."""
        return self.opens_at <= now < self.closes_at


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
            import exchange_calendars
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
        """The session of a day, first opening to last close; None also for a day that is not covered."""
        of_day = [row for row in self._hours if row.opens_at.astimezone(self._zone).date() == day]
        if not of_day:
            return None
        return Session(
            day=day,
            opens_at=min(row.opens_at for row in of_day),
            closes_at=max(row.closes_at for row in of_day),
        )

    def covers(self, day: date) -> bool:
        """Whether the hours say something of a day: they begin by it and go on after it."""
        days = [row.opens_at.astimezone(self._zone).date() for row in self._hours]
        return bool(days) and min(days) <= day <= max(days)


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


class OverrunPolicy(Words):
    """What becomes of instants that went by while a cycle was still going."""

    SKIP = "skip"
    AT_ONCE = "at_once"


@attrs.frozen(kw_only=True)
class Anchor:
    """An instant that moves with a session's hours.

    Args:
        edge: `open` or `close`.
        offset: From there, in seconds; negative for before.
    """

    edge: str
    offset: float = 0.0

    @classmethod
    def of(cls, text: str) -> Self:
        """Read one, such as `open + 5 min`, `close - 1 h`, `open + 90 s` or `open`.

        Raises:
            ConfigurationError: It is none, or not within a session.

        Examples:
            >>> Anchor.of("close - 30 min").offset
            -1800
        """
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ConfigurationError(f"{text!r} is no anchor; valid: such as 'open + 5 min' or 'close - 1 h'")
        edge, sign, number, unit = found.groups()
        offset = int(number or 0) * _SECONDS[unit or "s"] * (-1 if sign == "-" else 1)
        if (offset < 0) if edge == "open" else (offset >= 0):
            raise ConfigurationError(
                f"{text!r} is not within a session; valid: after the open, before the close"
            )
        return cls(edge=edge, offset=offset)

    def at(self, session: Session) -> datetime:
        """When that is in a session."""
        edge = session.opens_at if self.edge == "open" else session.closes_at
        return edge + timedelta(seconds=self.offset)

    @override
    def __str__(self) -> str:
        if not self.offset:
            return self.edge
        return f"{self.edge} {'-' if self.offset < 0 else '+'} {abs(self.offset):g} s"


@attrs.frozen(kw_only=True)
class Timetable:
    """A grid over a session, or instants that are named one by one.

    Args:
        interval: From one cycle to the next, in seconds.
        first: From the open to the first cycle, in seconds; None for one interval.
        anchors: When there are any, cycles begin at these and at no others.
        overrun: What becomes of instants that went by during a cycle.
    """

    interval: float = 180.0
    first: float | None = None
    anchors: tuple[Anchor, ...] = attrs.field(default=(), converter=series)
    overrun: OverrunPolicy = attrs.field(default=OverrunPolicy.SKIP, converter=OverrunPolicy)

    @classmethod
    def anchored(cls, texts: Iterable[str], **options: object) -> Self:
        """The timetable of named instants; see `Anchor.of`."""
        return cls(anchors=tuple(map(Anchor.of, texts)), **options)  # type: ignore[arg-type]

    def next(
        self, session: Session, *, now: datetime, stop: datetime, last: datetime | None = None
    ) -> datetime | None:
        """When the next cycle is due.

        Args:
            session: The session that is traded.
            now: The present instant.
            stop: No cycle begins at or after it.
            last: When the cycle before was due; None for none. What was due before a run began was
                missed and is not made up for.

        Returns:
            An instant that is not before `now`; `now` itself for a cycle that begins at once, late; None
            when there is none before `stop`.
        """
        due = self._on_or_after(session, now, last)
        if self.overrun is OverrunPolicy.AT_ONCE and last is not None:
            missed = self._on_or_after(session, last, last)
            due = now if missed is not None and missed < now else due
        return due if due is not None and due < stop else None

    def allowed(self, session: Session, *, due: datetime, stop: datetime) -> float:
        """Seconds that a cycle may take so that the one after it begins in time.

        Args:
            session: The session that is traded.
            due: When the cycle was due.
            stop: No cycle begins at or after it.
        """
        if not self.anchors:
            return self.interval
        after = self._on_or_after(session, due, due)
        return ((stop if after is None else min(after, stop)) - due).total_seconds()

    def _on_or_after(self, session: Session, now: datetime, last: datetime | None) -> datetime | None:
        """The first instant from `now` on that is after `last`."""
        if self.anchors:
            rows = sorted(anchor.at(session) for anchor in self.anchors)
            return next((row for row in rows if row >= now and (last is None or row > last)), None)
        step = timedelta(seconds=self.interval)
        begin = session.opens_at + (step if self.first is None else timedelta(seconds=self.first))
        passed = max(-((begin - now) // step), 0)  # rounded up: the first that is not before now
        due = begin + passed * step
        return due if last is None or due > last else due + step
