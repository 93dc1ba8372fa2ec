"""The journal: what was decided, intended, sent and seen, in one SQLite file."""

from ibkeel.journal.reading import SparingReader, back_up, fills_of, highest_order_id
from ibkeel.journal.records import (
    CommissionSeen,
    CycleDone,
    Decision,
    Entry,
    Failure,
    FillSeen,
    Intent,
    LimitsTaken,
    LossGuardKept,
    OrderSettled,
    OrderUpdate,
    Purpose,
    QuoteSeen,
    Record,
    RunEnded,
    RunStarted,
    kind_of,
)
from ibkeel.journal.schema import Look
from ibkeel.journal.store import Journal

__all__ = [
    "CommissionSeen",
    "CycleDone",
    "Decision",
    "Entry",
    "Failure",
    "FillSeen",
    "Intent",
    "Journal",
    "LimitsTaken",
    "Look",
    "LossGuardKept",
    "OrderSettled",
    "OrderUpdate",
    "Purpose",
    "QuoteSeen",
    "Record",
    "RunEnded",
    "RunStarted",
    "SparingReader",
    "back_up",
    "fills_of",
    "highest_order_id",
    "kind_of",
]
