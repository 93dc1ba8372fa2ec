"""Which orders the venue's lists do not name, and since when."""

from enum import StrEnum
from typing import Final

from ibkeel.model import OrderId

__all__ = ["OrderList", "RollCall"]

_PROOF_SECONDS: Final = 30.0


class OrderList(StrEnum):
    """What the venue can list."""

    OPEN = "open"
    COMPLETED = "completed"
    FILLED = "filled"


class RollCall:
    """Counts lists, and notes at which of them an order was last spoken of."""

    def __init__(self) -> None:
        self._turn = 0
        self._named: dict[OrderId, int] = {}
        self._absent: dict[OrderId, dict[OrderList, tuple[float, float]]] = {}

    def begin(self) -> int:
        """A list is about to be asked for; returns its turn."""
        self._turn += 1
        return self._turn

    def named(self, order_id: OrderId) -> None:
        """We sent the order, or the venue spoke of it."""
        self._named[order_id] = self._turn
        self._absent.pop(order_id, None)

    def is_missing(self, order_id: OrderId, turn: int) -> bool:
        """Whether nothing was said of an order since that list was asked for."""
        return self._named.get(order_id, 0) < turn

    def missed(self, order_id: OrderId, which: OrderList, at: float | None) -> str | None:
        """A complete list does not name an order.

        Args:
            order_id: Which.
            which: The list.
            at: The loop's seconds; None when the session is not good: then nothing is proved.

        Returns:
            Words, when all lists have lacked it for long enough to prove that it is not at the venue.
        """
        if at is None:
            self._absent.pop(order_id, None)
            return None
        spans = self._absent.setdefault(order_id, {})
        spans[which] = (spans.get(which, (at, at))[0], at)
        shortest = min(last - first for first, last in spans.values())
        if len(spans) < len(OrderList) or shortest < _PROOF_SECONDS:
            return None
        return f"not at the venue: no list named it for {shortest:.0f} s"

    def doubt(self) -> None:
        """The link was lost: what lists lacked before proves nothing any more."""
        self._absent.clear()
