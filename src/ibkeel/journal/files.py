"""The journal's file: who may read it, who writes it, and whether it is where it was."""

import os
from pathlib import Path
from typing import Final

from ibkeel.errors import JournalInUse
from ibkeel.locks import LockFile

_OWNER_ONLY: Final = 0o600


def create(path: Path) -> None:
    """Make the file, readable by its owner alone, before SQLite makes one that is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
    path.chmod(_OWNER_ONLY)


def taken(path: Path) -> LockFile:
    """The lock of whoever writes; every path to one file has the same."""
    file = path.resolve()
    lock = LockFile(file.with_name(f"{file.name}.lock"))
    holder = lock.acquire()
    if holder is None:
        return lock
    who, when = holder.words("part")
    raise JournalInUse(
        f"journal {path} is written by {who}{when}, and a journal has one writer: its orders would be taken for "
        "those of the other. End that one, or give this bot a journal, or a state directory, of its own. To read it "
        "meanwhile open it read-only, as `ibkeel journal show` does",
        pid=holder.pid,
        since=holder.since,
    )


def inode(path: Path) -> tuple[int, int]:
    """Which file a path leads to."""
    found = os.stat(path)  # noqa: PTH116 - before each write; a `Path` asks the same by a longer way
    return found.st_dev, found.st_ino
