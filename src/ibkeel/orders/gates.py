"""The last look at an order before it leaves: every reason against it, each with its value and its limit.

What opens a position must pass every gate. What closes one is kept back for one reason alone: port,
account and order mode do not fit together, so that nobody knows whose money it would move.
"""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

import attrs
from typing_extensions import override

from ibkeel.model import (
    Combo,
    Contract,
    Option,
    OrderPreview,
    OrderReport,
    OrderTicket,
    Quote,
    Side,
    mask_account,
)
from ibkeel.model.checks import as_decimal, as_optional_decimal, as_utc
from ibkeel.orders.exits import is_same_contract
from ibkeel.orders.ticks import TickLadder
from ibkeel.validators import flag, number, optional, series

# Source: TWS API, "Initial Setup": default socket ports. Any other port says nothing.
_LIVE_PORTS: Final = frozenset({4001, 7496})
_PAPER_PORTS: Final = frozenset({4002, 7497})
_MINUTE: Final = timedelta(seconds=60)
_OF_A_COMBO: Final = 100


class GateKind(StrEnum):
    """Which gate is shut."""

    HALTED = "halted"
    INTERLOCK = "interlock"
    READ_ONLY = "read_only"
    SESSION = "session"
    HEALTH = "health"
    MARKET = "market"
    QUOTE_AGE = "quote_age"
    QUOTE_TYPE = "quote_type"
    SPREAD = "spread"
    COLLAR = "collar"
    TICK = "tick"
    QUANTITY = "quantity"
    NOTIONAL = "notional"
    OPEN_ORDERS = "open_orders"
    ORDER_RATE = "order_rate"
    EFFICIENCY = "efficiency"
    BUYING_POWER = "buying_power"
    DUPLICATE = "duplicate"


@attrs.frozen(kw_only=True)
class GateRefusal:
    """One reason against an order.

    Args:
        kind: The gate.
        value: What was seen.
        limit: What is wanted.
    """

    kind: GateKind
    value: str
    limit: str

    @override
    def __str__(self) -> str:
        return f"{self.kind.value}: {self.value}; needed: {self.limit}"


_from_zero: Final = optional(number("0 or more", lambda value: 0 <= value < math.inf, names_class=False))


@attrs.frozen(kw_only=True)
class OrderLimits:
    """What an order that opens a position must keep to; None switches a limit off.

    Args:
        max_quantity: Most contracts or shares of one order.
        max_notional: Most money one order moves: price, quantity and multiplier, for a combo 100.
        max_spread: Widest spread, a fraction of the middle.
        collar: How far beyond the other side of the quote a limit may be, a fraction of it.
        max_quote_age: Oldest quote, in seconds.
        live_only: Whether delayed and frozen quotes are refused.
        open_orders: Most working orders of one contract and side, this one included.
        orders_per_minute: Most orders sent in any minute, this one included.
        efficiency: Most messages about orders for each that filled, plus one.
        duplicate_within: Seconds in which the same order is taken for a mistake.
        what_if: Whether the venue is asked what the order would do to the account, and must answer.

    Source:
        TWS API, "Order Limitations": 20 active orders for each contract and side of an account, and the
        duty to watch one's own efficiency ratio, whose guideline is 20.
    """

    max_quantity: int | None = attrs.field(default=1000, validator=_from_zero)
    max_notional: Decimal | None = attrs.field(
        default=None, converter=as_optional_decimal, validator=_from_zero
    )
    max_spread: float | None = attrs.field(default=1.0, validator=_from_zero)
    collar: float | None = attrs.field(default=0.10, validator=_from_zero)
    max_quote_age: float | None = attrs.field(default=15.0, validator=_from_zero)
    live_only: bool = flag(True)
    open_orders: int | None = attrs.field(default=20, validator=_from_zero)
    orders_per_minute: int | None = attrs.field(default=60, validator=_from_zero)
    efficiency: float | None = attrs.field(default=20.0, validator=_from_zero)
    duplicate_within: float | None = attrs.field(default=10.0, validator=_from_zero)
    what_if: bool = flag(True)


@attrs.frozen(kw_only=True)
class Interlock:
    """Whose money an order would move: two yeses for live, and nothing that contradicts them.

    Args:
        mode: `DRY_RUN`, `PAPER` or `LIVE`: the first yes.
        live_account: The account that was named for live trading: the second.
        account: The account that the Gateway reports.
        port: Where it listens; None when unknown.
    """

    mode: str
    account: str = attrs.field(repr=False)
    live_account: str | None = attrs.field(default=None, repr=False)
    port: int | None = None


@attrs.frozen(kw_only=True)
class SentOrder:
    """An order that left lately."""

    at: datetime = attrs.field(converter=as_utc)
    ticket: OrderTicket


@attrs.frozen(kw_only=True)
class OrderFacts:
    """What is known when an order is about to leave.

    Args:
        now: The present instant, aware.
        ticket: The order; of a bracket, its entry.
        quote: Of the contract itself; None when there is none, which refuses.
        ticks: The contract's price steps; None leaves the price alone.
        halted: Why entries are halted; empty when they are not.
        interlock: Whose money; None when the broker sees to it.
        is_read_only: Whether the Gateway takes no orders.
        session_refusal: Why the session is not good enough; empty when it is.
        sick: What else is down, with its evidence; empty when nothing is.
        market_open: Whether the contract trades now.
        preview: The venue's answer to a what-if; None when it was not asked.
        preview_refusal: Why there is no such answer, or why it was no; empty when there is nothing to say.
        open_orders: Every order that works, of all clients.
        sent: Orders that left in the last minutes.
        submitted: Orders and changes and cancels sent in this session.
        filled: Orders filled in this session.
    """

    now: datetime = attrs.field(converter=as_utc)
    ticket: OrderTicket
    quote: Quote | None = None
    ticks: TickLadder | None = None
    halted: str = ""
    interlock: Interlock | None = None
    is_read_only: bool = False
    session_refusal: str = ""
    sick: str = ""
    market_open: bool = True
    preview: OrderPreview | None = None
    preview_refusal: str = ""
    open_orders: tuple[OrderReport, ...] = attrs.field(default=(), converter=series)
    sent: tuple[SentOrder, ...] = attrs.field(default=(), converter=series)
    submitted: int = 0
    filled: int = 0


Found = Iterator[GateRefusal]
_DEFAULT: Final = OrderLimits()


def check_order(facts: OrderFacts, limits: OrderLimits = _DEFAULT) -> tuple[GateRefusal, ...]:
    """Every reason against an order; what cannot be known counts against one that opens a position."""
    if facts.ticket.is_closing:
        return tuple(_interlock(facts.interlock))
    return (
        *_interlock(facts.interlock),
        *_state(facts),
        *_market(facts, limits),
        *_price(facts, limits),
        *_size(facts, limits),
        *_numbers(facts, limits),
        *_buying_power(facts, limits),
        *_duplicate(facts, limits),
    )


def _refusal(kind: GateKind, value: object, limit: object) -> GateRefusal:
    return GateRefusal(kind=kind, value=str(value), limit=str(limit))


def _interlock(lock: Interlock | None) -> Found:
    if lock is None or lock.mode == "DRY_RUN":
        return
    is_paper, shown = lock.account.upper().startswith("D"), mask_account(lock.account)
    kind = "paper" if is_paper else "live"
    if lock.port in (_LIVE_PORTS if is_paper else _PAPER_PORTS):
        other = "live" if is_paper else "paper"
        yield _refusal(
            GateKind.INTERLOCK,
            f"port {lock.port} of {other} trading",
            f"a port of the {kind} account {shown}",
        )
    if lock.mode == "PAPER" and not is_paper:
        yield _refusal(GateKind.INTERLOCK, f"PAPER with the live account {shown}", "a paper account")
    elif lock.mode == "LIVE" and not lock.live_account:
        yield _refusal(GateKind.INTERLOCK, "LIVE, said once", "live_account too, the second yes")
    elif lock.mode == "LIVE" and lock.live_account != lock.account:
        yield _refusal(GateKind.INTERLOCK, f"account {shown}", mask_account(lock.live_account or ""))
    elif lock.mode not in {"PAPER", "LIVE"}:
        yield _refusal(GateKind.INTERLOCK, f"mode {lock.mode!r}", "DRY_RUN, PAPER or LIVE")


def _state(facts: OrderFacts) -> Found:
    if facts.halted:
        yield _refusal(GateKind.HALTED, facts.halted, "no halt")
    if facts.quote is not None and facts.quote.is_halted:
        yield _refusal(GateKind.HALTED, f"the venue has halted {facts.quote.contract}", "no halt")
    if facts.is_read_only:
        yield _refusal(GateKind.READ_ONLY, "the Gateway's API is read-only", "that setting off")
    if facts.session_refusal:
        yield _refusal(GateKind.SESSION, facts.session_refusal, "a session that is ready")
    if facts.sick:
        yield _refusal(GateKind.HEALTH, facts.sick, "nothing that is down")
    if not facts.market_open:
        yield _refusal(GateKind.MARKET, f"{facts.ticket.contract} does not trade now", "an open session")


def _market(facts: OrderFacts, limits: OrderLimits) -> Found:
    quote = facts.quote
    if quote is None:
        if limits.max_quote_age is not None:
            yield _refusal(GateKind.QUOTE_AGE, "no quote", f"{limits.max_quote_age:g} s or less")
        return
    age = (facts.now - quote.at).total_seconds()
    # A quote from well ahead of now means that a clock is wrong: its age is unknown.
    if limits.max_quote_age is not None and abs(age) > limits.max_quote_age:
        yield _refusal(GateKind.QUOTE_AGE, f"{age:.1f} s", f"{limits.max_quote_age:g} s or less")
    if limits.live_only and not quote.is_live:
        yield _refusal(GateKind.QUOTE_TYPE, quote.data_type.value, "live")
    if limits.max_spread is None:
        return
    if quote.bid is None or quote.ask is None or quote.bid > quote.ask:
        yield _refusal(GateKind.SPREAD, f"bid {quote.bid}, ask {quote.ask}", "both, not crossed")
    elif quote.ask - quote.bid > limits.max_spread * (quote.ask + quote.bid) / 2:
        share = (quote.ask - quote.bid) / ((quote.ask + quote.bid) / 2)
        yield _refusal(GateKind.SPREAD, f"{share:.1%} of the middle", f"{limits.max_spread:.1%} or less")


def _price(facts: OrderFacts, limits: OrderLimits) -> Found:
    ticket, price = facts.ticket, facts.ticket.limit_price
    if price is None:
        return
    tick = facts.ticks and facts.ticks.tick_at(abs(price))
    if tick and price % tick:
        yield _refusal(GateKind.TICK, price, f"a multiple of {tick}")
    if limits.collar is None or facts.quote is None:
        return
    far = facts.quote.ask if ticket.side is Side.BUY else facts.quote.bid
    if far is None:
        return
    bound = as_decimal(far) * (1 + ticket.side.sign * as_decimal(limits.collar))
    if (price - bound) * ticket.side.sign > 0:
        words = "at most" if ticket.side is Side.BUY else "at least"
        yield _refusal(GateKind.COLLAR, f"limit {price}, the other side is at {far}", f"{words} {bound:f}")


def _size(facts: OrderFacts, limits: OrderLimits) -> Found:
    ticket = facts.ticket
    if limits.max_quantity is not None and ticket.quantity > limits.max_quantity:
        yield _refusal(GateKind.QUANTITY, ticket.quantity, f"{limits.max_quantity} or fewer")
    if limits.max_notional is None:
        return
    price = ticket.limit_price
    if price is None and facts.quote is not None:
        price = as_optional_decimal(facts.quote.ask)
    if price is None:
        yield _refusal(GateKind.NOTIONAL, "no price", f"{limits.max_notional} or less")
        return
    notional = abs(price) * ticket.quantity * _multiplier(ticket.contract)
    if notional > limits.max_notional:
        yield _refusal(GateKind.NOTIONAL, f"{notional:.2f}", f"{limits.max_notional} or less")


def _multiplier(contract: Contract) -> int:
    """A combo does not tell that of its options: it counts as the usual one."""
    if isinstance(contract, Combo):
        return _OF_A_COMBO
    return contract.multiplier if isinstance(contract, Option) else 1


def _numbers(facts: OrderFacts, limits: OrderLimits) -> Found:
    same = _alike(facts.open_orders, facts.ticket)
    if limits.open_orders is not None and same >= limits.open_orders:
        yield _refusal(
            GateKind.OPEN_ORDERS,
            f"{same} work for this contract and side",
            f"fewer than {limits.open_orders}",
        )
    lately = sum(facts.now - row.at < _MINUTE for row in facts.sent)
    if limits.orders_per_minute is not None and lately >= limits.orders_per_minute:
        yield _refusal(
            GateKind.ORDER_RATE, f"{lately} in the last minute", f"fewer than {limits.orders_per_minute}"
        )
    ratio = (facts.submitted + 1) / (facts.filled + 1)
    if limits.efficiency is not None and ratio > limits.efficiency:
        yield _refusal(
            GateKind.EFFICIENCY,
            f"{ratio:.1f} messages for each order filled",
            f"{limits.efficiency:g} or less",
        )


def _alike(orders: Iterable[OrderReport], ticket: OrderTicket) -> int:
    return sum(
        row.side is ticket.side and is_same_contract(row.contract, ticket.contract) and not row.state.is_final
        for row in orders
    )


def _buying_power(facts: OrderFacts, limits: OrderLimits) -> Found:
    if not limits.what_if:
        return
    if facts.preview_refusal:
        yield _refusal(
            GateKind.BUYING_POWER, facts.preview_refusal, "a what-if that the venue answers with yes"
        )
    if facts.preview is None:
        return
    margin, equity = facts.preview.initial_margin.after, facts.preview.equity_with_loan.after
    if margin is None or equity is None:
        yield _refusal(
            GateKind.BUYING_POWER, "a what-if without figures", "margin and equity after the order"
        )
    elif margin > equity:
        yield _refusal(
            GateKind.BUYING_POWER, f"initial margin {margin:.2f} after the order", f"{equity:.2f} or less"
        )


def _duplicate(facts: OrderFacts, limits: OrderLimits) -> Found:
    if limits.duplicate_within is None:
        return
    plain = attrs.evolve(facts.ticket, client_order_id=None)
    for row in facts.sent:
        since = (facts.now - row.at).total_seconds()
        if since < limits.duplicate_within and attrs.evolve(row.ticket, client_order_id=None) == plain:
            yield _refusal(
                GateKind.DUPLICATE, f"the same order left {since:.1f} s ago", f"{limits.duplicate_within:g} s"
            )
            return
