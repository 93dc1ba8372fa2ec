"""Brings faults about: decides when each strikes, by pure rules, begins and ends it, and keeps the record."""

import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Final

import attrs

from ibkeel.sim.agenda import Ticket
from ibkeel.sim.client import Client
from ibkeel.sim.disorder import PLAIN, Treatment
from ibkeel.sim.effects import EFFECTS, Stage, Undo
from ibkeel.sim.fault import Fault, FaultSeen
from ibkeel.sim.faults import AnsweredWith, LostAcknowledgement, Slow, Unanswered
from ibkeel.sim.market.draws import uniform
from ibkeel.sim.scenario import Scenario
from ibkeel.sim.wire import parse_zone

_logger: Final = logging.getLogger("ibkeel.sim")
_NOTHING: Final = Scenario(name="nothing goes wrong")


class Trigger:
    """Decides which occasions of one fault are strikes; its random draws are named by `key`."""

    def __init__(self, fault: Fault, key: tuple[object, ...]) -> None:
        self._fault, self._key = fault, key
        self._occasions = 0
        self._strikes = 0

    @property
    def is_spent(self) -> bool:
        """Whether no occasion can strike any more."""
        limit = self._fault.limit
        return limit is not None and self._strikes >= limit

    def strikes(self) -> bool:
        """Note an occasion; True when it is a strike."""
        self._occasions += 1
        fault = self._fault
        if self.is_spent or self._occasions <= fault.skip:
            return False
        if fault.chance < 1.0 and uniform(*self._key, self._occasions) >= fault.chance:
            return False
        self._strikes += 1
        return True


@attrs.define(kw_only=True, eq=False)
class _Role:
    """One fault on its way through its strikes."""

    fault: Fault
    trigger: Trigger
    is_armed: bool = False  # requests count as occasions
    entry: int | None = None  # where the record has the strike that lasts
    undo: Undo | None = None
    tickets: list[Ticket] = attrs.field(factory=list)


class Director:
    """Stages the faults of one Gateway: those of a scenario, and what is injected."""

    def __init__(self, stage: Stage, scenario: Scenario | None) -> None:
        self._stage = stage
        self._scenario = scenario or _NOTHING
        self._numbers = count()
        self._roles: list[_Role] = []
        self._opened_at: datetime | None = None
        self._seen: list[FaultSeen] = []

    @property
    def seen(self) -> tuple[FaultSeen, ...]:
        """Every strike so far, in order."""
        return tuple(self._seen)

    def open(self, now: datetime) -> None:
        """The Gateway listens: plan what is to happen. What was due while it did not is left out."""
        if self._opened_at is None:
            self._opened_at = now
            self._roles = [self._role(fault) for fault in self._scenario.faults]
        for role in self._roles:
            self._plan(role, self._opened_at, now)

    def close(self, now: datetime) -> None:
        """The Gateway stops: whatever lasts is over."""
        for role in self._roles:
            self._withdraw(role, now)

    def inject(self, fault: Fault, now: datetime) -> None:
        """Add a fault; its `after` counts from now."""
        role = self._role(fault)
        self._roles.append(role)
        self._plan(role, now, now)

    def heal(self, now: datetime) -> None:
        """End what lasts, as at the end of its time, and forget what is planned."""
        roles, self._roles = self._roles, []
        for role in roles:
            undo = role.undo
            self._withdraw(role, now)
            if undo is not None:
                undo(now)
        self._stage.world.unacknowledged.clear()
        for client in self._stage.connections:
            client.spoiled_by.clear()

    def on_request(self, client: Client, name: str, number: int, now: datetime) -> Treatment:
        """Let faults strike at a request; what becomes of it."""
        treatment = PLAIN
        for role in tuple(self._roles):
            fault = role.fault
            wanted = fault.when_request in {None, name} and fault.concerns(client.client_id)
            if not (role.is_armed and wanted and role.trigger.strikes()):
                continue
            if fault.strikes_requests:
                self._note(fault, now, ended_at=now, detail=f"{name} {number}")
                treatment = _treated(treatment, fault)
            else:
                self._strike(role, now, f"{name} {number}")
        return treatment

    def _role(self, fault: Fault) -> _Role:
        key = (self._scenario.seed, "fault", next(self._numbers))
        return _Role(fault=fault, trigger=Trigger(fault, key))

    def _plan(self, role: _Role, since: datetime, now: datetime) -> None:
        fault = role.fault
        at = first_instant(fault, since, self._zone)
        if fault.strikes_requests or fault.when_request is not None:
            self._plan_window(role, at, now)
            return
        instant: datetime | None = at
        while instant is not None and instant < now:
            instant = next_instant(fault, instant, self._zone)
        if instant is not None and not role.trigger.is_spent:
            self._plan_occasion(role, instant, now)

    def _plan_window(self, role: _Role, opens_at: datetime, now: datetime) -> None:
        fault = role.fault

        def arm(_: datetime) -> None:
            role.is_armed = True

        def disarm(_: datetime) -> None:
            role.is_armed = False

        if fault.strikes_requests and fault.duration is not None:
            closes_at = opens_at + timedelta(seconds=fault.duration)
            if closes_at <= now:
                return
            self._add(role, closes_at, disarm)
        if opens_at <= now:
            role.is_armed = True
        else:
            self._add(role, opens_at, arm)

    def _plan_occasion(self, role: _Role, at: datetime, now: datetime) -> None:
        due: datetime | None = at
        while due is not None and due <= now and not role.trigger.is_spent:  # several, where the clock lags
            if role.trigger.strikes():
                self._strike(role, now, "")
            due = next_instant(role.fault, due, self._zone)
        if due is not None and not role.trigger.is_spent:
            self._add(role, due, partial(self._plan_occasion, role, due))

    def _strike(self, role: _Role, now: datetime, detail: str) -> None:
        if role.fault.wait:
            due = now + timedelta(seconds=role.fault.wait)
            self._add(role, due, lambda then: self._begin(role, then, detail))
        else:
            self._begin(role, now, detail)

    def _begin(self, role: _Role, now: datetime, detail: str) -> None:
        fault, disorder = role.fault, self._stage.world.disorder
        if role.entry is not None:  # it lasts from an earlier strike
            return
        lasts = not fault.is_momentary
        entry = self._note(fault, now, ended_at=None if lasts else now, detail=detail)
        if lasts:
            role.entry = entry
            disorder.begin(fault)
            if fault.duration is not None:
                due = now + timedelta(seconds=fault.duration)
                self._add(role, due, lambda then: self._finish(role, then))
        effect = EFFECTS.get(type(fault))
        role.undo = None if effect is None else effect(self._stage, fault, now)

    def _finish(self, role: _Role, now: datetime) -> None:
        undo = role.undo
        self._end(role, now)
        if undo is not None:
            undo(now)

    def _end(self, role: _Role, now: datetime) -> None:
        if role.entry is not None:
            self._stage.world.disorder.end(role.fault)
            self._seen[role.entry] = attrs.evolve(self._seen[role.entry], ended_at=now)
        role.entry, role.undo = None, None

    def _withdraw(self, role: _Role, now: datetime) -> None:
        for ticket in role.tickets:
            ticket.cancel()
        role.tickets.clear()
        role.is_armed = False
        self._end(role, now)

    def _note(self, fault: Fault, now: datetime, *, ended_at: datetime | None, detail: str) -> int:
        self._stage.world.counters.faults[fault.kind] += 1
        _logger.info("fault struck: %s", f"{fault.kind} {detail}".rstrip())
        self._seen.append(FaultSeen(kind=fault.kind, at=now, ended_at=ended_at, detail=detail))
        return len(self._seen) - 1

    def _add(self, role: _Role, at: datetime, action: Undo) -> None:
        role.tickets = [ticket for ticket in role.tickets if not ticket.is_cancelled]
        role.tickets.append(self._stage.world.agenda.add(at, action))

    @property
    def _zone(self) -> str:
        return self._stage.world.settings.timezone


def _treated(treatment: Treatment, fault: Fault) -> Treatment:
    """A treatment with what one more fault does to the request."""
    match fault:
        case Unanswered():
            return attrs.evolve(treatment, is_unanswered=True)
        case AnsweredWith():
            return attrs.evolve(treatment, error=treatment.error or (fault.code, fault.text))
        case Slow():
            return attrs.evolve(treatment, delay=treatment.delay + fault.delay)
        case _:
            assert isinstance(fault, LostAcknowledgement)
            return attrs.evolve(treatment, is_unacknowledged=True)


def first_instant(fault: Fault, since: datetime, zone: str) -> datetime:
    """When a fault may first strike, or its window opens; its `after` counts from `since`, its `at` is in `zone`."""
    if fault.at is None:
        return since + timedelta(seconds=fault.after or 0.0)
    local = since.astimezone(parse_zone(zone))
    today = datetime.combine(local.date(), fault.at, local.tzinfo).astimezone(UTC)
    return today if today >= since else _next_day(fault, today, zone)


def next_instant(fault: Fault, last: datetime, zone: str) -> datetime | None:
    """The occasion of the clock that follows `last`; None: there is none."""
    if fault.every is not None:
        return last + timedelta(seconds=fault.every)
    return None if fault.at is None else _next_day(fault, last, zone)


def _next_day(fault: Fault, last: datetime, zone: str) -> datetime:
    assert fault.at is not None
    local = last.astimezone(parse_zone(zone))
    return datetime.combine(local.date() + timedelta(days=1), fault.at, local.tzinfo).astimezone(UTC)
