"""Windows with those who wait for them."""

import math
from collections.abc import Hashable

import attrs
from typing_extensions import override

from ibkeel.resilience.lanes import Lane, LaneQueue, Patience
from ibkeel.resilience.pacing import Request, Tier, Window


class Gate:
    """A window of a limit, some seconds longer than that says, and those who wait for it."""

    def __init__(self, tier: Tier, key: Hashable, *, margin: float, patience: Patience) -> None:
        seconds = None if tier.seconds is None else tier.seconds + margin
        self.tier, self.key = tier, key
        self.window = Window(tier.limit, seconds)
        self.queue: LaneQueue[Ticket] = LaneQueue(patience)
        self.wake_at = math.inf
        self.holders = 0
        self._claims = [0] * len(Lane)

    def room(self, lane: Lane, now: float) -> int:
        """Weight for a lane, the claims of equals and of more urgent ones set aside."""
        return self.window.free(now) - sum(self._claims[: lane + 1])

    def claim(self, lane: Lane, weight: int) -> None:
        """Somebody who waits at a later gate keeps a place here; a negative weight gives it back."""
        self._claims[lane] += weight

    def is_idle(self, now: float) -> bool:
        """Whether nothing would be lost with it."""
        return not self.holders and self.window.free(now) == self.window.limit

    def due_at(self, now: float, *, tolerance: float) -> float:
        """When the first in the queue may go on; infinite when no time alone will do that.

        Args:
            now: Monotonic seconds.
            tolerance: How much later it may be, should more entries end in that time, so that one
                wake-up serves them all. From then on they end together, so the delay is paid once.
        """
        first = self.queue.first(now)
        if first is None:
            return math.inf
        at = self.window.ready_at(first.weight, now)
        if at <= now and self.room(first.lane, now) < first.weight:
            return math.inf  # whoever holds the claim wakes the gate when it is gone
        if tolerance and now < at < math.inf and first.lane > Lane.PROBE:
            return self.window.last_expiry(at + tolerance)
        return at


@attrs.define(kw_only=True, eq=False)
class Ticket:
    """A request's place, from asking to its end.

    Args:
        request: What is to be sent.
        number: Place in the order of arrival.
        asked_at: When it was asked for, in monotonic seconds.
        path: The gates that it must pass, each with the weight it has there.
        granted_at: When its turn came, in monotonic seconds; None before.
        stands_at: Place in the path of the gate at which it waits, from 0.
    """

    request: Request
    number: int
    asked_at: float
    path: tuple[tuple[Gate, int], ...] = ()
    granted_at: float | None = None
    is_waiting: bool = False
    is_open: bool = False
    stands_at: int = 0

    @property
    def lane(self) -> Lane:
        """The request's."""
        return self.request.lane

    @property
    def gate(self) -> Gate:
        """Where it waits."""
        return self.path[self.stands_at][0]

    @property
    def weight(self) -> int:
        """How often it counts where it waits."""
        return self.path[self.stands_at][1]

    @property
    def waits_for(self) -> str:
        """The limit that holds it back now; empty when none does."""
        return self.gate.tier.text() if self.is_waiting else ""

    def park(self, place: int) -> None:
        """Wait at the gate of one `place` in the path, from 0, with a claim on those before it."""
        self.stands_at, self.is_waiting = place, True
        for gate, weight in self.path[:place]:
            gate.claim(self.lane, weight)
        for gate, _ in self.path:
            gate.holders += 1
        self.gate.queue.add(self)

    def unpark(self) -> None:
        """Give up the claims; the queue is the caller's to tell."""
        self.is_waiting = False
        for gate, weight in self.path[: self.stands_at]:
            gate.claim(self.lane, -weight)
        for gate, _ in self.path:
            gate.holders -= 1

    def pass_all(self, now: float) -> None:
        """Be counted in every window of the path."""
        self.granted_at, self.is_open = now, True
        for gate, weight in self.path:
            gate.window.take(weight, now)


@attrs.frozen(kw_only=True)
class Wait:
    """One limit that holds a request back.

    Args:
        limit: In words.
        key: Which of the rule's windows.
        used: Weight that counts now.
        seconds: About how long it waits; infinite: until something open ends.
        ahead: Others who wait for the same and go first.
    """

    limit: str
    key: Hashable
    used: int
    seconds: float
    ahead: int

    @override
    def __str__(self) -> str:
        parts = self.key if isinstance(self.key, tuple) else (self.key,)
        named = " ".join(" ".join(map(str, parts)).replace("\0", " ").split())  # some are fields of a message
        which = named and f" for {named}"
        until = "until one ends" if math.isinf(self.seconds) else f"about {self.seconds:.3f} s"
        return f"{self.limit}{which}: {self.used} used, waits {until}, {self.ahead} ahead"


@attrs.frozen(kw_only=True)
class Usage:
    """An entry of a window, for another day.

    Args:
        rule: Name of the rule.
        limit: Which of the rule's limits.
        key: Which of its windows.
        age: Seconds since it was sent.
        weight: How often it counts.
    """

    rule: str
    limit: int
    key: Hashable
    age: float
    weight: int
