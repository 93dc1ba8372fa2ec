"""When an option stops living, to the minute, and whether it may be exercised before."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from ibkeel.errors import InvalidInput
from ibkeel.model import TradingHours
from ibkeel.model.checks import as_utc

_SECONDS_A_YEAR: Final = 365 * 86_400
_OPEN: Final = time(9, 30)
_CLOSE: Final = time(16, 0)


class Settlement(StrEnum):
    """From which prices an option is settled."""

    AM = "am"
    PM = "pm"


class Exercise(StrEnum):
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
    at = _OPEN if settlement is Settlement.AM else closes
    return datetime.combine(expiry, at, tzinfo=ZoneInfo(timezone)).astimezone(UTC)


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
