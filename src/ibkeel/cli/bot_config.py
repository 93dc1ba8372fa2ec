"""A bot's whole file: what the runner is told, and who watches it."""

import attrs

from ibkeel.monitor import AlertsConfig, TelemetryConfig
from ibkeel.runner import BotConfig


@attrs.frozen(kw_only=True)
class MonitoredBot(BotConfig):
    """A bot and those who watch it; each field is a section of its file.

    Args:
        telemetry: Where it shows how it is.
        alerts: Whom it tells of what.
    """

    telemetry: TelemetryConfig = attrs.field(factory=TelemetryConfig)
    alerts: AlertsConfig = attrs.field(factory=AlertsConfig)
