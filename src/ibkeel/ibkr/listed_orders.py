"""Orders as the Gateway lists them, the venue's ended ones and the open ones of others; and those that no list names."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

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

_PROOF_SECONDS: Final = 30.0
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


class OrderList(StrEnum):
    """What the venue can list."""

    OPEN = "open"
    COMPLETED = "completed"
    FILLED = "filled"


class RollCall:
    """Counts lists, and notes at which of them an order was last spoken of."""

    def __init__(self) -> None:
        self._turn = 0
        self._named: dict[OrderId, int] = {}
        self._absent: dict[OrderId, dict[OrderList, tuple[float, float]]] = {}

    def begin(self) -> int:
        """A list is about to be asked for; returns its turn."""
        self._turn += 1
        return self._turn

    def named(self, order_id: OrderId) -> None:
        """We sent the order, or the venue spoke of it."""
        self._named[order_id] = self._turn
        self._absent.pop(order_id, None)

    def is_missing(self, order_id: OrderId, turn: int) -> bool:
        """Whether nothing was said of an order since that list was asked for."""
        return self._named.get(order_id, 0) < turn

    def missed(self, order_id: OrderId, which: OrderList, at: float | None) -> str | None:
        """A complete list does not name an order.

        Args:
            order_id: Which.
            which: The list.
            at: The loop's seconds; None when the session is not good: then nothing is proved.

        Returns:
            Words, when all lists have lacked it for long enough to prove that it is not at the venue.
        """
        if at is None:
            self._absent.pop(order_id, None)
            return None
        spans = self._absent.setdefault(order_id, {})
        spans[which] = (spans.get(which, (at, at))[0], at)
        shortest = min(last - first for first, last in spans.values())
        if len(spans) < len(OrderList) or shortest < _PROOF_SECONDS:
            return None
        return f"not at the venue: no list named it for {shortest:.0f} s"

    def doubt(self) -> None:
        """The link was lost: what lists lacked before proves nothing any more."""
        self._absent.clear()
