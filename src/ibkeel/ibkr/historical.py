"""Historical bars from the fields in which they came, by the column and not by the bar."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import chain
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
        number = len(fields) // BAR_FIELDS
        # Faster than numpy's own reading of texts by half.
        columns = chain.from_iterable(fields[first::BAR_FIELDS] for first in range(1, 6))
        opened, high, low, closed, volume = np.fromiter(map(float, columns), np.float64, 5 * number).reshape(
            5, number
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
    seconds: Iterable[int] = (
        map(int, dates) if _are_epochs(dates) else (int(_start(text, timezone).timestamp()) for text in dates)
    )
    return np.fromiter(seconds, np.int64, len(dates)).view("datetime64[s]")


def _are_epochs(dates: Sequence[Any]) -> bool:
    """Whether all are seconds of the epoch, as text; read all at once, for that is nearly always so."""
    try:
        joined = "".join(dates)
    except TypeError:
        return False
    # Texts of other lengths may come to the same sum.
    return len(joined) == len(dates) * _EPOCH and joined.isdecimal() and len(min(dates, key=len)) == _EPOCH


def _start(at: Any, timezone: str) -> datetime:
    if isinstance(at, datetime):
        return at
    if not isinstance(at, date) and len(at) != _DAY:
        if at.isdecimal():
            return datetime.fromtimestamp(int(at), UTC)
        return utc_of(at, default_zone=timezone)
    day = at if isinstance(at, date) else day_of(at)
    return datetime(day.year, day.month, day.day, tzinfo=zone(timezone))
