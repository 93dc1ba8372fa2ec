"""Troubles on the board, and whether a person was told of them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from ibkeel.model import Grade, HealthCheck
from ibkeel.telemetry import (
    AlarmRaised,
    AlertDelivered,
    AlertQueued,
    AlertUndelivered,
    ConnectionLost,
    CycleOverran,
    Event,
    FarmChanged,
    HaltChanged,
    LossGuardRead,
    PacingHeld,
    PositionsSeen,
    ServiceChanged,
    SessionChanged,
)

_KEPT: Final = 200
_REMEDY: Final = "check the addresses in [alerts] and the network; look at the dashboard meanwhile"
_WELL: Final = frozenset({"ready", "stopped", "idle"})


@attrs.frozen(kw_only=True)
class AlertRow:
    """One alert, and where it went.

    Args:
        number: Counts the alerts of the process.
        at: When it arose.
        severity: `info`, `warning` or `critical`.
        key: What it is about.
        title: One line.
        text: What happened, what was done, what to do.
        kept_back: Why it was not sent; empty when it was.
        delivered: Channels that took it.
        failed: Channels that gave it up.
        retrying: Channels that refused it so far, with the cause.
    """

    number: int
    at: datetime
    severity: str
    key: str
    title: str
    text: str = ""
    kept_back: str = ""
    delivered: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    retrying: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class AlertsPanel:
    """The last alerts.

    Args:
        rows: By number, oldest first.
        undelivered: How many deliveries were given up.
        heartbeat_failing: Why the heartbeat does not reach its address; empty when it does, or there is none.
        failed_at: When a delivery last failed; None when none ever did.
    """

    rows: Mapping[int, AlertRow] = attrs.field(factory=dict)
    undelivered: int = 0
    heartbeat_failing: str = ""
    failed_at: datetime | None = None

    @property
    def waiting(self) -> int:
        """Alerts that were refused by a channel and are tried again."""
        return sum(bool(row.retrying) for row in self.rows.values())

    @property
    def check(self) -> HealthCheck | None:
        """What is wrong with the alerts themselves, as a tier of health; None while nothing is."""
        facts = [
            f"{self.waiting} alerts are tried again" if self.waiting else "",
            f"{self.undelivered} deliveries were given up" if self.undelivered else "",
            f"the heartbeat fails: {self.heartbeat_failing}" if self.heartbeat_failing else "",
        ]
        evidence = "; ".join(filter(None, facts))
        if not evidence or self.failed_at is None:
            return None
        return HealthCheck(
            name="alerts", grade=Grade.DEGRADED, evidence=evidence, at=self.failed_at, remedy=_REMEDY
        )

    def after(self, event: Event) -> "AlertsPanel":
        """The panel after one more event."""
        match event:
            case AlertQueued():
                rows = {**self.rows, event.number: AlertRow(**attrs.asdict(event))}
                if len(rows) > _KEPT:
                    del rows[next(iter(rows))]
                return attrs.evolve(self, rows=rows)
            case AlertDelivered(number=0):
                return attrs.evolve(self, heartbeat_failing="")
            case AlertUndelivered(number=0):
                return attrs.evolve(self, heartbeat_failing=event.cause, failed_at=event.at)
            case AlertDelivered():
                return self._sent(event)
            case AlertUndelivered():
                return attrs.evolve(self._sent(event), failed_at=event.at)
            case _:
                return self

    def _sent(self, event: AlertDelivered | AlertUndelivered) -> "AlertsPanel":
        gave_up = isinstance(event, AlertUndelivered) and event.is_final
        undelivered = self.undelivered + gave_up
        row = self.rows.get(event.number)
        if row is None:
            return attrs.evolve(self, undelivered=undelivered)
        retrying = tuple(name for name in row.retrying if name != event.channel)
        if isinstance(event, AlertDelivered):
            row = attrs.evolve(row, delivered=(*row.delivered, event.channel), retrying=retrying)
        elif gave_up:
            row = attrs.evolve(row, failed=(*row.failed, event.channel), retrying=retrying)
        else:
            row = attrs.evolve(row, retrying=(*retrying, event.channel))
        rows = {**self.rows, event.number: row}
        return attrs.evolve(self, rows=rows, undelivered=undelivered)


@attrs.frozen(kw_only=True)
class Incident:
    """One trouble.

    Args:
        kind: `session`, `service`, `farm`, `position`, `alarm`, `pacing`, `cycle`, `loss` or `halt`.
        name: What it is about.
        text: What happened, in words.
        at: When it began.
        ended_at: When it was over; None while it lasts, or for what has no end.
        is_open: Whether it lasts.
    """

    kind: str
    name: str
    text: str
    at: datetime
    ended_at: datetime | None = None
    is_open: bool = False


@attrs.frozen(kw_only=True)
class IncidentsPanel:
    """The last troubles, oldest first; beyond 200 the oldest that does not last is dropped."""

    rows: tuple[Incident, ...] = ()

    @property
    def open(self) -> tuple[Incident, ...]:
        """Those that last."""
        return tuple(row for row in self.rows if row.is_open)

    def after(self, event: Event) -> "IncidentsPanel":
        """The panel after one more event."""
        panel, steps = self, _STEPS.get(type(event))
        for step in steps(event) if steps else ():
            match step:
                case Incident(is_open=True):
                    panel = panel._begin(step)
                case Incident():
                    panel = IncidentsPanel(rows=_added(panel.rows, step))
                case _ if panel.open:
                    panel = IncidentsPanel(rows=tuple(map(step.applied_to, panel.rows)))
        return panel

    def _begin(self, incident: Incident) -> "IncidentsPanel":
        """One that lasts; it begins once."""
        if any(row.is_open and (row.kind, row.name) == (incident.kind, incident.name) for row in self.rows):
            return self
        return IncidentsPanel(rows=_added(self.rows, incident))


def _added(rows: tuple[Incident, ...], incident: Incident) -> tuple[Incident, ...]:
    if len(rows) < _KEPT:
        return (*rows, incident)
    left_out = next((place for place, row in enumerate(rows) if not row.is_open), 0)
    return (*rows[:left_out], *rows[left_out + 1 :], incident)


@attrs.frozen
class _End:
    """What lasted is over; an empty name ends all of the kind, but for some."""

    kind: str
    name: str
    at: datetime
    but: frozenset[str] = frozenset()

    def applied_to(self, row: Incident) -> Incident:
        if row.is_open and row.kind == self.kind and self.name in {"", row.name} and row.name not in self.but:
            return attrs.evolve(row, ended_at=self.at, is_open=False)
        return row


_Step = Incident | _End


def _lasting(kind: str, name: str, text: str, at: datetime) -> Incident:
    return Incident(kind=kind, name=name, text=text, at=at, is_open=True)


def _passing(kind: str, name: str, text: str, at: datetime) -> Incident:
    return Incident(kind=kind, name=name, text=text, at=at)


def _of_session(event: SessionChanged) -> tuple[_Step, ...]:
    if event.after in _WELL:
        return (_End("session", "session", event.at),)
    # A broken farm is one trouble, a session that is away another.
    if event.after == "degraded" or event.before in {"ready", "degraded"}:
        words = f"{event.after}: {event.cause}" if event.cause else event.after
        return _End("session", "session", event.at), _lasting("session", "session", words, event.at)
    return ()


def _of_loss_of_link(event: ConnectionLost) -> tuple[_Step, ...]:
    # The next session hears of broken farms anew.
    return _End("farm", "", event.at), _passing("session", "connection", event.cause, event.at)


def _of_service(event: ServiceChanged) -> tuple[_Step, ...]:
    if event.after == "closed":
        return (_End("service", event.service, event.at),)
    return (_lasting("service", event.service, event.cause, event.at),) if event.before == "closed" else ()


def _of_positions(event: PositionsSeen) -> tuple[_Step, ...]:
    """Whatever is held without an order that would close all of it; where orders are not known, what was said stays."""
    bare = (
        _lasting("position", row.subject, "no order protects it, or not all of it", event.at)
        for row in event.positions
        if row.uncovered
    )
    lasting = frozenset(row.subject for row in event.positions if row.uncovered != 0)
    return _End("position", "", event.at, lasting), *bare


def _turned(is_on: bool, kind: str, name: str, text: str, at: datetime) -> tuple[_Step, ...]:
    return (_lasting(kind, name, text, at) if is_on else _End(kind, name, at),)


_STEPS: Final[Mapping[type, Callable[[Any], tuple[_Step, ...]]]] = {
    AlarmRaised: lambda event: (_passing("alarm", event.name, event.message, event.at),),
    ConnectionLost: _of_loss_of_link,
    CycleOverran: lambda event: (
        _passing(
            "cycle",
            str(event.number),
            f"cycle {event.number} took {event.seconds:.1f} s of {event.allowed:.1f} s",
            event.at,
        ),
    ),
    FarmChanged: lambda event: _turned(event.after != "ok", "farm", event.farm, event.evidence, event.at),
    HaltChanged: lambda event: _turned(event.is_halted, "halt", "entries", event.reason, event.at),
    LossGuardRead: lambda event: _turned(event.tripped, "loss", "daily loss", event.reason, event.at),
    PacingHeld: lambda event: (
        _passing("pacing", event.rule, "the Gateway said that the limit was passed", event.at),
    ),
    PositionsSeen: _of_positions,
    ServiceChanged: _of_service,
    SessionChanged: _of_session,
}
