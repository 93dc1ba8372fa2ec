"""The simulated Gateway, live in the terminal, and who else watches one that serves: a recorder, a web page."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs
from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ibkeel.cli.screen import NEW_YORK, plain
from ibkeel.errors import ConfigurationError
from ibkeel.sim import FaultSeen, SimulatedGateway
from ibkeel.sim.transcripts import Header, Scribe, TranscriptFile
from ibkeel.sim.view import GatewayView, MessageLog, MessageSeen, view_of
from ibkeel.telemetry import redact

_ROWS: Final = 40
_EVERY: Final = 0.5  # seconds between two pictures
_SENDERS: Final = {"client": "→", "gateway": "←"}


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


@attrs.frozen(kw_only=True)
class Company:
    """Who watches."""

    record: Path | None = None
    view: bool = False
    web: int | None = None

    def check(self) -> None:
        """Refuse what cannot be shown here, before anything is served."""
        if self.view and not sys.stdout.isatty():
            raise ConfigurationError("--view draws in a terminal, and this output is none")
        if self.web is not None:
            _web_module()


@contextmanager
def recording(
    gateway: SimulatedGateway, path: Path | None, notes: Mapping[str, Any], warn: Callable[[str], None]
) -> Iterator[None]:
    """Write everything that is said meanwhile into a file, if one is named.

    Its notes hold what is needed to serve the same day again. Who is to be warned hears when the file is not
    complete, at once and at the end.
    """
    if path is None:
        yield
        return
    world = gateway.reception.world
    began_at = world.now()
    scribe = Scribe(TranscriptFile(path, Header(began_at=began_at, notes=notes)), began_at, warn=warn)
    stop = gateway.listen_in(scribe)
    try:
        yield
    finally:
        stop()
        scribe.stop(world.now())
        if scribe.failure is not None:
            warn(scribe.failure)


async def accompany(gateway: SimulatedGateway, company: Company, title: str) -> None:
    """Show the Gateway, under a title, to whoever watches, until cancelled."""
    log = MessageLog(gateway) if company.view or company.web is not None else None

    async with asyncio.TaskGroup() as group:
        if company.web is not None:
            web = _web_module()
            stage = web.Stage(
                title=title, view=lambda: view_of(gateway, log), inject=gateway.inject, heal=gateway.heal
            )
            group.create_task(web.serve_page(stage, company.web))
        if company.view:
            group.create_task(_draw(gateway, log, title))
        await asyncio.Event().wait()


def _head(view: GatewayView, title: str) -> RenderableType:
    broken = ", ".join(f"{name} {count}" for name, count in view.violations.items()) or "none"
    limit = "any number" if view.line_limit is None else view.line_limit
    figures = (
        f"lines [b]{view.lines}[/b] of {limit}   open histories [b]{view.histories}[/b]   "
        f"messages [b]{view.messages}[/b]   connections [b]{view.connections}[/b]   rules broken: [b]{broken}[/b]"
    )
    clock = f"{view.at.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S} New York"
    return Panel(Group(Text.from_markup(figures)), title=f"{title} · {clock}", title_align="left")


def _clients(view: GatewayView) -> Table:
    table = _table("id", "api", "lines", "history", "streams", "broken", gives=0)
    for each in view.clients:
        figures = (each.client_id, each.version, each.lines, each.histories, each.streams, each.violations)
        table.add_row(*map(str, figures))
    return table


def _orders(view: GatewayView) -> Table:
    table = _table("order", "contract", "what", "status", "filled", gives=1)
    for each in view.orders[:_ROWS]:
        name = f"{each.client_id}/{each.order_id}"
        table.add_row(*map(plain, (name, each.contract, each.what, each.status, f"{each.filled:g}")))
    return table


def _faults(view: GatewayView) -> Table:
    table = _table("at", "kind", "", "until", gives=2)
    for each in view.faults[:_ROWS]:
        table.add_row(*map(plain, (_clock(each.at), each.kind, each.detail, _until(each))))
    return table


def _said(said: tuple[MessageSeen, ...]) -> Table:
    table = _table("at", "client", "", "message", "", gives=4)
    for each in said[:_ROWS]:
        client = "" if each.client_id is None else str(each.client_id)
        sender = _SENDERS.get(each.sender, "")
        times = f"{each.times} times " if each.times > 1 else ""
        cells = (_clock(each.at), client, sender, each.name, times + redact(each.detail))
        table.add_row(*map(plain, cells))
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
    return f"{at.astimezone(NEW_YORK):%H:%M:%S}"


async def _draw(gateway: SimulatedGateway, log: MessageLog | None, title: str) -> None:
    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            live.update(picture(view_of(gateway, log), title), refresh=True)
            await asyncio.sleep(_EVERY)


def _web_module() -> Any:
    try:
        from ibkeel.cli import sim_web
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"--web needs {missing.name}; install it with: pip install 'ibkeel[dashboard]'"
        ) from None
    return sim_web
