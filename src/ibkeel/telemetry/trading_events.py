"""What happened to money: signals, decisions, orders, fills, and what guards them.

A signal has an id. Whoever wants to know what became of it finds that id in its decision and in
the intent, and from the intent on the order's own name: in its placement, its changes and its fills.
"""

from datetime import datetime
from typing import Final, Self

import attrs

from ibkeel.model import Execution, OrderReport, OrderTicket, name_of_series
from ibkeel.model.checks import as_utc
from ibkeel.telemetry.redaction import masked

_RESIDUE: Final = 1e-9  # of shares, from the sums of floats


@attrs.frozen(kw_only=True, field_transformer=masked)
class SignalSeen:
    """A strategy asked for a position.

    Args:
        signal_id: Names the signal: run, cycle and symbol.
        symbol: Ticker.
        direction: `up` or `down`.
        confidence: From 0 to 1.
        reasons: The facts that it rests on, in words.
    """

    at: datetime = attrs.field(converter=as_utc)
    signal_id: str
    symbol: str
    direction: str
    confidence: float
    reasons: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, field_transformer=masked)
class DecisionMade:
    """What came of one symbol in one cycle.

    Args:
        signal_id: The strategy's verdict that it answers, also one that asked for nothing.
        symbol: Ticker.
        outcome: One word, such as `no_signal`, `refused` or `entry`.
        reasons: Why it went no further, or why this order; the strategy's own facts when it asked for nothing.
    """

    at: datetime = attrs.field(converter=as_utc)
    signal_id: str
    symbol: str
    outcome: str
    reasons: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, field_transformer=masked)
class OrderIntended:
    """An order was decided and written down; it is about to leave, or to be kept back in dry run.

    Args:
        client_order_id: Our name of the order.
        signal_id: The signal behind an entry; empty for what protects or closes.
        symbol: Ticker of the underlying.
        subject: The contract.
        purpose: `entry`, `exit` or `protection`.
        side: `BUY` or `SELL`.
        quantity: Contracts or shares.
        reason: Why, in words.
    """

    at: datetime = attrs.field(converter=as_utc)
    client_order_id: str
    signal_id: str = ""
    symbol: str
    subject: str
    purpose: str
    side: str
    quantity: int
    reason: str = ""


@attrs.frozen(kw_only=True, field_transformer=masked)
class OrderPlaced:
    """An order left, or would have left in dry run.

    Args:
        quantity: Contracts or shares.
        terms: Its type and prices, as `OrderTicket.terms` says them; empty when they are not known.
    """

    at: datetime = attrs.field(converter=as_utc)
    client_order_id: str
    subject: str
    side: str
    quantity: int
    was_sent: bool
    terms: str = ""

    @classmethod
    def of(cls, order: OrderTicket | OrderReport, name: str, at: datetime, *, was_sent: bool) -> Self:
        """The event of an order that has that name."""
        return cls(
            at=at,
            client_order_id=name,
            subject=name_of_series(order.contract),
            side=order.side.value,
            quantity=int(order.quantity),
            was_sent=was_sent,
            terms=order.terms,
        )


@attrs.frozen(kw_only=True, field_transformer=masked)
class OrderChanged:
    """The venue said something new of an order.

    Args:
        filled: Contracts or shares filled so far.
        quantity: How many the order is for; 0 when that was not told.
        terms: As in `OrderPlaced`, and so are `subject` and `side`; empty when they are not known.
    """

    at: datetime = attrs.field(converter=as_utc)
    client_order_id: str
    state: str
    filled: float
    reason: str = ""
    quantity: float = 0.0
    terms: str = ""
    subject: str = ""
    side: str = ""

    @classmethod
    def of(cls, report: OrderReport, *, at: datetime | None = None) -> Self:
        """The event of a report."""
        return cls(
            at=at or report.at,
            client_order_id=report.client_order_id,
            state=report.state.value,
            filled=report.filled,
            reason=report.reason,
            quantity=report.quantity,
            terms=report.terms,
            subject=name_of_series(report.contract),
            side=report.side.value,
        )


@attrs.frozen(kw_only=True, field_transformer=masked)
class OrderFilled:
    """An order of ours was executed, whole or in part.

    Args:
        client_order_id: Our name of the order.
        exec_id: The venue's name of the execution.
        subject: The contract.
        side: `BUY` or `SELL`.
        quantity: Contracts or shares of this execution.
        price: Per share.
        is_leg: Whether it is one leg's part in the fill of a combo, which is told of as a whole too.
    """

    at: datetime = attrs.field(converter=as_utc)
    client_order_id: str
    exec_id: str
    subject: str
    side: str
    quantity: float
    price: float
    is_leg: bool = False

    @property
    def is_correction(self) -> bool:
        """Whether it stands in the place of a fill whose name ends in 01; see `fill_name`."""
        return "." in self.exec_id and not self.exec_id.endswith(".01")

    @classmethod
    def of(cls, execution: Execution, *, is_leg: bool = False) -> Self:
        """The event of an execution."""
        return cls(
            at=execution.at,
            client_order_id=execution.client_order_id,
            exec_id=execution.exec_id,
            subject=name_of_series(execution.contract),
            side=execution.side.value,
            quantity=execution.quantity,
            price=execution.price,
            is_leg=is_leg,
        )


@attrs.frozen(kw_only=True, field_transformer=masked)
class AccountSeen:
    """The account was read; None where it says nothing.

    Args:
        currency: ISO code of its base currency.
        net_liquidation: Equity.
        available_funds: What may be spent on new positions.
        excess_liquidity: Cushion above the maintenance margin.
    """

    at: datetime = attrs.field(converter=as_utc)
    currency: str
    net_liquidation: float
    available_funds: float | None = None
    excess_liquidity: float | None = None


@attrs.frozen(kw_only=True, field_transformer=masked)
class ProtectiveOrder:
    """An order that works to close a position.

    Args:
        client_order_id: Our name of it.
        order_type: Such as `STP` or `LMT`.
        price: Its stop price, else its limit; None when it has neither.
        quantity: What it would close.
        state: Such as `submitted`.
    """

    client_order_id: str
    order_type: str
    price: float | None
    quantity: float
    state: str


@attrs.frozen(kw_only=True, field_transformer=masked)
class HeldPosition:
    """A position, and what protects it.

    Args:
        subject: The contract.
        symbol: Ticker of the underlying.
        signed_quantity: Negative when short.
        average_price: Per share.
        protection: Orders that would close it; empty for none, None when orders could not be read.
    """

    subject: str
    symbol: str
    signed_quantity: float
    average_price: float
    protection: tuple[ProtectiveOrder, ...] | None = None

    @property
    def uncovered(self) -> float | None:
        """How much of it no order would close, a stop and a profit order for the same; None when they are not known."""
        if self.protection is None:
            return None
        covered = {True: 0.0, False: 0.0}
        for row in self.protection:
            covered[row.order_type == "LMT"] += row.quantity
        left = abs(self.signed_quantity) - max(covered.values())
        return 0.0 if left < _RESIDUE else left  # NaN stays


@attrs.frozen(kw_only=True, field_transformer=masked)
class PositionsSeen:
    """The positions were read."""

    at: datetime = attrs.field(converter=as_utc)
    positions: tuple[HeldPosition, ...] = ()


@attrs.frozen(kw_only=True, field_transformer=masked)
class ExposureSeen:
    """What the positions amount to; None where it is not known.

    Args:
        at_cost: Sum of quantity, average price and multiplier, each position positive; account currency.
        delta: Of all positions, in shares.
        gamma: In shares per unit of price.
        theta: Account currency per calendar day.
        vega: Account currency per volatility point.
    """

    at: datetime = attrs.field(converter=as_utc)
    at_cost: float | None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None


@attrs.frozen(kw_only=True, field_transformer=masked)
class LossGuardRead:
    """The daily loss guard saw an equity.

    Args:
        allowed: Whether entries may go on.
        loss: Fraction of the session's first equity, negative for a gain; None when unknown.
        limit: Loss that stops new entries, a fraction.
        tripped: Whether the limit was reached in this session.
        reason: The figures, in words.
    """

    at: datetime = attrs.field(converter=as_utc)
    allowed: bool
    loss: float | None
    limit: float
    tripped: bool
    reason: str = ""


@attrs.frozen(kw_only=True, field_transformer=masked)
class HaltChanged:
    """Entries were halted, or may pass again.

    Args:
        is_halted: Which of the two.
        reason: Why, in words; empty when they may pass.
    """

    at: datetime = attrs.field(converter=as_utc)
    is_halted: bool
    reason: str = ""


TradingEvent = (
    AccountSeen
    | DecisionMade
    | ExposureSeen
    | HaltChanged
    | LossGuardRead
    | OrderChanged
    | OrderFilled
    | OrderIntended
    | OrderPlaced
    | PositionsSeen
    | SignalSeen
)
"""Anything about money."""
