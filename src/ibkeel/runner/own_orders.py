"""What our own orders tell: their fate by an error that came for them, and where a stop goes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import accumulate
from typing import Final

from ibkeel.errors import (
    AmbiguousContract,
    CircuitOpen,
    IbkeelError,
    InvalidInput,
    JournalError,
    NotConnected,
    OrderRefused,
    OrderRejected,
    RequestFailed,
    SafetyRefused,
    UnknownContract,
)
from ibkeel.journal import OrderSettled
from ibkeel.model import ClientOrderId, Option, OrderState, Position, Quote, Side
from ibkeel.model.checks import as_decimal
from ibkeel.options import QuotedChains
from ibkeel.orders import CENT, NICKEL, PENNY, round_to_tick
from ibkeel.runner.memory import LISTED, OwnOrder

_NICKEL_TICK: Final = Decimal("0.05")
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


def not_expired(orders: Mapping[ClientOrderId, OwnOrder], day: date) -> dict[ClientOrderId, OwnOrder]:
    """Without those that ended, in options whose last day was longer ago than any list goes back."""
    return {
        name: row
        for name, row in orders.items()
        if not (
            row.state.is_final and isinstance(row.contract, Option) and row.contract.expiry < day - LISTED
        )
    }


def last_stop(orders: Iterable[OwnOrder], side: Side) -> Decimal | None:
    """Where the last stop of a side stood, of ours in one contract; None when there never was one.

    That of the other side says nothing: below the market where it is to sell, it would buy at once.
    """
    stops = [row.stop_price for row in orders if row.side is side and row.stop_price is not None]
    return stops[-1] if stops else None


def is_explained(orders: Iterable[OwnOrder], *, is_long: bool) -> bool:
    """Whether an entry of ours may have opened a position; where none is known, it may be known no longer."""
    entries = [row.side for row in orders if row.is_entry]
    return not entries or (Side.BUY if is_long else Side.SELL) in entries or None in entries


def is_left(orders: Iterable[OwnOrder]) -> bool:
    """Whether all that orders of ours opened in one contract is known to be closed again.

    What ended before it was filled may have filled in the race with its end. An exit that closed more than they had
    opened closed what others held: that is not to be set off against a later entry.
    """
    sent = [row for row in orders if row.state is not OrderState.INTENT]
    opening = {row.side for row in sent if row.is_entry}
    held = list(accumulate(row.filled if row.side in opening else -row.filled for row in sent))
    return (
        bool(opening)
        and min(held) == held[-1] == 0
        and all(
            row.state is OrderState.FILLED and row.filled > 0 if row.side in opening else row.state.is_final
            for row in sent
        )
    )


def may_hold(orders: Sequence[OwnOrder], *, is_long: bool) -> bool:
    """Whether a position may be what orders of ours in one contract opened; not where they closed all of that again."""
    is_sent = any(row.state is not OrderState.INTENT for row in orders)
    return is_sent and not (is_left(orders) and is_explained(orders, is_long=is_long))


async def stop_price_for(broker: QuotedChains, position: Position, fraction: float) -> Decimal:
    """A stop so far from the average price, a fraction of it, on the tick, and proved against the contract's own quote.

    Raises:
        OrderRefused: The stop would fire at once, such as one made of another contract's price, or
            nobody can say.
        RequestFailed: Definition or quote did not come.
    """
    side = Side.SELL if position.signed_quantity > 0 else Side.BUY
    away = as_decimal(position.average_price) * (1 + side.sign * as_decimal(fraction))
    details = await broker.qualify(position.contract)
    ladder = CENT
    if isinstance(position.contract, Option):
        ladder = PENNY if details.min_tick < _NICKEL_TICK else NICKEL
    price = round_to_tick(away, ticks=ladder, side=side)
    _prove(price, side, await broker.quote(position.contract))
    return price


def _prove(price: Decimal, side: Side, quote: Quote) -> None:
    near = quote.bid if side is Side.SELL else quote.ask
    if near is None or (as_decimal(near) - price) * -side.sign <= 0:
        raise OrderRefused(
            f"a stop at {price} to {side.value} {quote.contract} would fire at once, or nobody can say: "
            f"bid {quote.bid}, ask {quote.ask}; set one by hand"
        )
