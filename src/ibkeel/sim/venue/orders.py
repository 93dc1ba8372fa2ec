"""The life of an order: its stages, the moves between them, and what clients are told.

    DRAFT -> CHILD -> HELD | ARMED | WORKING -> FILLED | CANCELLED | INACTIVE

`MOVES` lists what may follow each stage; `WorkingOrder.move` refuses everything else.
"""

import copy
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ibkeel.sim.values import OrderEcho, OrderError, OrderStatus, Reach, SimOrder, VenueEvent
from ibkeel.sim.venue.hours import Auction
from ibkeel.sim.venue.matching import LIMIT_TYPES, STOP_TYPES, TRAILING_TYPES, WATCHED

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

MOVES: Final[Mapping[Stage, tuple[Stage, ...]]] = {
    Stage.DRAFT: (Stage.CHILD, Stage.HELD, Stage.ARMED, Stage.CANCELLED),
    Stage.CHILD: (Stage.HELD, Stage.ARMED, Stage.CANCELLED),
    Stage.HELD: (Stage.ARMED, Stage.WORKING, Stage.FILLED, Stage.CANCELLED, Stage.INACTIVE),
    Stage.ARMED: (Stage.HELD, Stage.WORKING, Stage.CANCELLED),
    Stage.WORKING: (Stage.ARMED, Stage.FILLED, Stage.CANCELLED, Stage.INACTIVE),
    Stage.FILLED: (),
    Stage.CANCELLED: (),
    Stage.INACTIVE: (),
}

# Source: statuses from live captures of a paper Gateway; "child" and "child,trigger" from a
# published client log of 2021.
_STATUS: Final[Mapping[Stage, str]] = {
    Stage.DRAFT: "",
    Stage.CHILD: "PreSubmitted",
    Stage.HELD: "PreSubmitted",
    Stage.ARMED: "PreSubmitted",
    Stage.WORKING: "Submitted",
    Stage.FILLED: "Filled",
    Stage.CANCELLED: "Cancelled",
    Stage.INACTIVE: "Inactive",
}


# Zone names as the Gateway writes them.
_ZONE_NAMES: Final[Mapping[str, str]] = {"America/New_York": "US/Eastern"}

_DECIMALS: Final = 8  # of an average price: what floats add behind them is no price

_KEPT: Final = (
    "perm_id",
    "filled",
    "average_fill_price",
    "last_fill_price",
    "placed_at",
)


@attrs.define(kw_only=True, eq=False)
class WorkingOrder:
    """An order in the book, and what the venue alone knows about it.

    Attributes:
        order: The venue's own copy.
        base_quantity: The largest size that the client asked for, which its share of a group is
            reckoned from; `order.quantity` is less after a fill of another member.
        expires_at: When its time in force ends; None for never.
        commission: Charged so far.
        auction: The one that it waits for, once it is awake; None for an order of the ordinary trading.
        quiet: From when, and until when, the market is known not to show the price that it waits for.
    """

    order: SimOrder
    base_quantity: float
    stage: Stage = Stage.DRAFT
    expires_at: datetime | None = None
    commission: float = 0.0
    auction: Auction | None = None
    quiet: tuple[datetime, datetime] | None = None

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

    @property
    def reach(self) -> Reach | None:
        """What it waits for, where it is nothing else; None where each quote may do something to it."""
        order = self.order
        is_bought, price, level = order.action == "BUY", None, order.limit_price
        if order.legs:
            return None
        if self.stage is Stage.WORKING and order.order_type in LIMIT_TYPES:
            is_bought, price = not is_bought, "ask" if is_bought else "bid"
        elif self.stage is Stage.ARMED and order.order_type not in TRAILING_TYPES:
            price, level = WATCHED[order.contract.sec_type, order.action], order.stop_price
        return None if price is None or level is None else Reach(price, level, rises=is_bought)

    def quiet_until(self, at: datetime) -> datetime | None:
        """Before when nothing can happen to it; None where it must be looked at."""
        return self.quiet[1] if self.quiet is not None and self.quiet[0] <= at < self.quiet[1] else None

    def move(self, stage: Stage) -> None:
        """Change the stage, and with it the status that clients see."""
        if stage not in MOVES[self.stage]:
            msg = f"order {self.key} cannot go from {self.stage.name} to {stage.name}"
            raise RuntimeError(msg)
        self.stage = stage
        self.restate()

    def restate(self) -> None:
        """Make status and reason of waiting follow from the stage and the order's type."""
        self.quiet = None
        self.order.status = _STATUS[self.stage]
        self.order.why_held = _why_held(self.stage, self.order)

    def fill(self, quantity: float, price: float) -> None:
        """Count a fill; the stage is WORKING or FILLED afterwards."""
        order = self.order
        total = order.filled * order.average_fill_price + quantity * price
        order.filled += quantity
        order.average_fill_price = round(total / order.filled, _DECIMALS)
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
        owner=_owner(order, client_id),
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


def _owner(order: SimOrder, told: int) -> int | None:
    return None if told == order.client_id else order.client_id


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
    """What follows a cancel: PendingCancel, Cancelled, error 202 with an empty reason; `told` names another client."""
    client = working.order.client_id if told is None else told
    pending = [_status(working, "PendingCancel", client)] if is_pending_shown else []
    return [
        *pending,
        _status(working, "Cancelled", client),
        OrderError(
            client_id=client,
            owner=_owner(working.order, client),
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


def opening_notice(order: SimOrder, opens_at: datetime) -> OrderError:
    """Warning 399 for an order that waits for the opening.

    Source:
        Code and last line are quoted in public issue threads; the first lines are unverified.
    """
    opens = opens_at.astimezone(ZoneInfo(order.contract.timezone))
    zone = _ZONE_NAMES.get(order.contract.timezone, order.contract.timezone)
    text = (
        f"Order Message:\n{order.action} {order.quantity:g} {order.contract.symbol} "
        f"{order.contract.exchange}\nWarning: your order will not be placed at the exchange "
        f"until {opens:%Y-%m-%d %H:%M:%S} {zone}"
    )
    return OrderError(client_id=order.client_id, order_id=order.order_id, code=399, text=text)


def inherit(order: SimOrder, before: SimOrder) -> None:
    """Give new terms of an order what the venue had said about the old ones."""
    for name in _KEPT:
        setattr(order, name, getattr(before, name))
    if order.trail_stop is None:
        order.trail_stop = before.trail_stop


def stage_after_change(stage: Stage, before: SimOrder, after: SimOrder) -> Stage:
    """Stage of a transmitted order whose terms change: a new stop price arms it again."""
    if stage is Stage.CHILD:
        return stage
    if after.order_type not in STOP_TYPES:
        return Stage.HELD if stage is Stage.ARMED else stage
    is_same_stop = before.order_type in STOP_TYPES and before.stop_price == after.stop_price
    return stage if is_same_stop else Stage.ARMED
