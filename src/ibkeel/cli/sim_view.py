"""The simulated Gateway, live in the terminal."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ibkeel.sim import FaultSeen
from ibkeel.sim.view import GatewayView, MessageSeen
from ibkeel.telemetry import redact

_NEW_YORK: Final = ZoneInfo("America/New_York")
_ROWS: Final = 40
_SENDERS: Final = {"client": "→", "gateway": "←"}


async def show(view: Callable[[], GatewayView], title: str, live: Live, seconds: float = 0.5) -> None:
    """Draw until cancelled.

    Args:
        view: The Gateway at this moment.
        title: What is served, and where.
        live: The terminal.
        seconds: Between two pictures.
    """
    while True:
        live.update(picture(view(), title), refresh=True)
        await asyncio.sleep(seconds)


def picture(view: GatewayView, title: str) -> Layout:
    """The Gateway at an instant."""
    whole, left = Layout(), Layout(ratio=2)
    lower = Layout(name="lower")
    lower.split_row(left, Layout(Panel(_said(view.said), title="messages, newest first"), ratio=3))
    left.split_column(
        Layout(Panel(_clients(view), title="clients")),
        Layout(Panel(_orders(view), title="live orders")),
        Layout(Panel(_faults(view), title="what went wrong, newest first")),
    )
    whole.split_column(Layout(_head(view, title), size=4), lower)
    return whole


def _head(view: GatewayView, title: str) -> RenderableType:
    broken = ", ".join(f"{name} {count}" for name, count in view.violations.items()) or "none"
    figures = (
        f"lines [b]{view.lines}[/b] of {view.line_limit}   open histories [b]{view.histories}[/b]   "
        f"messages [b]{view.messages}[/b]   connections [b]{view.connections}[/b]   rules broken: [b]{broken}[/b]"
    )
    clock = f"{view.at.astimezone(_NEW_YORK):%Y-%m-%d %H:%M:%S} New York"
    return Panel(Group(Text.from_markup(figures)), title=f"{title} · {clock}", title_align="left")


def _clients(view: GatewayView) -> Table:
    table = _table("id", "api", "lines", "history", "streams", "broken", gives=0)
    for each in view.clients:
        table.add_row(
            *map(
                str,
                (each.client_id, each.version, each.lines, each.histories, each.streams, each.violations),
            )
        )
    return table


def _orders(view: GatewayView) -> Table:
    table = _table("order", "contract", "what", "status", "filled", gives=1)
    for each in view.orders[:_ROWS]:
        table.add_row(
            f"{each.client_id}/{each.order_id}", each.contract, each.what, each.status, f"{each.filled:g}"
        )
    return table


def _faults(view: GatewayView) -> Table:
    table = _table("at", "kind", "", "until", gives=2)
    for each in view.faults[:_ROWS]:
        table.add_row(_clock(each.at), each.kind, each.detail, _until(each))
    return table


def _said(said: tuple[MessageSeen, ...]) -> Table:
    table = _table("at", "client", "", "message", "", gives=4)
    for each in said[:_ROWS]:
        client = "" if each.client_id is None else str(each.client_id)
        sender = _SENDERS.get(each.sender, "")
        times = f"{each.times} times " if each.times > 1 else ""
        table.add_row(_clock(each.at), client, sender, each.name, times + redact(each.detail))
    return table


def _table(*columns: str, gives: int) -> Table:
    """A table in which one column gives way when the terminal is narrow, and the others stay whole."""
    table = Table(box=None, expand=True, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(
            column, overflow="ellipsis", no_wrap=True, ratio=1 if number == gives else None, min_width=2
        )
    return table


def _until(seen: FaultSeen) -> str:
    if seen.ended_at is None:
        return "now"
    return "" if seen.ended_at == seen.at else _clock(seen.ended_at)


def _clock(at: datetime) -> str:
    return f"{at.astimezone(_NEW_YORK):%H:%M:%S}"
