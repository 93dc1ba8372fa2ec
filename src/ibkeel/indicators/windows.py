"""Moving windows over whole columns, put together from windows of half the length.

Sums of equal windows are added in pairs, so rounding grows with the logarithm of the period and
nothing is ever taken out of a running sum.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BLOCK: Final = 8192  # values at a time: what is made of them stays in the processor's cache


def _blocks(column: Floats, period: int) -> Iterator[tuple[Floats, slice]]:
    """Overlapping parts of the column, and where in the result their windows end."""
    width = max(_BLOCK, 4 * period)
    for first in range(0, len(column) - period + 1, width):
        block = column[first : first + width + period - 1]
        yield block, slice(first + period - 1, first + len(block))


def _filled(column: Floats, period: int, windowed: Callable[[Floats, int], Floats]) -> Floats:
    result = np.full(len(column), np.nan)
    for block, ends in _blocks(column, period):
        result[ends] = windowed(block, period)
    return result


def means(column: Floats, period: int) -> Floats:
    """Mean of each window; NaN before the first whole one."""
    return _filled(column, period, _means)


def highs(column: Floats, period: int) -> Floats:
    """Greatest value of each window; NaN before the first whole one."""
    return _filled(column, period, lambda block, span: _extremes(block, span, np.maximum))


def lows(column: Floats, period: int) -> Floats:
    """Least value of each window; NaN before the first whole one."""
    return _filled(column, period, lambda block, span: _extremes(block, span, np.minimum))


def deviations(column: Floats, period: int, freedom: int) -> Floats:
    """Standard deviation of each window over `period - freedom`; NaN before the first whole one."""

    def windowed(block: Floats, span: int) -> Floats:
        return np.asarray(np.sqrt(_squares(block, span) / (span - freedom)), dtype=np.float64)

    return _filled(column, period, windowed)


def _means(block: Floats, period: int) -> Floats:
    count = len(block) - period + 1
    level, size, covered, total = block, 1, 0, np.zeros(count)
    while True:
        if period & size:
            total += level[covered : covered + count]
            covered += size
        if covered == period:
            total /= period
            return total
        level = level[:-size] + level[size:]
        size *= 2


def _extremes(block: Floats, period: int, greater: "np.ufunc") -> Floats:
    """Two windows of a power of two cover each window; that they overlap does not matter."""
    count = len(block) - period + 1
    level, size = block, 1
    while 2 * size <= period:
        level = greater(level[:-size], level[size:])
        size *= 2
    return np.asarray(greater(level[:count], level[period - size : period - size + count]))


def _squares(block: Floats, period: int) -> Floats:
    """Sum of squared distances from each window's mean, of which no part is negative.

    Source: T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm
    for computing sample variances" (1979).
    """
    count = len(block) - period + 1
    sums, spread, size = block - block[0], np.zeros(len(block)), 1
    total, apart, covered = np.zeros(count), np.zeros(count), 0
    while True:
        if period & size:
            part = slice(covered, covered + count)
            if covered:
                gap = sums[part] / size - total / covered
                apart += gap * gap * (covered * size / (covered + size))
            apart += spread[part]
            total += sums[part]
            covered += size
        if covered == period:
            return apart
        gap = sums[size:] - sums[:-size]
        spread = spread[:-size] + spread[size:] + gap * gap / (2 * size)
        sums = sums[:-size] + sums[size:]
        size *= 2
