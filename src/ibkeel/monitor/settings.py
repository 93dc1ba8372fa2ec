"""What the section [telemetry] of a bot's file says."""

from collections.abc import Callable
from typing import Any, Final

import attrs

from ibkeel.errors import ConfigurationError

__all__ = ["TelemetryConfig"]

_HIGHEST_PORT: Final = 65535


def _between(least: float, most: float) -> Callable[[Any, "attrs.Attribute[Any]", Any], None]:
    def check(_: object, attribute: "attrs.Attribute[Any]", value: float | None) -> None:
        if value is not None and not least <= value <= most:
            raise ConfigurationError(f"{attribute.name} is {value!r}; valid: {least:g} to {most:g}")

    return check


def _host(_: object, attribute: "attrs.Attribute[Any]", value: str) -> None:
    if not value:
        raise ConfigurationError(f"{attribute.name} is {value!r}; valid: a host name or address")


@attrs.frozen(kw_only=True)
class TelemetryConfig:
    """Where a bot shows how it is.

    Args:
        metrics_port: Where Prometheus finds the metrics; None serves none.
        metrics_host: Address to listen on; anybody who can reach it may read them.
        log: File of events as lines of JSON; empty for none.
        log_megabytes: Size at which that file is put aside, as one with `.1` behind its name.
        health_interval: Seconds between two looks at every tier of health.
        sample_interval: Seconds between two looks at the limits.
    """

    metrics_port: int | None = attrs.field(default=None, validator=_between(0, _HIGHEST_PORT))
    metrics_host: str = attrs.field(default="127.0.0.1", validator=_host)
    log: str = ""
    log_megabytes: float = attrs.field(default=50.0, validator=_between(0.001, 10_000))
    health_interval: float = attrs.field(default=30.0, validator=_between(1, 3600))
    sample_interval: float = attrs.field(default=5.0, validator=_between(0.1, 3600))
