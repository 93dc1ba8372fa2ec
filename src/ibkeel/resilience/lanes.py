"""Who goes first when not all can: lanes by urgency, in order of arrival within a lane."""

import heapq
import math
from enum import IntEnum
from typing import Final, Generic, Protocol, TypeVar

_FIRST: Final = 0
_OVERDUE: Final = 1
_IN_TURN: Final = 2


class Lane(IntEnum):
    """Urgency, the most urgent first."""

    CLOSING = 0
    """Cancels, and orders that reduce a position."""
    OPENING = 1
    """Orders that open or enlarge a position."""
    PROBE = 2
    """Is the Gateway alive?"""
    QUOTES = 3
    """Quotes, definitions, accounts."""
    HISTORY = 4
    """Bars and whatever else can wait."""


class Queued(Protocol):
    """Something that waits."""

    @property
    def lane(self) -> Lane:
        """Its urgency."""
        ...

    @property
    def number(self) -> int:
        """Its place in the order of arrival over all lanes; no two are alike."""
        ...

    @property
    def asked_at(self) -> float:
        """When it began to wait, in monotonic seconds."""
        ...

    @property
    def is_waiting(self) -> bool:
        """Whether it still waits; what was cancelled does not."""
        ...


class Patience:
    """Keeps an urgent lane from starving the others.

    A lane that got nothing for `seconds`, though somebody waits in it, is overdue: it goes once
    before all lanes but the first. Nothing ever goes before `Lane.CLOSING`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._served_at = [-math.inf] * len(Lane)

    def served(self, lane: Lane, now: float) -> None:
        """A lane got its turn."""
        self._served_at[lane] = now

    def rank(self, item: Queued, now: float) -> tuple[int, int, int]:
        """Sorts items: the lowest goes first."""
        lane = item.lane
        if lane is Lane.CLOSING:
            return _FIRST, 0, item.number
        if now - max(item.asked_at, self._served_at[lane]) >= self._seconds:
            return _OVERDUE, 0, item.number
        return _IN_TURN, lane, item.number


Q = TypeVar("Q", bound=Queued)


class LaneQueue(Generic[Q]):
    """Those who wait for one thing, by lane; within a lane in order of arrival.

    Adding and taking cost the logarithm of the length. What no longer waits is dropped when it
    comes to the front, and all of it when it is more than half.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._lanes: list[list[tuple[int, Q]]] = [[] for _ in Lane]
        self._length = 0
        self._gone = 0

    def __len__(self) -> int:
        return self._length

    def add(self, item: Q) -> None:
        """Put somebody in the queue, at the place that the order of arrival gives."""
        heapq.heappush(self._lanes[item.lane], (item.number, item))
        self._length += 1

    def gone(self) -> None:
        """Somebody in the queue has stopped waiting."""
        self._length -= 1
        self._gone += 1
        if self._gone > self._length:
            self._lanes = [[entry for entry in lane if entry[1].is_waiting] for lane in self._lanes]
            for lane in self._lanes:
                heapq.heapify(lane)
            self._gone = 0

    def first(self, now: float) -> Q | None:
        """Who goes next; None when nobody waits."""
        best: Q | None = None
        best_rank = (_IN_TURN, len(Lane), 0)
        for lane in self._lanes:
            while lane and not lane[0][1].is_waiting:
                heapq.heappop(lane)
                self._gone -= 1
            if lane and (rank := self._patience.rank(lane[0][1], now)) < best_rank:
                best, best_rank = lane[0][1], rank
        return best

    def take(self, item: Q) -> None:
        """Remove whom `first` named."""
        heapq.heappop(self._lanes[item.lane])
        self._length -= 1

    def ahead(self, lane: Lane) -> int:
        """How many would go before a newcomer to a lane, nobody being overdue."""
        return sum(entry[1].is_waiting for entries in self._lanes[: lane + 1] for entry in entries)
