"""What we mean to do, before anything is sent. An entry, an exit and a stop are different types."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import attrs

from ibkeel.errors import InvalidInput, OrderRefused
from ibkeel.model import Bracket, ClientOrderId, OrderReport, OrderTicket, Signal
from ibkeel.model.checks import as_utc, name
from ibkeel.orders.protection import GapKind

_LONGEST: Final = 40


def client_order_id(session: date, run: str, sequence: int) -> ClientOrderId:
    """The name of one order, equal for equal arguments; it travels in `orderRef`.

    Args:
        session: Trading date.
        run: Tells apart the runs of one day, letters and digits.
        sequence: Counts the orders of the run, 1 or more.

    Raises:
        InvalidInput: The run is not of letters and digits, or the sequence below 1.

    Examples:
        >>> client_order_id(date(2015, 12, 24), "a1", 7)
        'ibk-20151224-a1-0007'
    """
    if not (run.isascii() and run.isalnum()):
        raise InvalidInput(f"run {run!r} does not fit into an order's name; valid: ASCII letters and digits")
    if sequence < 1:
        raise InvalidInput(f"sequence is {sequence}; valid: 1 or more")
    text = f"ibk-{session:%Y%m%d}-{run}-{sequence:04d}"
    if len(text) > _LONGEST:
        raise InvalidInput(
            f"order name {text!r} is longer than {_LONGEST} characters; shorten the run's name"
        )
    return ClientOrderId(text)


def check_name(order: OrderTicket | Bracket, known: Iterable[OrderReport]) -> None:
    """Refuse a name that an order bears which has not ended; a bracket's children bear it with `-1` and `-2`.

    Args:
        order: What is to be placed.
        known: Orders of the same client id.

    Raises:
        OrderRefused: One of them, which it names.
    """
    entry, children = (order.entry, order.children()) if isinstance(order, Bracket) else (order, ())
    ours = entry.client_order_id
    if ours is None:
        return
    names = {ours, *(f"{ours}-{number}" for number, _ in enumerate(children, 1))}
    for row in known:
        if row.client_order_id in names and not row.state.is_final:
            raise OrderRefused(
                f"order {row.order_id}, {row.side} {row.quantity:g} {row.contract}, is named {row.client_order_id!r} "
                f"and is {row.state.value}; nothing was sent: modify or cancel that one, or name the new one otherwise"
            )


def _same_name(intent: "EntryIntent | ExitIntent | StopIntent", ticket: OrderTicket) -> None:
    if ticket.client_order_id != intent.client_order_id:
        raise InvalidInput(
            f"intent {intent.client_order_id!r} carries an order named {ticket.client_order_id!r}"
        )


@attrs.frozen(kw_only=True)
class EntryIntent:
    """A position to open, with its protection.

    Args:
        client_order_id: Our name; the bracket's entry bears the same.
        symbol: Ticker of the underlying.
        at: When it was decided.
        signal: What the strategy said.
        bracket: The order.
        reason: Why this contract and this size, in words.

    Raises:
        InvalidInput: The names differ.
    """

    client_order_id: ClientOrderId = attrs.field(validator=name)
    symbol: str = attrs.field(validator=name)
    at: datetime = attrs.field(converter=as_utc)
    signal: Signal
    bracket: Bracket
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        _same_name(self, self.bracket.entry)

    @property
    def order(self) -> Bracket:
        """What is to be placed."""
        return self.bracket


class ExitCause(StrEnum):
    """What ends a position."""

    SIGNAL = "signal"
    TRAIL = "trail"
    EXPIRY = "expiry"
    END_OF_DAY = "end_of_day"
    DAILY_LOSS = "daily_loss"
    UNPROTECTED = "unprotected"
    MANUAL = "manual"


@attrs.frozen(kw_only=True)
class ExitIntent:
    """A position to close, or a part of it.

    Args:
        client_order_id: Our name; the ticket bears the same.
        symbol: Ticker of the underlying.
        at: When it was decided.
        ticket: The order; make it with `plan_exit`.
        cause: What ends the position.
        reason: The facts, in words.

    Raises:
        InvalidInput: The names differ.
    """

    client_order_id: ClientOrderId = attrs.field(validator=name)
    symbol: str = attrs.field(validator=name)
    at: datetime = attrs.field(converter=as_utc)
    ticket: OrderTicket
    cause: ExitCause = attrs.field(converter=ExitCause)
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        _same_name(self, self.ticket)

    @property
    def order(self) -> OrderTicket:
        """What is to be placed."""
        return self.ticket


@attrs.frozen(kw_only=True)
class StopIntent:
    """A stop for a position that has lost its own.

    Args:
        client_order_id: Our name; the ticket bears the same.
        symbol: Ticker of the underlying.
        at: When it was decided.
        ticket: The order: STP or STP LMT.
        gap: What was wrong with the protection.
        reason: The facts, in words.

    Raises:
        InvalidInput: The names differ, or the order has no stop price.
    """

    client_order_id: ClientOrderId = attrs.field(validator=name)
    symbol: str = attrs.field(validator=name)
    at: datetime = attrs.field(converter=as_utc)
    ticket: OrderTicket
    gap: GapKind = attrs.field(converter=GapKind)
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        _same_name(self, self.ticket)
        if self.ticket.stop_price is None:
            raise InvalidInput(f"a stop has a stop price; this order is {self.ticket.order_type.value}")

    @property
    def order(self) -> OrderTicket:
        """What is to be placed."""
        return self.ticket
