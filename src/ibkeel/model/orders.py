"""Orders: what is asked for, what it would do to the account, and what the venue says became of it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any, Self

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model.checks import (
    Words,
    as_decimal,
    as_flag,
    as_optional_decimal,
    as_utc,
    as_whole,
    field_text,
    finite,
    not_negative,
    positive,
    whole,
)
from ibkeel.model.contracts import (
    ClientOrderId,
    Combo,
    Contract,
    ExecId,
    Option,
    OrderId,
    OtherContract,
    PermId,
    Side,
    Stock,
    as_side,
)
from ibkeel.validators import truth, valid


class OrderType(Words):
    """How an order finds its price."""

    MKT = "MKT"
    LMT = "LMT"
    STP = "STP"
    STP_LMT = "STP LMT"


class TimeInForce(Words):
    """How long an order works."""

    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


def _as_type(value: OrderType | str) -> OrderType:
    return value if type(value) is OrderType else OrderType(value)


def _as_tif(value: TimeInForce | str) -> TimeInForce:
    return value if type(value) is TimeInForce else TimeInForce(value)


class OrderState(StrEnum):
    """What is known of an order, from evidence on the wire alone."""

    INTENT = "intent"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen to the order."""
        return self in {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED}


def _is_combo(contract: Contract) -> bool:
    """A fill tells of a combo as a `BAG` without its legs."""
    is_bag = isinstance(contract, OtherContract) and contract.kind == "BAG"
    return is_bag or isinstance(contract, Combo)


def positive_unless_combo(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Refuse what is not a price: above zero, but finite for a combo, which may pay its buyer."""
    (finite if _is_combo(instance.contract) else positive)(instance, attribute, value)


def not_negative_unless_combo(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """The same of a fill: an option that ended is taken from the account at nothing."""
    (finite if _is_combo(instance.contract) else not_negative)(instance, attribute, value)


_NEEDS = {
    OrderType.MKT: (False, False),
    OrderType.LMT: (True, False),
    OrderType.STP: (False, True),
    OrderType.STP_LMT: (True, True),
}


@attrs.frozen(kw_only=True)
class OrderTicket:
    """One order to be placed.

    Args:
        contract: What to trade; an index cannot be traded.
        side: Buy or sell.
        quantity: Contracts or shares, a whole number above zero.
        order_type: How it finds its price.
        limit_price: Per share; for LMT and STP LMT only. Buying a combo at a price below zero is
            being paid to take it.
        stop_price: Per share; for STP and STP LMT only.
        tif: How long it works.
        outside_rth: Whether it may fill outside regular trading hours.
        oca_group: Orders of one group cancel each other; empty for none.
        client_order_id: Our own name, carried in `orderRef`; None lets the adapter choose.
            Free again once its order has ended.
        is_closing: Whether it only reduces a position: it then goes before orders that open one, and
            passes where those are refused.

    Raises:
        InvalidInput: A price is missing, superfluous, or not above zero where it must be; the
            order is a stop order for a combo; or a name cannot be written on the wire.
    """

    contract: Contract
    side: Side = attrs.field(converter=as_side)
    quantity: int = attrs.field(converter=as_whole, validator=whole)
    order_type: OrderType = attrs.field(default=OrderType.MKT, converter=_as_type)
    limit_price: Decimal | None = attrs.field(
        default=None, converter=as_optional_decimal, validator=positive_unless_combo
    )
    stop_price: Decimal | None = attrs.field(default=None, converter=as_optional_decimal, validator=positive)
    tif: TimeInForce = attrs.field(default=TimeInForce.DAY, converter=_as_tif)
    outside_rth: bool = attrs.field(default=False, converter=as_flag, validator=truth)
    oca_group: str = attrs.field(default="", validator=field_text)
    client_order_id: ClientOrderId | None = attrs.field(default=None, validator=field_text)
    is_closing: bool = attrs.field(default=False, converter=as_flag, validator=truth)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.contract, Stock | Option | Combo):
            raise InvalidInput(
                f"OrderTicket.contract is {self.contract}; only stocks, options and combos of ibkeel can be traded here"
            )
        if isinstance(self.contract, Combo) and self.order_type not in {OrderType.MKT, OrderType.LMT}:
            raise InvalidInput(f"an order for a combo is MKT or LMT here, not {self.order_type.value}")
        given = (self.limit_price is not None, self.stop_price is not None)
        if given != _NEEDS[self.order_type]:
            limit, stop = _NEEDS[self.order_type]
            raise InvalidInput(
                f"a {self.order_type.value} order takes {'a' if limit else 'no'} limit price and "
                f"{'a' if stop else 'no'} stop price; got limit {self.limit_price}, stop {self.stop_price}"
            )

    @property
    def terms(self) -> str:
        """Type and prices, such as `MKT`, `LMT 2.05`, `STP 1.02` or `STP 1.02 LMT 1.00`."""
        return _terms(self.order_type.value, self.stop_price, self.limit_price)


def _terms(order_type: str, stop: Decimal | None, limit: Decimal | None) -> str:
    price = "" if limit is None else f" {limit}"
    return f"{order_type}{price}" if stop is None else f"STP {stop}{price and ' LMT'}{price}"


@attrs.frozen(kw_only=True)
class Bracket:
    """An entry with its protection: accepted whole, or refused whole.

    Args:
        entry: The parent order, MKT or LMT.
        stop_loss: Stop price of the protective order, per share: a real STP at the venue.
        stop_limit: Makes the protective order an STP LMT with this limit.
        take_profit: Limit price of the profit order, per share; None for none.
        exit_tif: How long the protective orders work; None for as long as the entry. A position that is held
            over night needs `GTC`, whatever its entry has.

    Raises:
        InvalidInput: The prices are not on their proper sides of each other, or the entry is for a
            combo.
    """

    entry: OrderTicket = attrs.field(
        validator=valid("an OrderTicket", lambda value: isinstance(value, OrderTicket))
    )
    stop_loss: Decimal = attrs.field(converter=as_decimal, validator=positive)
    stop_limit: Decimal | None = attrs.field(default=None, converter=as_optional_decimal, validator=positive)
    take_profit: Decimal | None = attrs.field(default=None, converter=as_optional_decimal, validator=positive)
    exit_tif: TimeInForce | None = attrs.field(default=None, converter=attrs.converters.optional(_as_tif))

    def __attrs_post_init__(self) -> None:
        if self.entry.order_type not in {OrderType.MKT, OrderType.LMT}:
            raise InvalidInput(f"a bracket's entry is MKT or LMT, not {self.entry.order_type.value}")
        if isinstance(self.entry.contract, Combo):
            raise InvalidInput("a bracket protects a stock or an option; a combo has no stop here")
        ladder = [p for p in (self.stop_loss, self.entry.limit_price, self.take_profit) if p is not None]
        if self.entry.side is Side.SELL:
            ladder.reverse()
        if any(low >= high for low, high in pairwise(ladder)):
            raise InvalidInput(
                f"bracket of a {self.entry.side.value} with stop {self.stop_loss}, "
                f"entry {self.entry.limit_price}, take profit {self.take_profit}: "
                "a BUY needs stop < entry < take profit, a SELL the reverse"
            )

    def children(self) -> tuple[OrderTicket, ...]:
        """The protective orders, take profit first; they close what the entry opens."""
        base = attrs.evolve(
            self.entry,
            side=self.entry.side.opposite,
            limit_price=None,
            order_type=OrderType.MKT,
            tif=self.exit_tif or self.entry.tif,
            client_order_id=None,
            is_closing=True,
        )
        stop = attrs.evolve(
            base,
            order_type=OrderType.STP if self.stop_limit is None else OrderType.STP_LMT,
            stop_price=self.stop_loss,
            limit_price=self.stop_limit,
        )
        if self.take_profit is None:
            return (stop,)
        return (attrs.evolve(base, order_type=OrderType.LMT, limit_price=self.take_profit), stop)


@attrs.frozen(kw_only=True)
class Placement:
    """What `place` did.

    Args:
        client_order_id: Our name of the order.
        order_id: Number on the wire; None when nothing was sent (dry run).
        state: INTENT in dry run, else SENT or what the venue said since.
        children: Placements of a bracket's children, take profit first.
    """

    client_order_id: ClientOrderId
    order_id: OrderId | None
    state: OrderState
    children: "tuple[Placement, ...]" = ()

    @classmethod
    def kept(cls, name: str, children: int) -> Self:
        """That of an order with so many children which dry run kept back."""
        names = [name, *(f"{name}-{number}" for number in range(1, children + 1))]
        rows = [
            cls(client_order_id=ClientOrderId(each), order_id=None, state=OrderState.INTENT) for each in names
        ]
        return attrs.evolve(rows[0], children=tuple(rows[1:]))

    @property
    def was_sent(self) -> bool:
        """Whether bytes of this order left."""
        return self.order_id is not None

    def family(self) -> "tuple[Self, ...]":
        """The order and its children."""
        return (self, *self.children)  # type: ignore[arg-type]


@attrs.frozen(kw_only=True)
class OrderReport:
    """What the venue last said of one order.

    Args:
        quantity: Contracts or shares ordered.
        limit_price: Per share; None if the order has none.
        stop_price: Per share; None if the order has none.
        filled: Contracts or shares filled so far.
        remaining: Those that are left, as the venue counts.
        average_fill_price: Per share; None before the first fill, and in `completed_orders`: `executions` has prices.
        code: Of the error by which the venue rejected it, at once or later; None while it is not `REJECTED`.
    """

    order_id: OrderId
    perm_id: PermId
    client_id: int
    client_order_id: ClientOrderId
    contract: Contract
    side: Side
    quantity: float
    order_type: str
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    tif: str = "DAY"
    parent_id: OrderId | None = None
    oca_group: str = ""
    state: OrderState
    filled: float = attrs.field(default=0.0, validator=finite)
    remaining: float = attrs.field(default=0.0, validator=finite)
    average_fill_price: float | None = attrs.field(default=None, validator=positive_unless_combo)
    reason: str = ""
    code: int | None = None
    at: datetime = attrs.field(converter=as_utc)

    @property
    def terms(self) -> str:
        """Type and prices, as `OrderTicket.terms` says them."""
        return _terms(self.order_type, self.stop_price, self.limit_price)


def fill_name(exec_id: str) -> str:
    """What a fill and its corrections share: all but the last part (TWS API, "Execution Details")."""
    return exec_id.rpartition(".")[0] or exec_id


@attrs.frozen(kw_only=True)
class Execution:
    """One fill.

    Args:
        exec_id: Name of the fill; a correction has another.
        account: Whole account id; mask it before it is shown.
        quantity: Contracts or shares, above zero.
        price: Per share; 0 where an option ended or was exercised, and that of a combo may be below.
        commission: In the currency of its report, which is not kept and need not be the account's; None until then.
        realized_pnl: The same; None on an opening fill.
    """

    exec_id: ExecId
    order_id: OrderId
    perm_id: PermId
    client_order_id: ClientOrderId
    account: str = attrs.field(repr=False)
    contract: Contract
    side: Side
    quantity: float = attrs.field(validator=positive)
    price: float = attrs.field(validator=not_negative_unless_combo)
    at: datetime = attrs.field(converter=as_utc)
    commission: float | None = attrs.field(default=None, validator=finite)
    realized_pnl: float | None = attrs.field(default=None, validator=finite)

    @property
    def is_of_combo(self) -> bool:
        """Whether a combo is told of as a whole: its legs have fills of their own, which alone move positions."""
        return _is_combo(self.contract)


@attrs.frozen(kw_only=True)
class MarginChange:
    """A figure of the account before and after an order; None where the broker sent nothing.

    Args:
        before: As it stands.
        change: What the order adds; below zero when it sets something free.
        after: As if the order had filled whole.
    """

    before: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    change: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    after: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)


@attrs.frozen(kw_only=True)
class OrderPreview:
    """The answer to a what-if: nothing was placed.

    Args:
        ticket: What was asked about.
        at: When the answer came.
        initial_margin: What must be there to open it.
        maintenance_margin: What must be there to keep it.
        equity_with_loan: What both margins are held against.
        commission: Estimate for the whole order, in `currency`; None when the broker gave none.
        least_commission: The lower end, where the broker gives a span.
        most_commission: The upper end.
        currency: Of the commission; empty when none was given.
        warning: The broker's words; empty when it has nothing to say.
    """

    ticket: OrderTicket
    at: datetime = attrs.field(converter=as_utc)
    initial_margin: MarginChange = attrs.field(factory=MarginChange)
    maintenance_margin: MarginChange = attrs.field(factory=MarginChange)
    equity_with_loan: MarginChange = attrs.field(factory=MarginChange)
    commission: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    least_commission: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    most_commission: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    currency: str = ""
    warning: str = ""
