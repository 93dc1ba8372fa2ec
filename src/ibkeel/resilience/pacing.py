"""What may be sent when, and who goes first: limits as data, logs that prove them kept, lanes by urgency.

A `Rule` says how many requests of a kind may fall into any window of so many seconds, or may be
open at the same time. A request is counted by every rule that it touches, in each by its own key:
"5 in 2 s for the same contract" is one rule and as many windows as there are contracts.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import Final, Generic, Protocol, TypeVar

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.validators import count, optional_seconds, valid

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


@attrs.frozen(kw_only=True, cache_hash=True)  # it is looked up with each message
class Request:
    """What a rule may look at.

    Args:
        kind: What is asked for, such as `history`.
        lane: How urgent it is.
        subject: What it is about, such as a contract's name.
        feed: Which of the subject's data, such as `BID_ASK`.
        identity: Requests are identical when these texts are; empty when nothing compares them.
        is_bulky: Whether the answer is one that the server slows down itself, such as long bars.
    """

    kind: str
    lane: Lane = attrs.field(
        default=Lane.QUOTES, validator=valid("a Lane", lambda value: value.__class__ is Lane)
    )
    subject: str = ""
    feed: str = ""
    identity: str = ""
    is_bulky: bool = False


def everything(_: Request) -> str:
    """The key of a rule that counts all requests together."""
    return ""


def one(_: Request) -> int:
    """The weight of a request that counts once."""
    return 1


_function: Final = valid("a function of the request", callable)


def _not_all(instance: "Rule", attribute: "attrs.Attribute[int]", value: int) -> None:
    if not 0 <= value < instance.limit:
        raise InvalidInput(
            f"rule {instance.name!r}: {attribute.name} is {value!r} of {instance.limit}; "
            "valid: from 0, and at least one slot for everybody"
        )


@attrs.frozen(kw_only=True)
class Rule:
    """A limit.

    Args:
        name: For people.
        limit: Requests, by weight, in any window or open at the same time.
        seconds: Length of the sliding window; None when requests count as long as they are open.
        source: Where the limit is written down.
        key: The window in which a request is counted; None when the rule does not touch it. It
            depends on the request alone, as does `weight`.
        weight: How often a request counts, from 1.
        order_reserve: Slots of the limit that only orders and cancels may take.
        closing_reserve: Slots of those that only cancels and closing orders may take.

    Raises:
        InvalidInput: A figure is out of range.
    """

    name: str
    limit: int = attrs.field(validator=count)
    seconds: float | None = attrs.field(validator=optional_seconds)
    source: str
    key: Callable[[Request], Hashable | None] = attrs.field(default=everything, validator=_function)
    weight: Callable[[Request], int] = attrs.field(default=one, validator=_function)
    order_reserve: int = attrs.field(default=0, validator=_not_all)
    closing_reserve: int = attrs.field(default=0, validator=_not_all)

    def __attrs_post_init__(self) -> None:
        """Refuse reserves that contradict each other."""
        if self.closing_reserve > self.order_reserve:
            raise InvalidInput(
                f"rule {self.name!r} keeps {self.closing_reserve} slots for closing, "
                f"of {self.order_reserve} for orders; valid: at most those"
            )

    def tiers(self) -> "tuple[Tier, ...]":
        """The limits that the rule amounts to, the narrowest first.

        A reserve is a further limit for those it is not for: of 50 slots with 5 in reserve, data
        may fill 45, whatever orders do.
        """
        tiers = [Tier(rule=self, limit=self.limit, most_urgent=Lane.CLOSING)]
        if self.closing_reserve:
            tiers.append(Tier(rule=self, limit=self.limit - self.closing_reserve, most_urgent=Lane.OPENING))
        if self.order_reserve > self.closing_reserve:
            tiers.append(Tier(rule=self, limit=self.limit - self.order_reserve, most_urgent=Lane.PROBE))
        return tuple(reversed(tiers))


@attrs.frozen(kw_only=True)
class Tier:
    """One limit of a rule, for the lanes from one on."""

    rule: Rule
    limit: int
    most_urgent: Lane

    @property
    def seconds(self) -> float | None:
        """Length of the window; None when requests count as long as they are open."""
        return self.rule.seconds

    def text(self) -> str:
        """The limit in words."""
        span = "open" if self.seconds is None else f"in {self.seconds:g} s"
        return f"{self.rule.name} ({self.limit} {span})"


class Window:
    """A sliding log: what was sent, and until when it counts.

    Args:
        limit: Weight that may be in it.
        seconds: How long each entry counts; None: until it is given back.
    """

    def __init__(self, limit: int, seconds: float | None) -> None:
        self.limit, self._seconds = limit, seconds
        self.used = 0
        self._entries: deque[tuple[float, int]] = deque()

    def free(self, now: float) -> int:
        """Weight that may be sent now."""
        entries = self._entries
        while entries and entries[0][0] <= now:
            self.used -= entries.popleft()[1]
        return self.limit - self.used

    def ready_at(self, weight: int, now: float) -> float:
        """The earliest time for such a weight, nothing else being sent; infinite when nobody knows."""
        lacking = weight - self.free(now)
        if lacking <= 0:
            return now
        for expiry, freed in self._entries:
            lacking -= freed
            if lacking <= 0:
                return expiry
        return math.inf

    def expected_at(self, weight: int, now: float) -> float:
        """About when such a weight, more than the limit allowed, will have gone; infinite when nobody knows."""
        lacking = weight - self.free(now)
        if lacking <= 0:
            return now
        if self._seconds is None or not self._entries:
            return math.inf
        rounds, rest = divmod(lacking - 1, self.limit)
        return self.ready_at(min(rest + 1, self.used) + self.limit - self.used, now) + rounds * self._seconds

    def last_expiry(self, by: float) -> float:
        """The last time up to `by` at which an entry ends; minus infinity when there is none."""
        last = -math.inf
        for expiry, _ in self._entries:
            if expiry > by:
                break
            last = expiry
        return last

    def take(self, weight: int, now: float) -> None:
        """Count something that is sent now."""
        self.used += weight
        if self._seconds is not None:
            self._entries.append((_end(now, self._seconds), weight))

    def fill(self, now: float) -> None:
        """Count the limit as used up now: nothing more may be sent for a whole window."""
        if self._seconds is not None:
            self.free(now)
            self.used = max(self.used, self.limit)
            self._entries.clear()
            self._entries.append((_end(now, self._seconds), self.used))

    def give_back(self, weight: int) -> None:
        """Something that was open has ended."""
        if self._seconds is None:
            self.used -= weight

    def ages(self, now: float) -> list[tuple[float, int]]:
        """Seconds since each entry that still counts, and its weight; oldest first."""
        if self._seconds is None:
            return []
        self.free(now)
        return [(now - (expiry - self._seconds), weight) for expiry, weight in self._entries]

    def put_back(self, age: float, weight: int, now: float) -> None:
        """Count something that was sent `age` seconds ago; to be called oldest first."""
        if self._seconds is not None and age < self._seconds:
            self.used += weight
            self._entries.append((_end(now - age, self._seconds), weight))


def _end(start: float, seconds: float) -> float:
    """Such that whoever subtracts finds at least so many seconds; a rounded sum may fall short."""
    end = start + seconds
    return end if end - start >= seconds else math.nextafter(end, math.inf)
