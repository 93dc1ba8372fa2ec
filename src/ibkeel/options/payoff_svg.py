"""A structure's profit over the price of its underlying, as a picture to put into a page.

Everything but gain and loss is drawn in the colour of the surrounding text, so that the picture fits
light pages and dark ones.
"""

import math
from collections.abc import Iterable, Iterator
from html import escape
from itertools import pairwise
from typing import Final

import attrs
import numpy as np

from ibkeel.errors import InvalidInput
from ibkeel.options.payoff import NearExpiryValue, payoff
from ibkeel.options.structures import Structure

_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 104, 92, 50
_GAIN, _LOSS = "#2a9d62", "#d3504f"
_LEAST_SIZE: Final = (360, 260)
_TICKS: Final = 6
_LABEL_WIDTH: Final = 64
_LEADING: Final = 15

Point = tuple[float, float]


@attrs.frozen(kw_only=True)
class _Curve:
    """What is drawn; profits per contract."""

    points: tuple[Point, ...]
    zeros: tuple[float, ...]
    max_gain: float | None
    max_loss: float
    note: str


def _exact(structure: Structure, spot: float | None) -> _Curve:
    exact = payoff(structure)
    marks = [float(each) for each in (*exact.spots[1:], *exact.break_evens)] + ([spot] if spot else [])
    low, high = min(marks, default=1.0), max(marks, default=1.0)
    room = max(0.35 * (high - low), 0.08 * high) or 1.0
    spots = sorted({max(0.0, low - room), high + room, *marks})
    profits = exact.at(spots) * exact.multiplier
    return _Curve(
        points=tuple(zip(spots, profits.tolist(), strict=True)),
        zeros=tuple(map(float, exact.break_evens)),
        max_gain=exact.max_gain_per_contract,
        max_loss=exact.max_loss_per_contract,
        note="at expiry",
    )


def _modelled(value: NearExpiryValue) -> _Curve:
    known = np.isfinite(value.profits)
    order = np.argsort(value.spots[known], kind="stable")
    spots = value.spots[known][order].tolist()
    profits = (value.profits[known][order] * value.multiplier).tolist()
    points = tuple(zip(spots, profits, strict=True))
    if len(set(spots)) < 2:  # a curve has two ends
        raise InvalidInput("the model value has fewer than two prices of the underlying; nothing to draw")
    return _Curve(
        points=points,
        zeros=tuple(_crossings(points)),
        max_gain=None,
        max_loss=value.max_loss_per_contract,
        note=f"model value on {value.expiry}",
    )


def _crossings(points: Iterable[Point]) -> Iterator[float]:
    for (low, here), (high, there) in pairwise(points):
        if here == 0 or here * there < 0:
            yield low + (high - low) * here / (here - there) if here else low


def payoff_svg(
    structure: Structure,
    *,
    spot: float | None = None,
    model: NearExpiryValue | None = None,
    width: int = 680,
    height: int = 400,
) -> str:
    """Draw the profit of one structure, per contract.

    Args:
        structure: With prices.
        spot: Price of the underlying now, to be marked; None for no mark.
        model: What `value_at_near_expiry` gave, for a structure of several expiries.
        width: Pixels, 360 or more.
        height: Pixels, 260 or more.

    Returns:
        One `<svg>` element, to be put into HTML as it is or written to a file.

    Raises:
        InvalidInput: A leg has no price, expiries differ and no model value is given, the picture is
            too small, or the spot is no price.
    """
    if width < _LEAST_SIZE[0] or height < _LEAST_SIZE[1]:
        raise InvalidInput(
            f"a picture of {width} x {height}; valid: {_LEAST_SIZE[0]} x {_LEAST_SIZE[1]} or more"
        )
    if spot is not None and not 0 < spot < math.inf:
        raise InvalidInput(f"spot is {spot!r}; valid: above 0 and finite, or None for no mark")
    curve = _exact(structure, spot) if model is None else _modelled(model)
    frame = _Frame.around(curve, spot, width, height)
    title = f"{structure.underlying} {structure.name}, {curve.note}"
    parts = (
        *_areas(curve, frame),
        *_grid(frame),
        *_levels(curve, frame),
        _line(curve, frame),
        *_break_evens(curve, frame),
        *_spot_mark(spot, frame),
        *_words(structure, title, curve, frame),
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title)}" fill="none" stroke-linejoin="round" '
        f'font-family="system-ui, sans-serif" font-size="12">{"".join(parts)}</svg>'
    )


@attrs.frozen(kw_only=True)
class _Frame:
    """From prices and profits to pixels."""

    width: int
    height: int
    low: float
    high: float
    bottom: float
    top: float

    @classmethod
    def around(cls, curve: _Curve, spot: float | None, width: int, height: int) -> "_Frame":
        spots = [*(point[0] for point in curve.points), *([spot] if spot else [])]
        profits = [0.0, *(point[1] for point in curve.points)]
        bottom, top = min(profits), max(profits)
        room = 0.08 * (top - bottom) or 1.0
        return cls(
            width=width,
            height=height,
            low=min(spots),
            high=max(spots),
            bottom=bottom - room,
            top=top + room,
        )

    def x(self, spot: float) -> float:
        share = (spot - self.low) / (self.high - self.low)
        return _LEFT + share * (self.width - _LEFT - _RIGHT)

    def y(self, profit: float) -> float:
        share = (self.top - profit) / (self.top - self.bottom)
        return _TOP + share * (self.height - _TOP - _BOTTOM)

    @property
    def right(self) -> int:
        return self.width - _RIGHT

    @property
    def floor(self) -> int:
        return self.height - _BOTTOM


def _steps(low: float, high: float) -> list[float]:
    """Round numbers within a span, about `_TICKS` of them."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _money(value: float) -> str:
    value = round(value, 2)
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"


def _text(x: float, y: float, words: str, *, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor"{more}>{escape(words)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float, more: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="currentColor" {more}/>'


def _areas(curve: _Curve, frame: _Frame) -> Iterator[str]:
    """Gain above the zero line and loss below it; the points include where the curve crosses it."""
    zeros = [(zero, 0.0) for zero in curve.zeros if frame.low < zero < frame.high]
    points = sorted((*curve.points, *zeros))
    floor = frame.y(0.0)
    for colour, clamp in ((_GAIN, max), (_LOSS, min)):
        corners = " ".join(
            f"{frame.x(spot):.1f},{frame.y(clamp(0.0, profit)):.1f}" for spot, profit in points
        )
        first, last = frame.x(points[0][0]), frame.x(points[-1][0])
        yield (
            f'<polygon points="{first:.1f},{floor:.1f} {corners} {last:.1f},{floor:.1f}" '
            f'fill="{colour}" fill-opacity="0.18"/>'
        )


def _grid(frame: _Frame) -> Iterator[str]:
    for profit in _steps(frame.bottom, frame.top):
        y = frame.y(profit)
        opacity = "0.9" if profit == 0 else "0.12"
        yield _rule(_LEFT, y, frame.right, y, f'stroke-opacity="{opacity}"')
        yield _text(_LEFT - 8, y + 4, _money(profit), anchor="end", more=' fill-opacity="0.75"')
    for spot in _steps(frame.low, frame.high):
        x = frame.x(spot)
        yield _rule(x, frame.floor, x, frame.floor + 5, 'stroke-opacity="0.6"')
        yield _text(x, frame.floor + 19, f"{spot:g}", more=' fill-opacity="0.75"')
    yield _rule(_LEFT, frame.floor, frame.right, frame.floor, 'stroke-opacity="0.6"')


def _levels(curve: _Curve, frame: _Frame) -> Iterator[str]:
    """Greatest gain and loss, named at the right edge; at the picture's edge when there is none."""
    for words, value, sign, colour, edge in (
        ("max gain", curve.max_gain, 1, _GAIN, _TOP + _LEADING),
        ("max loss", curve.max_loss, -1, _LOSS, frame.floor - _LEADING),
    ):
        if value is None:
            continue
        is_shown = math.isfinite(value) and frame.bottom <= sign * value <= frame.top
        y = frame.y(sign * value) if is_shown else edge
        if is_shown:
            yield _rule(_LEFT, y, frame.right, y, 'stroke-opacity="0.45" stroke-dasharray="4 4"')
        told = _money(value) if math.isfinite(value) else "unbounded"
        label = f'<tspan fill="{colour}" font-weight="600">{words}</tspan>'
        x = frame.right + 8
        yield (
            f'<text x="{x}" y="{y - 2:.1f}" fill="currentColor">{label}'
            f'<tspan x="{x}" dy="{_LEADING}">{told}</tspan></text>'
        )


def _line(curve: _Curve, frame: _Frame) -> str:
    corners = " ".join(f"{frame.x(spot):.1f},{frame.y(profit):.1f}" for spot, profit in curve.points)
    return f'<polyline points="{corners}" stroke="currentColor" stroke-width="2.2"/>'


def _break_evens(curve: _Curve, frame: _Frame) -> Iterator[str]:
    """Dots on the zero line, their prices above the picture, staggered where they would touch."""
    floor, last, row = frame.y(0.0), -math.inf, 0
    for zero in curve.zeros:
        x = frame.x(zero)
        row = (row + 1) % 2 if x - last < _LABEL_WIDTH else 0
        last = x
        y = _TOP - 8 - _LEADING * row
        yield _rule(x, y + 4, x, floor, 'stroke-opacity="0.35" stroke-dasharray="2 3"')
        yield f'<circle cx="{x:.1f}" cy="{floor:.1f}" r="4" fill="currentColor"/>'
        yield _text(x, y, f"{zero:,.2f}", more=' font-weight="600"')


def _spot_mark(spot: float | None, frame: _Frame) -> Iterator[str]:
    if spot is not None:
        x = frame.x(spot)
        yield _rule(x, _TOP, x, frame.floor, 'stroke-opacity="0.35"')
        yield _text(x, frame.height - 10, f"spot {spot:,.2f}", more=' font-weight="600"')


def _words(structure: Structure, title: str, curve: _Curve, frame: _Frame) -> Iterator[str]:
    currency = structure.legs[0].contract.currency
    yield _text(14, 22, title, anchor="start", more=' font-size="15" font-weight="600"')
    told = f"net {structure.net}"
    if curve.zeros:
        told += f"; break-even at {', '.join(f'{zero:,.2f}' for zero in curve.zeros)}"
    yield _text(14, 41, told, anchor="start", more=' fill-opacity="0.75"')
    yield _text(14, _TOP - 8, currency, anchor="start", more=' fill-opacity="0.75"')
    axis = f"{structure.underlying} per share"
    yield _text(frame.width - 10, frame.height - 10, axis, anchor="end", more=' fill-opacity="0.75"')
