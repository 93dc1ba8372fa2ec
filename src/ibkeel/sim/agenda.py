"""What is to happen when: a queue in time whose order is exact.

Event loops run timers of equal time in no promised order; here they run in the order in which
they were added. So the same requests at the same instants give the same bytes.
"""

import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count

__all__ = ["Agenda", "Ticket"]


class Ticket:
    """An entry of the agenda; cancel it as often as you like."""

    __slots__ = ("_action", "at")

    def __init__(self, at: datetime, action: Callable[[datetime], None]) -> None:
        self.at = at
        self._action: Callable[[datetime], None] | None = action

    @property
    def is_cancelled(self) -> bool:
        """Whether it will not run: cancelled, or run already."""
        return self._action is None

    def cancel(self) -> None:
        """Make sure that it does not run."""
        self._action = None

    def run(self, now: datetime) -> None:
        """Run the action once."""
        action, self._action = self._action, None
        if action is not None:
            action(now)


class Agenda:
    """Actions ordered by instant, then by the order of adding."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Ticket]] = []
        self._sequence = count()

    def add(self, at: datetime, action: Callable[[datetime], None]) -> Ticket:
        """Plan an action; it gets the instant at which it really runs."""
        ticket = Ticket(at, action)
        heapq.heappush(self._heap, (at, next(self._sequence), ticket))
        return ticket

    def next_at(self) -> datetime | None:
        """When the next action is due; None when nothing is planned."""
        heap = self._heap
        while heap:
            at, _, ticket = heap[0]
            if not ticket.is_cancelled:
                return at
            heapq.heappop(heap)
        return None

    def pop_due(self, now: datetime) -> Ticket | None:
        """Take the first entry with `at <= now`; None when there is none."""
        due = self.next_at()
        return None if due is None or due > now else heapq.heappop(self._heap)[2]

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()
