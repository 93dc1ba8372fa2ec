"""Exponential smoothing of whole columns, without a step of Python for each value; and what is asked of every input.

A long column is taken a slab at a time. Its chunks stand side by side, so that one numpy operation
moves every chunk one step ahead: a first pass finds where each chunk begins, a second one fills it.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput
from ibkeel.validators import whole_number

Floats = npt.NDArray[np.float64]

STILL: Final = 1e-250
"""Averages of moves below this sum lose their digits on the way to zero: nothing moves any more."""

EVEN: Final = 50.0
"""The index when neither side is stronger."""

_CHUNKS: Final = 2048
_LENGTH: Final = 64  # of a chunk at most: a slab is 1 MB and stays in a processor's cache
_SHORTEST: Final = 2  # for less, a plain loop is as fast
_BAND: Final = 16  # rows turned back into columns at a time, for the sake of the cache


def seed_of(values: list[float]) -> float:
    """Plain mean; of equal values exactly that value, so that a flat market shows no trend."""
    first = values[0]
    return first + sum([value - first for value in values]) / len(values)


def smoothed(column: Floats, period: int, weight: float, *, skip: int = 0) -> Floats:
    """Exponential smoothing seeded with the mean of the first `period` values; NaN before.

    Args:
        column: Finite values, shape `(n,)`.
        period: How many values the seed is made of.
        weight: Of each value after the seed.
        skip: NaN to put before everything; the result has shape `(n + skip,)`.
    """
    full = np.empty(len(column) + skip)
    full[: period + skip - 1] = np.nan
    if len(column) < period:
        return full
    result = full[skip:]
    average = seed_of(column[:period].tolist())
    result[period - 1] = average
    space = np.empty((_LENGTH, _CHUNKS))
    first = period
    while (length := _length(len(column) - first)) >= _SHORTEST:
        slab, rows = slice(first, first + length * _CHUNKS), space[:length]
        # Above the smallest value nothing cancels, and equal values stay exactly equal.
        least = min(float(column[slab].min()), average)
        np.subtract(_in_chunks(column[slab]).T, least, out=rows)
        rows *= weight
        average = _scan(rows, 1.0 - weight, average - least) + least
        target = _in_chunks(result[slab])
        for row in range(0, length, _BAND):
            band = slice(row, row + _BAND)
            np.add(rows[band].T, least, out=target[:, band])
        first = slab.stop
    result[first:] = _stepped(column[first:], weight, average)
    return full


def wilder_strength(closes: Floats, period: int) -> Floats:
    """Relative strength of the closes, from 0 to 100; NaN for the first `period` of them."""
    result = np.empty(len(closes))
    result[:period] = np.nan
    if len(closes) <= period:
        return result
    weight, decay = 1.0 / period, 1.0 - 1.0 / period
    change = np.diff(closes[: period + 1])
    gain = seed_of(np.maximum(change, 0.0).tolist())
    moved = seed_of(np.abs(change).tolist())
    result[period] = strength(gain, moved)
    first = period + 1
    space = np.empty((2, _LENGTH, _CHUNKS))
    while (length := _length(len(closes) - first)) >= _SHORTEST:
        slab = slice(first, first + length * _CHUNKS)
        before, (ups, moves) = slice(first - 1, slab.stop - 1), space[:, :length]
        np.subtract(_in_chunks(closes[slab]).T, _in_chunks(closes[before]).T, out=moves)
        moves *= weight
        np.maximum(moves, 0.0, out=ups)
        np.abs(moves, out=moves)
        gain, moved = _scan(ups, decay, gain), _scan(moves, decay, moved)
        _put_strengths(ups, moves, _in_chunks(result[slab]))
        first = slab.stop
    for step in (weight * np.diff(closes[first - 1 :])).tolist():
        gain, moved = decay * gain + max(step, 0.0), decay * moved + abs(step)
        result[first] = strength(gain, moved)
        first += 1
    return result


def strength(gain: float, moved: float) -> float:
    """Relative strength index of the average gain and the average move; 50 when nothing moved."""
    return 100.0 * (gain / moved) if moved > STILL else EVEN


def _put_strengths(gains: Floats, moves: Floats, target: Floats) -> None:
    """The same for rows, which are used up and stand as columns in the target."""
    for row in range(0, len(gains), _BAND):
        band = slice(row, row + _BAND)
        gain, moved = gains[band], moves[band]
        still = moved <= STILL
        if still.any():
            gain[still], moved[still] = 0.5, 1.0
        gain /= moved
        np.multiply(gain.T, 100.0, out=target[:, band])


def _stepped(values: Floats, weight: float, average: float) -> list[float]:
    """Value by value, as a stream does it."""
    steps = []
    for value in values.tolist():
        average += weight * (value - average)
        steps.append(average)
    return steps


def _in_chunks(values: Floats) -> Floats:
    """A view of a slab, one row for each chunk."""
    return values.reshape(_CHUNKS, -1)


def _length(left: int) -> int:
    """How long the chunks of the next slab are."""
    return min(_LENGTH, left // _CHUNKS)


def _scan(rows: Floats, decay: float, start: float) -> float:
    """Smooth weighted values in place, each chunk going on where the last one ended; the last average."""
    carried = np.zeros(_CHUNKS)
    for row in rows:
        carried *= decay
        carried += row
    faded, average, starts = decay ** len(rows), start, []
    for end in carried.tolist():
        starts.append(average)
        average = end + faded * average
    before = np.array(starts)
    step = np.empty(_CHUNKS)
    for row in rows:
        np.multiply(before, decay, out=step)
        np.add(row, step, out=row)
        before = row
    return float(rows[-1, -1])


def checked_period(period: int, *, least: int = 1) -> int:
    """The period, if it is a whole number of at least `least`; else InvalidInput."""
    return whole_number("period", period, least=least)


def checked_positive(name: str, value: float) -> float:
    """The value, if it is finite and above zero; else InvalidInput."""
    if not (math.isfinite(value) and value > 0):
        raise InvalidInput(f"{name} is {value!r}; valid: above 0")
    return value


def not_finite(*values: float) -> InvalidInput:
    """The error for a number that is NaN or infinite: one would spoil every later value."""
    return InvalidInput(f"indicator input {values} is not finite; leave the bar out instead")


def as_column(values: npt.ArrayLike) -> Floats:
    """The values as floats of shape `(n,)`.

    Raises:
        InvalidInput: Another shape, or a value that is not finite.
    """
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise InvalidInput(f"indicator input has shape {column.shape}; valid: (n,)")
    if not np.isfinite(column).all():
        raise InvalidInput("indicator input holds NaN or infinity; leave the bars out instead")
    return column


def as_columns(*columns: npt.ArrayLike) -> tuple[Floats, ...]:
    """Several columns of one length.

    Raises:
        InvalidInput: They differ in length, or one of them is not valid.
    """
    checked = tuple(as_column(column) for column in columns)
    if len({column.shape for column in checked}) > 1:
        raise InvalidInput(f"indicator inputs have shapes {[c.shape for c in checked]}; valid: equal")
    return checked
