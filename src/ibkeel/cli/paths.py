"""Where a bot keeps its state, which files a command may replace, and how files are typed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
import platformdirs

from ibkeel.errors import ConfigurationError, JournalError
from ibkeel.journal import Journal, RunStarted

DEMO_RUN: Final = "demo"
"""Name of the run of every demo."""

PATH: Final = click.Path(path_type=Path)
STATE: Final = click.option("--state", type=PATH, help="The bot's state directory.")

_BESIDE: Final = ("", "-wal", "-shm")
_PAGE: Final = b"<!doctype html"


def state_directory(environ: Mapping[str, str], given: Path | None = None) -> Path:
    """The bot's state directory: the one given, else `IBKEEL_STATE`, else the platform's; made when missing."""
    named = given or environ.get("IBKEEL_STATE")
    path = Path(named) if named else platformdirs.user_state_path("ibkeel", appauthor=False)
    try:
        # Who may write there may halt the bot, and lift a halt.
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(f"cannot make the state directory {path}: {error.strerror}") from error
    return path


def in_a_folder(path: Path) -> Path:
    """The same path, whose folder is there: one that is misspelt is not made."""
    try:
        is_lost = not (path.exists() or path.parent.is_dir())
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
    if is_lost:
        raise ConfigurationError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    return path


def fresh_journal(path: Path, run: str = DEMO_RUN) -> Path:
    """A path for the journal of a demo or a backtest: an earlier one's is replaced, anything else is not touched."""
    in_a_folder(path)
    if path.exists():
        if not _is_of(path, run):
            raise ConfigurationError(f"{path} exists and is not a {run}'s journal; choose another path")
        for suffix in _BESIDE:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path


def page_path(path: Path) -> Path:
    """A path for a report: an earlier report is replaced, anything else is not touched."""
    in_a_folder(path)
    if path.is_dir():
        raise ConfigurationError(
            f"cannot write {path}: it is a directory; name a file in it, such as day.html"
        )
    if path.is_file() and not _is_page(path):
        raise ConfigurationError(f"{path} exists and is not a report; choose another path, such as day.html")
    return path


def _is_page(path: Path) -> bool:
    """Whether a file begins as our pages do; in an empty one there is nothing to lose."""
    try:
        with path.open("rb") as stream:
            begins = stream.read(len(_PAGE))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}, which is there: {error.strerror}") from error
    return begins in (b"", _PAGE)


def _is_of(path: Path, run: str) -> bool:
    try:
        with Journal.open(path, read_only=True) as journal:
            runs = {entry.record.run for entry in journal.events(RunStarted)}
            return not journal.count() or runs == {run}
    except JournalError:
        return False
