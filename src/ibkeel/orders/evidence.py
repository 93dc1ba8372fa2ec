"""What the wire, and we ourselves, can say about an order."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.model import ExecId, OrderState
from ibkeel.model.checks import finite, positive

# Source: TWS API, "Order Status"; `Inactive` covers rejected, cancelled and held orders alike.
STATUS: Final = MappingProxyType(
    {
        "ApiCancelled": OrderState.CANCELLED,
        "ApiPending": OrderState.SENT,
        "Cancelled": OrderState.CANCELLED,
        "Filled": OrderState.FILLED,
        "Inactive": OrderState.UNKNOWN,
        "PendingCancel": OrderState.CANCELLING,
        "PendingSubmit": OrderState.SENT,
        "PreSubmitted": OrderState.ACKNOWLEDGED,
        "Submitted": OrderState.WORKING,
    }
)
"""State that each status text of `openOrder` and `orderStatus` stands for."""


def state_of_status(text: str) -> OrderState:
    """The state of a status text; UNKNOWN for one that is not in the table."""
    return STATUS.get(text, OrderState.UNKNOWN)


class ErrorFate(StrEnum):
    """What an error code with an order's id says about the order."""

    REJECTED = "rejected"
    CANCELLED = "cancelled"
    NOTICE = "notice"
    CANCEL_REFUSED = "cancel_refused"
    UNCERTAIN = "uncertain"


@attrs.frozen(kw_only=True)
class Sent:
    """The order's bytes left."""


@attrs.frozen(kw_only=True)
class CancelRequested:
    """The cancel's bytes left."""


@attrs.frozen(kw_only=True)
class CancelUnanswered:
    """Nothing came of a cancel in its time: the order may work on, or be gone."""


@attrs.frozen(kw_only=True)
class LinkLost:
    """The connection ended; nobody says what happens to the order now."""


@attrs.frozen(kw_only=True)
class StatusSeen:
    """An `openOrder` or `orderStatus` arrived.

    Args:
        status: Its text.
        filled: Contracts filled so far; None where the message has none.
        reason: Such as `whyHeld` or a reject reason.
    """

    status: str
    filled: float | None = attrs.field(default=None, validator=finite)
    reason: str = ""


@attrs.frozen(kw_only=True)
class Filled:
    """An execution arrived; the same one twice counts once.

    Args:
        exec_id: Name of the fill.
        quantity: Contracts or shares, above zero.
    """

    exec_id: ExecId
    quantity: float = attrs.field(validator=positive)


@attrs.frozen(kw_only=True)
class ErrorSeen:
    """An error message with the order's id arrived.

    Args:
        fate: What the code means for an order that the venue has not accepted yet; UNCERTAIN for a
            code nobody knows.
        code: The code.
        text: The message.
    """

    fate: ErrorFate
    code: int
    text: str = ""


@attrs.frozen(kw_only=True)
class Unlisted:
    """The venue's list of open orders lacks an order that was said to work."""


@attrs.frozen(kw_only=True)
class Vanished:
    """No list of open, ended or filled orders names it, time and again, on a good session."""

    reason: str


Evidence = (
    Sent
    | CancelRequested
    | CancelUnanswered
    | LinkLost
    | StatusSeen
    | Filled
    | ErrorSeen
    | Unlisted
    | Vanished
)
"""Anything that says something about an order."""
