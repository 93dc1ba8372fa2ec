"""What an error says of the orders that it came for."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from ibkeel.errors import (
    AmbiguousContract,
    CircuitOpen,
    IbkeelError,
    InvalidInput,
    JournalError,
    NotConnected,
    OrderRejected,
    RequestFailed,
    SafetyRefused,
    UnknownContract,
)
from ibkeel.journal import OrderSettled
from ibkeel.model import ClientOrderId, OrderState
from ibkeel.runner.memory import OwnOrder

_NOT_SENT: Final = (
    AmbiguousContract,
    CircuitOpen,
    InvalidInput,
    JournalError,
    NotConnected,
    SafetyRefused,
    UnknownContract,
)
"""What is said before the first byte of an order leaves."""


def fate_of(error: IbkeelError) -> OrderState:
    """What an error of `place` says of the orders."""
    if isinstance(error, OrderRejected):
        return OrderState.REJECTED
    is_unsent = isinstance(error, _NOT_SENT) or (isinstance(error, RequestFailed) and error.is_unsent)
    return OrderState.INTENT if is_unsent else OrderState.UNKNOWN


def never_left(
    names: Iterable[ClientOrderId], symbol: str, at: datetime, error: IbkeelError
) -> Iterable[OrderSettled]:
    """Records of orders that were kept back after their intent had been written; none of those that may have left."""
    if fate_of(error) is not OrderState.INTENT:
        return
    reason = f"it never left: {type(error).__name__}: {error}"
    for name in names:
        yield OrderSettled(
            at=at, symbol=symbol, client_order_id=name, state=OrderState.CANCELLED, reason=reason
        )


def settle(family: Iterable[OwnOrder], state: OrderState) -> None:
    """Give orders a state, but for those whose end is known."""
    for order in family:
        if not order.state.is_final:
            order.state = state


def is_lost(order: OwnOrder, *, is_known: bool) -> bool:
    """Whether nobody knows its fate, nor finds it out: of an earlier run, or given up while it was being placed."""
    if order.is_placing or order.is_past:
        return False
    if order.is_restored:
        return order.state in {OrderState.UNKNOWN, OrderState.SENT}
    return order.state is OrderState.SENT and not is_known
