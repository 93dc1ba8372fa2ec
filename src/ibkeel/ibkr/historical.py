"""Historical bars from the fields in which they came, by the column and not by the bar."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ibkeel.errors import GatewayRejected
from ibkeel.ibkr.client import BAR_FIELDS, UNSET_DOUBLE
from ibkeel.ibkr.translate import day_of, utc_of, zone
from ibkeel.model import Bars, BarSpec, Contract

__all__ = ["bar_fields", "bars_of"]

_DAY: Final = len("20260105")
_EPOCH: Final = len("1767623400")  # from 2001 to 2286
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
            np.array(fields[first::BAR_FIELDS], dtype=np.float64) for first in range(1, 6)
        )
        at = _instants(fields[::BAR_FIELDS], timezone)
    except (ValueError, TypeError) as error:
        raise GatewayRejected(f"the Gateway sent bars of {contract} that cannot be read: {error}") from error
    # Where a kind has no volume it comes as -1, as NaN or as the largest number there is.
    volume[~((volume >= 0) & (volume < UNSET_DOUBLE))] = 0.0
    return Bars(
        contract=contract,
        spec=spec,
        at=at,
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


def _instants(dates: Sequence[Any], timezone: str) -> npt.NDArray[np.datetime64]:
    """Asked in format 2, the Gateway dates all but daily bars by the seconds of the epoch."""
    seconds: Iterable[int]
    if set(map(type, dates)) == _TEXT and _is_epoch("".join(dates), len(dates)):
        seconds = map(int, dates)
    else:
        seconds = (int(_start(text, timezone).timestamp()) for text in dates)
    return np.fromiter(seconds, np.int64, len(dates)).view("datetime64[s]")


def _is_epoch(joined: str, number: int) -> bool:
    return len(joined) == number * _EPOCH and joined.isdecimal()


def _start(at: Any, timezone: str) -> datetime:
    if isinstance(at, datetime):
        return at
    if not isinstance(at, date) and len(at) != _DAY:
        if at.isdecimal():
            return datetime.fromtimestamp(int(at), UTC)
        return utc_of(at, default_zone=timezone)
    day = at if isinstance(at, date) else day_of(at)
    return datetime(day.year, day.month, day.day, tzinfo=zone(timezone))
