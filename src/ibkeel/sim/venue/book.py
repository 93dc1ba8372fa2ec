"""Every order the venue has seen, found by what names it, its parent, or its group."""

from collections.abc import Iterator

from ibkeel.sim.values import SimOrder
from ibkeel.sim.venue.orders import OrderKey, Stage, WorkingOrder

__all__ = ["Book", "GroupKey", "group_key"]

GroupKey = tuple[str, int, int]
"""A one-cancels-all group: its name, or the client and parent id of a bracket's children."""


def group_key(order: SimOrder) -> GroupKey | None:
    """The group whose members cancel the order when they fill; None for an order on its own."""
    if order.oca_group:
        return order.oca_group, 0, 0
    if order.parent_id:
        return "", order.client_id, order.parent_id
    return None


class Book:
    """Orders of all clients; iteration is in the order in which they were sent."""

    def __init__(self) -> None:
        self._orders: dict[OrderKey, WorkingOrder] = {}
        self._live: dict[OrderKey, WorkingOrder] = {}
        self._children: dict[OrderKey, list[WorkingOrder]] = {}
        self._groups: dict[GroupKey, list[WorkingOrder]] = {}
        self._completed: list[WorkingOrder] = []
        self._highest: dict[int, int] = {}

    def add(self, working: WorkingOrder) -> None:
        """Enter an order whose key is new."""
        order = working.order
        self._orders[working.key] = self._live[working.key] = working
        self._highest[order.client_id] = max(order.order_id, self.highest_id(order.client_id))
        if order.parent_id:
            family = self._children.setdefault((order.client_id, order.parent_id), [])
            family.append(working)
        key = group_key(order)
        if key is not None:
            self._groups.setdefault(key, []).append(working)

    def discard(self, working: WorkingOrder) -> None:
        """Forget an order that has not been transmitted; its id stays used."""
        del self._orders[working.key], self._live[working.key]
        key = group_key(working.order)
        if key is not None:
            self._groups[key].remove(working)
        if working.order.parent_id:
            self._children[working.order.client_id, working.order.parent_id].remove(working)

    def complete(self, working: WorkingOrder) -> None:
        """Move an order that has ended out of the live ones."""
        del self._live[working.key]
        self._completed.append(working)

    def find(self, key: OrderKey) -> WorkingOrder | None:
        """The order of that key, live or ended."""
        return self._orders.get(key)

    def live(self) -> list[WorkingOrder]:
        """Orders that can still fill or be cancelled, drafts included."""
        return list(self._live.values())

    def completed(self) -> list[WorkingOrder]:
        """Orders that have ended, in the order in which they did."""
        return list(self._completed)

    def children(self, working: WorkingOrder) -> list[WorkingOrder]:
        """Orders attached to one, ended ones included."""
        return list(self._children.get(working.key, ()))

    def parent(self, working: WorkingOrder) -> WorkingOrder | None:
        """The order to which one is attached."""
        if not working.order.parent_id:
            return None
        return self.find((working.order.client_id, working.order.parent_id))

    def group(self, working: WorkingOrder) -> list[WorkingOrder]:
        """The members of its group, itself and ended ones included; empty without a group."""
        key = group_key(working.order)
        return [] if key is None else list(self._groups.get(key, ()))

    def family_drafts(self, working: WorkingOrder) -> Iterator[WorkingOrder]:
        """Orders of the whole family not transmitted yet, parents before their children."""
        root, parent = working, self.parent(working)
        while parent is not None:
            root, parent = parent, self.parent(parent)
        pending = [root]
        while pending:
            member = pending.pop(0)
            pending.extend(self.children(member))
            if member.stage is Stage.DRAFT:
                yield member

    def highest_id(self, client_id: int) -> int:
        """Highest order id that the client has used; -1 before the first."""
        return self._highest.get(client_id, -1)

    def active_count(self, order: SimOrder) -> int:
        """Transmitted live orders of the contract, or the legs, and the side of an order."""
        return sum(
            working.order.contract.con_id == order.contract.con_id
            and working.order.legs == order.legs
            and working.order.action == order.action
            and working.stage is not Stage.DRAFT
            for working in self._live.values()
        )
