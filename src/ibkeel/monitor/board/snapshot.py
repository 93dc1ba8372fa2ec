"""The board as one value: what a page, a terminal or a report shows."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from functools import cache
from math import isfinite
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel import telemetry as events
from ibkeel.model import HealthCheck
from ibkeel.monitor.board.connection import (
    FarmsPanel,
    HealthPanel,
    LinesPanel,
    PacingPanel,
    ServicesPanel,
    SessionPanel,
)
from ibkeel.monitor.board.incidents import AlertsPanel, IncidentsPanel
from ibkeel.monitor.board.orders import KindRow, OrdersPanel, RequestsPanel
from ibkeel.monitor.board.run import DecisionsPanel, GuardPanel, MoneyPanel, RunPanel
from ibkeel.telemetry import Event, Observer

_AS_IT_IS: Final = frozenset({str, int, bool, type(None)})
_DERIVED = {
    KindRow: ("latency", "queueing"),
    events.HeldPosition: ("uncovered",),
    SessionPanel: ("state", "since", "cause"),
    AlertsPanel: ("waiting",),
    IncidentsPanel: ("open",),
}
_LEFT_OUT = {KindRow: frozenset({"seconds", "queued"})}
_AT_ONCE: Final = 64


@attrs.frozen(kw_only=True)
class Snapshot:
    """Everything that is to be seen of a bot, at one instant; nothing in it changes.

    Texts are fit to be shown: accounts and secrets are masked.

    Args:
        at: Time of the last event that it knows of; None before the first.
        events: How many it knows of.
        run: The run, its day and its cycles.
        session: The session with the Gateway and its timeline.
        health: The tiers, with evidence.
        farms: What the Gateway says of its data farms.
        services: Circuit breakers.
        requests: Counts, percentiles and sparklines by kind.
        pacing: The limits, and what waits for what.
        lines: Market data lines.
        money: Account, positions with what protects them, exposure.
        orders: Today's orders and fills.
        decisions: Today's decisions with their reasons, and the last word on each symbol.
        guard: Loss guard and halt.
        alerts: What was told to a person, and whether it arrived.
        incidents: Troubles, with their ends.
    """

    at: datetime | None = None
    events: int = 0
    run: RunPanel = attrs.field(factory=RunPanel)
    session: SessionPanel = attrs.field(factory=SessionPanel)
    health: HealthPanel = attrs.field(factory=HealthPanel)
    farms: FarmsPanel = attrs.field(factory=FarmsPanel)
    services: ServicesPanel = attrs.field(factory=ServicesPanel)
    requests: RequestsPanel = attrs.field(factory=RequestsPanel)
    pacing: PacingPanel = attrs.field(factory=PacingPanel)
    lines: LinesPanel = attrs.field(factory=LinesPanel)
    money: MoneyPanel = attrs.field(factory=MoneyPanel)
    orders: OrdersPanel = attrs.field(factory=OrdersPanel)
    decisions: DecisionsPanel = attrs.field(factory=DecisionsPanel)
    guard: GuardPanel = attrs.field(factory=GuardPanel)
    alerts: AlertsPanel = attrs.field(factory=AlertsPanel)
    incidents: IncidentsPanel = attrs.field(factory=IncidentsPanel)

    @property
    def tiers(self) -> tuple[HealthCheck, ...]:
        """The tiers of health, and the alerts' own when they do not arrive."""
        own = self.alerts.check
        return self.health.tiers if own is None else (*self.health.tiers, own)


_HEARD: Final[Mapping[type, tuple[str, ...]]] = {
    events.AccountSeen: ("money",),
    events.AlarmEnded: (),
    events.AlarmRaised: ("incidents",),
    events.AlertDelivered: ("alerts",),
    events.AlertQueued: ("alerts",),
    events.AlertUndelivered: ("alerts",),
    events.Connected: ("session",),
    events.ConnectionLost: ("session", "farms", "incidents"),
    events.CycleEnded: ("run",),
    events.CycleOverran: ("run", "incidents"),
    events.CycleStarted: ("run",),
    events.DecisionMade: ("decisions",),
    events.Disconnected: ("farms",),
    events.ExposureSeen: ("money",),
    events.FarmChanged: ("farms", "incidents"),
    events.GatewayNoticed: (),
    events.HaltChanged: ("guard", "incidents"),
    events.HealthTaken: ("health",),
    events.LimitsChanged: (),
    events.LineClosed: ("lines",),
    events.LineOpened: ("lines",),
    events.LossGuardRead: ("guard", "incidents"),
    events.OrderChanged: ("orders",),
    events.OrderFilled: ("orders",),
    events.OrderIntended: ("orders",),
    events.OrderPlaced: ("orders",),
    events.PacingHeld: ("pacing", "incidents"),
    events.PacingSampled: ("pacing", "lines"),
    events.PacingWaited: ("pacing",),
    events.PositionsSeen: ("money", "incidents"),
    events.RequestEnded: ("requests",),
    events.RequestQueued: ("requests",),
    events.RequestSent: ("requests",),
    events.RunBegan: ("run",),
    events.RunFinished: ("run",),
    events.ServiceChanged: ("services", "incidents"),
    events.SessionChanged: ("session", "incidents"),
    events.SignalSeen: ("decisions",),
    events.StreamRestored: (),
    events.SymbolFailed: ("decisions",),
    events.SymbolSkipped: ("decisions",),
    events.SymbolWarmed: ("decisions",),
    events.TradingDayClosed: ("run",),
    events.TradingDayOpened: ("run", "money", "orders", "decisions"),
}


_MANY: Final = frozenset({"requests", "lines"})
"""Panels that take many events at once: what happens often is folded cheaply."""


def fold(snapshot: Snapshot, happened: Sequence[Event]) -> Snapshot:
    """The snapshot after some more events; one of an unknown kind only counts.

    Whether they are folded at once or one by one makes no difference.

    Args:
        snapshot: What was known before.
        happened: Events, in order.
    """
    if not happened:
        return snapshot
    heard: dict[str, list[Event]] = {}
    for event in happened:
        for name in _HEARD.get(type(event), ()):
            heard.setdefault(name, []).append(event)
    panels = {name: _panel(getattr(snapshot, name), name, events) for name, events in heard.items()}
    return attrs.evolve(snapshot, at=happened[-1].at, events=snapshot.events + len(happened), **panels)


def _panel(panel: Any, name: str, happened: Sequence[Event]) -> Any:
    if name in _MANY:
        return panel.on(happened)
    for event in happened:
        panel = panel.after(event)
    return panel


class Board(Observer):
    """Keeps the snapshot of a bot up to date; any thread may read it.

    One thread tells it of events. They are kept as they come and folded a few dozen at a time, or
    when somebody looks: a reader in another thread folds for itself what is new, and changes nothing.
    """

    def __init__(self) -> None:
        self._kept: tuple[Snapshot, list[Event]] = (Snapshot(), [])

    @override
    def on_event(self, event: Event) -> None:
        snapshot, new = self._kept
        new.append(event)
        if len(new) >= _AT_ONCE:
            self._kept = (fold(snapshot, new), [])

    @property
    def snapshot(self) -> Snapshot:
        """Everything that is known now."""
        snapshot, new = self._kept
        return fold(snapshot, tuple(new))


def snapshot_data(snapshot: Snapshot, *, now: datetime) -> dict[str, Any]:
    """The snapshot as dicts, lists, texts and numbers, with what it says of itself.

    Instants become ISO texts, figures that are none (NaN) null. Added are `now`, `age` (seconds since
    the last event), the age of each tier of health, the session's state, percentiles by kind in place
    of the single durations, and the incidents that last.

    Args:
        snapshot: Of a `Board`.
        now: Aware; ages count to it.
    """
    data: dict[str, Any] = plain(snapshot)
    data["now"] = now.isoformat()
    data["age"] = None if snapshot.at is None else max(0.0, (now - snapshot.at).total_seconds())
    data["health"]["tiers"] = [{**plain(tier), "age": tier.age(now)} for tier in snapshot.tiers]
    data["alerts"]["rows"] = list(data["alerts"]["rows"].values())
    data["orders"]["rows"] = list(data["orders"]["rows"].values())
    return data


def plain(value: Any) -> Any:
    """A value as JSON knows values."""
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is float:
        return value if isfinite(value) else None  # JSON knows no NaN
    if isinstance(value, Mapping):
        return {str(key): plain(row) for key, row in value.items()}
    if isinstance(value, tuple | list):
        return [plain(row) for row in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return {name: plain(getattr(value, name)) for name in _shown(kind)} if attrs.has(kind) else value


@cache
def _shown(kind: type[Any]) -> tuple[str, ...]:
    left_out = _LEFT_OUT.get(kind, frozenset())
    names = (field.name for field in attrs.fields(kind) if not field.name.startswith("_"))
    return (*(name for name in names if name not in left_out), *_DERIVED.get(kind, ()))
