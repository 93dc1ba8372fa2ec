"""The board in a terminal: what matters, on one screen."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ibkeel.model.checks import NEW_YORK
from ibkeel.monitor.dashboard.source import SILENT, View
from ibkeel.telemetry.redaction import printable

_ROWS: Final = 8
_AT: Final = "at (New York)"
_GOOD: Final = frozenset({"ok", "ready", "closed", "filled", "entry", "delivered", "working", "submitted"})
_BAD: Final = frozenset(
    {"down", "open", "failed", "rejected", "unknown", "upstream lost", "reconnecting", "stopped", "critical"}
)


def screen(view: View, halted: str) -> RenderableType:
    """The view as something that rich can show."""
    data = view.data
    parts: list[RenderableType] = [_head(data, view, halted)]
    troubles = data["incidents"]["open"]
    if troubles:
        lines = Text("\n").join(_text(f"{row['name']}: {row['text']}", "red") for row in troubles[:_ROWS])
        parts.append(Panel(lines, title="open incidents", border_style="red", title_align="left"))
    parts.append(_columns(_link(data), _money(data)))
    parts += [part(data) for part in (_positions, _orders, _decisions, _last_words, _requests)]
    return Group(*parts)


def _head(data: Mapping[str, Any], view: View, halted: str) -> Text:
    run = data["run"]
    text = Text.assemble(("ibkeel ", "bold"), _text(f"{run['run']} {run['strategy']} {run['mode']}  "))
    text.append_text(_word("no bot" if view.origin != "bot" else data["session"]["state"]))
    if run["day"]:
        text.append(f"  {run['day']}{' (over)' if run['day_is_over'] else ''}, cycle {run['cycle']}")
    if view.origin == "bot" and data["age"] is not None:
        text.append(f"  last event {data['age']:.0f} s ago", "bold red" if data["age"] > SILENT else "dim")
    if view.note:
        text.append(f"\n{printable(view.note)}", "yellow")
    if halted:
        text.append(f"\nentries are halted: {printable(halted)}", "bold red")
    return text


def _word(word: Any) -> Text:
    shown = str(word or "none").replace("_", " ")
    style = "green" if word in _GOOD else "red" if shown in _BAD or word in _BAD | {"no bot"} else "yellow"
    return _text(shown, style)


def _text(value: Any, style: str = "") -> Text:
    return Text(printable(str(value)), style)


def _columns(*panels: RenderableType) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1))
    for _ in panels:
        grid.add_column(ratio=1)
    grid.add_row(*panels)
    return grid


def _pairs(title: str, rows: Iterable[tuple[str, Any]]) -> Panel:
    grid = Table.grid(padding=(0, 2))
    for name, value in rows:
        grid.add_row(Text(name, "dim"), value if isinstance(value, Text) else _text(value))
    return Panel(grid, title=title, title_align="left", border_style="dim")


def _link(data: Mapping[str, Any]) -> Panel:
    session, lines = data["session"], data["lines"]
    tiers = data["health"]["tiers"]
    bad = [row for row in tiers if row["grade"] != "ok"]
    rows: list[tuple[str, Any]] = [
        ("session", _word(session["state"])),
        (
            "Gateway",
            f"{session['host']}:{session['port']} client {session['client_id']}" if session["host"] else "-",
        ),
        ("health", _word(data["health"]["grade"])),
        ("lines", f"{lines['count']} of {lines['capacity'] or '-'}"),
    ]
    rows += [(row["name"], f"{row['evidence']}. {row['remedy']}") for row in bad[:3]]
    for queue in data["pacing"]["queues"][:2]:
        rows.append(("waiting", f"{queue['waiting']} {queue['kind']}: {queue['waits_for']}"))
    return _pairs("connection", rows)


def _money(data: Mapping[str, Any]) -> Panel:
    account, loss = data["money"]["account"], data["guard"]["loss"]
    rows: list[tuple[str, Any]] = [("account", data["session"]["account"] or "-")]
    if account:
        rows.append(("equity", f"{_figure(account['net_liquidation'])} {account['currency']}"))
        rows.append(("available", _figure(account["available_funds"])))
        rows.append(("read", _read(account["at"], data)))
    if loss:
        lost, most = loss["loss"], f"{100 * loss['limit']:.0f} %"
        shown = f"none; limit {most}" if (lost or 0) <= 0 else f"{100 * lost:.2f} % of {most}"
        rows.append(("daily loss", "unknown" if lost is None else shown))
    rows.append(("undelivered alerts", data["alerts"]["undelivered"]))
    return _pairs("money", rows)


def _table(title: str | Text, names: Sequence[str], rows: Iterable[Iterable[Any]]) -> RenderableType:
    table = Table(
        title=title, title_justify="left", expand=True, box=None, header_style="dim", title_style="bold"
    )
    *short, last = names
    for name in short:
        table.add_column(name, no_wrap=True, min_width=len(name))
    table.add_column(last, overflow="ellipsis", no_wrap=True, ratio=1)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else _text(cell) for cell in row))
    return table if table.row_count else Text.assemble(title, ": none", style="dim")


def _positions(data: Mapping[str, Any]) -> RenderableType:
    def protection(row: Mapping[str, Any]) -> Text:
        orders = row["protection"]
        if orders is None:
            return Text("orders could not be read", "yellow")
        if not orders:
            return Text("unprotected", "bold red")
        shown = ", ".join(f"{each['order_type']} {_figure(each['price'], '')}" for each in orders)
        bare = row.get("uncovered")  # a bot of before does not tell
        return _text(f"{_figure(bare, '.10g')} unprotected; {shown}", "bold red") if bare else _text(shown)

    rows = (
        (
            row["subject"],
            _figure(row["signed_quantity"], ".10g"),
            _figure(row["average_price"]),
            protection(row),
        )
        for row in data["money"]["positions"]
    )
    if data["money"]["positions_at"] is None:
        return Text("positions: not known, no bot has read them; look in TWS or Client Portal", "yellow")
    title = Text("positions, read ").append_text(_read(data["money"]["positions_at"], data))
    return _table(title, ("what", "quantity", "average", "protected by"), rows)


def _orders(data: Mapping[str, Any]) -> RenderableType:
    def what(row: Mapping[str, Any]) -> str:
        quantity = _figure(row["quantity"] or row["filled"], ".10g")
        return f"{row['side']} {quantity} {row['subject']} {row.get('terms', '')}" if row["subject"] else "-"

    every = data["orders"]["rows"]
    rows = (
        (
            _time(row["intended_at"] or row["changed_at"], data),
            row["client_order_id"].split("-", 2)[-1],  # the date is the session's
            what(row),
            _word(row["state"]),
            row["state_reason"] or row["reason"],
        )
        for row in reversed(every[-_ROWS:])
    )
    more = f", the last {_ROWS} of {len(every)}" if len(every) > _ROWS else ""
    return _table(f"orders of the session{more}", (_AT, "order", "what", "state", "why"), rows)


def _decisions(data: Mapping[str, Any]) -> RenderableType:
    rows = (
        (
            _time(row["at"], data),
            row["symbol"],
            row["direction"] or "-",
            _word(row["outcome"]),
            "; ".join(row["reasons"] or row["facts"]),
        )
        for row in reversed(data["decisions"]["rows"][-_ROWS:])
    )
    return _table("decisions", (_AT, "symbol", "signal", "outcome", "because"), rows)


def _last_words(data: Mapping[str, Any]) -> RenderableType:
    rows = (
        (_time(row["at"], data), symbol, _word(row["outcome"]), row["detail"])
        for symbol, row in list(data["decisions"]["symbols"].items())[:_ROWS]
    )
    return _table("last word on each symbol", (_AT, "symbol", "outcome", "because"), rows)


def _requests(data: Mapping[str, Any]) -> RenderableType:
    def seconds(row: Mapping[str, Any], name: str) -> str:
        return "-" if row["latency"] is None else f"{1000 * row['latency'][name]:.0f} ms"

    rows = (
        (
            row["kind"],
            row["answered"],
            row["failed"],
            seconds(row, "p50"),
            seconds(row, "p95"),
            row["last_error"],
        )
        for row in data["requests"]["kinds"].values()
    )
    return _table("requests", ("kind", "answered", "failed", "median", "95 %", "last error"), rows)


def _figure(value: float | None, form: str = ",.2f") -> str:
    return "-" if value is None else format(value, form)


def _time(instant: str | None, data: Mapping[str, Any]) -> str:
    if instant is None:
        return "-"
    at, now = (datetime.fromisoformat(text).astimezone(NEW_YORK) for text in (instant, data["now"]))
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S}"


def _read(instant: str, data: Mapping[str, Any]) -> Text:
    """How long ago each cycle's reading was made; in red when two cycles of the session did not make it."""
    at, now = map(datetime.fromisoformat, (instant, data["now"]))
    run, seconds = data["run"], max(0.0, (now - at).total_seconds())
    is_due = run["opens_at"] and not run["day_is_over"] and now > datetime.fromisoformat(run["opens_at"])
    is_stale = is_due and seconds > max(SILENT, 2 * (run["interval"] or 0.0))
    return Text(f"{seconds:.0f} s ago", "bold red" if is_stale else "dim")
