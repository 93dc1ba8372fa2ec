"""Bars of weeks and months, made of daily ones."""

from collections.abc import Sequence
from datetime import tzinfo
from itertools import groupby

import attrs

from ibkeel.sim.services.durations import LongBar
from ibkeel.sim.values import SimBar

__all__ = ["long_bars"]


def long_bars(days: Sequence[SimBar], size: LongBar, zone: tzinfo) -> list[SimBar]:
    """Daily bars put together; each is dated by its last session (unverified).

    Args:
        days: Daily bars, ascending.
        size: Length of the bars wanted.
        zone: Zone in which days begin.
    """
    groups = groupby(days, key=lambda bar: size.key(bar.at.astimezone(zone).date()))
    return [_joined(list(group)) for _, group in groups]


def _joined(bars: list[SimBar]) -> SimBar:
    is_traded = bars[0].volume >= 0
    volume = sum(bar.volume for bar in bars)
    turnover = sum(bar.wap * bar.volume for bar in bars)
    return attrs.evolve(
        bars[-1],
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        volume=volume if is_traded else -1,
        wap=turnover / volume if is_traded and volume else bars[-1].wap,
        count=sum(bar.count for bar in bars) if is_traded else -1,
    )
