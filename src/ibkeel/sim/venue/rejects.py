"""Why the venue says no: a table of answers, and the checks that choose among them.

That others than 321 come without an orderStatus too, and what `_OWN` is the source of, is unverified.
"""

import json
import math
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

import attrs

from ibkeel.sim.values import Market, MarketQuote, OrderError, SimOrder
from ibkeel.sim.venue.hours import CLOSING_TYPES, OPENING, traded
from ibkeel.sim.venue.matching import LIMIT_TYPES, STOP_TYPES


class Refusal(Enum):
    """A reason to refuse an order, a modification or a cancel."""

    DUPLICATE_ID = "the id is not above every earlier id of the client"
    MODIFIES_FILLED = "the order to modify has filled"
    MODIFIES_ANOTHER = "contract, side, parent or group differ from the original"
    OFF_TICK = "a price is no multiple of the minimum tick"
    PARENT_MISSING = "the parent is not in the book"
    UNKNOWN_CONTRACT = "the market does not list the contract"
    NOT_TRADABLE = "an index cannot be traded"
    COMBO = "a combo is neither a market nor a limit order"
    EXPIRED = "the contract no longer trades"
    BAD_ACTION = "neither BUY nor SELL"
    BAD_ORDER_TYPE = "not a type of order"
    UNSERVED_TYPE = "a type that the Gateway has, and the venue has not"
    BAD_TIF = "not a time in force that the venue knows"
    NO_AUCTION = "the contract has no auction of that kind"
    NO_EXPIRY = "a good-till-date order without a date, or with one that has passed"
    BAD_ACCOUNT = "another account"
    BAD_NUMBER = "a price or the quantity is missing, not a number, or infinite"
    ZERO_SIZE = "the quantity is zero"
    BAD_SIZE = "the quantity is negative or not whole"
    BELOW_FILLED = "the new quantity is not above what has filled"
    TOO_MANY_ORDERS = "the contract and side have their full number of active orders"
    NO_FUNDS = "the position would need more than the funds available"
    PRICE_PRECAUTION = "the limit is far beyond the market"
    GROUP_OVER = "the one-cancels-all group has filled"
    CANCEL_UNKNOWN = "no such order to cancel"
    CANCEL_DONE = "the order to cancel has ended"
    CANCEL_UNKNOWN_OLD = "no such order to cancel, as older Gateways say it"
    CANCEL_DONE_OLD = "the order to cancel has ended, as older Gateways say it"


@attrs.frozen
class Row:
    """An answer: code, text with named gaps, where it is known from."""

    code: int
    text: str
    source: str


_CODES = "TWS API, 'Error Codes': number and meaning; wording of other editions may differ"
_LIVE = "live capture of a paper Gateway"
_FORUM = "quoted in public issue threads"
_OWN = "our choice of number and wording"
_REJECTED = "Order rejected - reason:"
_INVALID = "Error validating request.-'bF' : cause - "

REFUSALS: Final[Mapping[Refusal, Row]] = {
    Refusal.DUPLICATE_ID: Row(103, "Duplicate order id", _CODES),
    Refusal.MODIFIES_FILLED: Row(104, "Cannot modify a filled order.", _CODES),
    Refusal.MODIFIES_ANOTHER: Row(105, "Order being modified does not match original order", _CODES),
    Refusal.OFF_TICK: Row(
        110,
        "The price does not conform to the minimum price variation for this contract.",
        _CODES,
    ),
    Refusal.PARENT_MISSING: Row(135, "Can't find order with id ={parent_id}", _CODES),
    Refusal.UNKNOWN_CONTRACT: Row(200, "No security definition has been found for the request", _CODES),
    Refusal.NOT_TRADABLE: Row(201, f"{_REJECTED}This instrument cannot be traded.", _OWN),
    Refusal.COMBO: Row(201, f"{_REJECTED}Combination orders must be market or limit orders here.", _OWN),
    Refusal.EXPIRED: Row(201, f"{_REJECTED}Contract has expired.", _OWN),
    Refusal.BAD_ACTION: Row(321, f"{_INVALID}Invalid order side", _OWN),
    Refusal.BAD_ORDER_TYPE: Row(
        321,
        f"{_INVALID}Invalid order type was entered",
        _LIVE,
    ),
    Refusal.UNSERVED_TYPE: Row(
        201, f"{_REJECTED}The simulated Gateway does not serve orders of type {{order_type}}.", _OWN
    ),
    Refusal.BAD_TIF: Row(321, f"{_INVALID}Invalid time in force", _OWN),
    Refusal.NO_AUCTION: Row(387, "Unsupported order type for this exchange and security type.", _CODES),
    Refusal.NO_EXPIRY: Row(321, f"{_INVALID}Good till date is missing or in the past", _OWN),
    Refusal.BAD_ACCOUNT: Row(321, f"{_INVALID}Invalid account code '{{account}}'", _OWN),
    Refusal.BAD_NUMBER: Row(321, f"{_INVALID}Invalid or missing number", _OWN),
    Refusal.ZERO_SIZE: Row(434, "The order size cannot be zero.", _CODES),
    Refusal.BAD_SIZE: Row(201, f"{_REJECTED}The order size must be a positive whole number.", _OWN),
    Refusal.BELOW_FILLED: Row(
        201, f"{_REJECTED}The order size must be above the filled quantity {{filled}}.", _OWN
    ),
    Refusal.TOO_MANY_ORDERS: Row(
        201,
        f"{_REJECTED}Only {{limit}} active orders are allowed per contract and side.",
        "limit: TWS API, 'Order Limitations'; number and wording are our choice",
    ),
    Refusal.NO_FUNDS: Row(
        201,
        f"{_REJECTED}YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION "
        "YOUR EQUITY WITH LOAN VALUE [{equity:.2f} USD] MUST EXCEED THE INITIAL MARGIN "
        "[{needed:.2f} USD]",
        _FORUM,
    ),
    Refusal.PRICE_PRECAUTION: Row(
        201, f"{_REJECTED}The limit price is more than {{percent:g}} % beyond the market.", _OWN
    ),
    Refusal.GROUP_OVER: Row(201, f"{_REJECTED}OCA group is already filled.", _OWN),
    Refusal.CANCEL_UNKNOWN: Row(10147, "OrderId {order_id} that needs to be cancelled is not found.", _FORUM),
    Refusal.CANCEL_DONE: Row(
        10148,
        "OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {status}.",
        _FORUM,
    ),
    Refusal.CANCEL_UNKNOWN_OLD: Row(135, "Can't find order with id ={order_id}", _CODES),
    Refusal.CANCEL_DONE_OLD: Row(
        161,
        "Cancel attempted when order is not in a cancellable state.  Order permId ={perm_id}",
        _CODES,
    ),
}


def refuse(refusal: Refusal, client_id: int, order_id: int, **facts: object) -> OrderError:
    """The error event for a refusal; `facts` fill the gaps of its text."""
    row = REFUSALS[refusal]
    text = row.text.format(order_id=order_id, **facts)
    return OrderError(client_id=client_id, order_id=order_id, code=row.code, text=text)


_OVERRIDE: Final = "8229=PRICE"


def advice(text: str) -> str:
    """How to insist on an order, as JSON; the fields are unverified."""
    return json.dumps({"rejects": [{"code": "8229", "override": _OVERRIDE, "text": text}]})


def is_overridden(order: SimOrder) -> bool:
    """Whether the client insists on the price."""
    return _OVERRIDE in str(order.echo.get("advanced_error_override") or "")


def is_beyond(order: SimOrder, quote: MarketQuote, fraction: float) -> bool:
    """Whether a limit is worse than the other side of the quote by more than a fraction of it."""
    price, limit = quote.ask if order.action == "BUY" else quote.bid, order.limit_price
    if price is None or limit is None or order.order_type not in LIMIT_TYPES:
        return False
    return limit > price * (1 + fraction) if order.action == "BUY" else limit < price * (1 - fraction)


Check = Callable[[SimOrder, Market], Refusal | None]

_PRICED: Final[Mapping[str, tuple[str, ...]]] = {
    "MKT": (),
    "LMT": ("limit_price",),
    "STP": ("stop_price",),
    "STP LMT": ("limit_price", "stop_price"),
    "MOC": (),
    "LOC": ("limit_price",),
    "TRAIL": (),
    "TRAIL LIMIT": (),
}
assert {*LIMIT_TYPES, *STOP_TYPES} <= set(_PRICED)

# Source: TWS API, "Available Order Types".
_UNSERVED: Final = frozenset(
    {
        "BOX TOP", "LIT", "MIDPRICE", "MIT", "MKT PRT", "MTL", "PASSV REL", "PEG BENCH", "PEG BEST", "PEG MID", "PEG MKT",
        "PEG PRIM", "PEG STK", "REL", "REL + LMT", "REL + MKT", "SNAP MID", "SNAP MKT", "SNAP PRIM", "STP PRT", "TRAIL LIT",
        "TRAIL MIT", "VOL",
    }
)  # fmt: skip

_TIFS: Final = ("DAY", "GTC", "IOC", "FOK", "GTD", OPENING)
_AT_OPENING: Final = ("LMT", "MKT")
_OF_COMBOS: Final = ("MKT", "LMT")

# Prices arrive as decimal text, so a proper one is off its tick by rounding of the last bit only.
_TICK_TOLERANCE: Final = 1e-6


def _contract(order: SimOrder, market: Market) -> Refusal | None:
    known = [market.by_con_id(each.con_id) for each in traded(order)]
    if None in known:
        return Refusal.UNKNOWN_CONTRACT
    is_index = any(each is not None and each.sec_type == "IND" for each in known)
    return Refusal.NOT_TRADABLE if is_index else None


def _words(order: SimOrder, _market: Market) -> Refusal | None:
    if order.order_type not in _PRICED:
        return Refusal.UNSERVED_TYPE if order.order_type in _UNSERVED else Refusal.BAD_ORDER_TYPE
    if order.legs and order.order_type not in _OF_COMBOS:
        return Refusal.COMBO
    if order.action not in {"BUY", "SELL"}:
        return Refusal.BAD_ACTION
    return Refusal.BAD_TIF if order.tif not in _TIFS else None


def _auction(order: SimOrder, _market: Market) -> Refusal | None:
    if order.order_type in CLOSING_TYPES:
        if order.contract.sec_type != "STK":
            return Refusal.NO_AUCTION
        return None if order.tif == "DAY" else Refusal.BAD_TIF
    if order.tif != OPENING:
        return None
    if order.legs:
        return Refusal.NO_AUCTION
    return None if order.order_type in _AT_OPENING else Refusal.BAD_TIF


def _size(order: SimOrder, _market: Market) -> Refusal | None:
    if not math.isfinite(order.quantity):
        return Refusal.BAD_NUMBER
    if order.quantity == 0:
        return Refusal.ZERO_SIZE
    is_whole = float(order.quantity).is_integer()
    return None if order.quantity > 0 and is_whole else Refusal.BAD_SIZE


def _price(order: SimOrder, _market: Market) -> Refusal | None:
    given = (order.limit_price, order.stop_price, order.trail_stop, order.limit_offset)
    if not all(price is None or math.isfinite(price) for price in given):
        return Refusal.BAD_NUMBER
    if order.order_type.startswith("TRAIL"):
        return _distance(order)
    tick = order.contract.min_tick
    for price in (getattr(order, name) for name in _PRICED[order.order_type]):
        if price is None or (price <= 0 and not order.legs):  # a combo may bring money
            return Refusal.BAD_NUMBER
        steps = price / tick
        if not math.isfinite(steps):
            return Refusal.BAD_NUMBER
        if abs(steps - round(steps)) > _TICK_TOLERANCE * max(1.0, abs(steps)):
            return Refusal.OFF_TICK
    return None


def _distance(order: SimOrder) -> Refusal | None:
    """What is wrong with how far a trailing stop stays away; one of two measures is needed."""
    given = [each for each in (order.stop_price, order.trailing_percent) if each]
    is_good = len(given) == 1 and math.isfinite(given[0]) and given[0] > 0
    needs_limit = order.order_type == "TRAIL LIMIT" and not (
        order.limit_price or order.limit_offset is not None
    )
    return None if is_good and not needs_limit else Refusal.BAD_NUMBER


_CHECKS: Final[tuple[Check, ...]] = (_contract, _words, _auction, _size, _price)


def check_new(order: SimOrder, market: Market) -> Refusal | None:
    """First thing wrong with an order as it stands, whatever the book holds; None for nothing."""
    for check in _CHECKS:
        refusal = check(order, market)
        if refusal is not None:
            return refusal
    return None


def check_modification(order: SimOrder, original: SimOrder, market: Market) -> Refusal | None:
    """First reason to leave `original` as it is; None when `order` may replace it.

    Type, prices, quantity and time in force may change.
    """
    fixed = ("action", "parent_id", "oca_group")
    if order.account not in {"", original.account}:
        return Refusal.MODIFIES_ANOTHER
    if order.contract.con_id != original.contract.con_id or order.legs != original.legs:
        return Refusal.MODIFIES_ANOTHER
    if any(getattr(order, name) != getattr(original, name) for name in fixed):
        return Refusal.MODIFIES_ANOTHER
    refusal = check_new(order, market)
    if refusal is None and order.quantity <= original.filled:
        return Refusal.BELOW_FILLED
    return refusal
