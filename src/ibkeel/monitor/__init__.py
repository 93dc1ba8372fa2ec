"""What an operator sees of a bot: metrics, alerts, and the board that pages and reports show."""

from ibkeel.monitor.alerts import Alerter, AlertsConfig, Severity
from ibkeel.monitor.board import Board, Snapshot, fold, snapshot_data
from ibkeel.monitor.metrics import Metrics, alert_rules, grafana_dashboard
from ibkeel.monitor.monitor import EventLog, Examined, Monitor, TelemetryConfig

__all__ = [
    "Alerter",
    "AlertsConfig",
    "Board",
    "EventLog",
    "Examined",
    "Metrics",
    "Monitor",
    "Severity",
    "Snapshot",
    "TelemetryConfig",
    "alert_rules",
    "fold",
    "grafana_dashboard",
    "snapshot_data",
]
