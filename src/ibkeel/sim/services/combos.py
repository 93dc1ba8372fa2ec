"""What an order is for: one contract, or the legs of a combo.

A combo of two legs or more is filled at what its legs cost together.
"""

from typing import Any, Final

from ibkeel.sim.services.contracts import NO_DEFINITION, resolve
from ibkeel.sim.values import SimContract, SimLeg
from ibkeel.sim.world import Rejection, World

_ACTIONS: Final = ("BUY", "SELL")
_FEWEST: Final = 2


def ordered(world: World, values: dict[str, Any]) -> tuple[SimContract, tuple[SimLeg, ...]]:
    """The contract that an order names, and the legs of it when it is a combo.

    Raises:
        Rejection: It names none, or a combo that cannot be.
    """
    if values["sec_type"] != "BAG":
        return resolve(world, values), ()
    legs = tuple(_leg(world, row) for row in values["order_combo_legs"])
    if len(legs) < _FEWEST:
        raise Rejection(321, "Error validating request.-'bF' : cause - A combo has two legs at least")
    bag = SimContract(
        con_id=0,
        symbol=values["symbol"] or legs[0].contract.symbol,
        sec_type="BAG",
        exchange=values["exchange"] or "SMART",
        currency=values["currency"] or "USD",
    )
    return bag, legs


def _leg(world: World, row: dict[str, Any]) -> SimLeg:
    contract = world.market.by_con_id(row["con_id"] or 0)
    if contract is None:
        raise Rejection(200, NO_DEFINITION)
    action, ratio = str(row["action"]).upper(), row["ratio"] or 0
    if action not in _ACTIONS or ratio < 1:
        raise Rejection(321, "Error validating request.-'bF' : cause - Invalid combo leg")
    return SimLeg(contract=contract, action=action, ratio=ratio)
