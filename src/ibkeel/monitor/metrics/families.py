"""The metrics: names, kinds, labels and what they say, as a table.

Names and units are as Prometheus wants them: base units, `_total` for what only grows, `_seconds`
for durations. The files for Grafana and for alert rules are held against this table.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import attrs


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
    Family("ibkeel_positions_unprotected", _G, "Positions without a working order that closes them."),
    Family("ibkeel_exposure_at_cost", _G, "What the positions cost, each counted positive."),
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

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType({row.name: row for row in _ROWS})
"""Every metric, by name."""
