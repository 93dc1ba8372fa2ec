"""Stops that follow the market.

A sell's stop rises with the price that triggers it, a buy's falls; it never goes back. It stays an amount
away, or a percentage of the price.

Source:
    TWS API, "Trailing Stop", "Trailing Stop Limit". That the stop follows each quote, and that its first
    level is reckoned from the first price seen when the client names none, is unverified.
"""

from typing import Final

from ibkeel.sim.values import MarketQuote, SimOrder
from ibkeel.sim.venue.matching import watched_price

__all__ = ["TRAILING_TYPES", "follow", "limit_of"]

TRAILING_TYPES: Final = ("TRAIL", "TRAIL LIMIT")
_PERCENT: Final = 100.0


def follow(order: SimOrder, quote: MarketQuote) -> float | None:
    """Where the stop of a trailing order is once the market has shown a quote; None: not known yet."""
    price = watched_price(order, quote)
    if price is None:
        return order.trail_stop
    distance = order.stop_price
    if order.trailing_percent is not None:
        distance = price * order.trailing_percent / _PERCENT
    if distance is None:
        return order.trail_stop
    reached = price + distance if order.action == "BUY" else price - distance
    if order.trail_stop is None:
        return reached
    return min(order.trail_stop, reached) if order.action == "BUY" else max(order.trail_stop, reached)


def limit_of(order: SimOrder) -> float | None:
    """The limit of a trailing stop limit order that has just been triggered."""
    if order.trail_stop is None:
        return order.limit_price
    offset = order.limit_offset
    if offset is None:
        return order.limit_price
    return order.trail_stop + offset if order.action == "BUY" else order.trail_stop - offset
