"""What is to happen when: a queue in time whose order is exact.

Event loops run timers of equal time in no promised order; here they run in the order in which
they were added. So the same requests at the same instants give the same bytes.
"""

import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count


class Ticket:
    """An entry of the agenda; cancel it as often as you like."""

    __slots__ = ("action", "at")

    def __init__(self, at: datetime, action: Callable[[datetime], None]) -> None:
        self.at = at
        self.action: Callable[[datetime], None] | None = action  # None: cancelled, or run already

    @property
    def is_cancelled(self) -> bool:
        """Whether it will not run: cancelled, or run already."""
        return self.action is None

    def cancel(self) -> None:
        """Make sure that it does not run."""
        self.action = None

    def run(self, now: datetime) -> None:
        """Run the action once."""
        action, self.action = self.action, None
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
        while heap and heap[0][2].action is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: datetime) -> Ticket | None:
        """Take the first entry with `at <= now`; None when there is none."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            ticket = heapq.heappop(heap)[2]
            if ticket.action is not None:
                return ticket
        return None

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()
