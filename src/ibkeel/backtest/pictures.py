"""Pictures as inline SVG: lines, areas, marks and bars, coloured by the page's own style."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from html import escape
from typing import Final, NamedTuple

import attrs
import numpy as np

from ibkeel.backtest.figures import Curve, Floats
from ibkeel.model.checks import NEW_YORK

_WIDTH: Final = 960
_HEIGHT: Final = 260
_LEFT: Final = 86
_RIGHT: Final = 14
_TOP: Final = 12
_BOTTOM: Final = 26
_POINTS: Final = 1200
_ONE_DAY: Final = timedelta(days=1)
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_TIMES: Final = 6
_LINES: Final = 5
_BINS: Final = 24
_GAP: Final = 5.0

Words = Callable[[float], str]


class Mark(NamedTuple):
    """A sign at a point of a line, of a style class such as `entry`, and what is shown when the pointer rests on it."""

    place: int
    value: float
    kind: str
    text: str


@attrs.frozen
class _Frame:
    width: float
    low: float
    high: float

    def x(self, place: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * place / (self.width or 1.0)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def line_picture(title: str, curve: Curve, words: Words, marks: Sequence[Mark] = ()) -> str:
    """A line of at least one point, and marks at indices of it; nights and other gaps take little room.

    The title is read out by screen readers, and values are written as `words` has it.
    """
    frame = _frame(curve, [mark.value for mark in marks])
    parts = [_grid(frame, words), _times(frame, curve), f'<path class="line" d="{_path(frame, curve)}"/>']
    return _svg(title, [*parts, *_signs(frame, curve, marks)])


def area_picture(title: str, curve: Curve, words: Words) -> str:
    """The area between a curve and zero."""
    frame = _frame(curve, [0.0])
    zero = frame.y(0.0)
    outline = f"{_path(frame, curve)} L{frame.x(frame.width):.1f} {zero:.1f} L{frame.x(0):.1f} {zero:.1f} Z"
    return _svg(title, [_grid(frame, words), _times(frame, curve), f'<path class="area" d="{outline}"/>'])


def histogram(title: str, values: Sequence[float], words: Words) -> str:
    """How often which value came; bars on both sides of zero."""
    low, high = min(0.0, *values), max(0.0, *values)
    width = _step((high - low) / _BINS or 1.0)
    first, last = math.floor(low / width), max(math.ceil(high / width), math.floor(low / width) + 1)
    counts, _ = np.histogram(values, bins=np.arange(first, last + 1) * width)
    frame = _Frame(last - first, 0.0, float(counts.max()))
    parts = [_grid(frame, lambda count: f"{count:g}", is_whole=True)]
    for row, count in enumerate(counts.tolist()):
        begin, end = (first + row) * width, (first + row + 1) * width
        kind = "loss" if end <= 0 else "win"
        x, y = frame.x(row), frame.y(count)
        parts.append(
            f'<rect class="{kind}" x="{x + 0.5:.1f}" y="{y:.1f}" width="{max(frame.x(row + 1) - x - 1, 1):.1f}" '
            f'height="{_HEIGHT - _BOTTOM - y:.1f}"><title>{escape(f"{words(begin)} to {words(end)}: {count}")}'
            "</title></rect>"
        )
    labelled = range(0, last - first + 1, max((last - first) // _TIMES, 1))
    parts += [_label(frame.x(row), words((first + row) * width)) for row in labelled]
    return _svg(title, parts)


def _frame(curve: Curve, more: Iterable[float]) -> _Frame:
    values = [float(curve.value.min()), float(curve.value.max()), *more]
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or max(abs(high) * 0.001, 0.01)
    return _Frame(float(_places(curve)[-1]), low - room, high + room if high else 0.0)


def _places(curve: Curve) -> Floats:
    """Seconds since the first point, each gap cut to a few usual steps."""
    steps = np.diff(curve.at) / np.timedelta64(1, "s")
    usual = steps[steps > 0]
    most = _GAP * float(np.median(usual)) if len(usual) else 1.0
    return np.concatenate([[0.0], np.cumsum(np.minimum(steps, most))])


def _path(frame: _Frame, curve: Curve) -> str:
    kept = curve.extremes(_POINTS)
    rows = zip(_places(curve)[kept].tolist(), curve.value[kept].tolist(), strict=True)
    points = (f"{frame.x(place):.1f} {frame.y(value):.1f}" for place, value in rows)
    return "M" + " L".join(points)


def _grid(frame: _Frame, words: Words, *, is_whole: bool = False) -> str:
    step = _step((frame.high - frame.low) / _LINES)
    step = max(step, 1.0) if is_whole else step
    parts = []
    for row in range(math.ceil(frame.low / step - 1e-9), math.floor(frame.high / step + 1e-9) + 1):
        y = frame.y(row * step)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(words(row * step))}</text>'
        )
    return "".join(parts)


def _step(rough: float) -> float:
    """The next number of the kind 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in _STEPS if power * factor >= rough * (1 - 1e-9))


def _times(frame: _Frame, curve: Curve) -> str:
    first, last = curve.instant(0), curve.instant(-1)
    span = last - first
    form = "%H:%M" if span < _ONE_DAY else "%m-%d %H:%M" if span < _TIMES * _ONE_DAY else "%Y-%m-%d"
    places = _places(curve)
    wanted = np.linspace(0.0, places[-1], _TIMES + 1)
    shown = sorted({min(int(index), len(curve) - 1) for index in np.searchsorted(places, wanted)})
    return "".join(
        _label(frame.x(float(places[index])), curve.instant(index).astimezone(NEW_YORK).strftime(form))
        for index in shown
    )


def _label(x: float, text: str) -> str:
    anchor = "end" if x > _WIDTH - _RIGHT - 30 else "middle"
    return f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{escape(text)}</text>'


def _signs(frame: _Frame, curve: Curve, marks: Iterable[Mark]) -> Iterable[str]:
    places = _places(curve).tolist()
    return (_sign(frame.x(places[mark.place]), frame.y(mark.value), mark) for mark in marks)


def _sign(x: float, y: float, mark: Mark) -> str:
    shape = (
        f"M{x:.1f} {y + 3:.1f} l-6 11 h12 Z"
        if mark.kind == "entry"
        else f"M{x:.1f} {y - 3:.1f} l-6 -11 h12 Z"
    )
    return f'<path class="mark {mark.kind}" d="{shape}"><title>{escape(mark.text)}</title></path>'


def _svg(title: str, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )
