"""How the simulated Gateway and its venue behave where the real ones may vary, and what a setting may be.

The checks are the simulator's own, as all that it has.
"""

import hashlib
from collections.abc import Callable
from numbers import Real
from typing import Any, Final

import attrs
from attrs.validators import optional

from ibkeel.errors import InvalidInput
from ibkeel.sim.values import SimOrder
from ibkeel.sim.wire import parse_zone

_MOST: Final = 10 * 365 * 24 * 60 * 60
_LEAST: Final = 0.001  # seconds of an interval: what is shorter comes faster than anybody could work


def valid(words: str, holds: Callable[[Any], object]) -> Any:
    """A validator: what holds; what cannot be asked, such as a text that is compared with a number, does not."""

    def check(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        try:
            is_valid = bool(holds(value))
        except (TypeError, ValueError, OverflowError):
            is_valid = False
        if not is_valid:
            raise InvalidInput(f"{type(instance).__name__}.{attribute.name} is {value!r}; valid: {words}")

    return check


def number(words: str, holds: Callable[[float], bool]) -> Any:
    """A validator: a real number that holds; True and False are none."""
    return valid(
        words, lambda value: isinstance(value, Real) and not isinstance(value, bool) and holds(float(value))
    )


flag: Final = valid("true or false", lambda value: isinstance(value, bool))
not_negative: Final = number("0 or more", lambda value: value >= 0)
above_zero: Final = number("above 0", lambda value: value > 0)


def as_several(values: Any) -> tuple[Any, ...]:
    """Several values; what is no list or tuple is one of them, for a validator to judge."""
    return tuple(values) if isinstance(values, list | tuple | set | frozenset) else (values,)


def as_number(value: float) -> float:
    """A real number as float; TOML writes 60 as well as 60.0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{value!r} is not a number; valid: such as 60 or 0.5")
    if not abs(value) <= _MOST:  # nan neither
        raise InvalidInput(f"{value!r} is out of reach; the most is {_MOST:,}, ten years in seconds")
    return float(value)


def as_seconds(value: float | None) -> float | None:
    """A number of seconds, or None."""
    return None if value is None else as_number(value)


def one_of(names: tuple[str, ...]) -> Any:
    """A validator: the value, or each of a tuple, is one of the names."""

    def check(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        unknown = [each for each in (value if isinstance(value, tuple) else (value,)) if each not in names]
        if unknown:
            raise InvalidInput(f"{attribute.name} is {unknown[0]!r}; valid: {', '.join(names)}")

    return check


def whole(least: int = -(2**31), most: int = 2**31 - 1, *, among: tuple[int, ...] | None = None) -> Any:
    """A validator: a whole number between two, both included, or one of those that are given."""

    def check(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if is_whole and (least <= value <= most if among is None else value in among):
            return
        valid = f"from {least} to {most}" if among is None else "of " + ", ".join(map(str, among))
        raise InvalidInput(f"{attribute.name!r} must be a whole number {valid}, not {value!r}")

    return check


def a_text(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """A validator: a text that can be a field of a message."""
    if not isinstance(value, str) or "\0" in value:
        raise InvalidInput(f"{attribute.name!r} must be a text without NUL, not {value!r}")


def positive(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """A validator: seconds above zero."""
    if value is None or value <= 0:
        raise InvalidInput(f"{attribute.name} is {value}; it must be a positive number of seconds")


def interval(_: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    """A validator: seconds from one time to the next, a thousandth or more."""
    if value < _LEAST:
        raise InvalidInput(f"{attribute.name} is {value}; it must be at least {_LEAST} seconds")


_interval: Final = number("0.001 or more", lambda value: value >= 0.001)  # a millisecond
_at_least_one: Final[Any] = optional(number("1 or more, or None", lambda value: value >= 1))
_none_or_more: Final[Any] = optional(not_negative)
_FORMS: Final = (
    "status_before_execution",
    "straight_to_submitted",
    "skips_pending_cancel",
    "repeats_status",
)
_positive: Final[Any] = optional(number("above 0, or None", lambda value: value > 0))


@attrs.frozen(kw_only=True)
class Latency:
    """Seconds from a request's arrival to its answer.

    Defaults are the order of magnitude of a real Gateway's, measured in January 2026: positions
    and open orders 1-150 ms, definitions 46-295 ms, history of an hour 70-365 ms, first ticks or
    their error 219-256 ms, account download 206-379 ms.
    """

    local: float = attrs.field(default=0.002, validator=not_negative)
    """Server time, ids, executions: what the Gateway knows itself."""
    account: float = attrs.field(default=0.1, validator=not_negative)
    """Positions, account values, open and completed orders."""
    definitions: float = attrs.field(default=0.15, validator=not_negative)
    """Contract details and option parameters."""
    first_tick: float = attrs.field(default=0.2, validator=not_negative)
    """From subscribing to the first batch of ticks."""
    book: float = attrs.field(default=0.0, validator=not_negative)
    """From subscribing to bid, ask and model computation; they never come before the first batch."""
    history: float = attrs.field(default=0.25, validator=not_negative)
    """Historical bars."""
    orders: float = attrs.field(default=0.05, validator=not_negative)
    """From placing, changing or cancelling an order to its acknowledgement."""

    @classmethod
    def documented(cls) -> "Latency":
        """Round figures to reckon with: definitions 250 ms, first tick 250 ms, bid and ask after 1 s.

        The end of a snapshot after 11 s is the Gateway's own, see `GatewaySettings.snapshot_seconds`.
        """
        return cls(definitions=0.25, first_tick=0.25, book=1.0)

    @classmethod
    def measured(cls) -> "Latency":
        """Medians of a real Gateway's log of January 2026, three sessions, 37 requests.

        Definitions 250 ms, minute bars 232 ms, completed orders 133 ms; other answers about the account
        took from 0 to 470 ms.
        Its account had no live data: the error that took the place of the first tick came after 235 ms,
        and when bid and ask would have come is not known.
        """
        return cls(account=0.133, definitions=0.25, first_tick=0.235, history=0.232)


@attrs.frozen(kw_only=True)
class Limits:
    """What clients may ask for, beside messages, market data lines and open histories.

    None switches a limit off. All clients share each limit: the Gateway serves one login. A request
    that breaks one gets the error named here, has no other effect, and is counted under the field's
    name in `GatewayCounters.violations`.

    Source: TWS API, "Pacing Limitations", "Historical Data Limitations", "Tick-by-Tick Data", "Market
    Depth", "Account Summary", "Market Scanners", "Stock Contract Search" and "Architecture". Codes
    and texts that no document states are marked unverified.
    """

    clients: int | None = attrs.field(default=32, validator=_at_least_one)
    """Sessions at the same time; one more is closed without a word (unverified)."""
    depth: int | None = attrs.field(default=3, validator=_at_least_one)
    """Market depth requests at the same time: error 309."""
    tick_by_tick: float | None = attrs.field(default=0.05, validator=_positive)
    """Tick-by-tick requests at the same time, as a fraction of the market data lines: error 10190."""
    tick_by_tick_repeat: float | None = attrs.field(default=15.0, validator=_positive)
    """Seconds between two tick-by-tick requests for one instrument: error 10190 (unverified)."""
    scanners: int | None = attrs.field(default=10, validator=_at_least_one)
    """Scanner subscriptions at the same time: error 162."""
    account_summaries: int | None = attrs.field(default=2, validator=_at_least_one)
    """Account summaries at the same time: error 322."""
    symbol_search: float | None = attrs.field(default=1.0, validator=_positive)
    """Seconds between two searches for symbols: error 322 (unverified)."""
    histories: int | None = attrs.field(default=60, validator=_at_least_one)
    """Paced historical requests in 600 s, BID_ASK counted twice; real-time bars count as well:
    error 162, and 420 for real-time bars."""
    identical_history: float | None = attrs.field(default=15.0, validator=_positive)
    """Seconds between two identical paced historical requests: error 162."""
    same_contract_histories: int | None = attrs.field(default=5, validator=_at_least_one)
    """Paced historical requests for one contract, exchange and kind within 2 s: error 162."""
    paced_bar_seconds: float = attrs.field(default=30.0, validator=not_negative)
    """Longest bar whose requests are paced; infinity: every request. The three limits above are
    documented for bars of 30 s and less. Head timestamps and historical ticks are always paced (for
    ticks unverified)."""

    @classmethod
    def none(cls) -> "Limits":
        """No limit at all."""
        return cls(
            clients=None,
            depth=None,
            tick_by_tick=None,
            tick_by_tick_repeat=None,
            scanners=None,
            account_summaries=None,
            symbol_search=None,
            histories=None,
            identical_history=None,
            same_contract_histories=None,
        )


@attrs.frozen(kw_only=True)
class GatewaySettings:
    """Limits and habits of one simulated Gateway.

    Source: limits are the documented defaults (TWS API, "Pacing Limitations" and "Market Data
    Lines"); what no document states is marked unverified.
    """

    latency: Latency = attrs.field(factory=Latency)
    highest_version: int = attrs.field(default=200, validator=whole(157, 200))
    """The most that the Gateway speaks: 157 to 200."""
    timezone: str = attrs.field(
        default="US/Eastern", validator=valid("a time zone, such as US/Eastern", parse_zone)
    )
    """Time zone of the times on the wire."""
    market_data_lines: int | None = attrs.field(default=100, validator=_none_or_more)
    """Market data lines; one more subscription gets error 101. None: no limit."""
    snapshots_use_lines: bool = True
    """Whether a running snapshot holds a line (unverified: the careful assumption)."""
    messages_per_second: int | None = attrs.field(default=50, validator=_at_least_one)
    """Client messages in any second; one more is a pacing violation. None: no limit."""
    rejects_over_rate: bool = False
    """Refuse messages above the rate with error 100 and end the session at the third, as with the
    Gateway's setting to reject; otherwise they are served, and counted."""
    paces_over_rate: bool = False
    """Read messages above the rate late, one after another at the rate, as with the Gateway's setting to
    pace; they are counted too. Not with `rejects_over_rate`."""
    open_histories: int | None = attrs.field(default=50, validator=_at_least_one)
    """Historical requests open at the same time; one more is a violation and an error 162. None: no limit."""
    paces_identical_histories: bool = False
    """Count a history request repeated within 15 s (documented for bars of 30 s and less only)."""
    snapshot_seconds: float = attrs.field(default=11.0, validator=not_negative)
    """Window of a snapshot; it ends at once when every field has come (unverified)."""
    account_update_seconds: float = attrs.field(default=180.0, validator=_interval)
    """Interval of account updates when nothing changes."""
    is_entitled: bool = True
    """Whether the login has live data; without it only delayed data is served."""
    delay_seconds: float = attrs.field(default=900.0, validator=not_negative)
    """Age of delayed data."""
    is_read_only: bool = False
    """Whether the API takes no orders: placing, changing, cancelling and what-ifs get error 321 (the code is
    documented, the text as users report it)."""
    output_limit: int | None = attrs.field(default=16 * 1024 * 1024, validator=_at_least_one)
    """Bytes that may wait in memory for a client to read them, beside what the system keeps; None: any number.
    With more the connection is reset, unless the client is reading them. Both are unverified: no document names
    a limit, and a Gateway's log of a client that did not read tells of a buffer of 1.3 MB and of no end."""
    output_patience: float = attrs.field(default=5.0, validator=_interval)
    """Seconds of the machine in which a client with more than that has to have read some (unverified)."""
    limits: Limits = attrs.field(factory=Limits)
    """Limits on kinds of requests."""
    master_client_id: int | None = None
    """The client that is told about the orders of all clients; None: there is none."""
    execution_days: int = attrs.field(default=1, validator=number("1 or more", lambda value: value >= 1))
    """Days of executions that are told: 1 is today's, since midnight, as a Gateway does."""
    profit_seconds: float = attrs.field(default=5.0, validator=_interval)
    """Interval of profit updates (unverified)."""


@attrs.frozen(kw_only=True)
class CommissionPlan:
    """Charge per contract or share, with a minimum for the whole order; in US dollars.

    Source:
        IBKR Pro fixed pricing for US stocks and options, without exchange, regulatory and
        clearing fees and without the ceiling of 1 % of the trade's value: unverified.
    """

    per_unit: float = attrs.field(validator=not_negative)
    minimum: float = attrs.field(validator=not_negative)

    def charged(self, quantity: float) -> float:
        """Commission on an order of which `quantity` units have filled; 0.0 for none."""
        return max(self.minimum, self.per_unit * quantity) if quantity > 0 else 0.0


@attrs.frozen(kw_only=True)
class VenueSettings:
    """How the venue fills, charges and answers.

    The answers that a live Gateway gives in more than one form can be chosen here; the defaults
    are the forms seen most.

    Attributes:
        displayed_size_limits: A fill takes at most the size shown on its side of the quote, and
            what was taken is shown again when the quote may next change. False: every fill is
            complete.
        status_before_execution: orderStatus Filled precedes execDetails.
        straight_to_submitted: A limit order that rests is never shown as PreSubmitted.
        skips_pending_cancel: A cancel is answered without the PendingCancel step.
        repeats_status: What is said of a resting or filled order is said twice.
        varies: Each order draws the four forms above by the venue's seed, as live sequences vary.
        older_cancel_codes: A cancel that cannot be done gives 135 or 161, not 10147 or 10148.
        cancels_across_clients: A client may cancel a GTC order of another by its order id, and
            the statuses then carry the cancelling client's id, as seen on a live Gateway. IBKR's
            documentation says that only the owner can.
        settles_expiries: Options that end are exercised, assigned or dropped at the close of their last
            session, as executions without an order, which client 0 and the master client hear of; False
            leaves them until `Venue.settle`.
        queues_limits: A limit that rests at the best price also fills from trades at that price, once the
            size shown when it joined has traded; False: only when the other side comes to it.
        price_precaution: A limit price worse than the other side of the quote by more than this
            fraction is refused with advice how to insist, in JSON; the same order with that advice as
            its advanced error override is taken. None: prices are not looked at.
        active_orders_limit: Working orders allowed for a contract and side; None: no limit.
        stock_commission: What a share costs.
        option_commission: What an option contract costs.
        stock_initial_margin: Fraction of a stock position's value.
        stock_maintenance_margin: Fraction of a stock position's value.
        short_option_margin: Fraction of strike times multiplier, held on top of its value for each
            short option that no long one covers; covered ones are charged what they can cost at worst.
        buying_power_factor: Buying power for each dollar of available funds.

    Source:
        Advanced rejects: TWS API, "Advanced Order Rejection"; the JSON's fields are unverified.
        Order sequences: live captures of a paper Gateway. Limit of 20: TWS API, "Order
        Limitations". Margin fractions and the buying power factor follow Regulation T and are
        unverified against a Gateway.
    """

    displayed_size_limits: bool = True
    status_before_execution: bool = False
    straight_to_submitted: bool = False
    skips_pending_cancel: bool = False
    repeats_status: bool = False
    varies: bool = False
    older_cancel_codes: bool = False
    cancels_across_clients: bool = False
    settles_expiries: bool = False
    queues_limits: bool = False
    price_precaution: float | None = attrs.field(default=None, validator=_positive)
    active_orders_limit: int | None = attrs.field(default=20, validator=_at_least_one)
    stock_commission: CommissionPlan = CommissionPlan(per_unit=0.005, minimum=1.0)
    option_commission: CommissionPlan = CommissionPlan(per_unit=0.65, minimum=1.0)
    stock_initial_margin: float = attrs.field(default=0.50, validator=not_negative)
    stock_maintenance_margin: float = attrs.field(default=0.25, validator=not_negative)
    short_option_margin: float = attrs.field(default=0.20, validator=not_negative)
    buying_power_factor: float = attrs.field(default=4.0, validator=not_negative)

    def commission_plan(self, sec_type: str) -> CommissionPlan:
        """The plan for a security type."""
        return self.option_commission if sec_type == "OPT" else self.stock_commission


class Habits:
    """In which of its observed forms the Gateway tells the story of one order.

    Where they vary, each order draws each form by the seed and its own ids, so that a story does not
    depend on what other orders do.
    """

    def __init__(self, settings: VenueSettings, seed: int) -> None:
        self._settings, self._seed = settings, seed

    def of(self, order: SimOrder) -> VenueSettings:
        """The forms in which this order is told."""
        if not self._settings.varies:
            return self._settings
        name = f"{self._seed} {order.client_id} {order.order_id}".encode()
        bits = hashlib.blake2b(name, digest_size=1).digest()[0]
        drawn: dict[str, Any] = {form: bool(bits >> place & 1) for place, form in enumerate(_FORMS)}
        return attrs.evolve(self._settings, **drawn)
