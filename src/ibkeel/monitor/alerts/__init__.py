"""Alerts: who is told of what, when, and whether it arrived."""

from ibkeel.monitor.alerts.alerter import Alerter, Starts
from ibkeel.monitor.alerts.courier import (
    AppriseChannel,
    Channel,
    Courier,
    DeliveryFailed,
    Fate,
    Message,
    Rest,
    WebAddress,
)
from ibkeel.monitor.alerts.rules import Alert, AlertBook, Trouble
from ibkeel.monitor.alerts.settings import AlertsConfig, Severity
from ibkeel.monitor.alerts.wording import Concern, Relief, news_of

__all__ = [
    "Alert",
    "AlertBook",
    "Alerter",
    "AlertsConfig",
    "AppriseChannel",
    "Channel",
    "Concern",
    "Courier",
    "DeliveryFailed",
    "Fate",
    "Message",
    "Relief",
    "Rest",
    "Severity",
    "Starts",
    "Trouble",
    "WebAddress",
    "news_of",
]
