"""The account as a value: cash, holdings with their cost, realized profit."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import attrs

from ibkeel.sim.values import SimContract, SimPosition

_NONE: Final[Mapping[int, "Holding"]] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Holding:
    """What is held of one contract.

    Attributes:
        contract: What is held.
        quantity: Signed; 0.0 after a closing trade, and then kept for its realized profit.
        average_cost: Dollars a unit, with the multiplier and the opening commission, as IB counts.
        realized: Dollars won or lost by closing, after commissions.
    """

    contract: SimContract
    quantity: float = 0.0
    average_cost: float = 0.0
    realized: float = 0.0

    def closing_part(self, signed: float) -> float:
        """How many of `signed` units reduce the holding; never negative."""
        if self.quantity * signed >= 0:
            return 0.0
        return min(abs(signed), abs(self.quantity))

    def traded(self, signed: float, value: float, commission: float) -> "Holding":
        """The holding after a trade.

        Args:
            signed: Units bought, or sold when negative; not 0.
            value: Dollars a unit: price times multiplier.
            commission: Dollars for the whole trade, spread evenly over its units.
        """
        closed = self.closing_part(signed)
        opened = abs(signed) - closed
        side = 1.0 if signed > 0 else -1.0
        unit_cost = value + side * commission / abs(signed)
        quantity = self.quantity + signed
        realized = self.realized - side * closed * (unit_cost - self.average_cost)
        return attrs.evolve(
            self,
            quantity=quantity,
            average_cost=_average_cost(self, opened=opened, unit_cost=unit_cost, after=quantity),
            realized=realized,
        )


def _average_cost(before: Holding, *, opened: float, unit_cost: float, after: float) -> float:
    if after == 0:
        return 0.0
    if opened == 0:
        return before.average_cost
    kept = abs(after) - opened
    return (kept * before.average_cost + opened * unit_cost) / abs(after)


class Booking(NamedTuple):
    """The account after a trade, and what the trade realized: None when it only opened."""

    account: "Account"
    realized: float | None


@attrs.frozen(kw_only=True)
class Account:
    """Cash and holdings of one account, in US dollars."""

    name: str
    cash: float
    holdings: Mapping[int, Holding] = _NONE

    @property
    def realized(self) -> float:
        """Dollars realized since the start, after commissions."""
        return sum(holding.realized for holding in self.holdings.values())

    def holding(self, contract: SimContract) -> Holding:
        """What is held of a contract; an empty holding when nothing ever was."""
        return self.holdings.get(contract.con_id, Holding(contract=contract))

    def traded(self, contract: SimContract, signed: float, price: float, commission: float) -> Booking:
        """Book a trade."""
        before = self.holding(contract)
        value = price * contract.multiplier
        after = before.traded(signed, value, commission)
        account = attrs.evolve(
            self,
            cash=self.cash - signed * value - commission,
            holdings=MappingProxyType({**self.holdings, contract.con_id: after}),
        )
        is_closing = before.closing_part(signed) > 0
        return Booking(account, after.realized - before.realized if is_closing else None)

    def positions(self) -> list[SimPosition]:
        """Holdings that are not flat, in the order in which they were first traded."""
        return [self.position(holding) for holding in self.holdings.values() if holding.quantity]

    def position(self, holding: Holding) -> SimPosition:
        """A holding as the wire reports it."""
        return SimPosition(
            account=self.name,
            contract=holding.contract,
            quantity=holding.quantity,
            average_cost=holding.average_cost,
        )
