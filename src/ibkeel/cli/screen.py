"""What commands show: how they get on, and what others said, neither markup nor commands to the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import attrs
import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ibkeel.model import checks
from ibkeel.telemetry.redaction import printable

if TYPE_CHECKING:
    from ibkeel.runner import Progress as Cycles

_NEW_YORK: Final = ZoneInfo("America/New_York")


def host_name(_: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """A host that was typed.

    Raises:
        ConfigurationError: It can be none.
    """
    if text is not None:
        checks.host(None, option, text)
    return text


def web_address(host: str, port: int) -> str:
    """Where a browser finds what listens there."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def announce(line: str) -> None:
    """News of a long-running command, beside its output."""
    click.echo(line, err=True)


@attrs.frozen(kw_only=True)
class Screen:
    """Where a long-running command tells how it gets on."""

    advance: "Callable[[Cycles], None] | None" = None
    announce: Callable[[str], None]


@contextmanager
def progress(what: str) -> Iterator[Screen]:
    """A bar on the terminal's error stream, and room for news above it; no bar when that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Screen(announce=announce)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[clock]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=1.0, clock="")

        def advance(cycles: "Cycles") -> None:
            session = cycles.session
            if cycles.warmed is not None:
                bar.update(task, completed=0.0, clock=f"warming up, {cycles.warmed} of {cycles.symbols}")
                return
            part = (cycles.now - session.opens_at) / (session.closes_at - session.opens_at)
            now = cycles.now.astimezone(_NEW_YORK)
            bar.update(task, completed=part, clock=f"{now:%H:%M} New York, cycle {cycles.cycles}")

        yield Screen(
            advance=advance,
            announce=lambda line: console.print(line, soft_wrap=True, highlight=False, markup=False),
        )


def plain(text: str, style: str = "") -> Text:
    """The text as it stands, whatever brackets and control characters are in it."""
    return Text(printable(text), style)


def table(*columns: str, title: str = "") -> Table:
    """A table whose first column is words, and the others figures."""
    table = Table(
        box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", pad_edge=False
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table
