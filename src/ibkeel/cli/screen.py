"""How a long-running command tells how it gets on, and how each ends: exit codes, each with its sentence."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import attrs
import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ibkeel.errors import (
    ConnectionFailure,
    IbkeelError,
    InvalidInput,
    JournalError,
    RequestFailed,
    SafetyRefused,
    UnknownContract,
)
from ibkeel.runner import Progress as Cycles
from ibkeel.telemetry import redact

_NEW_YORK: Final = ZoneInfo("America/New_York")


class ExitCode(IntEnum):
    """What the script's end means to its caller."""

    SUCCESS = 0
    UNEXPECTED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    FOUND = 5
    INTERRUPTED = 130


_CODES: Final[tuple[tuple[type[Exception], ExitCode], ...]] = (
    (InvalidInput, ExitCode.USAGE),
    (JournalError, ExitCode.USAGE),
    (UnknownContract, ExitCode.USAGE),
    (ConnectionFailure, ExitCode.UNREACHABLE),
    (RequestFailed, ExitCode.UNREACHABLE),
    (SafetyRefused, ExitCode.REFUSED),
)


def cause_of(error: BaseException) -> BaseException:
    """The first error of a group, however deep; any other error is its own cause."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def exit_code(error: BaseException) -> ExitCode:
    """The exit code of an error."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.UNEXPECTED)


def sentence(error: BaseException) -> str:
    """What to tell the user of an error, account ids and secrets masked."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, IbkeelError):
        return redact(f"{_named(error)}{error}")
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return redact(
        f"{type(error).__name__}{place}: {error}\n"
        "This is a bug in ibkeel: please report this line and the command on the project's issue tracker."
    )


def announce(line: str) -> None:
    """News of a long-running command, beside its output."""
    click.echo(line, err=True)


@attrs.frozen(kw_only=True)
class Screen:
    """Where a long-running command tells how it gets on."""

    advance: Callable[[Cycles], None] | None = None
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

        def advance(cycles: Cycles) -> None:
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


def _named(error: IbkeelError) -> str:
    """Errors of the venue lead with their type; a refused value explains itself."""
    return "" if isinstance(error, InvalidInput) else f"{type(error).__name__}: "
