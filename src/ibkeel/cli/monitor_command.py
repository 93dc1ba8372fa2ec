"""`ibkeel monitor`: a bot in the terminal, or on a page."""

import asyncio
import json
import os
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.live import Live

from ibkeel.cli.paths import PATH, STATE, state_directory
from ibkeel.cli.screen import web_address
from ibkeel.errors import ConfigurationError
from ibkeel.monitor.dashboard import Access
from ibkeel.monitor.dashboard.source import BotSource, HaltControls
from ibkeel.runner import HALT_FILE
from ibkeel.system import SystemClock

_EVERY: Final = 1.0
_HOST: Final = "127.0.0.1"


@click.command()
@click.option("--web", is_flag=True, help="Serve a page instead; needs the extra [dashboard].")
@click.option("--host", default=_HOST, show_default=True, help="Address of the page; others need a token.")
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True, help="Of the page.")
@click.option(
    "--token",
    envvar="IBKEEL_PAGE_TOKEN",
    help="What readers of the page must know; better in the environment: IBKEEL_PAGE_TOKEN.",
)
@click.option("--name", "names", multiple=True, help="Another name under which the page is reached.")
@STATE
@click.option("--journal", type=PATH, help="The bot's journal, for when no bot runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the board once, as one JSON object.")
def monitor(
    host: str,
    port: int,
    token: str | None,
    names: tuple[str, ...],
    state: Path | None,
    journal: Path | None,
    *,
    web: bool,
    as_json: bool,
) -> None:
    """Show a bot that runs on this machine: session, health, positions, orders, decisions, limits.

    When none runs, it shows what its journal says.
    """
    folder = state or state_directory(os.environ)
    clock = SystemClock()
    source = BotSource(folder, journal or folder / "journal.sqlite", clock)
    controls = HaltControls(folder / HALT_FILE, clock)
    if as_json:
        view = source.look()
        data = {**view.data, "origin": view.origin, "note": view.note, "halted": controls.halted}
        click.echo(json.dumps(data, indent=2))
    elif web:
        access = Access(host=host, token=token, names=names)
        asyncio.run(_serve(access, port, source, controls))
    else:
        asyncio.run(_show(source, controls))


async def _serve(access: Access, port: int, source: BotSource, controls: HaltControls) -> None:
    try:
        from ibkeel.monitor.dashboard.app import dashboard_app, serve_page
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"the page needs {missing.name}; install it with: pip install 'ibkeel[dashboard]'"
        ) from None
    whose = "" if access.token else ", open to every user of this machine"
    click.echo(f"the page is at {web_address(access.host, port)}{whose}; stop with Ctrl-C", err=True)
    await serve_page(dashboard_app(source, controls, access), access.host, port)


async def _show(source: BotSource, controls: HaltControls) -> None:
    from ibkeel.monitor.dashboard.terminal import screen  # rich, for who looks

    console = Console()
    if not console.is_terminal:
        console.print(screen(source.look(), controls.halted))
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(screen(await source.view(), controls.halted), refresh=True)
            await asyncio.sleep(_EVERY)
