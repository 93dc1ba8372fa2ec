"""Historical bars from the fields in which they came, by the column and not by the bar."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np

from ibkeel.errors import GatewayRejected
from ibkeel.ibkr.client import BAR_FIELDS, UNSET_DOUBLE
from ibkeel.ibkr.translate import day_of, utc_of, zone
from ibkeel.model import Bars, BarSpec, Contract

__all__ = ["bar_fields", "bars_of"]

_DAY: Final = len("20260105")
_TEXT: Final = {str}


def bars_of(fields: Sequence[Any], *, contract: Contract, spec: BarSpec, timezone: str) -> Bars:
    """Bars, ascending; daily ones start at midnight of the exchange's day.

    Args:
        fields: Of each bar date, open, high, low, close, volume, average and count, as text or number.
        contract: What the bars are of.
        spec: What was asked for.
        timezone: The exchange's time zone, for dates that name none.

    Raises:
        GatewayRejected: A field is not what it should be.
    """
    try:
        opened, high, low, closed, volume = (
            np.fromiter(map(float, fields[at::BAR_FIELDS]), np.float64) for at in range(1, 6)
        )
        seconds = _seconds(fields[::BAR_FIELDS], timezone)
    except (ValueError, TypeError) as error:
        raise GatewayRejected(f"the Gateway sent bars of {contract} that cannot be read: {error}") from error
    # Where a kind has no volume it comes as -1, as NaN or as the largest number there is.
    volume[~((volume >= 0) & (volume < UNSET_DOUBLE))] = 0.0
    return Bars(
        contract=contract,
        spec=spec,
        at=np.array(seconds, dtype="datetime64[s]"),
        open=opened,
        high=high,
        low=low,
        close=closed,
        volume=volume,
        timezone=timezone,
    )


def bar_fields(bar: Any) -> tuple[Any, ...]:
    """The fields of one bar of the client library, its date still as it came."""
    return bar.date, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.average, bar.barCount


def _seconds(dates: Sequence[Any], timezone: str) -> list[int]:
    """Seconds since the epoch; asked in format 2, the Gateway dates all but daily bars that way."""
    if set(map(type, dates)) == _TEXT and "".join(dates).isdecimal() and min(map(len, dates)) > _DAY:
        return list(map(int, dates))
    return [int(_start(text, timezone).timestamp()) for text in dates]


def _start(at: Any, timezone: str) -> datetime:
    if isinstance(at, datetime):
        return at
    if not isinstance(at, date) and len(at) != _DAY:
        return utc_of(at, default_zone=timezone)
    day = at if isinstance(at, date) else day_of(at)
    return datetime(day.year, day.month, day.day, tzinfo=zone(timezone))
