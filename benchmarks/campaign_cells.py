"""Which trouble can meet an order in which phase, and why the others cannot."""

from collections.abc import Mapping
from typing import Final

from benchmarks.campaign_plan import Phase, Trouble

__all__ = ["CELLS", "DRAWN", "IMPOSSIBLE"]

_MESSAGES: Final = (Phase.SENDING, Phase.CHANGING, Phase.CANCELLING, Phase.EXITING, Phase.PROTECTING)
_ORDERS: Final = (Phase.SENDING, Phase.CHANGING, Phase.EXITING, Phase.PROTECTING)
_AT_REST: Final = (Phase.WORKING, Phase.PART_FILLED, Phase.HELD)
_NO_MESSAGE: Final = "no message about an order is under way"
_NO_ORDER: Final = "it is about the acceptance of an order; a cancel has none"
_NO_STOP: Final = "no stop works yet, or it has been withdrawn already"
_NO_FILL: Final = "nothing has filled just before"

_ALWAYS: Final = (
    Trouble.CRASH,
    Trouble.RESTART_ROLLS_BACK,
    Trouble.LOST_1101,
    Trouble.LOST_1102,
    Trouble.HALF_OPEN,
    Trouble.SLOW,
    Trouble.DUPLICATED,
    Trouble.DELAYED,
    Trouble.REORDERED,
    Trouble.KILLED,
)
_MET: Final[Mapping[Trouble, tuple[Phase, ...]]] = {
    **dict.fromkeys(_ALWAYS, tuple(Phase)),
    Trouble.DROP_BEFORE_SEND: _MESSAGES,
    Trouble.DROP_AFTER_SEND: _MESSAGES,
    Trouble.DROP_BEFORE_ACK: _MESSAGES,
    Trouble.DROP_AFTER_FILL: (Phase.PART_FILLED, Phase.HELD),
    Trouble.STORED_ORDER: _MESSAGES,
    Trouble.UNANSWERED: _MESSAGES,
    Trouble.NO_SERVICE: (Phase.SENDING, Phase.EXITING, Phase.PROTECTING),
    Trouble.ACK_LOST: _ORDERS,
    Trouble.REJECTED: _ORDERS,
    Trouble.STOP_GONE: (Phase.PART_FILLED, Phase.HELD),
}
_WHY: Final[Mapping[Trouble, str]] = {
    **dict.fromkeys((Trouble.ACK_LOST, Trouble.REJECTED), _NO_ORDER),
    Trouble.NO_SERVICE: "it is about new orders",
    Trouble.STOP_GONE: _NO_STOP,
    Trouble.DROP_AFTER_FILL: _NO_FILL,
}

_BY_ITSELF: Final[Mapping[Trouble, tuple[Phase, ...]]] = {
    Trouble.CANCEL_FILL_RACE: (Phase.CANCELLING,),
    Trouble.PARTIAL_FILL: (Phase.SENDING, Phase.EXITING, Phase.HELD),
}
_ONLY_THERE: Final = {
    Trouble.CANCEL_FILL_RACE: "it takes a cancel",
    Trouble.PARTIAL_FILL: "counted where the order was sent: as an entry, an exit, or a stop that was triggered",
}

DRAWN: Final = tuple((trouble, phase) for trouble, phases in _MET.items() for phase in phases)
"""Pairs that are brought about; drawn evenly."""

CELLS: Final = (*DRAWN, *((trouble, phase) for trouble, phases in _BY_ITSELF.items() for phase in phases))
"""Pairs that can occur."""

IMPOSSIBLE: Final[Mapping[tuple[Trouble, Phase], str]] = {
    (trouble, phase): _NO_MESSAGE if phase in _AT_REST and trouble is not Trouble.STOP_GONE else _WHY[trouble]
    for trouble, phases in _MET.items()
    for phase in Phase
    if phase not in phases
} | {
    (trouble, phase): _ONLY_THERE[trouble]
    for trouble, phases in _BY_ITSELF.items()
    for phase in Phase
    if phase not in phases
}
"""Why a pair cannot occur."""
