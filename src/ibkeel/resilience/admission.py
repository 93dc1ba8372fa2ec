"""Who may send now, and who waits for what: lanes and windows together.

A request touches several windows. It is let through when all of them have room, and is then counted
in all of them at once. Else it waits in the queue of one window at a time, the narrowest that is
full; when that has room it goes on to the next, and leaves a claim behind so that no more follow it
than the window has room for. So each wake-up costs what it lets through, however many wait.
"""

import heapq
import math
from collections.abc import Hashable, Iterable
from itertools import count
from typing import Final

from ibkeel.errors import InvalidInput
from ibkeel.resilience.gates import Gate, Ticket, Usage, Wait
from ibkeel.resilience.lanes import Lane, Patience
from ibkeel.resilience.pacing import Request, Rule, Tier

_TOLERANCE: Final = 2e-5
"""Seconds that a wake-up for data may be late for each who waits: at 50 messages a second, a
thousandth of the time that they take in any case."""
_MOST_PATHS: Final = 256


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
                seconds = gate.window.expected_at(weight + ahead, now) - now
                used = gate.window.used
                waits.append(
                    Wait(limit=gate.tier.text(), key=gate.key, used=used, seconds=seconds, ahead=ahead)
                )
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
