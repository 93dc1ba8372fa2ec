"""A rehearsal as data, from TOML, and who brings its faults about: when each strikes, begins and ends, by pure rules."""

import logging
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

import attrs

from ibkeel.errors import ConfigurationError
from ibkeel.sim.client import Client, Ticket
from ibkeel.sim.disorder import PLAIN, Treatment
from ibkeel.sim.effects import EFFECTS, Stage, Undo
from ibkeel.sim.fault import FaultSeen
from ibkeel.sim.faults import KINDS, AnsweredWith, Fault, LostAcknowledgement, Slow, Unanswered
from ibkeel.sim.market.draws import uniform
from ibkeel.sim.wire import parse_zone

_logger: Final = logging.getLogger("ibkeel.sim")
_KEYS: Final = ("title", "summary", "source", "seed", "faults")


def _whole(_: object, __: object, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is not whole")


@attrs.frozen(kw_only=True)
class Scenario:
    """What goes wrong during the life of a simulated Gateway.

    Examples:
        >>> Scenario.named("nightly-restart").faults[0].kind
        'restart'
    """

    name: str
    title: str = ""
    """One line."""
    summary: str = ""
    """What happens, and what a bot has to do about it."""
    source: str = ""
    """Where the course of events is known from."""
    seed: int = attrs.field(default=0, validator=_whole)
    """Of the faults that strike by chance."""
    faults: tuple[Fault, ...] = ()

    @classmethod
    def parse(cls, text: str, *, name: str = "scenario") -> Self:
        """A scenario from the text of a TOML file.

        Args:
            text: The file's content.
            name: What to call the scenario.

        Raises:
            ConfigurationError: The text is not TOML, or has a key, kind or value that is not valid.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"scenario {name!r} is not TOML: {error}") from error
        return cls._of(data, name)

    @classmethod
    def _of(cls, table: Mapping[str, Any], name: str) -> Self:
        _refuse_unknown(table, _KEYS, f"scenario {name!r}")
        data = dict(table)
        rows = data.pop("faults", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ConfigurationError(f"scenario {name!r}: faults are tables, each under [[faults]]")
        for key in ("title", "summary", "source"):
            if not isinstance(data.get(key, ""), str):
                raise ConfigurationError(f"scenario {name!r}: {key} is {data[key]!r}; it must be a text")
        faults = [_fault(row, f"scenario {name!r}, fault {number}") for number, row in enumerate(rows, 1)]
        try:
            return cls(name=name, faults=tuple(faults), **data)
        except TypeError as error:
            raise ConfigurationError(
                f"scenario {name!r}: seed is {data['seed']!r}; it must be whole"
            ) from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """A scenario from a TOML file; it is called as the file is.

        Raises:
            ConfigurationError: The file cannot be read, or is not a scenario.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read the scenario {path}: {error}") from error
        return cls.parse(text, name=path.stem)

    @classmethod
    def named(cls, name: str) -> Self:
        """A scenario that comes with the package.

        Raises:
            ConfigurationError: There is none of that name.
        """
        if name not in cls.names():
            raise ConfigurationError(f"unknown scenario {name!r}; there are: {', '.join(cls.names())}")
        return cls._of(_shipped()[name], name)

    @staticmethod
    def names() -> tuple[str, ...]:
        """Names of the scenarios that come with the package, in order."""
        return tuple(sorted(_shipped()))


@cache
def _shipped() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((files("ibkeel.sim") / "scenarios.toml").read_text(encoding="utf-8"))


def _refuse_unknown(data: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(data) - set(known))
    if unknown:
        named = isinstance(data[unknown[0]], dict) and "faults" in data[unknown[0]]
        hint = f"; a file holds one scenario, without its name: [[faults]], not [[{unknown[0]}.faults]]"
        raise ConfigurationError(
            f"{where}: unknown key {unknown[0]!r}; valid: {', '.join(known)}{hint if named else ''}"
        )


def _fault(row: Mapping[str, Any], where: str) -> Fault:
    kind = row.get("kind")
    fault = KINDS.get(kind) if isinstance(kind, str) else None
    if fault is None:
        raise ConfigurationError(f"{where}: kind is {kind!r}; valid: {', '.join(KINDS)}")
    keys = tuple(field.name for field in attrs.fields(fault))
    given = {key: value for key, value in row.items() if key != "kind"}
    _refuse_unknown(given, keys, f"{where} ({kind})")
    missing = [
        field.name
        for field in attrs.fields(fault)
        if field.default is attrs.NOTHING and field.name not in given
    ]
    if missing:
        raise ConfigurationError(f"{where} ({kind}): needs the key {missing[0]!r}")
    try:
        return fault(**given)
    except (TypeError, ValueError) as error:
        # attrs puts the sentence first, then the field and the value.
        raise ConfigurationError(f"{where} ({kind}): {error.args[0]}") from error


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
            self._withdraw(role)
            self._end(role, now)

    def inject(self, fault: Fault, now: datetime) -> None:
        """Add a fault; its `after` counts from now."""
        role = self._role(fault)
        self._roles.append(role)
        self._plan(role, now, now)

    def heal(self, now: datetime) -> None:
        """End what lasts, as at the end of its time, and forget what is planned."""
        roles, self._roles = self._roles, []
        for role in roles:
            self._withdraw(role)
            self._finish(role, now)
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

    def _withdraw(self, role: _Role) -> None:
        for ticket in role.tickets:
            ticket.cancel()
        role.tickets.clear()
        role.is_armed = False

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
