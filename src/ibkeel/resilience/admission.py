"""Who may send now, and who waits for what: lanes and windows together.

A request touches several windows. It is let through when all of them have room, and is then counted in all of
them at once. Else it waits in the queue of one window at a time, the narrowest that is full; when that has room it
goes on to the next, and leaves a claim behind so that no more follow it than the window has room for. So each
wake-up costs what it lets through, however many wait.
"""

import heapq
import math
from collections.abc import Hashable, Iterable
from itertools import count
from typing import Final

import attrs
from typing_extensions import override

from ibkeel.errors import InvalidInput
from ibkeel.resilience.pacing import Lane, LaneQueue, Patience, Request, Rule, Tier, Window

_TOLERANCE: Final = 2e-5
"""Seconds that a wake-up for data may be late for each who waits: at 50 messages a second, a
thousandth of the time that they take in any case."""
_MOST_PATHS: Final = 256


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


class Admission:
    """Decides who may send, now and later. It knows no clock: each call is told the time.

    Args:
        rules: The limits, from the narrowest to the broadest: a request that waits for one keeps
            its turn in those before it.
        margin: Seconds added to every window, for the time between a grant and the receiver's
            clock.
        patience: Seconds after which a lane that was passed over goes once before the others;
            see `Patience`.

    Raises:
        InvalidInput: Two rules have the same name, or `margin` or `patience` is out of range.
    """

    def __init__(self, rules: Iterable[Rule], *, margin: float = 0.0, patience: float = 5.0) -> None:
        self.rules = tuple(rules)
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise InvalidInput(f"two rules have the same name; names: {', '.join(names)}")
        if not (0 <= margin < math.inf and patience > 0):
            raise InvalidInput(f"margin is {margin!r} s, patience {patience!r} s; valid: from 0, above 0")
        self._tiers = tuple((rule, rule.tiers()) for rule in self.rules)
        self._margin = margin
        self._patience = Patience(patience)
        self._gates: dict[tuple[str, int, Hashable], Gate] = {}
        self._most_gates = 64
        self._paths: dict[Request, tuple[tuple[Gate, int], ...]] = {}
        self._wakes: list[tuple[float, int, Gate]] = []
        self._numbers = count()
        self.waiting = [0] * len(Lane)

    def next_at(self) -> float | None:
        """When `advance` may let somebody through; None when no time will do that."""
        wakes = self._wakes
        while wakes and wakes[0][0] != wakes[0][2].wake_at:
            heapq.heappop(wakes)
        return wakes[0][0] if wakes else None

    def ask(self, request: Request, now: float) -> Ticket:
        """Ask to send: granted at once, or waiting; nobody who could go by now is overtaken.

        Raises:
            InvalidInput: The request weighs more than a limit, so it could never be sent.
        """
        self._forget_idle(now)
        ticket = Ticket(request=request, number=next(self._numbers), asked_at=now, path=self._path(request))
        if not self._climb(ticket, now):
            self.waiting[ticket.lane] += 1
            self._schedule(ticket.gate, now)
        return ticket

    def advance(self, now: float) -> list[Ticket]:
        """Let through whoever may go by now, in the order in which they go."""
        granted: list[Ticket] = []
        while (at := self.next_at()) is not None and at <= now:
            gate = heapq.heappop(self._wakes)[2]
            gate.wake_at = math.inf
            self._serve(gate, now, granted)
        for ticket in granted:
            self.waiting[ticket.lane] -= 1
        return granted

    def withdraw(self, ticket: Ticket, now: float) -> bool:
        """Stop waiting; False when the ticket was granted or withdrawn before."""
        if not ticket.is_waiting:
            return False
        self.waiting[ticket.lane] -= 1
        ticket.unpark()
        ticket.gate.queue.gone()
        self._reschedule(ticket, now)
        return True

    def release(self, ticket: Ticket, now: float) -> None:
        """What was granted has ended; a second time does nothing."""
        if not ticket.is_open:
            return
        ticket.is_open = False
        for gate, weight in ticket.path:
            gate.window.give_back(weight)
        self._reschedule(ticket, now)

    def explain(self, request: Request, now: float) -> tuple[Wait, ...]:
        """Every limit that would hold such a request back now; empty when it could go.

        Raises:
            InvalidInput: The request weighs more than a limit, so it could never be sent.
        """
        self._forget_idle(now)
        waits = []
        for gate, weight in self._path(request):
            ahead = gate.queue.ahead(request.lane)
            if ahead or gate.room(request.lane, now) < weight:
                limit, seconds = gate.tier.text(), gate.window.expected_at(weight + ahead, now) - now
                used = gate.window.used
                waits.append(Wait(limit=limit, key=gate.key, used=used, seconds=seconds, ahead=ahead))
        return tuple(waits)

    def usage(self, now: float) -> list[Usage]:
        """What counts now, to be put back after a restart; what is merely open is not in it."""
        return [
            Usage(rule=name, limit=limit, key=key, age=age, weight=weight)
            for (name, limit, key), gate in self._gates.items()
            for age, weight in gate.window.ages(now)
        ]

    def used(self, now: float) -> dict[str, int]:
        """Weight that counts now, by name of the rule, in the fullest of its windows."""
        fullest: dict[str, int] = {}
        for (name, _, _), gate in self._gates.items():
            gate.window.free(now)
            fullest[name] = max(fullest.get(name, 0), gate.window.used)
        return fullest

    def put_back(self, usage: Iterable[Usage], now: float) -> None:
        """Count what was sent before a restart; to be called before anything is asked.

        Entries of rules and limits that are gone are left out.
        """
        known = {(rule.name, tier.limit): tier for rule, tiers in self._tiers for tier in tiers}
        for entry in sorted(usage, key=lambda entry: -entry.age):
            tier = known.get((entry.rule, entry.limit))
            if tier is not None:
                self._gate(tier, entry.key).window.put_back(entry.age, entry.weight, now)

    def fill(self, rule: str, now: float) -> None:
        """Count a rule's limit as used up now, save the slots for closing orders.

        For when the receiver says that it counted more than we did.

        Args:
            rule: Its name; one that is not there is left alone.
            now: Monotonic seconds.
        """
        for tier in (tier for mine, tiers in self._tiers if mine.name == rule for tier in tiers):
            if tier.most_urgent is not Lane.CLOSING or not tier.rule.closing_reserve:
                self._gate(tier, "").window.fill(now)

    def _climb(self, ticket: Ticket, now: float) -> bool:
        """Pass every gate, or wait at the first that does not let the ticket in."""
        for place, (gate, weight) in enumerate(ticket.path):
            if not self._lets_in(gate, ticket, weight, now):
                ticket.park(place)
                return False
        ticket.pass_all(now)
        self._patience.served(ticket.lane, now)
        return True

    def _lets_in(self, gate: Gate, ticket: Ticket, weight: int, now: float) -> bool:
        if gate.room(ticket.lane, now) < weight:
            return False
        if not gate.queue:
            return True
        first = gate.queue.first(now)
        return first is None or self._patience.rank(ticket, now) < self._patience.rank(first, now)

    def _serve(self, gate: Gate, now: float, granted: list[Ticket]) -> None:
        """Let those at one gate go on, in their order, as long as it has room."""
        while (first := gate.queue.first(now)) is not None:
            if gate.room(first.lane, now) < first.weight:
                break
            gate.queue.take(first)
            first.unpark()
            if self._climb(first, now):
                granted.append(first)
            self._reschedule(first, now)
        self._schedule(gate, now)

    def _reschedule(self, ticket: Ticket, now: float) -> None:
        for gate, _ in ticket.path:
            if gate.queue:
                self._schedule(gate, now)

    def _schedule(self, gate: Gate, now: float) -> None:
        at = gate.due_at(now, tolerance=_TOLERANCE * sum(self.waiting[Lane.QUOTES :]))
        if at != gate.wake_at:
            gate.wake_at = at
            if at < math.inf:
                heapq.heappush(self._wakes, (at, next(self._numbers), gate))

    def _path(self, request: Request) -> tuple[tuple[Gate, int], ...]:
        path = self._paths.get(request)
        if path is None:
            path = self._found_path(request)
            if len(self._paths) >= _MOST_PATHS:
                self._paths.clear()
            self._paths[request] = path
        return path

    def _found_path(self, request: Request) -> tuple[tuple[Gate, int], ...]:
        path = []
        for rule, tiers in self._tiers:
            key = rule.key(request)
            if key is None:
                continue
            weight = rule.weight(request)
            for tier in tiers:
                if request.lane >= tier.most_urgent:
                    if not 1 <= weight <= tier.limit:
                        raise InvalidInput(
                            f"{request} weighs {weight}; valid: 1 up to the limit of {tier.text()}"
                        )
                    path.append((self._gate(tier, key), weight))
        return tuple(path)

    def _gate(self, tier: Tier, key: Hashable) -> Gate:
        place = tier.rule.name, tier.limit, key
        gate = self._gates.get(place)
        if gate is None:
            gate = self._gates[place] = Gate(tier, key, margin=self._margin, patience=self._patience)
        return gate

    def _forget_idle(self, now: float) -> None:
        """Drop windows in which nothing counts, each time that their number has doubled."""
        if len(self._gates) >= self._most_gates:
            self._gates = {place: gate for place, gate in self._gates.items() if not gate.is_idle(now)}
            self._most_gates = max(64, 2 * len(self._gates))
            self._paths.clear()
