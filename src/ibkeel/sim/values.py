"""The values that the parts of the simulator hand to each other.

The simulator shares no code with what it tests, so these are its own, and close to the wire:
prices are floats, instants are aware UTC, an absent side is None.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import NamedTuple, Protocol, runtime_checkable

import attrs


@attrs.frozen(kw_only=True)
class SimContract:
    """One tradable or quotable instrument of the simulated world."""

    con_id: int
    symbol: str
    sec_type: str  # "STK", "IND" or "OPT"
    expiry: date | None = None
    strike: float = 0.0
    right: str = ""
    multiplier: int = 1
    exchange: str = "SMART"
    primary_exchange: str = ""
    currency: str = "USD"
    local_symbol: str = ""
    trading_class: str = ""
    min_tick: float = 0.01
    long_name: str = ""
    under_con_id: int = 0
    timezone: str = "America/New_York"
    last_trading_day: date | None = None


@attrs.frozen(kw_only=True)
class ContractPattern:
    """What a client sent to name a contract: any field may be empty."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    expiry: str = ""  # "", "YYYYMM" or "YYYYMMDD", as on the wire
    strike: float = 0.0
    right: str = ""  # "", "C" or "P"; the parser has already folded CALL, PUT, ? and 0
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""


class MarketQuote(NamedTuple):
    """What the feed shows for a contract at an instant; a missing side is None.

    A tuple, for streams make one each second for every contract, and compare it with the one before.
    """

    at: datetime
    bid: float | None = None
    ask: float | None = None
    bid_size: int | None = None
    ask_size: int | None = None
    last: float | None = None
    last_size: int | None = None
    volume: int | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None  # the previous session's close
    open_interest: int | None = None
    halted: int = 0  # as tick 49 tells it: 0 trades, 1 halted, 2 halted for its volatility
    is_extended: bool = False  # before the open or after the close, and traded


@attrs.frozen(kw_only=True)
class ModelGreeks:
    """Model computation of an option; theta a calendar day, vega a volatility point."""

    iv: float
    delta: float
    gamma: float
    vega: float
    theta: float
    price: float
    underlying_price: float


@attrs.frozen(kw_only=True)
class SimBar:
    """One historical bar; `at` is its start."""

    at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int
    wap: float
    count: int


@attrs.frozen(kw_only=True)
class SimSession:
    """One regular session of the simulated exchange."""

    day: date
    opens_at: datetime
    closes_at: datetime


@attrs.frozen(kw_only=True)
class OptionClass:
    """One row of the option-chain definitions: a union of expiries and strikes."""

    exchange: str
    trading_class: str
    multiplier: int
    expiries: tuple[date, ...]
    strikes: tuple[float, ...]


class Length(Enum):
    """Lengths of bars: as the wire writes them, and in seconds."""

    def __init__(self, text: str, seconds: int) -> None:
        self.text, self.seconds = text, seconds


class BarSize(Length):
    """Bar sizes that are served: the wire's text, and its length in seconds."""

    MIN_1 = ("1 min", 60)
    MINS_2 = ("2 mins", 120)
    MINS_3 = ("3 mins", 180)
    MINS_5 = ("5 mins", 300)
    MINS_10 = ("10 mins", 600)
    MINS_15 = ("15 mins", 900)
    MINS_20 = ("20 mins", 1200)
    MINS_30 = ("30 mins", 1800)
    HOUR_1 = ("1 hour", 3600)
    HOURS_2 = ("2 hours", 7200)
    HOURS_3 = ("3 hours", 10800)
    HOURS_4 = ("4 hours", 14400)
    HOURS_8 = ("8 hours", 28800)
    DAY_1 = ("1 day", 86400)


class Market(Protocol):
    """Where quotes and history come from: a seeded model, or recorded data.

    Everything is a function of time alone: asking twice, or in another order, changes nothing,
    and nothing is visible before its time.
    """

    def find(self, pattern: ContractPattern) -> Sequence[SimContract]:
        """Every contract that fits, ordered by expiry, right and strike; empty when none."""
        ...

    def by_con_id(self, con_id: int) -> SimContract | None:
        """The contract of that id."""
        ...

    def underlyings(self) -> Sequence[SimContract]:
        """Every stock and index that is listed, by symbol."""
        ...

    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        """Option-chain definitions of an underlying; empty when it has no options."""
        ...

    def quote(self, contract: SimContract, at: datetime) -> MarketQuote:
        """What the feed shows at `at`; sides are None before the first update or when empty."""
        ...

    def next_change(self, contract: SimContract, after: datetime) -> datetime | None:
        """First instant strictly after `after` at which `quote` may differ; None: never."""
        ...

    def greeks(self, contract: SimContract, at: datetime) -> ModelGreeks | None:
        """Model greeks of an option; None when they cannot be computed."""
        ...

    def bars(
        self,
        contract: SimContract,
        *,
        start: datetime,
        end: datetime,
        size: BarSize,
        what: str,
        rth: bool,
    ) -> Sequence[SimBar]:
        """Bars of kind `what` (TRADES, MIDPOINT, BID, ASK) with start <= at < end, ascending.

        The bar that covers `end` is partial: it holds what had traded by `end`, no more.
        """
        ...

    def sessions(self, start: date, end: date) -> Sequence[SimSession]:
        """Regular sessions with start <= day <= end, ascending."""
        ...


class Reach(NamedTuple):
    """What an order that rests waits for: a price of the quote at a level, or beyond."""

    price: str  # bid, ask or last
    level: float
    rises: bool  # whether it comes from below


@runtime_checkable
class Foreseen(Protocol):
    """A market that need not be looked at quote by quote while an order rests."""

    def next_reach(self, contract: SimContract, after: datetime, reach: Reach) -> datetime | None:
        """The first instant after `after` at which the price is there, or an earlier one to ask at again; None: never."""
        ...


@attrs.frozen(kw_only=True)
class SimLeg:
    """One leg of a combo: what happens to it when the combo is bought, and how many for one."""

    contract: SimContract
    action: str  # BUY or SELL
    ratio: int


@attrs.define(kw_only=True)
class SimOrder:
    """An order in the venue's book; one with `legs` is for a combo.

    `echo` holds every field of the client's placeOrder message by name, so that openOrder can
    carry back unchanged what the venue does not interpret.
    """

    client_id: int
    order_id: int
    contract: SimContract
    action: str  # BUY or SELL
    quantity: float
    order_type: str  # MKT, LMT, STP, "STP LMT", TRAIL, "TRAIL LIMIT", MOC, LOC
    limit_price: float | None = None
    stop_price: float | None = None  # aux price on the wire; the distance of a trailing stop
    trail_stop: float | None = None  # where a trailing stop is now
    trailing_percent: float | None = None  # distance of a trailing stop, instead of an amount
    limit_offset: float | None = None  # from the stop to the limit of a trailing stop limit order
    tif: str = "DAY"
    good_till: datetime | None = None  # end of a GTD order
    good_after: datetime | None = None  # nothing happens before
    oca_group: str = ""
    oca_type: int = 3
    parent_id: int = 0
    transmit: bool = True
    outside_rth: bool = False
    what_if: bool = False
    account: str = ""
    order_ref: str = ""
    legs: tuple[SimLeg, ...] = ()
    echo: Mapping[str, object] = attrs.field(factory=dict, repr=False)
    perm_id: int = 0
    status: str = ""  # as in orderStatus on the wire; "" before it is transmitted
    filled: float = 0.0
    average_fill_price: float = 0.0
    last_fill_price: float = 0.0
    why_held: str = ""
    placed_at: datetime | None = None
    completed_at: datetime | None = None
    completed_status: str = ""


@attrs.frozen(kw_only=True)
class Execution:
    """One fill."""

    exec_id: str
    at: datetime
    client_id: int
    order_id: int
    perm_id: int
    contract: SimContract
    account: str
    exchange: str
    side: str  # BOT or SLD
    quantity: float
    price: float
    cumulative_quantity: float
    average_price: float
    order_ref: str = ""
    liquidity: int = 2


@attrs.frozen(kw_only=True)
class SimPosition:
    """What an account holds; `average_cost` includes the multiplier, as on the wire."""

    account: str
    contract: SimContract
    quantity: float
    average_cost: float


# Events, in the order in which the wire must carry them.


@attrs.frozen(kw_only=True)
class OrderEcho:
    """Send openOrder with this status."""

    order: SimOrder
    status: str


@attrs.frozen(kw_only=True)
class OrderStatus:
    """Send orderStatus; a snapshot, so that later changes do not show through."""

    client_id: int
    order_id: int
    status: str
    filled: float
    remaining: float
    average_fill_price: float
    perm_id: int
    parent_id: int
    last_fill_price: float
    why_held: str = ""
    owner: int | None = None  # the client that placed it, where `client_id` names another


@attrs.frozen(kw_only=True)
class OrderError:
    """Send error `code` for the order."""

    client_id: int
    order_id: int
    code: int
    text: str
    advanced_reject: str = ""  # JSON that tells how to insist
    rule: str = ""  # the limit that was broken, for the count
    owner: int | None = None  # the client that placed it, where `client_id` names another


@attrs.frozen(kw_only=True)
class Commission:
    """Send commissionReport; `realized_pnl` is None on an opening fill."""

    client_id: int
    exec_id: str
    commission: float
    currency: str
    realized_pnl: float | None


VenueEvent = OrderEcho | OrderStatus | OrderError | Execution | Commission
