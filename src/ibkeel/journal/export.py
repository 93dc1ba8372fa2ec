"""Journals in formats that other programs read; account ids masked unless asked for whole."""

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from ibkeel.errors import JournalError
from ibkeel.journal.schema import as_json
from ibkeel.model import mask_account
from ibkeel.telemetry import redact

Row = tuple[int, str, dict[str, Any]]

_OWNER_ONLY: Final = 0o600
_FORMULA: Final = tuple("=+-@\t\r")
_COLUMNS: Final = ("seq", "at", "kind", "symbol", "data")


def _masked(value: Any, key: str = "") -> Any:
    """The same data with account ids and secrets masked, those within longer text too."""
    if isinstance(value, dict):
        return {name: _masked(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if not isinstance(value, str) or key == "at":
        return value
    if key == "account":
        return mask_account(value)
    return redact(value)


def _symbol(data: dict[str, Any]) -> str:
    told = data.get("report") or data.get("execution") or {}
    contract = told.get("contract") or {}
    return str(data.get("symbol") or contract.get("symbol") or contract.get("underlying") or "")


def _table(rows: Iterable[Row], *, full: bool) -> Iterator[tuple[int, str, str, str, str]]:
    for seq, kind, data in rows:
        shown = data if full else _masked(data)
        yield seq, data["at"], kind, _symbol(data), as_json(shown)


def claim(path: Path) -> None:
    """Make a file that is not there yet, for its owner alone."""
    path.touch(_OWNER_ONLY, exist_ok=False)


@contextmanager
def draft_of(path: Path, *, replaces: bool = False) -> Iterator[Path]:
    """Where to write, for one's own eyes, what has the name `path` once it is whole.

    Raises:
        JournalError: A file is there already, and is not to be replaced.
    """
    if path.is_char_device() or path.is_fifo():  # /dev/stdout, or another program
        yield path
        return
    if path.exists() and not replaces:
        raise JournalError(f"{path} exists; an export never replaces a file: choose another name")
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    draft.unlink(missing_ok=True)  # what a killed process left, or a link, which would lead elsewhere
    claim(draft)
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_jsonl(rows: Iterable[Row], stream: TextIO, *, full: bool = False) -> int:
    """Write rows as one object a line, `seq` and `record` first, and return how many."""
    count = 0
    for seq, kind, data in rows:
        shown = data if full else _masked(data)
        stream.write(as_json({"seq": seq, "record": kind, **shown}) + "\n")
        count += 1
    return count


def write_csv(rows: Iterable[Row], path: Path, *, full: bool = False) -> int:
    """Write rows under a header, one a record, to a new file, and return how many."""
    count = 0
    with draft_of(path) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row in _table(rows, full=full):
            # A spreadsheet runs a formula that somebody else's journal brings.
            writer.writerow([f"'{cell}" if str(cell).startswith(_FORMULA) else cell for cell in row])
            count += 1
    return count


def write_parquet(rows: Iterable[Row], path: Path, *, full: bool = False) -> int:
    """Write rows in the columns of `write_csv`, and return how many.

    Raises:
        JournalError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise JournalError("Parquet needs pyarrow: pip install pyarrow, or export JSONL or CSV") from error
    table = list(_table(rows, full=full))
    columns = list(zip(*table, strict=True)) or [()] * len(_COLUMNS)
    kinds = (pa.int64(), *([pa.string()] * (len(_COLUMNS) - 1)))
    arrays = [pa.array(column, type=kind) for column, kind in zip(columns, kinds, strict=True)]
    with draft_of(path) as draft:
        parquet.write_table(pa.table(dict(zip(_COLUMNS, arrays, strict=True))), draft)
    return len(table)
