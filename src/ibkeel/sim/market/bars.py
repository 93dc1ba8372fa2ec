"""From prints to bars: columns of numbers, grouped by time."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final, Self

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.sim.market.calendar import NEW_YORK
from ibkeel.sim.values import BarSize, SimBar, SimSession

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NO_VOLUME: Final = -1  # what the Gateway sends with bars that are not of trades
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DECIMALS: Final = 6


@attrs.frozen(kw_only=True, eq=False)
class BarTable:
    """Bars as columns of one length, ascending by `start`, in seconds since 1970 UTC.

    `turnover` is the sum of price x volume, and `count` the number of prints.
    """

    start: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Integers
    turnover: Floats
    count: Integers

    @classmethod
    def of_prints(cls, at: Integers, price: Floats, volume: Integers) -> Self:
        """One row for each print, to be grouped; `at` ascending."""
        return cls(
            start=at,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=volume,
            turnover=price * volume,
            count=np.ones(len(at), dtype=np.int64),
        )

    @classmethod
    def joined(cls, tables: Iterable[Self]) -> Self:
        """Tables one after the other; the caller keeps them ascending."""
        parts = tuple(tables)
        if not parts:
            none = np.zeros(0)
            return cls.of_prints(none.astype(np.int64), none, none.astype(np.int64))
        columns = (field.name for field in attrs.fields(cls))
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in columns})

    def __len__(self) -> int:
        return len(self.start)

    def rows(self, first: int, last: int) -> Self:
        """Rows first <= n < last."""
        columns = (field.name for field in attrs.fields(type(self)))
        return type(self)(**{name: getattr(self, name)[first:last] for name in columns})

    def between(self, start: datetime, end: datetime) -> Self:
        """Rows with start <= their start < end."""
        seconds = [math.ceil((instant - _EPOCH).total_seconds()) for instant in (start, end)]
        first, last = np.searchsorted(self.start, seconds)
        return self.rows(int(first), int(last))

    def grouped(self, seconds: int, *, anchor: int) -> Self:
        """Longer bars; their starts are `anchor` plus multiples of `seconds`."""
        if not len(self):
            return self
        start = (self.start - anchor) // seconds * seconds + anchor
        first = np.flatnonzero(np.concatenate(([True], start[1:] != start[:-1])))
        last = np.append(first[1:], len(start)) - 1
        return type(self)(
            start=start[first],
            open=self.open[first],
            high=np.maximum.reduceat(self.high, first),
            low=np.minimum.reduceat(self.low, first),
            close=self.close[last],
            volume=np.add.reduceat(self.volume, first),
            turnover=np.add.reduceat(self.turnover, first),
            count=np.add.reduceat(self.count, first),
        )

    def bars(self, *, traded: bool) -> Sequence[SimBar]:
        """Rows as values; bars of quotes, which are not `traded`, have -1 for volume, average and count, as on the wire."""
        columns = [getattr(self, field.name).tolist() for field in attrs.fields(type(self))]
        return tuple(_bar(*row, traded=traded) for row in zip(*columns, strict=True))


def aligned(table: BarTable, session: SimSession, size: BarSize, *, rth: bool) -> BarTable:
    """Bars of one trading day, grouped to a size; aligned to the open with `rth`, else to midnight in New York."""
    if size is BarSize.DAY_1:
        midnight = datetime.combine(session.day, time(), NEW_YORK)
        whole = table.grouped(2 * size.seconds, anchor=int(midnight.timestamp()))
        return attrs.evolve(whole, start=np.full_like(whole.start, session.opens_at.timestamp()))
    if size is BarSize.MIN_1:
        return table
    anchor = session.opens_at if rth else datetime.combine(session.day, time(), NEW_YORK)
    return table.grouped(size.seconds, anchor=int(anchor.timestamp()))


def joined(first: SimBar, second: SimBar) -> SimBar:
    """Two parts of one bar, the earlier one first."""
    volume = first.volume + second.volume
    is_traded = first.volume != NO_VOLUME
    total = first.wap * first.volume + second.wap * second.volume
    return attrs.evolve(
        first,
        high=max(first.high, second.high),
        low=min(first.low, second.low),
        close=second.close,
        volume=volume if is_traded else NO_VOLUME,
        wap=round(total / volume, _DECIMALS) if is_traded and volume else first.wap,
        count=first.count + second.count if is_traded else NO_VOLUME,
    )


def _bar(
    start: int,
    first: float,
    high: float,
    low: float,
    last: float,
    volume: int,
    turnover: float,
    count: int,
    *,
    traded: bool,
) -> SimBar:
    average = turnover / volume if volume else last
    return SimBar(
        at=_EPOCH + timedelta(seconds=start),
        open=first,
        high=high,
        low=low,
        close=last,
        volume=volume if traded else NO_VOLUME,
        wap=min(max(round(average, _DECIMALS), low), high) if traded else float(NO_VOLUME),
        count=count if traded else NO_VOLUME,
    )
