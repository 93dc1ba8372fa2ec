"""Every order the venue has seen, found by what names it, its parent, or its group; how far these let it fill.

Shares of orders are exact fractions, so that two halves make a whole. An order of a group uses
up the share filled / base quantity of it; the group is over when the shares add up to one.

    base 10, filled 4 -> share 2/5 -> an unfilled member of base 5 may still fill 3
"""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

import attrs

from ibkeel.sim.values import MarketQuote, SimOrder
from ibkeel.sim.venue.orders import OrderKey, Stage, WorkingOrder

_WHOLE: Final = Fraction(1)

# Source: TWS API, "One Cancels All": 1 cancels the rest on any fill, 2 and 3 reduce it in
# proportion. What sets 2 apart from 3, one order at the exchange at a time, cannot be seen here:
# the venue matches one order after another anyway.
_CANCELS_ON_ANY_FILL: Final = 1

GroupKey = tuple[str, int, int]
"""A one-cancels-all group: its name, or the client and parent id of a bracket's children."""


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
        key = _group_key(order)
        if key is not None:
            self._groups.setdefault(key, []).append(working)

    def discard(self, working: WorkingOrder) -> None:
        """Forget an order that has not been transmitted; its id stays used."""
        del self._orders[working.key], self._live[working.key]
        key = _group_key(working.order)
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
        key = _group_key(working.order)
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
        """Transmitted live orders of the account, the contract, or the legs, and the side of an order."""
        return sum(
            working.order.contract.con_id == order.contract.con_id
            and working.order.legs == order.legs
            and working.order.action == order.action
            and working.order.account == order.account
            and working.stage is not Stage.DRAFT
            for working in self._live.values()
        )


def workable(book: Book, working: WorkingOrder) -> float:
    """Units that the order may fill now, were there enough on show."""
    group = book.group(working)
    if not group:
        return working.remaining
    room = (_parent_share(book, working) - _share_used(group)) * int(working.base_quantity)
    return min(working.remaining, float(max(0, math.floor(room))))


def reduced_quantity(working: WorkingOrder, members: Iterable[WorkingOrder]) -> float:
    """Quantity of a member after fills of the others: what it has filled, and its share of the rest."""
    room = (_WHOLE - _share_used(members)) * int(working.base_quantity)
    return min(working.order.quantity, working.order.filled + max(0, math.floor(room)))


def base_after_change(book: Book, working: WorkingOrder) -> float:
    """Base quantity of an order whose client now asks for `order.quantity`.

    Asking again for what fills of the group or the end of the parent took away gives nothing
    back, so that a client may change a price and send its old quantity along: unverified.
    """
    parent = book.parent(working)
    is_cut = parent is not None and not parent.is_live and _share_used([parent]) < 1
    return working.base_quantity if is_cut else max(working.base_quantity, working.order.quantity)


def cut_to_parent(child: WorkingOrder, parent: WorkingOrder) -> float:
    """Make a child's base quantity fit a parent that ended part filled; the size that is left of it, perhaps 0.0."""
    size = math.floor(_share_used([parent]) * int(child.base_quantity))
    child.base_quantity = float(max(size, int(child.order.filled), 1))
    return float(size)


def is_group_over(members: Iterable[WorkingOrder], oca_type: int) -> bool:
    """Whether the fills of a group leave nothing for its other members, those that ended included."""
    members = list(members)
    if oca_type == _CANCELS_ON_ANY_FILL:
        return any(member.order.filled for member in members)
    return _share_used(members) >= 1 or any(member.stage is Stage.FILLED for member in members)


class Queue:
    """Fills of resting limits from trades at their price, after those who came first.

    An order joins behind the size that is shown at its price, or in front when it is better than the best.
    Each trade at its price or beyond serves first those ahead. Nobody ahead cancels, and our order changes no
    quote: unverified, and careful.
    """

    def __init__(self) -> None:
        self._places: dict[OrderKey, _Place] = {}

    def reached(self, order: SimOrder, quote: MarketQuote) -> float:
        """Units that have traded behind those ahead since the last look; the first look joins the queue."""
        key, limit = (order.client_id, order.order_id), order.limit_price
        best, size = (quote.bid, quote.bid_size) if order.action == "BUY" else (quote.ask, quote.ask_size)
        if limit is None or best is None or quote.volume is None:
            return 0.0
        place = self._places.get(key)
        if place is None or place.limit != limit:
            place = self._places[key] = _Place(limit=limit, ahead=None, volume=quote.volume)
        traded, place.volume = max(0.0, quote.volume - place.volume), quote.volume
        behind = best - limit if order.action == "BUY" else limit - best
        if behind > 0:  # others want it more
            return 0.0
        if place.ahead is None:
            place.ahead = float(size or 0) if behind == 0 else 0.0
            return 0.0
        if not _serves(order, limit, quote.last):
            return 0.0
        served = min(place.ahead, traded)
        place.ahead -= served
        return traded - served


@attrs.define
class _Place:
    limit: float
    ahead: float | None  # None: the market has not come to this price yet
    volume: float


def _group_key(order: SimOrder) -> GroupKey | None:
    """The group whose members cancel the order when they fill; None for an order on its own."""
    if order.oca_group:
        return order.oca_group, 0, 0
    if order.parent_id:
        return "", order.client_id, order.parent_id
    return None


def _share_used(members: Iterable[WorkingOrder]) -> Fraction:
    """Share of a group that has filled: 0 to 1, above 1 only after a modification."""
    return sum((Fraction(int(m.order.filled), int(m.base_quantity)) for m in members), start=Fraction(0))


def _parent_share(book: Book, working: WorkingOrder) -> Fraction:
    """Share of its own size that an order may fill because of its parent.

    A parent that ended part filled has had its children cut to size, which leaves them whole.
    """
    parent = book.parent(working)
    return _WHOLE if parent is None or not parent.is_live else _share_used([parent])


def _serves(order: SimOrder, limit: float, last: float | None) -> bool:
    """Whether the last trade was at the order's price or beyond it."""
    if last is None:
        return False
    return last <= limit if order.action == "BUY" else last >= limit
