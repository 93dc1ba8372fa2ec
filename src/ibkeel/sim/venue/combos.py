"""What a combo costs at its own limit."""

from ibkeel.sim.values import SimOrder
from ibkeel.sim.venue.matching import LIMIT_TYPES

__all__ = ["limit_cash"]


def limit_cash(order: SimOrder) -> float | None:
    """Dollars that a combo costs at its own limit, below zero when it brings some; None without one.

    A combo is priced per share of its options, whose multiplier is the legs' largest.
    """
    if not order.legs or order.order_type not in LIMIT_TYPES or order.limit_price is None:
        return None
    multiplier = max(leg.contract.multiplier for leg in order.legs)
    sign = 1.0 if order.action == "BUY" else -1.0
    return sign * order.limit_price * multiplier * order.quantity
