"""Orders from intent to fate, decided without IO."""

from ibkeel.orders.bracket import build_bracket
from ibkeel.orders.evidence import (
    STATUS,
    CancelRequested,
    ErrorFate,
    ErrorSeen,
    Evidence,
    Filled,
    LinkLost,
    Sent,
    StatusSeen,
    state_of_status,
)
from ibkeel.orders.exits import ExitPlan, check_exit, exit_room, plan_exit
from ibkeel.orders.intents import EntryIntent, ExitCause, ExitIntent, client_order_id
from ibkeel.orders.ticks import CENT, NICKEL, PENNY, TickLadder, round_to_tick
from ibkeel.orders.truth import OrderTruth

__all__ = [
    "CENT",
    "NICKEL",
    "PENNY",
    "STATUS",
    "CancelRequested",
    "EntryIntent",
    "ErrorFate",
    "ErrorSeen",
    "Evidence",
    "ExitCause",
    "ExitIntent",
    "ExitPlan",
    "Filled",
    "LinkLost",
    "OrderTruth",
    "Sent",
    "StatusSeen",
    "TickLadder",
    "build_bracket",
    "check_exit",
    "client_order_id",
    "exit_room",
    "plan_exit",
    "round_to_tick",
    "state_of_status",
]
