"""What we mean to do, before anything is sent: from a quote to a protected entry.

An entry, an exit and a stop are different types.
"""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

import attrs

from ibkeel.errors import InvalidInput, OrderRefused
from ibkeel.model import (
    Bracket,
    ClientOrderId,
    OrderReport,
    OrderTicket,
    OrderType,
    Quote,
    Side,
    Signal,
    TimeInForce,
)
from ibkeel.model.checks import as_decimal, as_utc, name
from ibkeel.orders.protection import GapKind
from ibkeel.orders.ticks import PENNY, TickLadder, round_to_tick
from ibkeel.validators import expect, is_number

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


def _sides(quote: Quote) -> tuple[Decimal, Decimal]:
    if quote.bid is None or quote.ask is None or quote.bid > quote.ask:
        raise OrderRefused(
            f"no entry in {quote.contract}: bid {quote.bid}, ask {quote.ask}; needed: both, not crossed"
        )
    return as_decimal(quote.bid), as_decimal(quote.ask)


def _check_fractions(side: Side, stop: float, profit: float | None) -> None:
    if not (is_number(stop) and 0.0 < float(stop) < 1.0):
        raise InvalidInput(f"stop_fraction is {stop!r}; valid: above 0, below 1")
    most = 1.0 if side is Side.SELL else float("inf")
    if profit is not None and not (is_number(profit) and 0.0 < float(profit) < most):
        raise InvalidInput(f"take_profit_fraction is {profit!r}; valid: above 0, below {most}")


def build_bracket(
    *,
    quote: Quote,
    quantity: int,
    side: Side = Side.BUY,
    stop_fraction: float = 0.20,
    take_profit_fraction: float | None = None,
    ticks: TickLadder = PENNY,
    client_order_id: ClientOrderId | None = None,
    tif: TimeInForce = TimeInForce.DAY,
) -> Bracket:
    """A limit order at the far side of the quote, with a stop at the venue.

    The stop is a fraction below the entry of a purchase (above that of a sale); the take profit
    the other way. Prices come from the quote of the contract itself.

    Args:
        quote: Of the contract to be traded.
        quantity: Contracts, above zero.
        side: Of the entry.
        stop_fraction: Distance of the stop, a fraction of the entry price.
        take_profit_fraction: Distance of the profit order; None for none.
        ticks: The class's price steps.
        client_order_id: Our name of the entry.
        tif: How long the orders work.

    Raises:
        InvalidInput: A fraction is out of its range.
        OrderRefused: The quote lacks a side or is crossed, or the stop would fire at once.
    """
    expect(quote, Quote)
    side = Side(side)
    _check_fractions(side, stop_fraction, take_profit_fraction)
    bid, ask = _sides(quote)
    price, exit_side = (ask, bid) if side is Side.BUY else (bid, ask)
    # Rounding the entry to its marketable side keeps it at or through the quote.
    limit = round_to_tick(price, ticks=ticks, side=side.opposite)
    stop = round_to_tick(limit * (1 - side.sign * as_decimal(stop_fraction)), ticks=ticks, side=side.opposite)
    if (exit_side - stop) * side.sign <= 0:
        raise OrderRefused(
            f"no entry in {quote.contract}: its stop {stop} would fire at once at bid {bid}, ask {ask}"
        )
    profit = None
    if take_profit_fraction is not None:
        away = limit * (1 + side.sign * as_decimal(take_profit_fraction))
        profit = round_to_tick(away, ticks=ticks, side=side.opposite)
    entry = OrderTicket(
        contract=quote.contract,
        side=side,
        quantity=quantity,
        order_type=OrderType.LMT,
        limit_price=limit,
        tif=tif,
        client_order_id=client_order_id,
    )
    return Bracket(entry=entry, stop_loss=stop, take_profit=profit)
