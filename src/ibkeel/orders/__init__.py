"""Orders from intent to fate, decided without IO."""

from ibkeel.orders.bracket import build_bracket
from ibkeel.orders.doubles import doubled_orders
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
    Unlisted,
    Vanished,
    state_of_status,
)
from ibkeel.orders.exits import ExitPlan, check_exit, exit_room, is_same_contract, plan_exit
from ibkeel.orders.gates import (
    GateKind,
    GateRefusal,
    Interlock,
    OrderFacts,
    OrderLimits,
    SentOrder,
    check_order,
)
from ibkeel.orders.intents import EntryIntent, ExitCause, ExitIntent, StopIntent, client_order_id
from ibkeel.orders.protection import (
    CancelOrder,
    ChangeOrder,
    Gap,
    GapKind,
    Mend,
    PlaceStop,
    ProtectionPolicy,
    is_stop,
    protection_gaps,
)
from ibkeel.orders.ticks import CENT, NICKEL, PENNY, TickLadder, round_to_tick
from ibkeel.orders.traces import Reading, proof_of_absence
from ibkeel.orders.truth import OrderTruth

__all__ = [
    "CENT",
    "NICKEL",
    "PENNY",
    "STATUS",
    "CancelOrder",
    "CancelRequested",
    "ChangeOrder",
    "EntryIntent",
    "ErrorFate",
    "ErrorSeen",
    "Evidence",
    "ExitCause",
    "ExitIntent",
    "ExitPlan",
    "Filled",
    "Gap",
    "GapKind",
    "GateKind",
    "GateRefusal",
    "Interlock",
    "LinkLost",
    "Mend",
    "OrderFacts",
    "OrderLimits",
    "OrderTruth",
    "PlaceStop",
    "ProtectionPolicy",
    "Reading",
    "Sent",
    "SentOrder",
    "StatusSeen",
    "StopIntent",
    "TickLadder",
    "Unlisted",
    "Vanished",
    "build_bracket",
    "check_exit",
    "check_order",
    "client_order_id",
    "doubled_orders",
    "exit_room",
    "is_same_contract",
    "is_stop",
    "plan_exit",
    "proof_of_absence",
    "protection_gaps",
    "round_to_tick",
    "state_of_status",
]
