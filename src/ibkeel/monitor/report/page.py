"""The report as one HTML page: no script, nothing loaded from elsewhere, light or dark as the reader has it.

A reporter writes it of each day when that is over.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import JournalError
from ibkeel.journal import Journal
from ibkeel.journal.export import draft_of
from ibkeel.model.checks import NEW_YORK
from ibkeel.monitor.board import Board, Snapshot
from ibkeel.monitor.report.day import DayReport, Latency, TradeLeg, report_of
from ibkeel.telemetry import AlarmRaised, Event, Observer, TradingDayClosed

_WIDTH: Final = 960
_HEIGHT: Final = 240
_LEFT: Final = 80
_RIGHT: Final = 16
_TOP: Final = 14
_BOTTOM: Final = 26

_LINES: Final = 4
_HOURS: Final = 8
_ROWS: Final = 200
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b2430; --faint: #5a6675; --page: #fff; --card: #f4f6f8; --edge: #dde3ea;
  --line: #2b5fa8; --buy: #146c43; --sell: #a3161f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --faint: #a3afbd; --page: #12171d; --card: #1b222b;
  --edge: #313b47; --line: #9cc3f5; --buy: #7ddba8; --sell: #ff9da0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 1.4rem 1rem 3rem; }
h1 { font-size: 1.45rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; } p { color: var(--faint); margin: .3rem 0; }
svg { display: block; width: 100%; height: auto; background: var(--card); border-radius: 6px; margin: .4rem 0; }
svg text { fill: var(--faint); font: 12px system-ui, sans-serif; } .grid { stroke: var(--edge); }
.line { fill: none; stroke: var(--line); stroke-width: 1.6; } .buy { fill: var(--buy); } .sell { fill: var(--sell); }
.figures { display: grid; gap: .6rem; margin: 1rem 0; padding: 0;
  grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
.figures div { background: var(--card); border-radius: 6px; padding: .5rem .7rem; }
.figures dt { color: var(--faint); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.1rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; color: var(--faint); font-weight: 600; padding: .2rem .7rem .2rem 0; white-space: nowrap; }
td { border-top: 1px solid var(--edge); padding: .25rem .7rem .25rem 0; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.t { white-space: nowrap; color: var(--faint); }
"""
_SETTLE: Final = 5.0  # seconds after the close, for the last records to be on disk


class _Frame(NamedTuple):
    begin: datetime
    seconds: float
    low: float
    high: float

    def x(self, at: datetime) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (at - self.begin).total_seconds() / self.seconds

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.high - value) / (self.high - self.low)


def report_page(report: DayReport) -> str:
    """One whole page.

    Args:
        report: From `report_of`.
    """
    title = f"{report.strategy} on {report.session:%A, %d %B %Y}"
    parts = [
        _head(report),
        _figures(report),
        _equity(report),
        _prices(report),
        _fills(report),
        _not_done(report),
        _decisions(report),
        _incidents(report),
        _latencies(report),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body><main>'
        f"<h1>{escape(title)}</h1>{''.join(parts)}</main></body></html>\n"
    )


def _day_picture(
    points: Sequence[tuple[datetime, float]], fills: Sequence[TradeLeg] = (), *, title: str
) -> str:
    """A line of values through the day, in order of time; empty when there are fewer than two.

    Fills are drawn at the line's height at their time; the title is for those who cannot see it.
    """
    if len(points) < 2:  # no line
        return ""
    frame = _frame(points, fills)
    path = " ".join(f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value in points)
    parts = [*_grid(frame), f'<polyline class="line" points="{path}"/>']
    parts += [_sign(frame, points, fill) for fill in fills]
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _frame(points: Sequence[tuple[datetime, float]], fills: Sequence[TradeLeg]) -> _Frame:
    times = [points[0][0], points[-1][0], *(fill.at for fill in fills)]
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
    first = frame.begin.astimezone(NEW_YORK).replace(minute=0, second=0, microsecond=0)
    end = frame.begin + timedelta(seconds=frame.seconds)
    while first <= end:
        if first >= frame.begin:
            x = frame.x(first)
            parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{first:%H:%M}</text>')
        first += step
    return parts


def _sign(frame: _Frame, points: Sequence[tuple[datetime, float]], fill: TradeLeg) -> str:
    """A triangle, and what is shown when the pointer rests on it."""
    value = next((value for at, value in reversed(points) if at <= fill.at), points[0][1])
    x, y, turn = frame.x(fill.at), frame.y(value), 1 if fill.side == "BUY" else -1
    shape = f"M{x:.1f},{y + 3 * turn:.1f} l6,{11 * turn} h-12 z"
    text = f"{_clock(fill.at)} {fill.side} {fill.quantity:g} {fill.subject} at {fill.price:.2f}"
    return f'<path class="{fill.side.lower()}" d="{shape}"><title>{escape(text)}</title></path>'


def _head(report: DayReport) -> str:
    shown = ", ".join(report.symbols[:12]) + (" and others" if len(report.symbols) > 12 else "")
    runs = ", ".join(report.runs)
    mode = report.mode.replace("_", " ").lower()
    outcome = report.outcome or "not ended"
    return f"<p>{escape(f'{shown}; {mode}; runs {runs}; {outcome}')}. Times are New York's.</p>"


def cash_of(report: DayReport) -> tuple[str, str]:
    """What the fills brought: what that figure is, and the figure."""
    what = "result of the fills"
    if report.open_after:
        what = "cash of the fills, which change what is held"
    elif report.held_before:
        what = f"cash of the fills, with {_counted(report.held_before)} held before"
    if any(fill.commission is None for fill in report.fills):
        what += ", before commissions"
    return what, "; ".join(f"{value:+,.2f} {name}" for name, value in report.cash.items()) or "none"


def _figures(report: DayReport) -> str:
    never = report.start_equity is None
    rows = [
        cash_of(report),
        ("equity at the start", "not read" if never else f"{report.start_equity:,.2f}"),
        ("cycles", str(report.cycles)),
        ("decisions", str(sum(row.count for row in report.outcomes))),
        ("fills", str(len(report.fills))),
        ("incidents", str(len(report.incidents))),
        ("daily loss guard", "tripped" if report.guard_tripped else "had no equity" if never else "held"),
    ]
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    held = _counted(report.open_after)
    return f'<dl class="figures">{cells}</dl>' + (
        f"<p>What is held changed by {escape(held)}</p>" if held else ""
    )


def _counted(held: Mapping[str, float]) -> str:
    return "; ".join(f"{quantity:+g} {subject}" for subject, quantity in held.items())


def _equity(report: DayReport) -> str:
    if report.equity:
        return "<h2>Equity</h2>" + _day_picture(report.equity, title="equity through the day")
    if len(report.cash) != 1:  # several currencies do not add up
        return ""
    total, points = 0.0, []
    for fill in report.fills:
        total += fill.cash
        points.append((fill.at, total))
    return "<h2>Cash of the fills, added up</h2>" + _day_picture(points, title="cash of the fills")


def _prices(report: DayReport) -> str:
    parts = []
    for symbol, points in report.prices.items():
        fills = [fill for fill in report.fills if fill.symbol == symbol]
        picture = _day_picture(
            [(row.at, row.price) for row in points], fills, title=f"{symbol} with the fills"
        )
        parts.append(f"<h2>{escape(symbol)}, as decisions saw it, with the fills</h2>{picture}")
    return "".join(parts)


def _fills(report: DayReport) -> str:
    rows = [
        (
            _clock(row.at),
            row.side,
            f"{row.quantity:g}",
            row.subject,
            f"{row.price:.2f}",
            f"{row.cash:+,.2f} {row.currency}",
            row.order,
            row.reason,
        )
        for row in report.fills
    ]
    return _table("Fills", ("@at", "side", "#quantity", "what", "#price", "#cash", "order", "why"), rows)


def _not_done(report: DayReport) -> str:
    rows = [(str(row.count), row.outcome) for row in report.not_done[:20]]
    return _table("What was not done, and why", ("#times", "reason"), rows)


def _decisions(report: DayReport) -> str:
    counts = ", ".join(f"{row.count} {row.outcome.replace('_', ' ')}" for row in report.outcomes)
    rows = [
        (
            _clock(row.at),
            row.symbol,
            row.direction,
            row.outcome.replace("_", " "),
            "; ".join(row.reasons),
            "; ".join(row.facts),
        )
        for row in report.notes
    ]
    names = ("@at", "symbol", "signal", "outcome", "reasons", "facts")
    return _table(
        "Decisions that wanted something", names, rows, f"All decisions: {counts}." if counts else ""
    )


def _incidents(report: DayReport) -> str:
    def when(instant: datetime) -> str:
        day = instant.astimezone(NEW_YORK).date()
        return _clock(instant) if day == report.session else f"{day:%d %b} {_clock(instant)}"

    rows = [
        (when(row.at), row.what, row.symbol, row.text, "" if row.ended_at is None else when(row.ended_at))
        for row in report.incidents
    ]
    return _table("Incidents", ("@at", "what", "symbol", "text", "ended"), rows)


def _latencies(report: DayReport) -> str:
    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{1000 * value:,.0f} ms"

    def row(each: Latency) -> tuple[str, ...]:
        return each.kind, str(each.answered), str(each.failed), *map(seconds, (each.p50, each.p95, each.p99))

    if not report.latencies:
        return "<h2>Latency</h2><p>Not kept: a journal has none. The bot that runs knows them.</p>"
    names = ("kind", "#answered", "#failed", "#median", "#95 %", "#99 %")
    rows = [row(each) for each in report.latencies]
    return _table("Latency", names, rows, "Of the last requests of each kind; counts since the bot began.")


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]], lead: str = "") -> str:
    if len(rows) > _ROWS:
        lead = f"{lead} The last {_ROWS} of {len(rows):,}.".strip()
    kinds = {"#": ' class="n"', "@": ' class="t"'}
    classes = [kinds.get(name[0], "") for name in names]
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(classes, row, strict=True))
        + "</tr>"
        for row in rows[-_ROWS:]
    )
    words = f"<p>{escape(lead)}</p>" if lead else ""
    if not body:
        return f"<h2>{escape(title)}</h2>{words}<p>None.</p>"
    head = "".join(
        f"<th{kind}>{escape(name.lstrip('#@'))}</th>" for kind, name in zip(classes, names, strict=True)
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<h2>{escape(title)}</h2>{words}<div class="scroll">{table}</div>'


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone(NEW_YORK):%H:%M:%S}"


class DayReports(Observer):
    """Leaves `DATE.html` and `DATE.json` in a folder after each session; off the trading loop.

    Args:
        folder: Where they go; made when missing.
        journal: What the bot writes down.
        board: What it shows.
        clock: Stamps the alarm.
        alarm: Told when a report could not be written.
    """

    def __init__(self, folder: Path, journal: Path, board: Board, clock: Clock, alarm: Observer) -> None:
        self._folder, self._journal, self._board = folder, journal, board
        self._clock, self._alarm = clock, alarm
        self._due: dict[date, asyncio.TimerHandle] = {}
        self._writing: set[asyncio.Task[None]] = set()

    @override
    def on_event(self, event: Event) -> None:
        if isinstance(event, TradingDayClosed):
            loop = asyncio.get_running_loop()
            self._due[event.day] = loop.call_later(_SETTLE, self._start, event.day)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Within the block reports are written; at its end also those that are due."""
        try:
            yield
        finally:
            for day in tuple(self._due):
                self._start(day)
            while self._writing:
                await asyncio.wait(self._writing)

    def _start(self, day: date) -> None:
        timer = self._due.pop(day, None)
        if timer is not None:
            timer.cancel()
            task = asyncio.get_running_loop().create_task(self._write(day))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _write(self, day: date) -> None:
        try:
            await asyncio.to_thread(self._leave, day, self._board.snapshot)
        except Exception as error:  # noqa: BLE001 - nobody else would tell that there is none
            is_known = isinstance(error, JournalError | OSError)
            said = str(error) if is_known else f"{type(error).__name__}: {error}"
            message = (
                f"the report of {day.isoformat()} could not be written: {said}; trading goes on. Make room, then run "
                "ibkeel report"
            )
            self._alarm.on_event(AlarmRaised(at=self._clock.now(), name="day report", message=message))

    def _leave(self, day: date, snapshot: Snapshot) -> None:
        """In a thread of its own: reading a day's journal takes seconds, and a disk may hang."""
        with Journal.open(self._journal, read_only=True) as journal:
            report = report_of(journal, day, snapshot=snapshot)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_private(self._folder / f"{day.isoformat()}.html", report_page(report))
        write_private(self._folder / f"{day.isoformat()}.json", json.dumps(report.as_data(), indent=2))


def write_private(path: Path, text: str) -> None:
    """Write a file, whole or not at all, for its owner's eyes only.

    Args:
        path: It is replaced when it exists.
        text: What is to be in it.
    """
    with draft_of(path, replaces=True) as draft:
        draft.write_text(text, encoding="utf-8")
