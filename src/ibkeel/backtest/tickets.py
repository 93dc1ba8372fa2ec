"""Orders of the model and of the simulated venue, each told as the other."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from ibkeel.model import (
    ClientOrderId,
    Contract,
    ExecId,
    Execution,
    OrderId,
    OrderReport,
    OrderState,
    OrderTicket,
    PermId,
    Side,
)
from ibkeel.orders import state_of_status
from ibkeel.sim.values import Commission, SimContract, SimOrder
from ibkeel.sim.values import Execution as SimExecution

CLIENT: Final = 1
"""The client id under which a backtest trades."""


def order_of(
    ticket: OrderTicket,
    listed: SimContract,
    *,
    order_id: int,
    name: str,
    parent: int = 0,
    transmit: bool = True,
) -> SimOrder:
    """The venue's order.

    Args:
        ticket: What is asked for.
        listed: Its contract, as the market lists it.
        order_id: Number, above all before it.
        name: Our name of the order.
        parent: Number of the order that it protects; 0 for none.
        transmit: False holds it back until a member of its family comes with True.
    """
    return SimOrder(
        client_id=CLIENT,
        order_id=order_id,
        contract=listed,
        action=ticket.side.value,
        quantity=float(ticket.quantity),
        order_type=ticket.order_type.value,
        limit_price=None if ticket.limit_price is None else float(ticket.limit_price),
        stop_price=None if ticket.stop_price is None else float(ticket.stop_price),
        tif=ticket.tif.value,
        oca_group=ticket.oca_group,
        parent_id=parent,
        transmit=transmit,
        outside_rth=ticket.outside_rth,
        order_ref=name,
    )


def report_of(order: SimOrder, contract: Contract, at: datetime) -> OrderReport:
    """What the venue says of an order."""
    return OrderReport(
        order_id=OrderId(order.order_id),
        perm_id=PermId(order.perm_id),
        client_id=order.client_id,
        client_order_id=ClientOrderId(order.order_ref),
        contract=contract,
        side=Side(order.action),
        quantity=order.quantity,
        order_type=order.order_type,
        limit_price=_decimal(order.limit_price),
        stop_price=_decimal(order.stop_price),
        tif=order.tif,
        parent_id=OrderId(order.parent_id) if order.parent_id else None,
        oca_group=order.oca_group,
        state=_state(order),
        filled=order.filled,
        remaining=max(order.quantity - order.filled, 0.0),
        average_fill_price=order.average_fill_price or None,
        at=at,
    )


def execution_of(fill: SimExecution, commission: Commission, contract: Contract) -> Execution:
    """A fill with what it cost."""
    return Execution(
        exec_id=ExecId(fill.exec_id),
        order_id=OrderId(fill.order_id),
        perm_id=PermId(fill.perm_id),
        client_order_id=ClientOrderId(fill.order_ref),
        account=fill.account,
        contract=contract,
        side=Side.BUY if fill.side == "BOT" else Side.SELL,
        quantity=fill.quantity,
        price=fill.price,
        at=fill.at,
        commission=commission.commission,
        realized_pnl=commission.realized_pnl,
    )


def _state(order: SimOrder) -> OrderState:
    state = state_of_status(order.status)
    return OrderState.PARTIALLY_FILLED if state is OrderState.WORKING and order.filled else state


def _decimal(price: float | None) -> Decimal | None:
    return None if price is None else Decimal(str(price))
