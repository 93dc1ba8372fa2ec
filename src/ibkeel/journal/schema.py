"""The journal's file: who may read and write it, its tables, the way from each version of them to the next, and looks.

A look is what one cycle saw and decided about one symbol, kept in one row.
"""

import json
import os
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import attrs

from ibkeel.errors import JournalError, JournalInUse, UnwritableRecord
from ibkeel.journal.records import (
    CycleDone,
    Decision,
    QuoteSeen,
    Record,
    kind_of,
    reference_of,
    symbol_of,
    to_plain,
    to_row,
)
from ibkeel.locks import LockFile
from ibkeel.model import ConId, Contract, Quote, Reason, Signal, Stock
from ibkeel.model.checks import as_utc

KIND: Final = "look"
"""Name under which a look is stored."""

PARTS: Final = ("quote_seen", "decision", "cycle_done")
"""Names of the records that it is read as, in their order."""

RECORDS: Final = len(PARTS)

as_json: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode
"""Data as the journal writes them."""

_MICROSECOND: Final = timedelta(microseconds=1)
_NO_WISH: Final = attrs.fields(Signal).wish.default
_NO_EXITS: Final = attrs.fields(Signal).exits.default


@attrs.frozen(kw_only=True)
class Look:
    """A symbol's part of a cycle that sent nothing.

    Args:
        at: When it ended.
        symbol: Ticker.
        cycle: Counts the cycles of the run, 1 or more.
        outcome: One word, such as `no_signal` or `refused`.
        seconds: How long it took.
        quote: What the underlying was quoted at.
        quoted_at: When that came.
        signal: What the strategy said.
        decided_at: When it said so.
        reasons: Why it went no further.
    """

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    cycle: int
    outcome: str
    seconds: float
    quote: Quote
    quoted_at: datetime = attrs.field(converter=as_utc)
    signal: Signal
    decided_at: datetime = attrs.field(converter=as_utc)
    reasons: tuple[str, ...] = ()

    @property
    def records(self) -> tuple[QuoteSeen, Decision, CycleDone]:
        """What it is made of."""
        symbol, outcome = self.symbol, self.outcome
        return (
            QuoteSeen(at=self.quoted_at, symbol=symbol, quote=self.quote),
            Decision(
                at=self.decided_at, symbol=symbol, signal=self.signal, outcome=outcome, reasons=self.reasons
            ),
            CycleDone(at=self.at, symbol=symbol, cycle=self.cycle, outcome=outcome, seconds=self.seconds),
        )


def data_of(look: Look) -> str:
    """JSON of a look: a list, for names in every row would be half of the file.

    Its own instant and symbol are columns of the row. Other instants are microseconds before that one.
    """
    at, quote, signal = look.at, look.quote, look.signal
    return as_json(
        (
            look.cycle,
            look.outcome,
            look.seconds,
            look.reasons,
            (at - look.quoted_at) // _MICROSECOND,
            (at - look.decided_at) // _MICROSECOND,
            _plain_contract(look.symbol, quote.contract, quote.contract.con_id),
            (at - quote.at) // _MICROSECOND,
            quote.data_type,
            quote.bid,
            quote.ask,
            quote.last,
            quote.bid_size,
            quote.ask_size,
            quote.last_size,
            quote.volume,
            quote.open_interest,
            quote.close,
            None if quote.greeks is None else to_plain(quote.greeks),
            signal.direction,
            signal.confidence,
            [(reason.name, reason.value, reason.rule) for reason in signal.reasons],
            None if signal.wish is _NO_WISH else to_plain(signal.wish),
            None if signal.exits is _NO_EXITS else to_plain(signal.exits),
            *((True,) if quote.is_halted else ()),
        )
    )


def parts(ended: str, symbol: str, data: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    """Plain data of the records that a stored look is read as, in the order of `PARTS`.

    Data that are no look raise a TypeError or a ValueError.
    """
    cycle, outcome, seconds, reasons, quoted, decided, contract, *rest = data
    quote = rest[: len(_QUOTE)]
    direction, confidence, facts, wish, exits, *halted = rest[len(_QUOTE) :]
    [is_halted] = halted or [False]
    at = datetime.fromisoformat(ended)
    signal = {
        "direction": direction,
        "confidence": confidence,
        "reasons": [dict(zip(_REASON, fact, strict=True)) for fact in facts],
        "wish": to_plain(_NO_WISH) if wish is None else wish,
        "exits": to_plain(_NO_EXITS) if exits is None else exits,
    }
    shown = dict(zip(_QUOTE, [_before(at, quote[0]), *quote[1:]], strict=True)) | {"is_halted": is_halted}
    stock = to_plain(Stock(symbol), Contract) if contract is None else contract
    return (
        {"at": _before(at, quoted), "symbol": symbol, "quote": {"contract": stock, **shown}},
        {
            "at": _before(at, decided),
            "symbol": symbol,
            "signal": signal,
            "outcome": outcome,
            "reasons": reasons,
        },
        {"at": at.isoformat(), "symbol": symbol, "cycle": cycle, "outcome": outcome, "seconds": seconds},
    )


def _before(at: datetime, microseconds: int) -> str:
    return (at - microseconds * _MICROSECOND).isoformat()


_REASON: Final = tuple(field.name for field in attrs.fields(Reason))
_QUOTE: Final = tuple(
    field.name for field in attrs.fields(Quote) if field.name not in {"contract", "is_halted"}
)


@lru_cache(maxsize=4096)
def _plain_contract(symbol: str, contract: Contract, con_id: ConId | None) -> dict[str, Any] | None:
    """The same few are looked at again and again; None for the stock that the ticker alone names."""
    if con_id is None and contract == Stock(symbol):
        return None
    plain: dict[str, Any] = to_plain(contract, Contract)
    return plain


_OWNER_ONLY: Final = 0o600

Row = tuple[int, str, str, str, str, str]
"""Number, instant, kind, symbol, reference, data."""

INSERT: Final = "INSERT INTO events (seq, at, kind, symbol, reference, data) VALUES (?, ?, ?, ?, ?, ?)"
LAST_NUMBER: Final = "SELECT max(seq) FROM events"
SELECT: Final = (
    "SELECT seq, kind, at, symbol, data FROM events "
    "WHERE seq > :after AND (:kind = '' OR kind IN (:kind, :whole)) "
    "AND (:symbol = '' OR symbol = :symbol) AND at >= :since AND at < :until "
    "AND (:expiry = '' OR CASE WHEN json_valid(data) THEN coalesce("
    "json_extract(data, '$.report.contract.expiry'), json_extract(data, '$.order.entry.contract.expiry'), "
    "json_extract(data, '$.order.contract.expiry'), :expiry) ELSE :expiry END >= :expiry) "
    "ORDER BY seq LIMIT :page"
)
HIGHEST_ORDER_ID: Final = (
    "SELECT max(CASE WHEN json_valid(data) THEN CAST(CASE "
    "WHEN kind = 'fill_seen' THEN json_extract(data, '$.execution.order_id') "
    "WHEN json_extract(data, '$.report.client_id') = ? THEN json_extract(data, '$.report.order_id') "
    "END AS INTEGER) END) FROM events WHERE kind IN ('fill_seen', 'order_update')"
)
SELECT_LAST: Final = (
    "SELECT seq, kind, at, symbol, data FROM events "
    "WHERE kind IN (?, ?) AND (? = '' OR symbol = ?) ORDER BY seq DESC LIMIT 1"
)
COUNT: Final = "SELECT count(*) FROM events WHERE ? = '' OR kind = ?"
_CODE: Final = "SELECT count(*) FROM sqlite_master WHERE type IN ('view', 'trigger')"
APPLICATION_ID: Final = 0x69626B6C
"""Marks the file as an ibkeel journal in SQLite's header: the letters `ibkl`."""

# Entry n leads from version n to n + 1. Never edit one that was released; append.
_MIGRATIONS: Final = (
    (
        """
        CREATE TABLE events (
            seq INTEGER PRIMARY KEY,
            at TEXT NOT NULL,
            kind TEXT NOT NULL,
            symbol TEXT NOT NULL,
            reference TEXT NOT NULL,
            data TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX events_by_kind ON events (kind, seq)",
        "CREATE INDEX events_by_reference ON events (reference, seq) WHERE reference <> ''",
    ),
    (),  # rows of the kind `look`, which a reader of version 1 does not know
)

SCHEMA_VERSION: Final = len(_MIGRATIONS)
"""Version that this ibkeel reads and writes."""


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def check(connection: sqlite3.Connection, path: Path) -> int:
    """The file's version; 0 for a new file."""
    version, owner = _pragma(connection, "user_version"), _pragma(connection, "application_id")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and (owner or version or tables):
        raise JournalError(f"{path} is a database, but not an ibkeel journal; give another path")
    if connection.execute(_CODE).fetchone()[0]:
        raise JournalError(
            f"{path} has views or triggers, which no ibkeel made; they may do anything, so it is not read"
        )
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{path} has journal version {version}, this ibkeel reads up to {SCHEMA_VERSION}; upgrade ibkeel"
        )
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a file to the present version, whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = check(connection, path)
        for script in _MIGRATIONS[version:]:
            for statement in script:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise


def stamp(instant: datetime) -> str:
    """Text that sorts as the instants do."""
    return as_utc(instant).isoformat(timespec="microseconds")


def rows_of(records: Sequence[Record | Look]) -> list[Row]:
    """The rows of records, numbered from 1 on; a look takes up a number for each of its own, and bears the last.

    Raises:
        UnwritableRecord: One of them holds what cannot be written as data.
    """
    numbers = accumulate(RECORDS if type(record) is Look else 1 for record in records)
    return [_row_of(number, record) for number, record in zip(numbers, records, strict=True)]


def _row_of(number: int, record: Record | Look) -> Row:
    try:
        at = stamp(record.at)
        if isinstance(record, Look):
            row = number, at, KIND, record.symbol, "", data_of(record)
        else:
            data = as_json(to_row(record))
            row = number, at, kind_of(record), symbol_of(record), reference_of(record), data
        for text in row[1:]:
            if not text.isascii():
                text.encode()
    except Exception as error:  # a signal is somebody else's: what is in it may raise anything
        words = f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()
        raise UnwritableRecord(
            f"this {type(record).__name__} cannot be written as data: {words}; valid: finite numbers, and text that "
            "UTF-8 can hold",
            record=record,
        ) from error
    return row


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
