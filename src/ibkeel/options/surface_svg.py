"""A picture of a surface: its smiles, and volatility by time."""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

import attrs
import numpy as np

from ibkeel.options.inputs import Floats
from ibkeel.options.smile import Smile
from ibkeel.options.surface import Surface

_WIDTH: Final = 960
_HEIGHT: Final = 420
_TOP: Final = 44
_FOOT: Final = 64
_PLACES: Final = 81
_FEWEST_TICKS: Final = 4
_NICE: Final = (5.0, 2.5, 2.0, 1.0)
_DATE_WIDTH: Final = 70.0
_POINTS: Final = 100.0
_DAYS: Final = 365.0
# From the first expiry to the last; each can be told from its neighbours in grey, too.
_HUES: Final = (12.0, 262.0)
_STYLE: Final = """
    svg { color: #1f2933; background: #ffffff; font: 12px system-ui, sans-serif; --line: 42%; }
    @media (prefers-color-scheme: dark) { svg { color: #e4e7eb; background: #16191d; --line: 66%; } }
    text { fill: currentColor; } .title { font-weight: 600; font-size: 14px; }
    .right { text-anchor: end; }
    .middle { text-anchor: middle; } .frame { stroke: currentColor; stroke-opacity: .35; fill: none; }
    .grid { stroke: currentColor; stroke-opacity: .12; } .smile { fill: none; stroke-width: 1.8; }
    .quote { stroke-width: 1; stroke-opacity: .45; } .note { fill-opacity: .75; }
"""


@attrs.frozen(kw_only=True)
class _Panel:
    """Where a chart is, and what its axes show."""

    left: float
    right: float
    x_from: float
    x_to: float
    y_from: float
    y_to: float

    def x(self, value: float) -> float:
        return self.left + (value - self.x_from) / (self.x_to - self.x_from) * (self.right - self.left)

    def y(self, value: float) -> float:
        bottom = _HEIGHT - _FOOT
        return bottom - (value - self.y_from) / (self.y_to - self.y_from) * (bottom - _TOP)

    def path(self, xs: Iterable[float], ys: Iterable[float]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))


def surface_svg(surface: Surface, *, title: str = "Implied volatility") -> str:
    """The smiles with their quotes on the left, volatility at the forward by time on the right.

    Vertical strokes are the volatilities at bid and ask. Colours follow the reader's dark or light theme.

    Args:
        surface: What to draw.
        title: Above the picture.

    Returns:
        An SVG document of 960 by 420 units, without scripts, fonts or links.
    """
    left, right = _panels(surface)
    hues = np.linspace(*_HUES, len(surface.smiles)).tolist()
    colours = [f"hsl({hue:.0f} 70% var(--line))" for hue in hues]
    ratios = [
        (float(np.log(ratio)), f"{ratio:g}")
        for ratio in _ticks(float(np.exp(left.x_from)), float(np.exp(left.x_to)))
    ]
    warnings = surface.warnings()
    note = f"{len(warnings)} arbitrage warnings" if warnings else "no arbitrage warnings"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="66" y="24">{escape(title)}</text>',
        *_axes(left, "strike / forward, on a logarithmic scale", ratios),
        *_axes(right, "days to expiry", [(day, f"{day:g}") for day in _ticks(right.x_from, right.x_to)]),
        *(
            part
            for smile, colour in zip(surface.smiles, colours, strict=True)
            for part in _smile(left, smile, colour)
        ),
        *_term(right, surface, colours),
        f'<text class="note right" x="{_WIDTH - 16}" y="24">{note}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panels(surface: Surface) -> tuple[_Panel, _Panel]:
    """The smiles reach as far as two thirds of them do: one wide expiry shall not flatten the rest."""
    lows, highs = (
        np.quantile([smile.curve.x[end] for smile in surface.smiles], part)
        for end, part in ((0, 1 / 3), (-1, 2 / 3))
    )
    places = np.linspace(lows, highs, _PLACES)
    seen = np.concatenate([smile.volatility_at(places) for smile in surface.smiles])
    top, bottom = float(np.nanmax(seen)), float(np.nanmin(seen))
    room = 0.06 * max(top - bottom, 0.01)
    days = [smile.years * _DAYS for smile in surface.smiles]
    levels = {"y_from": max(bottom - room, 0.0), "y_to": top + room}
    return (
        _Panel(left=66, right=600, x_from=float(lows), x_to=float(highs), **levels),
        _Panel(left=680, right=_WIDTH - 16, x_from=0.0, x_to=1.08 * max(days), **_term_levels(surface)),
    )


def _term_levels(surface: Surface) -> dict[str, float]:
    known = [smile.atm_volatility for smile in surface.smiles if not np.isnan(smile.atm_volatility)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = max(0.25 * (high - low), 0.01)
    return {"y_from": max(low - room, 0.0), "y_to": high + room}


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two others, four to about ten of them."""
    power = 10.0 ** np.floor(np.log10(high - low))
    steps = (nice * scale for scale in (power, power / 10.0) for nice in _NICE)
    step = next(each for each in steps if (high - low) / each >= _FEWEST_TICKS)
    return (np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step).tolist()  # type: ignore[no-any-return]  # floats


def _axes(panel: _Panel, name: str, across: list[tuple[float, str]]) -> Iterator[str]:
    bottom = _HEIGHT - _FOOT
    width, height = panel.right - panel.left, bottom - _TOP
    yield f'<rect class="frame" x="{panel.left}" y="{_TOP}" width="{width}" height="{height}"/>'
    for value in _ticks(panel.y_from, panel.y_to):
        at = panel.y(value)
        yield f'<line class="grid" x1="{panel.left}" x2="{panel.right}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text class="right" x="{panel.left - 6}" y="{at + 4:.1f}">{value * _POINTS:.6g} %</text>'
    for value, label in across:
        at = panel.x(value)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{bottom}"/>'
        yield f'<text class="middle" x="{at:.1f}" y="{bottom + 18}">{label}</text>'
    yield f'<text class="middle note" x="{(panel.left + panel.right) / 2:.0f}" y="{bottom + 38}">{name}</text>'


def _smile(panel: _Panel, smile: Smile, colour: str) -> Iterator[str]:
    low, high = max(smile.curve.x[0], panel.x_from), min(smile.curve.x[-1], panel.x_to)
    for point in smile.points:
        place = float(np.log(point.strike / smile.forward))
        inside = panel.x_from <= place <= panel.x_to and panel.y_from <= point.bid and point.ask <= panel.y_to
        if inside:
            at = f"{panel.x(place):.1f}"
            yield (
                f'<line class="quote" x1="{at}" x2="{at}" y1="{panel.y(point.bid):.1f}" '
                f'y2="{panel.y(point.ask):.1f}" style="stroke: {colour}"/>'
            )
    if low < high:
        places: Floats = np.linspace(low, high, _PLACES)
        levels = np.sqrt(smile.total_variance(places) / smile.years)
        line = panel.path(places.tolist(), levels.tolist())
        yield f'<polyline class="smile" points="{line}" style="stroke: {colour}"><title>{smile.expiry}</title></polyline>'


def _term(panel: _Panel, surface: Surface, colours: list[str]) -> Iterator[str]:
    known = [
        (point, colour)
        for point, colour in zip(surface.term_structure(), colours, strict=True)
        if not np.isnan(point.atm_volatility)
    ]
    days = [point.years * _DAYS for point, _ in known]
    line = panel.path(days, [point.atm_volatility for point, _ in known])
    yield f'<polyline class="frame" points="{line}"/>'
    for place, (point, colour) in zip(days, known, strict=True):
        x, y = panel.x(place), panel.y(point.atm_volatility)
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" style="fill: {colour}">'
            f"<title>{point.expiry}: {point.atm_volatility:.2%}</title></circle>"
        )
    # Neighbours days apart would write over each other: a name only where there is room.
    last, half = -np.inf, _DATE_WIDTH / 2
    for place, (point, _) in zip(days, known, strict=True):
        x = min(max(panel.x(place), panel.left + half), panel.right - half)
        if x - last > _DATE_WIDTH:
            y = panel.y(point.atm_volatility) - 10
            yield f'<text class="middle" x="{x:.1f}" y="{y:.1f}">{point.expiry}</text>'
            last = x
