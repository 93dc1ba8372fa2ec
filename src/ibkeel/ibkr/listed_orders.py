"""Orders as the Gateway lists them: the venue's ended ones, and the open ones of others."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import attrs

from ibkeel.ibkr.translate import contract_of, decimal_of, price_of
from ibkeel.model import (
    ClientOrderId,
    Combo,
    Contract,
    Execution,
    OrderId,
    OrderReport,
    OrderState,
    OtherContract,
    PermId,
    Side,
)
from ibkeel.orders import state_of_status

__all__ = ["completed_order", "foreign_orders", "is_leg", "is_same_order", "report_of"]

Message = tuple[str, tuple[Any, ...]]


def completed_order(ib_contract: Any, ib_order: Any, ib_state: Any, *, at: datetime) -> OrderReport:
    """An order that ended, from a `completedOrder` message."""
    filled = float(decimal_of(ib_order.filledQuantity) or 0)
    # A completed order reports 0 as its quantity once it filled.
    quantity = max(float(ib_order.totalQuantity), filled)
    return attrs.evolve(
        report_of(OrderId(ib_order.orderId), ib_contract, ib_order, at=at),
        quantity=quantity,
        state=state_of_status(ib_state.status),
        filled=filled,
        remaining=quantity - filled,
        reason=getattr(ib_state, "completedStatus", "") or "",
    )


def foreign_orders(messages: Iterable[Message], client_id: int, at: datetime) -> tuple[OrderReport, ...]:
    """Orders of other clients in a list of open orders, in the order listed.

    Args:
        messages: `openOrder` and `orderStatus` messages, by name, with their arguments.
        client_id: Ours.
        at: Stamps the reports.
    """
    # By hand-made orders the order id may be 0 for all of them; only the lasting number tells them apart.
    found: dict[tuple[int, int, int], OrderReport] = {}
    for name, args in messages:
        if name == "openOrder":
            order_id, contract, order, state = args
            if order.clientId != client_id and not order.whatIf:
                key = (order.clientId, order_id, order.permId)
                report = report_of(OrderId(order_id), contract, order, at=at)
                found[key] = attrs.evolve(report, state=state_of_status(state.status))
        elif name == "orderStatus":
            order_id, _, filled, remaining, _, perm_id, _, _, client = args[:9]
            key = (client, order_id, perm_id)
            if key in found:
                found[key] = attrs.evolve(found[key], filled=float(filled), remaining=float(remaining))
    return tuple(report for report in found.values() if not report.state.is_final)


def is_leg(fill: Execution, contract: Contract) -> bool:
    """Whether a fill is a leg's part in that of a combo, which has a fill of its own as a whole."""
    return isinstance(contract, Combo) and not isinstance(fill.contract, OtherContract)


def report_of(order_id: OrderId, contract: Any, order: Any, *, at: datetime) -> OrderReport:
    """What an `openOrder` message says of an order but for its state, which is UNKNOWN here."""
    traded = contract_of(contract)
    return OrderReport(
        order_id=order_id,
        perm_id=PermId(order.permId),
        client_id=order.clientId,
        client_order_id=ClientOrderId(order.orderRef or ""),
        contract=traded,
        side=Side(order.action),
        quantity=float(order.totalQuantity),
        order_type=order.orderType,
        limit_price=price_of(order.lmtPrice, traded) if "LMT" in order.orderType else None,
        stop_price=price_of(order.auxPrice, traded) if "STP" in order.orderType else None,
        tif=order.tif or "DAY",
        parent_id=OrderId(order.parentId) if order.parentId else None,
        oca_group=order.ocaGroup,
        state=OrderState.UNKNOWN,
        remaining=float(order.totalQuantity),
        at=at,
    )


def is_same_order(ours: OrderReport, completed: OrderReport) -> bool:
    """Whether an ended order is ours: by the lasting number, else by our name where we were told none."""
    if ours.perm_id:
        return ours.perm_id == completed.perm_id
    is_named = bool(ours.client_order_id) and ours.client_order_id == completed.client_order_id
    return is_named and completed.client_id in {ours.client_id, 0}
