"""What a listed series is: how often it comes, how it settles, when it stops living, how it ticks.

The definitions name a trading class, a multiplier, dates and strikes, and nothing more. The rest follows
from the exchanges' rules, and a `Series` says which of its fields do.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import ContractDetails, Index, Option, OptionClass, Stock, TradingHours
from ibkeel.model.checks import Words, as_optional_utc, as_utc

_SECONDS_A_YEAR: Final = 365 * 86_400
_OPEN: Final = time(9, 30)
_CLOSE: Final = time(16, 0)

_WEDNESDAY: Final = 2
_FRIDAY: Final = 4
_SATURDAY: Final = 5
_QUARTER_ENDS: Final = frozenset({3, 6, 9, 12})
_A_YEAR: Final = 365

# Classes of index options that settle from the opening prices, of that day of the week but for holidays; other
# classes settle from the close. Source: Cboe and Nasdaq, contract specifications.
_AT_OPEN: Final = MappingProxyType(
    dict.fromkeys(("DJX", "NDX", "RUT", "SPX"), _FRIDAY) | dict.fromkeys(("VIX", "VIXW"), _WEDNESDAY)
)
# Its monthly expiries are Wednesdays; weekly ones are of the class VIXW. Source: Cboe, VIX option specifications.
_MONTHLY_ONLY: Final = frozenset({"VIX"})
_AMERICAN_INDICES: Final = frozenset({"OEX"})
# One cent at any price. Source: the exchanges' penny interval program; Cboe, XSP specifications.
_ALL_PENNIES: Final = frozenset({"IWM", "QQQ", "SPY", "XSP"})
_FROM: Final = Decimal(3)
_ABOVE: Final = MappingProxyType({Decimal("0.01"): Decimal("0.05"), Decimal("0.05"): Decimal("0.10")})
"""The step from a premium of 3 on, by the step below. Source: Cboe Rule 5.4."""


class Settlement(Words):
    """From which prices an option is settled."""

    AM = "am"
    PM = "pm"


class Exercise(Words):
    """When an option may be exercised."""

    AMERICAN = "american"
    EUROPEAN = "european"


def settles_at(
    expiry: date,
    settlement: Settlement = Settlement.PM,
    *,
    closes: time = _CLOSE,
    timezone: str = "America/New_York",
) -> datetime:
    """The instant at which an option's value is decided.

    An AM-settled option (SPX monthlies, VIX) is settled from the opening prices of its expiry, though
    it last trades the day before; a PM-settled one (SPXW, all equities and funds) from the close.

    Args:
        expiry: Expiration date.
        settlement: Whether open or close count.
        closes: Close of that session, in the exchange's time; 13:00 on a half day.
        timezone: IANA name of the exchange's time zone.

    Returns:
        In UTC.

    Source:
        Cboe, contract specifications of SPX and SPXW; OIC, settlement of equity options.
    """
    at = _OPEN if Settlement(settlement) is Settlement.AM else closes
    return datetime.combine(expiry, at, tzinfo=ZoneInfo(timezone)).astimezone(UTC)


def end_of(option: Option) -> datetime:
    """When an option is settled, in its exchange's time: at the open or the usual close, by its class."""
    name = option.trading_class
    return datetime.combine(_days(option.expiry, name)[1], _OPEN if name in _AT_OPEN else _CLOSE)


def _days(listed: date, trading_class: str) -> tuple[date, date]:
    """Last trading day and expiration, by rule alone: no holiday is known here."""
    day, usual = listed, _AT_OPEN.get(trading_class)
    if day.weekday() == _SATURDAY:  # the stamp of the years before 2015
        day -= timedelta(days=1)
    if usual is None:
        return day, day
    # Listed by the last trading day; the usual day of the expiration is taken for that.
    # Source: a Gateway's answer in erdewit/ib_insync, notebooks/option_chain.ipynb.
    day -= timedelta(days=day.weekday() == usual)
    return day, day + timedelta(days=3 if day.weekday() == _FRIDAY else 1)


def closes_by_day(
    hours: Iterable[TradingHours], *, timezone: str = "America/New_York"
) -> Mapping[date, datetime]:
    """When trading ends, on each day that hours tell of.

    Args:
        hours: Such as `ContractDetails.liquid_hours`.
        timezone: IANA name of the exchange's time zone.

    Returns:
        In UTC, by the exchange's date; of several intervals of a day the last one counts.
    """
    zone = ZoneInfo(timezone)
    ends = sorted(row.closes_at for row in hours)
    return {end.astimezone(zone).date(): end for end in ends}


def years_to_expiry(instant: datetime, *, now: datetime) -> float:
    """Calendar time from now in years of 365 days: the unit of every formula here.

    Args:
        instant: Such as `settles_at(...)`, aware.
        now: Aware.

    Returns:
        0 or more.

    Raises:
        InvalidInput: The instant has passed, or one of them has no time zone.
    """
    left = (as_utc(instant) - as_utc(now)).total_seconds()
    if left < 0:
        raise InvalidInput(f"{instant} is {-left:.0f} seconds in the past; valid: now or later")
    return left / _SECONDS_A_YEAR


class SeriesKind(Words):
    """How often series like this one come."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    LEAPS = "leaps"


def kind_set(kinds: Iterable[SeriesKind | str]) -> frozenset[SeriesKind]:
    """Kinds, or their names, as a set."""
    return frozenset(SeriesKind(kind) for kind in kinds)


@attrs.frozen(kw_only=True)
class Series:
    """One expiry of one trading class.

    Args:
        trading_class: Such as `"SPXW"`.
        expiry: As the definitions have it, see `series_of`.
        kind: Weekly stands for every date that is none of the others, daily ones included.
        settlement: From the opening or the closing prices.
        exercise: American or European.
        is_adjusted: Whether a corporate action made the class: what it delivers is not 100 shares.
        last_trading_day: The day before the expiration where the opening prices settle.
        ticks: Pairs of the premium from which a price step holds and the step, both per share; empty
            when no definition gave the smallest step.
        closes_at: Close of the last session in which it trades; None for the usual 16:00 New York time.
            A later one than that changes nothing.
        inferred: Names of the fields that rest on a rule and not on a definition.
    """

    trading_class: str
    expiry: date
    kind: SeriesKind
    settlement: Settlement
    exercise: Exercise
    is_adjusted: bool
    last_trading_day: date
    ticks: tuple[tuple[Decimal, Decimal], ...] = ()
    closes_at: datetime | None = attrs.field(default=None, converter=as_optional_utc)
    inferred: frozenset[str] = frozenset()

    @property
    def expires_at(self) -> datetime:
        """When its time value is gone, in UTC: the opening of its expiry, or the close."""
        _, day = _days(self.expiry, self.trading_class)
        return settles_at(day, Settlement.AM) if self.settlement is Settlement.AM else self._close_of(day)

    @property
    def trades_until(self) -> datetime:
        """When it can last be bought and sold, in UTC: the close of its last trading day.

        Index options trade a quarter of an hour longer than their index; that is not counted here.
        """
        return min(self.expires_at, self._close_of(self.last_trading_day))

    def _close_of(self, day: date) -> datetime:
        usual = settles_at(day)
        return usual if self.closes_at is None else min(usual, self.closes_at)


def is_adjusted(trading_class: str, symbol: str) -> bool:
    """Whether a class bears the digit that a corporate action leaves, such as `AAPL1` or `2AAPL`.

    Source:
        OCC, adjusted option symbols.
    """
    names = {symbol, symbol.replace(" ", "")}  # the classes of BRK B are BRKB and BRKB1
    stems = "|".join(map(re.escape, names))
    return trading_class not in names and re.fullmatch(rf"\d*({stems})\d*", trading_class) is not None


def series_kind(
    expiry: date, listed: Iterable[date], *, today: date, trading_class: str | None = None
) -> SeriesKind:
    """How often a listed expiry comes, by its date.

    Args:
        expiry: Which one.
        listed: Every expiry of its class: a holiday moves an expiry to the day before.
        today: Trading date: a monthly one more than a year away belongs to the LEAPS.
        trading_class: For VIX, whose monthly expiries are not third Fridays, and for what settles at the open.
    """
    if trading_class in _MONTHLY_ONLY:
        return SeriesKind.MONTHLY
    dates, expiry = frozenset(listed), _days(expiry, trading_class or "")[1]
    if _stands_for(_third_friday(expiry), expiry, dates):
        return SeriesKind.LEAPS if (expiry - today).days > _A_YEAR else SeriesKind.MONTHLY
    if expiry.month in _QUARTER_ENDS and _stands_for(_last_weekday(expiry), expiry, dates):
        return SeriesKind.QUARTERLY
    return SeriesKind.WEEKLY


def series_of(
    underlying: Stock | Index,
    row: OptionClass,
    expiry: date,
    *,
    today: date,
    details: ContractDetails | None = None,
    closes: Mapping[date, datetime] | None = None,
) -> Series:
    """What is known of one expiry of a class.

    Args:
        underlying: Of the class.
        row: The class, from a chain.
        expiry: One of its dates. A Gateway lists what settles at the open by its last trading day; the usual day of
            its expiration, such as a Friday for SPX, is taken for that.
        today: Trading date, in the exchange's calendar.
        details: Definition of any contract of the series; it gives the last trading day and the
            smallest price step.
        closes: When the exchange closes, by its date, such as `closes_by_day(details.liquid_hours)` of the
            underlying; a day that is not there closes at 16:00.

    Returns:
        With the names of the fields that are inferred.
    """
    name, is_index = row.trading_class, isinstance(underlying, Index)
    settlement = Settlement.AM if is_index and name in _AT_OPEN else Settlement.PM
    american = not is_index or name in _AMERICAN_INDICES
    told = details.last_trading_day if details is not None else None
    last_day, ends = _days(expiry, name)
    if told == ends != last_day:
        told = None  # the expiration itself, in a field that stands for both
    inferred = {"kind", "settlement", "exercise", "is_adjusted", "ticks"}
    return Series(
        trading_class=name,
        expiry=expiry,
        kind=series_kind(expiry, row.expiries, today=today, trading_class=name),
        settlement=settlement,
        exercise=Exercise.AMERICAN if american else Exercise.EUROPEAN,
        is_adjusted=is_adjusted(name, underlying.symbol),
        last_trading_day=told or last_day,
        ticks=() if details is None else _ladder(name, details.min_tick),
        closes_at=(closes or {}).get(told or last_day),
        inferred=frozenset(inferred if told else {*inferred, "last_trading_day"}),
    )


def _stands_for(usual: date, expiry: date, listed: frozenset[date]) -> bool:
    """The usual date, or the day before it on a holiday."""
    return expiry == usual or (expiry == usual - timedelta(days=1) and usual not in listed)


def _third_friday(day: date) -> date:
    first = day.replace(day=1)
    return first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)


def _last_weekday(day: date) -> date:
    following = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    last = following - timedelta(days=1)
    return last - timedelta(days=max(0, last.weekday() - _FRIDAY))


def _ladder(trading_class: str, least: Decimal) -> tuple[tuple[Decimal, Decimal], ...]:
    above = _ABOVE.get(least)
    if above is None or trading_class in _ALL_PENNIES:
        return ((Decimal(0), least),)
    return ((Decimal(0), least), (_FROM, above))
