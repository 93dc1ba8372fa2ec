"""A copy of a journal that is whole, taken while the bot goes on writing."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ibkeel.errors import JournalError
from ibkeel.journal.export import claim
from ibkeel.journal.store import Journal, connect

_BESIDE: Final = ("-wal", "-shm")


def back_up(source: Path | str, target: Path | str) -> int:
    """Copy a journal by SQLite's own means, check every record of the copy, and then give it its name.

    A copy of the file alone would lack what is still in the `-wal` file beside it. Restoring is the same with
    the two paths exchanged, while no bot runs.

    Args:
        source: A journal; it may be written to meanwhile.
        target: A file that is not there yet; readable by its owner alone.

    Returns:
        How many records the copy holds.

    Raises:
        JournalError: The source is no journal or is damaged, the target exists, or it cannot be written. No
            target is left behind then.
    """
    origin, wanted = Path(source), Path(target)
    with Journal.open(origin, read_only=True):
        pass  # says in our words what is wrong with the source
    draft = wanted.with_name(f"{wanted.name}.{os.getpid()}.part")
    try:
        claim(wanted)
        with _cleared(draft, *(draft.with_name(draft.name + suffix) for suffix in _BESIDE)):
            return _copied(origin, draft, wanted)
    except FileExistsError as error:
        raise JournalError(
            f"{error.filename} exists; a backup never replaces a file: choose another name"
        ) from error
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"journal {origin} cannot be copied to {wanted}: {error}") from error


@contextlib.contextmanager
def _cleared(*paths: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def _copied(origin: Path, draft: Path, wanted: Path) -> int:
    try:
        _copy(origin, draft)
        with Journal.open(draft, read_only=True) as copy:
            copy.check_integrity()
            count = copy.count()
        draft.replace(wanted)
    except BaseException:
        wanted.unlink(missing_ok=True)
        raise
    return count


def _copy(origin: Path, draft: Path) -> None:
    claim(draft)
    reading = connect(origin, read_only=True)
    writing = sqlite3.connect(draft)
    with contextlib.closing(reading), contextlib.closing(writing):
        # All at once: a reader of a journal keeps no bot from writing, while a copy in parts begins anew after each write.
        reading.backup(writing)
        # One file, without companions: it is to be carried away.
        writing.execute("PRAGMA journal_mode = DELETE")
    handle = os.open(draft, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
