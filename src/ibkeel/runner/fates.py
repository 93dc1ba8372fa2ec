"""What an error says of the orders that it came for."""

from collections.abc import Iterable
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
from ibkeel.model import OrderState
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


def settle(family: Iterable[OwnOrder], state: OrderState) -> None:
    """Give orders a state, but for those whose end is known."""
    for order in family:
        if not order.state.is_final:
            order.state = state
