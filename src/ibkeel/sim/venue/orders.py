"""The life of an order: its stages, the moves between them, and what clients are told.

    DRAFT -> CHILD -> HELD | ARMED | WORKING -> FILLED | CANCELLED | INACTIVE

A stage that an order cannot leave for another is not in `MOVES`, and `WorkingOrder.move` refuses.
"""

import copy
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.sim.values import OrderEcho, OrderError, OrderStatus, SimOrder, VenueEvent
from ibkeel.sim.venue.matching import STOP_TYPES

__all__ = [
    "DONE",
    "MOVES",
    "OrderKey",
    "Stage",
    "WorkingOrder",
    "cancellation",
    "killed",
    "pair",
]

OrderKey = tuple[int, int]
"""Client id and order id: what names an order on the wire."""


class Stage(Enum):
    """Where an order stands."""

    DRAFT = "sent, not transmitted: nobody is told anything"
    CHILD = "waits for its parent to fill"
    HELD = "accepted, not yet at the exchange"
    ARMED = "a stop that waits for its trigger"
    WORKING = "at the exchange"
    FILLED = "filled whole"
    CANCELLED = "cancelled, perhaps after partial fills"
    INACTIVE = "fill-or-kill that could not fill"


DONE: Final = (Stage.FILLED, Stage.CANCELLED, Stage.INACTIVE)

MOVES: Final[Mapping[Stage, tuple[Stage, ...]]] = MappingProxyType(
    {
        Stage.DRAFT: (Stage.CHILD, Stage.HELD, Stage.ARMED, Stage.CANCELLED),
        Stage.CHILD: (Stage.HELD, Stage.ARMED, Stage.CANCELLED),
        Stage.HELD: (Stage.ARMED, Stage.WORKING, Stage.FILLED, Stage.CANCELLED, Stage.INACTIVE),
        Stage.ARMED: (Stage.HELD, Stage.WORKING, Stage.CANCELLED),
        Stage.WORKING: (
            Stage.HELD,
            Stage.ARMED,
            Stage.FILLED,
            Stage.CANCELLED,
            Stage.INACTIVE,
        ),
        Stage.FILLED: (),
        Stage.CANCELLED: (),
        Stage.INACTIVE: (),
    }
)

# Source: statuses from live captures of a paper Gateway; "child" and "child,trigger" from a
# published client log of 2021.
_STATUS: Final[Mapping[Stage, str]] = MappingProxyType(
    {
        Stage.DRAFT: "",
        Stage.CHILD: "PreSubmitted",
        Stage.HELD: "PreSubmitted",
        Stage.ARMED: "PreSubmitted",
        Stage.WORKING: "Submitted",
        Stage.FILLED: "Filled",
        Stage.CANCELLED: "Cancelled",
        Stage.INACTIVE: "Inactive",
    }
)


@attrs.define(kw_only=True, eq=False)
class WorkingOrder:
    """An order in the book, and what the venue alone knows about it.

    Attributes:
        order: The venue's own copy.
        base_quantity: Size the client last asked for; `order.quantity` is less after a fill of
            another member of its one-cancels-all group.
        expires_at: When its time in force ends; None for never.
        commission: Charged so far.
    """

    order: SimOrder
    base_quantity: float
    stage: Stage = Stage.DRAFT
    expires_at: datetime | None = None
    commission: float = 0.0

    @property
    def key(self) -> OrderKey:
        """What names the order."""
        return self.order.client_id, self.order.order_id

    @property
    def remaining(self) -> float:
        """Units not filled yet."""
        return self.order.quantity - self.order.filled

    @property
    def is_live(self) -> bool:
        """Whether it can still fill or be cancelled."""
        return self.stage not in DONE

    def move(self, stage: Stage) -> None:
        """Change the stage, and with it the status that clients see."""
        if stage not in MOVES[self.stage]:
            msg = f"order {self.key} cannot go from {self.stage.name} to {stage.name}"
            raise RuntimeError(msg)
        self.stage = stage
        self.order.status = _STATUS[stage]
        self.order.why_held = _why_held(stage, self.order)

    def fill(self, quantity: float, price: float) -> None:
        """Count a fill; the stage is WORKING or FILLED afterwards."""
        order = self.order
        total = order.filled * order.average_fill_price + quantity * price
        order.filled += quantity
        order.average_fill_price = total / order.filled
        order.last_fill_price = price
        target = Stage.WORKING if self.remaining > 0 else Stage.FILLED
        if target is not self.stage:
            self.move(target)

    def snapshot(self) -> SimOrder:
        """A copy that later changes do not show through."""
        return copy.copy(self.order)


def _why_held(stage: Stage, order: SimOrder) -> str:
    if stage is Stage.ARMED:
        return "trigger"
    if stage is Stage.CHILD:
        return "child,trigger" if order.order_type in STOP_TYPES else "child"
    return ""


def _status(working: WorkingOrder, status: str, client_id: int) -> OrderStatus:
    order = working.order
    return OrderStatus(
        client_id=client_id,
        order_id=order.order_id,
        status=status,
        filled=order.filled,
        remaining=working.remaining,
        average_fill_price=order.average_fill_price,
        perm_id=order.perm_id,
        parent_id=order.parent_id,
        last_fill_price=order.last_fill_price,
        why_held=order.why_held,
    )


def pair(working: WorkingOrder) -> list[VenueEvent]:
    """OpenOrder and orderStatus, as the order stands."""
    order = working.snapshot()
    return [
        OrderEcho(order=order, status=order.status),
        _status(working, order.status, order.client_id),
    ]


def cancellation(
    working: WorkingOrder, *, is_pending_shown: bool, told: int | None = None
) -> list[VenueEvent]:
    """What follows a cancel: PendingCancel, Cancelled, error 202 with an empty reason.

    Args:
        working: The order, already CANCELLED.
        is_pending_shown: Whether PendingCancel comes first.
        told: Client id that the messages carry; None for the order's own.
    """
    client = working.order.client_id if told is None else told
    pending = [_status(working, "PendingCancel", client)] if is_pending_shown else []
    return [
        *pending,
        _status(working, "Cancelled", client),
        OrderError(
            client_id=client,
            order_id=working.order.order_id,
            code=202,
            text="Order Canceled - reason:",
        ),
    ]


def killed(working: WorkingOrder) -> list[VenueEvent]:
    """What follows an IOC or FOK order that could not fill, or not whole.

    Source:
        Live captures: IOC gives PendingCancel and Cancelled, FOK Inactive; neither error 202.
    """
    client = working.order.client_id
    status = _status(working, working.order.status, client)
    if working.stage is Stage.INACTIVE:
        return [status]
    return [_status(working, "PendingCancel", client), status]
