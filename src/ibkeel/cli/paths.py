"""Where a bot keeps its state, and what a demo may replace."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import platformdirs

from ibkeel.errors import ConfigurationError, JournalError
from ibkeel.journal import Journal, RunStarted

DEMO_RUN: Final = "demo"
"""Name of the run of every demo."""

_BESIDE: Final = ("", "-wal", "-shm")


def state_directory(environ: Mapping[str, str], given: Path | None = None) -> Path:
    """The bot's state directory: the one given, else `IBKEEL_STATE`, else the platform's; made when missing."""
    named = given or environ.get("IBKEEL_STATE")
    path = Path(named) if named else platformdirs.user_state_path("ibkeel", appauthor=False)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot make the state directory {path}: {error.strerror}") from error
    return path


def fresh_journal(path: Path) -> Path:
    """A path for a demo's journal: an earlier demo's is replaced, anything else is not touched.

    Raises:
        ConfigurationError: There is a file that no demo made.
    """
    if path.exists():
        if not _is_demo(path):
            raise ConfigurationError(f"{path} exists and is not a demo's journal; choose another path")
        for suffix in _BESIDE:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path


def _is_demo(path: Path) -> bool:
    try:
        with Journal.open(path, read_only=True) as journal:
            started = [entry.record for entry in journal.events(RunStarted)]
    except JournalError:
        return False
    return all(isinstance(record, RunStarted) and record.run == DEMO_RUN for record in started)
