"""A bot's whole file: what the runner is told, and who watches it."""

import attrs
import click

from ibkeel.monitor import AlertsConfig, TelemetryConfig
from ibkeel.runner import BotConfig, RunnerConfig


@attrs.frozen(kw_only=True)
class MonitoredBot(BotConfig):
    """A bot and those who watch it; each field is a section of its file."""

    telemetry: TelemetryConfig = attrs.field(factory=TelemetryConfig)
    alerts: AlertsConfig = attrs.field(factory=AlertsConfig)


def tickers(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Tickers with commas, or ConfigurationError when a file may not say them; None where nothing was typed."""
    if text is None:
        return None
    return RunnerConfig(symbols=[part.strip().upper() for part in text.split(",") if part.strip()]).symbols
