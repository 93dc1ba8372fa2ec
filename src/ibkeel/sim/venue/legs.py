"""A combo order taken apart into one order a leg."""

import attrs

from ibkeel.sim.values import SimOrder

__all__ = ["leg_orders"]

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
