"""How far an order may fill, given its parent and the others of its group.

Shares of orders are exact fractions, so that two halves make a whole. An order of a group uses
up the share filled / base quantity of it; the group is over when the shares add up to one.

    base 10, filled 4 -> share 2/5 -> an unfilled member of base 5 may still fill 3
"""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from ibkeel.sim.venue.book import Book
from ibkeel.sim.venue.orders import Stage, WorkingOrder

__all__ = [
    "base_after_change",
    "cut_to_parent",
    "is_group_over",
    "parent_share",
    "reduced_quantity",
    "share_used",
    "workable",
]

_WHOLE: Final = Fraction(1)

# Source: TWS API, "One Cancels All": 1 cancels the rest on any fill, 2 and 3 reduce it in
# proportion. What sets 2 apart from 3, one order at the exchange at a time, cannot be seen here:
# the venue matches one order after another anyway.
_CANCELS_ON_ANY_FILL: Final = 1


def share_used(members: Iterable[WorkingOrder]) -> Fraction:
    """Share of a group that has filled: 0 to 1, above 1 only after a modification."""
    return sum((Fraction(int(m.order.filled), int(m.base_quantity)) for m in members), start=Fraction(0))


def parent_share(book: Book, working: WorkingOrder) -> Fraction:
    """Share of its own size that an order may fill because of its parent.

    A parent that ended part filled has had its children cut to size, which leaves them whole.
    """
    parent = book.parent(working)
    return _WHOLE if parent is None or not parent.is_live else share_used([parent])


def workable(book: Book, working: WorkingOrder) -> float:
    """Units that the order may fill now, were there enough on show."""
    group = book.group(working)
    if not group:
        return working.remaining
    room = (parent_share(book, working) - share_used(group)) * int(working.base_quantity)
    return min(working.remaining, float(max(0, math.floor(room))))


def reduced_quantity(working: WorkingOrder, members: Iterable[WorkingOrder]) -> float:
    """Quantity of a member after fills of the others: what it has filled, and its share of the rest."""
    room = (_WHOLE - share_used(members)) * int(working.base_quantity)
    return min(working.order.quantity, working.order.filled + max(0, math.floor(room)))


def base_after_change(book: Book, working: WorkingOrder) -> float:
    """Base quantity of an order whose client now asks for `order.quantity`.

    Asking again for what fills of the group or the end of the parent took away gives nothing
    back, so that a client may change a price and send its old quantity along: unverified.
    """
    parent = book.parent(working)
    is_cut = parent is not None and not parent.is_live and share_used([parent]) < 1
    return working.base_quantity if is_cut else max(working.base_quantity, working.order.quantity)


def cut_to_parent(child: WorkingOrder, parent: WorkingOrder) -> float:
    """Make a child's base quantity fit a parent that ended part filled.

    Returns:
        Units that are left of the child for the part that filled, done and to do; perhaps 0.0.
    """
    size = math.floor(share_used([parent]) * int(child.base_quantity))
    child.base_quantity = float(max(size, int(child.order.filled), 1))
    return float(size)


def is_group_over(members: Iterable[WorkingOrder], oca_type: int) -> bool:
    """Whether the fills of a group leave nothing for its other members.

    Args:
        members: The group, ended orders included.
        oca_type: Of the member that filled, or asks to join.
    """
    members = list(members)
    if oca_type == _CANCELS_ON_ANY_FILL:
        return any(member.order.filled for member in members)
    return share_used(members) >= 1 or any(member.stage is Stage.FILLED for member in members)
