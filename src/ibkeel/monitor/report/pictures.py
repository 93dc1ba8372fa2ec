"""Lines over the time of day, with marks, as inline SVG coloured by the page's style."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

_WIDTH: Final = 960
_HEIGHT: Final = 240
_LEFT: Final = 80
_RIGHT: Final = 16
_TOP: Final = 14
_BOTTOM: Final = 26
_NEW_YORK: Final = ZoneInfo("America/New_York")
_LINES: Final = 4
_HOURS: Final = 8


class Sign(NamedTuple):
    """A fill on the line of its underlying.

    Args:
        at: When.
        is_buy: Which way.
        text: Shown when the pointer rests on it.
    """

    at: datetime
    is_buy: bool
    text: str


class _Frame(NamedTuple):
    begin: datetime
    seconds: float
    low: float
    high: float

    def x(self, at: datetime) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (at - self.begin).total_seconds() / self.seconds

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.high - value) / (self.high - self.low)


def day_picture(points: Sequence[tuple[datetime, float]], signs: Sequence[Sign] = (), *, title: str) -> str:
    """A line of values through the day; empty when there are fewer than two.

    Args:
        points: In order of time.
        signs: Drawn at the line's height at their time.
        title: For those who cannot see it.
    """
    if len(points) < 2:  # noqa: PLR2004 - no line
        return ""
    frame = _frame(points, signs)
    path = " ".join(f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value in points)
    parts = [*_grid(frame), f'<polyline class="line" points="{path}"/>']
    parts += [_sign(frame, points, sign) for sign in signs]
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _frame(points: Sequence[tuple[datetime, float]], signs: Sequence[Sign]) -> _Frame:
    times = [points[0][0], points[-1][0], *(sign.at for sign in signs)]
    low, high = min(value for _, value in points), max(value for _, value in points)
    margin = (high - low) * 0.05 or abs(high) * 0.001 or 1.0
    seconds = (max(times) - min(times)).total_seconds() or 1.0
    return _Frame(min(times), seconds, low - margin, high + margin)


def _grid(frame: _Frame) -> list[str]:
    parts = []
    for number in range(_LINES + 1):
        value = frame.low + (frame.high - frame.low) * number / _LINES
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,.2f}</text>')
    step = timedelta(minutes=30 if frame.seconds <= _HOURS * 1800 else 60)
    first = frame.begin.astimezone(_NEW_YORK).replace(minute=0, second=0, microsecond=0)
    end = frame.begin + timedelta(seconds=frame.seconds)
    while first <= end:
        if first >= frame.begin:
            x = frame.x(first)
            parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{first:%H:%M}</text>')
        first += step
    return parts


def _sign(frame: _Frame, points: Sequence[tuple[datetime, float]], sign: Sign) -> str:
    value = next((value for at, value in reversed(points) if at <= sign.at), points[0][1])
    x, y, turn = frame.x(sign.at), frame.y(value), 1 if sign.is_buy else -1
    shape = f"M{x:.1f},{y + 3 * turn:.1f} l6,{11 * turn} h-12 z"
    kind = "buy" if sign.is_buy else "sell"
    return f'<path class="{kind}" d="{shape}"><title>{escape(sign.text)}</title></path>'
