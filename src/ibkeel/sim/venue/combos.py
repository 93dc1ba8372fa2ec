"""A combo order taken apart into one order a leg."""

import attrs

from ibkeel.sim.values import SimOrder
from ibkeel.sim.venue.matching import LIMIT_TYPES

__all__ = ["leg_orders", "limit_cash"]

_OPPOSITE = {"BUY": "SELL", "SELL": "BUY"}


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


def limit_cash(order: SimOrder) -> float | None:
    """Dollars that a combo costs at its own limit, below zero when it brings some; None without one.

    A combo is priced per share of its options, whose multiplier is the legs' largest.
    """
    if not order.legs or order.order_type not in LIMIT_TYPES or order.limit_price is None:
        return None
    multiplier = max(leg.contract.multiplier for leg in order.legs)
    sign = 1.0 if order.action == "BUY" else -1.0
    return sign * order.limit_price * multiplier * order.quantity
