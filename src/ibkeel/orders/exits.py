"""Exits move a position towards zero and never past it."""

import math
from collections.abc import Iterable
from decimal import Decimal

import attrs

from ibkeel.errors import OrderRefused
from ibkeel.model import (
    ClientOrderId,
    Contract,
    OrderReport,
    OrderTicket,
    OrderType,
    Position,
    Side,
    TimeInForce,
)
from ibkeel.model.checks import as_optional_count
from ibkeel.validators import whole_number


@attrs.frozen(kw_only=True)
class ExitPlan:
    """What may be sent to close a position.

    Args:
        ticket: The order; None when nothing may be sent.
        held: Signed quantity of the position.
        already_exiting: Contracts that open exits may still close.
    """

    ticket: OrderTicket | None
    held: float
    already_exiting: int


def _side_of(held: float) -> Side:
    return Side.SELL if held > 0 else Side.BUY


def _pending(held: float, orders: Iterable[OrderReport]) -> int:
    """The most that open exits may still close; of a one-cancels-all group only one order fills."""
    side = _side_of(held)
    groups: dict[str, float] = {}
    for order in orders:
        if order.side is not side or order.state.is_final:
            continue
        # `remaining` is 0 in an order whose fate is unknown; what it may still do is not.
        left = max(order.quantity - order.filled, 0.0)
        group = order.oca_group or f"order {order.client_id}/{order.order_id}/{order.perm_id}"
        groups[group] = max(groups.get(group, 0.0), left)
    return math.ceil(sum(groups.values()))


def exit_room(held: float, orders: Iterable[OrderReport]) -> int:
    """Contracts that a further exit may close.

    Args:
        held: Signed quantity of the position.
        orders: Orders of the same contract; entries and ended ones are left out here.

    Returns:
        0 when flat, or when open exits, those of unknown fate included, cover everything.
    """
    return max(math.floor(abs(held)) - _pending(held, orders), 0)


def is_same_contract(one: Contract, other: Contract) -> bool:
    """Whether two are one contract, by number where both have one.

    An order may leave the trading class open, which a position has.
    """
    if one.con_id is not None and other.con_id is not None:
        return one.con_id == other.con_id
    return one == other


def _of_contract(position: Position, orders: Iterable[OrderReport]) -> list[OrderReport]:
    return [order for order in orders if is_same_contract(order.contract, position.contract)]


def plan_exit(
    position: Position,
    open_orders: Iterable[OrderReport],
    *,
    quantity: int | None = None,
    limit_price: Decimal | None = None,
    client_order_id: ClientOrderId | None = None,
    tif: TimeInForce = TimeInForce.DAY,
) -> ExitPlan:
    """The order that closes a position, as far as open exits leave room.

    Args:
        position: What is held.
        open_orders: Every order that is not known to have ended.
        quantity: Most contracts to close; None for all.
        limit_price: Makes it a limit order; None for a market order.
        client_order_id: Our name of the order.
        tif: How long it works.

    Raises:
        InvalidInput: `quantity` is no whole number, or below 0.
    """
    held = position.signed_quantity
    orders = _of_contract(position, open_orders)
    room = exit_room(held, orders)
    amount = room if quantity is None else min(room, whole_number("quantity", as_optional_count(quantity)))
    pending = _pending(held, orders) if held else 0
    if amount <= 0:
        return ExitPlan(ticket=None, held=held, already_exiting=pending)
    ticket = OrderTicket(
        is_closing=True,
        contract=position.contract,
        side=_side_of(held),
        quantity=amount,
        order_type=OrderType.MKT if limit_price is None else OrderType.LMT,
        limit_price=limit_price,
        tif=tif,
        client_order_id=client_order_id,
    )
    return ExitPlan(ticket=ticket, held=held, already_exiting=pending)


def check_exit(ticket: OrderTicket, position: Position, open_orders: Iterable[OrderReport]) -> None:
    """Refuse an exit that would open, turn or overshoot a position.

    Raises:
        OrderRefused: It is of another contract, on the wrong side, or too large.
    """
    held = position.signed_quantity
    if not is_same_contract(ticket.contract, position.contract):
        raise OrderRefused(f"an exit of {ticket.contract} does not close {position.contract}")
    if not held or ticket.side is not _side_of(held):
        raise OrderRefused(f"a {ticket.side.value} does not close {held:g} of {position.contract}")
    room = exit_room(held, _of_contract(position, open_orders))
    if ticket.quantity > room:
        raise OrderRefused(
            f"an exit of {ticket.quantity} {position.contract} would pass zero: {held:g} held, "
            f"room for {room} beside the open exits"
        )
