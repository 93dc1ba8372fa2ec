"""One symbol, one session, one number a second: factor paths, prices, volume.

A session's path is drawn at once, from a generator of its own, and bridged to the return that
the session was given beforehand; so daily closes need no paths, and agree with them.
"""

from functools import lru_cache
from typing import Final

import attrs
import numpy as np

from ibkeel.sim.market.bars import Floats, Integers
from ibkeel.sim.market.draws import generator
from ibkeel.sim.market.underlyings import Underlying

TICK: Final = 0.01
_FEWEST_TRENDS, _MOST_TRENDS = 4, 7


@attrs.frozen(kw_only=True, eq=False)
class DayPath:
    """A session of one underlying; each array has one entry for each second from the open.

    Args:
        mid: Unrounded price that options are valued on.
        bid: Best bid; equal to `trade` for an index, which has no quotes.
        ask: Best offer, above `bid` for anything that trades.
        trade: Price of the second's print, at the bid or the ask.
        volume: Shares since the open, including this second.
        high: Highest print since the open.
        low: Lowest print since the open.
    """

    mid: Floats
    bid: Floats
    ask: Floats
    trade: Floats
    volume: Integers
    high: Floats
    low: Floats


def factor_path(name: tuple[object, ...], *, seconds: int, deviation: float, total: float) -> Floats:
    """A log-price path from 0 to `total` with the day's U-shaped variance and with trends.

    Args:
        name: Key of the draws.
        seconds: Length of the session.
        deviation: Standard deviation of a whole session's return.
        total: Log return from the first to the last second.
    """
    rng = generator(*name, "path")
    share = _variance_shares(seconds)
    steps = rng.standard_normal(seconds) * np.sqrt(share)
    steps[0] = 0.0
    path = deviation * (np.cumsum(steps) + _trends(rng, seconds))
    return np.asarray(path + (total - path[-1]) * np.cumsum(share), dtype=np.float64)


def made_path(
    name: tuple[object, ...],
    row: Underlying,
    mid: Floats,
    day_volume: float,
    *,
    bounces: bool = True,
    auctions: tuple[float, float] = (0.0, 0.0),
) -> DayPath:
    """Quotes, prints and volume around a price path.

    Args:
        name: Key of the draws.
        row: The underlying; without a volume it is an index, which only has prints.
        mid: Price at each second; the last print is the last price, as in a closing auction.
        day_volume: Shares to expect in a session of ordinary length.
        bounces: Whether prints go back and forth between bid and ask.
        auctions: Shares of `day_volume` that the first and the last print have on top of their own.
    """
    rng, seconds = generator(*name, "prints"), len(mid)
    if not row.day_volume:
        trade = np.round(mid, 2)
        bid, ask, volume = trade, trade, np.zeros(seconds, dtype=np.int64)
    else:
        width = _tick_widths(rng, row, seconds, float(mid[0]))
        low = np.floor(mid / TICK - 0.5 * (width - 1))
        bid, ask = np.round(low * TICK, 2), np.round((low + width) * TICK, 2)
        trade = np.where(rng.random(seconds) < 0.5, bid, ask)  # noqa: PLR2004 - a fair coin
        if not bounces:
            trade = np.round(mid, 2)
        trade[-1] = round(float(mid[-1]), 2)
        expected = day_volume * _volume_shares(seconds)
        sizes = np.maximum(1, expected * rng.exponential(size=seconds)).astype(np.int64)
        sizes[[0, -1]] += np.round(day_volume * np.asarray(auctions)).astype(np.int64)
        volume = np.cumsum(sizes)
    return DayPath(
        mid=mid,
        bid=bid,
        ask=ask,
        trade=trade,
        volume=volume,
        high=np.maximum.accumulate(trade),
        low=np.minimum.accumulate(trade),
    )


def _trends(rng: np.random.Generator, seconds: int) -> Floats:
    """Straight segments of 20 minutes to 2 hours, in units of the session's deviation."""
    count = int(rng.integers(_FEWEST_TRENDS, _MOST_TRENDS + 1))
    lengths = rng.uniform(0.6, 1.6, size=count)
    knots = np.concatenate(([0.0], np.cumsum(lengths / lengths.sum()))) * (seconds - 1)
    sizes = rng.uniform(0.35, 0.9, size=count) * np.sqrt(lengths / lengths.sum())
    moves = np.where(rng.random(count) < 0.5, -sizes, sizes)  # noqa: PLR2004 - a fair coin
    levels = np.concatenate(([0.0], np.cumsum(moves)))
    return np.asarray(np.interp(np.arange(seconds), knots, levels), dtype=np.float64)


def _tick_widths(rng: np.random.Generator, row: Underlying, seconds: int, first_price: float) -> Floats:
    """Width of the quote in ticks: at least one, more for thin or dear names and at the open."""
    usual = max(1.0, row.spread**1.5 * first_price / 500.0)
    opening = 1.0 + 2.0 * np.exp(-np.arange(seconds) / 180.0)
    return np.asarray(np.floor(usual * opening + rng.random(seconds) * 0.6), dtype=np.float64)


@lru_cache(maxsize=4)
def _variance_shares(seconds: int) -> Floats:
    """Share of the session's variance in each second: most at the open, some at the close."""
    return _u_shape(seconds, opening=2.5, closing=0.8, fade=0.07)


@lru_cache(maxsize=4)
def _volume_shares(seconds: int) -> Floats:
    """Share of the session's volume in each second."""
    return _u_shape(seconds, opening=2.5, closing=2.5, fade=0.06)


def _u_shape(seconds: int, *, opening: float, closing: float, fade: float) -> Floats:
    elapsed = np.linspace(0.0, 1.0, seconds)
    shape = 1.0 + opening * np.exp(-elapsed / fade) + closing * np.exp((elapsed - 1.0) / fade)
    shares = np.asarray(shape / shape.sum(), dtype=np.float64)
    shares.setflags(write=False)
    return shares
