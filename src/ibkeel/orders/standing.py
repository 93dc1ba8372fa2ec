"""How much of each order can fill as things stand, and which orders fill in each other's place."""

import math
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from ibkeel.model import Contract, OrderId, OrderReport, OrderState, OrderType
from ibkeel.orders.exits import is_same_contract

_AT_WORK: Final = frozenset({OrderState.ACKNOWLEDGED, OrderState.WORKING, OrderState.PARTIALLY_FILLED})
_STOPS: Final = frozenset({OrderType.STP.value, OrderType.STP_LMT.value, "TRAIL", "TRAIL LIMIT"})


def is_stop(order: OrderReport) -> bool:
    """Whether an order waits for a trigger price."""
    return order.order_type in _STOPS


@attrs.frozen
class Standing:
    """An order, and how much of it can fill as things stand.

    Args:
        report: The order.
        left: Contracts that it can fill.
        is_grouped: Whether it is in a one-cancels-all group with a stop of its contract and side.
    """

    report: OrderReport
    left: int
    is_grouped: bool = False

    @property
    def contract(self) -> Contract:
        """Whose it is."""
        return self.report.contract

    @property
    def works(self) -> bool:
        """Whether it is sure to be at work, and can fill."""
        return self.left > 0 and self.report.state in _AT_WORK

    @property
    def is_child(self) -> bool:
        """Whether it closes what a parent opened, and nothing else."""
        return self.report.parent_id is not None

    @property
    def is_profit(self) -> bool:
        """Whether it is the take profit of a family; an exit on its own is none."""
        return (self.is_child or self.is_grouped) and not is_stop(self.report)


def standings(orders: Iterable[OrderReport]) -> list[Standing]:
    """Every order that is not known to have ended, as it stands; parents of children have to be among them."""
    listed = tuple(orders)
    stops = [row for row in listed if row.oca_group and is_stop(row)]
    return [Standing(row, _left(row, listed), any(_is_beside(row, stop) for stop in stops)) for row in listed]


def _left(order: OrderReport, orders: Iterable[OrderReport]) -> int:
    """A child of an entry that has not filled can do nothing; of one in part, its share."""
    left = max(order.quantity - order.filled, 0.0)
    if order.parent_id is not None:
        key = (order.client_id, order.parent_id)
        parent = next((row for row in orders if (row.client_id, row.order_id) == key), None)
        if parent is not None and parent.filled < parent.quantity and not parent.state.is_final:
            left = max(order.quantity * parent.filled / parent.quantity - order.filled, 0.0)
    return 0 if order.state.is_final else math.floor(left)


def _is_beside(order: OrderReport, stop: OrderReport) -> bool:
    is_one_group = order.oca_group == stop.oca_group and order.side is stop.side
    return is_one_group and is_same_contract(order.contract, stop.contract)


def are_family(one: OrderReport, other: OrderReport) -> bool:
    """Whether two fill in each other's place: of one group, or children of one parent."""
    if one.oca_group and one.oca_group == other.oca_group:
        return True
    parents = {(row.client_id, row.parent_id) for row in (one, other)}
    return one.parent_id is not None and len(parents) == 1


def units(stops: Sequence[Standing]) -> list[tuple[int, list[Standing]]]:
    """Stops that can fill beside each other, each group once, the newest first."""
    groups: dict[str, list[Standing]] = {}
    for stop in stops:
        report = stop.report
        alone = f"{report.client_id}/{report.order_id}/{report.perm_id}"
        groups.setdefault(f"group {report.oca_group}" if report.oca_group else alone, []).append(stop)
    found = [(max(stop.left for stop in group), group) for group in groups.values()]
    return sorted(found, key=lambda unit: max(age(stop.report) for stop in unit[1]), reverse=True)


def age(report: OrderReport) -> tuple[OrderId, int]:
    """Two bots that look at the same orders must see the same one as the newest."""
    return report.order_id, report.client_id
