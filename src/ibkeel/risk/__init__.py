"""Rules about money: how much, how far, and whether an entry may leave at all.

They speak of entries only. An exit is another type, and no rule here sees one.
"""

from ibkeel.risk.gate import (
    FLAT,
    DailyLossGuard,
    EntryFacts,
    Exposure,
    ExposureLimits,
    GateRule,
    GateVerdict,
    LossVerdict,
    Refusal,
    RefusalKind,
    check_entry,
    check_exposure,
)
from ibkeel.risk.sizing import PositionSize, SizeCap, SizeLimit, position_size

__all__ = [
    "FLAT",
    "DailyLossGuard",
    "EntryFacts",
    "Exposure",
    "ExposureLimits",
    "GateRule",
    "GateVerdict",
    "LossVerdict",
    "PositionSize",
    "Refusal",
    "RefusalKind",
    "SizeCap",
    "SizeLimit",
    "check_entry",
    "check_exposure",
    "position_size",
]
