"""Who watches a simulated Gateway that serves: a recorder, a picture in the terminal, a web page."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.live import Live

from ibkeel.cli.sim_view import show
from ibkeel.errors import ConfigurationError
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.transcripts import Header, Scribe, TranscriptFile
from ibkeel.sim.view import MessageLog, view_of


@attrs.frozen(kw_only=True)
class Company:
    """Who watches.

    Args:
        record: Where a transcript of everything goes; None: nowhere.
        view: Whether the terminal shows a live picture.
        web: Port of a web page on loopback; None: there is none.
    """

    record: Path | None = None
    view: bool = False
    web: int | None = None

    def check(self) -> None:
        """Refuse what cannot be shown here, before anything is served.

        Raises:
            ConfigurationError: There is no terminal, or the extra `[dashboard]` is not installed.
        """
        if self.view and not sys.stdout.isatty():
            raise ConfigurationError("--view draws in a terminal, and this output is none")
        if self.web is not None:
            _web_module()


@contextmanager
def recording(gateway: SimulatedGateway, path: Path | None, notes: Mapping[str, Any]) -> Iterator[None]:
    """Write everything that is said meanwhile into a file.

    Args:
        gateway: Who is recorded; it need not listen yet.
        path: The file; None: nothing is recorded.
        notes: What is needed to serve the same day again.
    """
    if path is None:
        yield
        return
    world = gateway.reception.world
    began_at = world.now()
    scribe = Scribe(TranscriptFile(path, Header(began_at=began_at, notes=notes)), began_at)
    stop = gateway.listen_in(scribe)
    try:
        yield
    finally:
        stop()
        scribe.stop(world.now())


async def accompany(gateway: SimulatedGateway, company: Company, title: str) -> None:
    """Show the Gateway to whoever watches, until cancelled.

    Args:
        gateway: Who is watched.
        company: Who watches.
        title: What is served, and where.
    """
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


async def _draw(gateway: SimulatedGateway, log: MessageLog | None, title: str) -> None:
    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        await show(lambda: view_of(gateway, log), title, live)


def _web_module() -> Any:
    try:
        from ibkeel.cli import sim_web  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"--web needs {missing.name}; install it with: pip install 'ibkeel[dashboard]'"
        ) from None
    return sim_web
