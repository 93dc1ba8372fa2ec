"""The metrics, as a table; counters and histograms are told of events, cheaply enough for every request.

Names and units are as Prometheus wants them: base units, `_total` for what only grows, `_seconds`
for durations. The files for Grafana and for alert rules are held against this table.
"""

from bisect import bisect_left
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel import telemetry as events
from ibkeel.model import fill_name
from ibkeel.telemetry import Event, Observer

_MOST_SERIES: Final = 200
_OTHER: Final = "other"
_REMEMBERED: Final = 1000


class MetricKind(StrEnum):
    """What a metric is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@attrs.frozen
class Family:
    """One metric.

    Args:
        name: As Prometheus shows it, but for the `_bucket`, `_sum` and `_count` of a histogram.
        kind: Counter, gauge or histogram.
        text: What it says, with its unit.
        labels: By what it is told apart.
    """

    name: str
    kind: MetricKind
    text: str
    labels: tuple[str, ...] = ()


BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the histograms' buckets, seconds."""

_C, _G, _H = MetricKind.COUNTER, MetricKind.GAUGE, MetricKind.HISTOGRAM

_ROWS: Final = (
    # Requests.
    Family("ibkeel_requests_total", _C, "Requests that ended, by outcome.", ("kind", "outcome")),
    Family("ibkeel_request_seconds", _H, "Seconds from sending to the value.", ("kind",)),
    Family("ibkeel_request_queue_seconds", _H, "Seconds in our own queue before sending.", ("kind",)),
    Family("ibkeel_requests_under_way", _G, "Requests that were sent and have not ended."),
    Family("ibkeel_queue_depth", _G, "Messages that wait for their turn.", ("kind",)),
    Family("ibkeel_queue_age_seconds", _G, "Seconds that the first of them has waited.", ("kind",)),
    # Limits and lines.
    Family("ibkeel_pacing_budget_used", _G, "What counts against a limit now.", ("rule",)),
    Family("ibkeel_pacing_budget_limit", _G, "The limit.", ("rule",)),
    Family("ibkeel_pacing_waits_total", _C, "Messages that were held back.", ("rule",)),
    Family("ibkeel_pacing_wait_seconds_total", _C, "Seconds that they were held back.", ("rule",)),
    Family("ibkeel_pacing_held_total", _C, "Times that the Gateway said a limit was passed.", ("rule",)),
    Family("ibkeel_lines_open", _G, "Market data lines that are out."),
    Family("ibkeel_lines_capacity", _G, "Market data lines that may be out."),
    # The session.
    Family("ibkeel_session_state", _G, "1 for the state that the session is in.", ("state",)),
    Family("ibkeel_session_changes_total", _C, "Changes of the session's state, by the new one.", ("state",)),
    Family("ibkeel_connection_losses_total", _C, "Sessions that ended without our asking."),
    Family("ibkeel_service_state", _G, "0 closed, 1 half open, 2 open.", ("service",)),
    Family("ibkeel_service_opened_total", _C, "Times that a service's circuit opened.", ("service",)),
    Family("ibkeel_health_grade", _G, "0 ok, 1 degraded, 2 down.", ("tier",)),
    Family("ibkeel_health_checked_timestamp_seconds", _G, "When the tiers were last looked at, Unix time."),
    Family("ibkeel_round_trip_seconds", _G, "Seconds of the last server-time request."),
    Family("ibkeel_farm_grade", _G, "0 ok, 1 degraded, 2 down.", ("farm",)),
    Family("ibkeel_gateway_notices_total", _C, "Notices of the Gateway that ended no request.", ("code",)),
    Family("ibkeel_streams_restored_total", _C, "Streams that tick again after an outage."),
    # The run.
    Family("ibkeel_run_info", _G, "Always 1; says what runs.", ("run", "mode", "strategy")),
    Family("ibkeel_cycles_total", _C, "Cycles that ended."),
    Family("ibkeel_cycle_seconds", _H, "Seconds of a cycle."),
    Family("ibkeel_cycle_overruns_total", _C, "Cycles that took longer than they might."),
    Family("ibkeel_symbol_failures_total", _C, "Failures of one symbol's part of a cycle.", ("error",)),
    Family("ibkeel_symbols_skipped_total", _C, "Cycles that a symbol sat out."),
    Family("ibkeel_last_event_timestamp_seconds", _G, "When anything last happened, Unix time."),
    # Money.
    Family("ibkeel_signals_total", _C, "Signals that asked for a position.", ("direction",)),
    Family("ibkeel_decisions_total", _C, "Decisions, by what they came to.", ("outcome",)),
    Family("ibkeel_orders_intended_total", _C, "Orders that were decided.", ("purpose",)),
    Family("ibkeel_orders_placed_total", _C, "Orders that left, or would have in dry run.", ("was_sent",)),
    Family("ibkeel_order_changes_total", _C, "News of orders, by the new state.", ("state",)),
    Family("ibkeel_order_answer_seconds", _H, "Seconds from an order's leaving to the venue's first word."),
    Family("ibkeel_fills_total", _C, "Executions.", ("side",)),
    Family("ibkeel_orders_unknown", _G, "Orders of today whose fate nobody knows."),
    Family("ibkeel_equity", _G, "Net liquidation value, in the account's currency.", ("currency",)),
    Family("ibkeel_available_funds", _G, "What may be spent on new positions.", ("currency",)),
    Family("ibkeel_positions", _G, "Positions."),
    Family("ibkeel_positions_unprotected", _G, "Positions that working orders would not close whole."),
    Family(
        "ibkeel_exposure_at_cost",
        _G,
        "What the positions cost, each counted positive; absent where currencies differ.",
    ),
    Family("ibkeel_delta", _G, "Delta of all positions, shares."),
    Family("ibkeel_gamma", _G, "Gamma of all positions, shares per unit of price."),
    Family("ibkeel_theta", _G, "Theta of all positions, currency per calendar day."),
    Family("ibkeel_vega", _G, "Vega of all positions, currency per volatility point."),
    Family("ibkeel_daily_loss_fraction", _G, "Loss of the session, a fraction of its first equity."),
    Family("ibkeel_daily_loss_limit_fraction", _G, "The loss that stops new entries."),
    Family("ibkeel_daily_loss_tripped", _G, "1 when the limit was reached in this session."),
    Family("ibkeel_entries_halted", _G, "1 while entries are halted."),
    # People.
    Family("ibkeel_alarms_total", _C, "Alarms raised."),
    Family(
        "ibkeel_alerts_total", _C, "Alerts, by severity and by what became of them.", ("severity", "fate")
    ),
    Family("ibkeel_alert_deliveries_total", _C, "Deliveries of alerts to channels.", ("outcome",)),
    Family("ibkeel_alerts_waiting", _G, "Alerts that a channel refused and that are tried again."),
    Family("ibkeel_heartbeat_failing", _G, "1 while the heartbeat does not reach its address."),
    Family("ibkeel_incidents_open", _G, "Troubles that last."),
)

FAMILIES: Final[Mapping[str, Family]] = {row.name: row for row in _ROWS}
"""Every metric, by name."""


Labels = tuple[str, ...]


@attrs.define(eq=False)
class Histogram:
    """Durations, by bucket.

    Args:
        buckets: How many fell into each of `BUCKETS`, and above the last.
        total: Sum of them, in seconds.
    """

    buckets: list[int] = attrs.field(factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> tuple[tuple[str, float], ...]:
        """Upper ends, as text, and how many are at most that long."""
        rows, so_far = [], 0
        for end, count in zip((*BUCKETS, float("inf")), self.buckets, strict=True):
            so_far += count
            rows.append(("+Inf" if end == float("inf") else str(end), float(so_far)))
        return tuple(rows)


class Counts(Observer):
    """Counts events by name and labels.

    A label that takes too many values, which none should, ends as `other`: memory stays bounded.
    """

    def __init__(self) -> None:
        self._counters: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
        self._histograms: defaultdict[str, dict[Labels, Histogram]] = defaultdict(dict)
        self._placed: OrderedDict[str, datetime] = OrderedDict()
        self._states: OrderedDict[str, str] = OrderedDict()
        self._fills: OrderedDict[str, None] = OrderedDict()

    def counters(self, name: str) -> Mapping[Labels, float]:
        """Values of one counter by its labels."""
        return dict(self._counters.get(name, {}))

    def histograms(self, name: str) -> Mapping[Labels, Histogram]:
        """One histogram by its labels."""
        return dict(self._histograms.get(name, {}))

    @override
    def on_event(self, event: Event) -> None:
        hear = _HEARERS.get(type(event))
        if hear is not None:
            hear(self, event)

    def count(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Add to a counter."""
        series = self._counters[name]
        if labels not in series and len(series) >= _MOST_SERIES:
            labels = (_OTHER,) * len(labels)
        series[labels] = series.get(labels, 0.0) + by

    def time(self, name: str, seconds: float, *labels: str) -> None:
        """Add to a histogram."""
        series = self._histograms[name]
        histogram = series.get(labels)
        if histogram is None:
            if len(series) >= _MOST_SERIES:
                labels = (_OTHER,) * len(labels)
            histogram = series.setdefault(labels, Histogram())
        histogram.add(seconds)

    # What more than one of adapter and runner tell of is counted once.

    def placed(self, event: events.OrderPlaced) -> None:
        """An order left, or would have."""
        if event.client_order_id not in self._placed:
            _remember(self._placed, event.client_order_id, event.at)
            self.count("ibkeel_orders_placed_total", str(event.was_sent).lower())

    def changed(self, event: events.OrderChanged) -> None:
        """An order is in another state."""
        name = event.client_order_id
        if self._states.get(name) == event.state:
            return
        placed_at = self._placed.get(name)
        if name not in self._states and placed_at is not None:
            seconds = (event.at - placed_at).total_seconds()
            self.time("ibkeel_order_answer_seconds", max(0.0, seconds))
        _remember(self._states, name, event.state)
        self.count("ibkeel_order_changes_total", event.state)

    def filled(self, event: events.OrderFilled) -> None:
        """An order was executed."""
        name = fill_name(event.exec_id)
        if name not in self._fills:
            _remember(self._fills, name, None)
            self.count("ibkeel_fills_total", event.side)


def _remember(kept: OrderedDict[str, Any], name: str, value: object) -> None:
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > _REMEMBERED:
        kept.popitem(last=False)


def _request(counts: Counts, event: events.RequestEnded) -> None:
    counts.count("ibkeel_requests_total", event.kind, event.error or "answered")
    if not event.error:
        counts.time("ibkeel_request_seconds", event.wire_seconds + event.reply_seconds, event.kind)
    counts.time("ibkeel_request_queue_seconds", event.queue_seconds, event.kind)


def _waited(counts: Counts, event: events.PacingWaited) -> None:
    counts.count("ibkeel_pacing_waits_total", event.rule)
    counts.count("ibkeel_pacing_wait_seconds_total", event.rule, by=event.seconds)


def _sampled(counts: Counts, event: events.PacingSampled) -> None:
    for budget in event.budgets:  # `increase` sees the first one only if there was a 0 before
        counts.count("ibkeel_pacing_held_total", budget.rule, by=0.0)


def _service(counts: Counts, event: events.ServiceChanged) -> None:
    if event.after == "open":
        counts.count("ibkeel_service_opened_total", event.service)


def _cycle(counts: Counts, event: events.CycleEnded) -> None:
    counts.count("ibkeel_cycles_total")
    counts.time("ibkeel_cycle_seconds", event.seconds)


def _queued(counts: Counts, event: events.AlertQueued) -> None:
    counts.count("ibkeel_alerts_total", event.severity, event.kept_back or "sent")
    for outcome in ("delivered", "refused", "given_up"):  # the same
        counts.count("ibkeel_alert_deliveries_total", outcome, by=0.0)


def _delivered(counts: Counts, event: events.AlertDelivered) -> None:
    if event.number:  # the heartbeat has a gauge of its own
        counts.count("ibkeel_alert_deliveries_total", "delivered")


def _undelivered(counts: Counts, event: events.AlertUndelivered) -> None:
    if event.number:
        counts.count("ibkeel_alert_deliveries_total", "given_up" if event.is_final else "refused")


def _adds(name: str, *fields: str) -> Callable[[Counts, Any], None]:
    """What adds one, under the labels that are fields of the event."""

    def add(counts: Counts, event: Any) -> None:
        counts.count(name, *(str(getattr(event, field)) for field in fields))

    return add


_HEARERS: Final[Mapping[type, Callable[[Counts, Any], None]]] = {
    events.AlarmRaised: _adds("ibkeel_alarms_total"),
    events.AlertDelivered: _delivered,
    events.AlertQueued: _queued,
    events.AlertUndelivered: _undelivered,
    events.ConnectionLost: _adds("ibkeel_connection_losses_total"),
    events.CycleEnded: _cycle,
    events.CycleOverran: _adds("ibkeel_cycle_overruns_total"),
    events.DecisionMade: _adds("ibkeel_decisions_total", "outcome"),
    events.GatewayNoticed: _adds("ibkeel_gateway_notices_total", "code"),
    events.OrderChanged: Counts.changed,
    events.OrderFilled: Counts.filled,
    events.OrderIntended: _adds("ibkeel_orders_intended_total", "purpose"),
    events.OrderPlaced: Counts.placed,
    events.PacingHeld: _adds("ibkeel_pacing_held_total", "rule"),
    events.PacingSampled: _sampled,
    events.PacingWaited: _waited,
    events.RequestEnded: _request,
    events.ServiceChanged: _service,
    events.SessionChanged: _adds("ibkeel_session_changes_total", "after"),
    events.SignalSeen: _adds("ibkeel_signals_total", "direction"),
    events.StreamRestored: _adds("ibkeel_streams_restored_total"),
    events.SymbolFailed: _adds("ibkeel_symbol_failures_total", "error"),
    events.SymbolSkipped: _adds("ibkeel_symbols_skipped_total"),
}
