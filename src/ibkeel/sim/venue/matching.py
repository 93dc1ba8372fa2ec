"""At which price, and for how much, an order trades against a quote: at once, behind others, or as its stop follows.

Source:
    TWS API, "Trailing Stop", "Trailing Stop Limit". That the stop follows each quote, and that its first
    level is reckoned from the first price seen when the client names none, is unverified.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from ibkeel.sim.values import Foreseen, Market, MarketQuote, Reach, SimLeg, SimOrder

LIMIT_TYPES: Final = ("LMT", "LOC", "STP LMT", "TRAIL LIMIT")
STOP_TYPES: Final = ("STP", "STP LMT", "TRAIL", "TRAIL LIMIT")
TRAILING_TYPES: Final = ("TRAIL", "TRAIL LIMIT")
_OPPOSITE = {"BUY": "SELL", "SELL": "BUY"}
_PERCENT: Final = 100.0

# Source: TWS API, "Trigger Methods": last for stocks, double bid/ask for US options. One
# qualifying bid or ask is enough here where the Gateway wants two in a row, and the side watched
# is unverified.
WATCHED: Final[Mapping[tuple[str, str], str]] = {
    ("OPT", "BUY"): "ask",
    ("OPT", "SELL"): "bid",
    ("STK", "BUY"): "last",
    ("STK", "SELL"): "last",
}


def usable_price(price: float | None) -> float | None:
    """The price, or None where the feed shows none: absent, not finite, zero or negative."""
    return price if price is not None and math.isfinite(price) and price > 0 else None


def is_triggered(order: SimOrder, quote: MarketQuote) -> bool:
    """Whether a stop order's trigger price has been reached; without the price that the rule watches it has not."""
    stop = order.trail_stop if order.order_type.startswith("TRAIL") else order.stop_price
    price = _watched_price(order, quote)
    if price is None or stop is None:
        return False
    return price >= stop if order.action == "BUY" else price <= stop


def fill_price(order: SimOrder, quote: MarketQuote) -> float | None:
    """Price at which the order trades now: the other side of the quote, or None.

    A limit is honoured; whether a stop has triggered is for the caller to know.
    """
    price = quote.ask if order.action == "BUY" else quote.bid
    if not order.legs:  # the net price of a combo may well be zero or less
        price = usable_price(price)
    if price is None or order.order_type not in LIMIT_TYPES:
        return price
    if order.limit_price is None:
        return None
    is_marketable = price <= order.limit_price if order.action == "BUY" else price >= order.limit_price
    return price if is_marketable else None


@attrs.frozen(kw_only=True)
class _Taken:
    quantity: float
    until: datetime | None


class Liquidity:
    """What our own fills have left of the sizes on show, until the quote may next change."""

    def __init__(self, market: Market, *, is_limited: bool) -> None:
        self._market = market
        self._is_limited = is_limited
        self._taken: dict[tuple[int, str], _Taken] = {}

    def available(self, order: SimOrder, quote: MarketQuote, at: datetime) -> float:
        """Units that the order may take now; infinity when the feed shows no size."""
        if not self._is_limited:
            return math.inf
        if order.legs:
            return min(self._combos(part, order.quantity, at) for part in leg_orders(order))
        size = quote.ask_size if order.action == "BUY" else quote.bid_size
        if size is None:
            return math.inf
        return max(0.0, size - self._used(order, at))

    def take(self, order: SimOrder, quantity: float, at: datetime) -> None:
        """Remember that the order took `quantity` units."""
        if order.legs:
            for part in leg_orders(order):
                self.take(part, quantity * part.quantity / order.quantity, at)
            return
        self._taken[order.contract.con_id, order.action] = _Taken(
            quantity=self._used(order, at) + quantity, until=self._market.next_change(order.contract, at)
        )

    def _combos(self, part: SimOrder, combos: float, at: datetime) -> float:
        """For how many combos one leg's size is enough."""
        quote = self._market.quote(part.contract, at)
        left = self.available(part, quote, at)
        return left if math.isinf(left) else math.floor(left * combos / part.quantity)

    def _used(self, order: SimOrder, at: datetime) -> float:
        taken = self._taken.get((order.contract.con_id, order.action))
        if taken is None or (taken.until is not None and at >= taken.until):
            return 0.0
        return taken.quantity


def leg_orders(order: SimOrder) -> tuple[SimOrder, ...]:
    """A market order for each leg; the order itself when it is for one contract."""
    if not order.legs:
        return (order,)
    return tuple(
        attrs.evolve(
            order,
            contract=leg.contract,
            legs=(),
            action=leg.action if order.action == "BUY" else _OPPOSITE[leg.action],
            quantity=order.quantity * leg.ratio,
            order_type="MKT",
            limit_price=None,
            stop_price=None,
        )
        for leg in order.legs
    )


def follow(order: SimOrder, quote: MarketQuote) -> float | None:
    """Where the stop of a trailing order is once the market has shown a quote; None: not known yet.

    A sell's stop rises with the price that triggers it, a buy's falls; it never goes back. It stays an amount
    away, or a percentage of the price.
    """
    price, distance = _watched_price(order, quote), order.stop_price
    if price is not None and order.trailing_percent is not None:
        distance = price * order.trailing_percent / _PERCENT
    if price is None or distance is None:
        return order.trail_stop
    reached = price + distance if order.action == "BUY" else price - distance
    if order.trail_stop is None:
        return reached
    return min(order.trail_stop, reached) if order.action == "BUY" else max(order.trail_stop, reached)


def limit_of(order: SimOrder) -> float | None:
    """The limit of a trailing stop limit order that has just been triggered."""
    offset = order.limit_offset
    if order.trail_stop is None or offset is None:
        return order.limit_price
    return order.trail_stop + offset if order.action == "BUY" else order.trail_stop - offset


def combined(legs: Sequence[SimLeg], quotes: Sequence[MarketQuote], at: datetime) -> MarketQuote:
    """The quote of a combo: what it costs, and brings, when each leg trades at its own quote.

    Prices are net, per share of the leg with the largest multiplier, and below zero for a credit; a leg
    without a side leaves the combo without one.
    """
    bid = ask = 0.0
    largest = max(leg.contract.multiplier for leg in legs)
    complete_bid = complete_ask = True
    for leg, quote in zip(legs, quotes, strict=True):
        is_bought = leg.action == "BUY"
        sells, buys = usable_price(quote.bid), usable_price(quote.ask)
        near, far = (sells, buys) if is_bought else (buys, sells)
        share = leg.ratio * leg.contract.multiplier / largest
        sign = share if is_bought else -share
        complete_bid = complete_bid and near is not None
        complete_ask = complete_ask and far is not None
        bid += sign * (near or 0.0)
        ask += sign * (far or 0.0)
    return MarketQuote(
        at=at,
        bid=round(bid, 6) if complete_bid else None,
        ask=round(ask, 6) if complete_ask else None,
    )


class Board:
    """Quotes by order."""

    def __init__(self, market: Market, *, queues: bool = False) -> None:
        self._market = market
        self._foreseen = market if isinstance(market, Foreseen) and not queues else None

    def quote(self, order: SimOrder, at: datetime) -> MarketQuote:
        """What the order can trade against."""
        if not order.legs:
            return self._market.quote(order.contract, at)
        quotes = [self._market.quote(leg.contract, at) for leg in order.legs]
        return combined(order.legs, quotes, at)

    def next_change(self, order: SimOrder, after: datetime, reach: Reach | None = None) -> datetime | None:
        """First instant after `after` at which the quote may differ, or be where the order waits for it; None: never."""
        if self._foreseen is not None and reach is not None:
            return self._foreseen.next_reach(order.contract, after, reach)
        if not order.legs:
            return self._market.next_change(order.contract, after)
        changes = [self._market.next_change(leg.contract, after) for leg in order.legs]
        return min(filter(None, changes), default=None)

    def is_foreseen(self, order: SimOrder, at: datetime, reach: Reach | None) -> bool:
        """Whether the price that it waits for is not there now, and `next_change` tells when it may be."""
        if self._foreseen is None or reach is None:
            return False
        price = getattr(self.quote(order, at), reach.price)
        return price is None or (price < reach.level if reach.rises else price > reach.level)


def _watched_price(order: SimOrder, quote: MarketQuote) -> float | None:
    """The price that triggers a stop order, or that a trailing one follows; None when it is not shown."""
    return usable_price(getattr(quote, WATCHED[order.contract.sec_type, order.action]))
