"""The link on the board: session, health, services, farms, limits and lines."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from ibkeel.model import Grade, HealthCheck
from ibkeel.telemetry import (
    BudgetUse,
    Connected,
    ConnectionLost,
    Disconnected,
    Event,
    FarmChanged,
    HealthTaken,
    LineClosed,
    LineOpened,
    PacingHeld,
    PacingSampled,
    PacingWaited,
    QueueState,
    ServiceChanged,
    SessionChanged,
)

_SPANS: Final = 100
_WAITS: Final = 50
_FARMS: Final = 100  # there are about a dozen; names are the Gateway's own, and labels of metrics


@attrs.frozen(kw_only=True)
class Span:
    """A time in which the session was in one state; it goes on until the next span begins.

    Args:
        state: Such as `ready` or `upstream lost`.
        since: When it began.
        cause: Why, in words.
    """

    state: str
    since: datetime
    cause: str = ""


@attrs.frozen(kw_only=True)
class SessionPanel:
    """The session with the Gateway.

    Args:
        timeline: Its states, oldest first; the last one is the present one.
        host: Where the Gateway is; empty before the first connection.
        port: Its port.
        client_id: Who we are.
        server_version: What it speaks.
        account: Masked.
        connects: How often a session began.
        losses: How often one ended without our asking.
    """

    timeline: tuple[Span, ...] = ()
    host: str = ""
    port: int = 0
    client_id: int = 0
    server_version: int | None = None
    account: str = ""
    connects: int = 0
    losses: int = 0

    @property
    def state(self) -> str:
        """The present state; `idle` before there was any."""
        return self.timeline[-1].state if self.timeline else "idle"

    @property
    def since(self) -> datetime | None:
        """Since when it is in that state."""
        return self.timeline[-1].since if self.timeline else None

    @property
    def cause(self) -> str:
        """Why it is."""
        return self.timeline[-1].cause if self.timeline else ""

    def after(self, event: Event) -> "SessionPanel":
        """The panel after one more event."""
        match event:
            case SessionChanged():
                span = Span(state=event.after, since=event.at, cause=event.cause)
                return attrs.evolve(self, timeline=(*self.timeline[1 - _SPANS :], span))
            case Connected():
                return attrs.evolve(
                    self,
                    host=event.host,
                    port=event.port,
                    client_id=event.client_id,
                    server_version=event.server_version,
                    account=event.account,
                    connects=self.connects + 1,
                )
            case ConnectionLost():
                return attrs.evolve(self, losses=self.losses + 1)
            case _:
                return self


@attrs.frozen(kw_only=True)
class HealthPanel:
    """What was seen when somebody last looked at every tier.

    Args:
        at: When that was; None when nobody has looked.
        grade: The worst of all tiers; None when nobody has looked.
        tiers: Cheapest first, each with its evidence, when it was seen, and a remedy.
        round_trip: Seconds of the server-time request; None when it did not come back.
    """

    at: datetime | None = None
    grade: Grade | None = None
    tiers: tuple[HealthCheck, ...] = ()
    round_trip: float | None = None

    def after(self, event: Event) -> "HealthPanel":
        """The panel after one more event."""
        if not isinstance(event, HealthTaken):
            return self
        return HealthPanel(
            at=event.at,
            grade=event.health.grade,
            tiers=event.health.checks,
            round_trip=event.health.round_trip,
        )


@attrs.frozen(kw_only=True)
class ServiceRow:
    """One service of the Gateway, and its circuit.

    Args:
        name: Such as `historical data`.
        state: `closed`, `open` or `half open`.
        since: Since when.
        cause: The error that opened it.
        opened: How often it opened.
    """

    name: str
    state: str
    since: datetime
    cause: str = ""
    opened: int = 0


@attrs.frozen(kw_only=True)
class ServicesPanel:
    """The circuits that ever opened; the others are closed.

    Args:
        rows: By name of the service.
    """

    rows: Mapping[str, ServiceRow] = attrs.field(factory=dict)

    def after(self, event: Event) -> "ServicesPanel":
        """The panel after one more event."""
        if not isinstance(event, ServiceChanged):
            return self
        name, state, at = event.service, event.after, event.at
        before = self.rows.get(name) or ServiceRow(name=name, state=state, since=at)
        cause = event.cause or ("" if state == "closed" else before.cause)
        opened = before.opened + (state == "open")
        row = ServiceRow(name=name, state=state, since=at, cause=cause, opened=opened)
        return ServicesPanel(rows={**self.rows, name: row})


@attrs.frozen(kw_only=True)
class FarmsPanel:
    """The Gateway's data farms and its own link, as it last spoke of them.

    Args:
        rows: By name: the last word on each, of a hundred at most.
    """

    rows: Mapping[str, FarmChanged] = attrs.field(factory=dict)

    def after(self, event: Event) -> "FarmsPanel":
        """The panel after one more event."""
        if isinstance(event, FarmChanged):
            rows = {**self.rows, event.farm: event}
            if len(rows) > _FARMS:
                del rows[next(iter(rows))]
            return FarmsPanel(rows=rows)
        # A new session hears of its farms anew, before it is told to be connected.
        return FarmsPanel() if isinstance(event, ConnectionLost | Disconnected) else self


@attrs.frozen
class Wait:
    """One message that was held back.

    Args:
        at: When its turn came.
        rule: For which limit it waited first.
        seconds: How long.
    """

    at: datetime
    rule: str
    seconds: float


@attrs.frozen(kw_only=True)
class PacingPanel:
    """The limits.

    Args:
        at: When they were last looked at; None when nobody has.
        budgets: How much of each is used.
        queues: What waits for what.
        waits: The last messages that were held back, oldest first.
        waited: How many ever were.
        held: How often the Gateway said that a limit was passed.
        held_at: When it last did.
    """

    at: datetime | None = None
    budgets: tuple[BudgetUse, ...] = ()
    queues: tuple[QueueState, ...] = ()
    waits: tuple[Wait, ...] = ()
    waited: int = 0
    held: int = 0
    held_at: datetime | None = None

    def after(self, event: Event) -> "PacingPanel":
        """The panel after one more event."""
        match event:
            case PacingSampled():
                return attrs.evolve(self, at=event.at, budgets=event.budgets, queues=event.queues)
            case PacingWaited():
                waits = (*self.waits[1 - _WAITS :], Wait(event.at, event.rule, event.seconds))
                return attrs.evolve(self, waits=waits, waited=self.waited + 1)
            case PacingHeld():
                return attrs.evolve(self, held=self.held + 1, held_at=event.at)
            case _:
                return self


@attrs.frozen
class LinesPanel:
    """Market data lines.

    Args:
        open: How many are out for each subject.
        count: How many are out.
        most: The most that ever were at once.
        capacity: How many may be; 0 when that was not told.
    """

    open: Mapping[str, int] = attrs.field(factory=dict)
    count: int = 0
    most: int = 0
    capacity: int = 0

    def on(self, events: Sequence[Event]) -> "LinesPanel":
        """The panel after some more events."""
        out, count, most, capacity = dict(self.open), self.count, self.most, self.capacity
        for event in events:
            match event:
                case LineOpened():
                    out[event.subject] = out.get(event.subject, 0) + 1
                    count, most = event.open_lines, max(most, event.open_lines)
                case LineClosed():
                    left, count = out.pop(event.subject, 0) - 1, event.open_lines
                    if left > 0:
                        out[event.subject] = left
                case PacingSampled():
                    count, capacity = event.open_lines, event.line_capacity
        return LinesPanel(out, count, most, capacity)
