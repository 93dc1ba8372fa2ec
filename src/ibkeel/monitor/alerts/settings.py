"""What the section [alerts] of a bot's file says."""

from datetime import datetime, time
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from ibkeel.errors import ConfigurationError
from ibkeel.model.checks import Words
from ibkeel.validators import between, is_zone, texts, valid

_DAY: Final = 86_400.0
_LEAST_PARTS: Final = 2


class Severity(Words):
    """How much an alert matters, least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """For comparison."""
        return list(Severity).index(self)


_valid: Final = partial(valid, error=ConfigurationError, names_class=False)
_between: Final = partial(between, error=ConfigurationError, names_class=False)


def _addresses(_: object, attribute: "attrs.Attribute[Any]", value: tuple[str, ...]) -> None:
    """The message must not say the address: it may be shown."""
    for place, address in enumerate(value, 1):
        scheme, found, rest = address.partition("://") if isinstance(address, str) else ("", "", "")
        if not (scheme and found and rest):
            raise ConfigurationError(
                f"{attribute.name}: number {place} is not an address of apprise, such as discord://... or "
                "https://...; see apprise's list of services"
            )


def _web_address(_: object, attribute: "attrs.Attribute[Any]", value: str | None) -> None:
    if value is not None and not str(value).startswith(("http://", "https://")):
        raise ConfigurationError(f"{attribute.name} is not a web address; valid: http://... or https://...")


def _hours(text: str) -> tuple[time, time] | None:
    """Begin and end of `22:00-07:00`; None for an empty text."""
    if not text.strip():
        return None
    parts = [part.strip() for part in text.split("-")]
    if len(parts) != _LEAST_PARTS:
        raise ValueError(text)
    begin, end = (time.fromisoformat(part) for part in parts)
    return begin, end


def _are_hours(text: str) -> bool:
    _hours(text)
    return True


@attrs.frozen(kw_only=True)
class AlertsConfig:
    """Who is told of what, and when.

    Args:
        urls: Addresses in apprise's form, each a secret; better given in `IBKEEL_ALERTS__URLS`.
        escalation_urls: Told, beside the others, of what has lasted for `escalate_after`.
        least: The least severity that is sent: `info`, `warning` or `critical`.
        quiet_hours: Such as `22:00-07:00`, when only what is critical is sent; the rest is summed up
            afterwards. Empty for none.
        timezone: Of the quiet hours.
        patience: Seconds that a trouble that may pass must last before it is told.
        repeat_after: Seconds for which the same news is not told again.
        escalate_after: Seconds after which a trouble that lasts is told again, as critical.
        per_hour: Most alerts in an hour; critical ones may go on to three times as many.
        give_up_after: Seconds for which a delivery is tried.
        heartbeat_url: A dead man's switch, asked for now and then while the bot's loop runs; a secret.
        heartbeat_interval: Seconds between two beats.
    """

    urls: tuple[str, ...] = attrs.field(default=(), converter=texts, validator=_addresses, repr=False)
    escalation_urls: tuple[str, ...] = attrs.field(
        default=(), converter=texts, validator=_addresses, repr=False
    )
    least: Severity = attrs.field(default=Severity.WARNING, converter=Severity)
    quiet_hours: str = attrs.field(
        default="", validator=_valid("two times of day, such as 22:00-07:00, or empty", _are_hours)
    )
    timezone: str = attrs.field(
        default="America/New_York", validator=_valid("a time zone such as America/New_York", is_zone)
    )
    patience: float = attrs.field(default=60.0, validator=_between(0, _DAY))
    repeat_after: float = attrs.field(default=1800.0, validator=_between(0, _DAY))
    escalate_after: float = attrs.field(default=900.0, validator=_between(1, _DAY))
    per_hour: int = attrs.field(default=20, validator=_between(1, 1000))
    give_up_after: float = attrs.field(default=_DAY, validator=_between(1, 7 * _DAY))
    heartbeat_url: str | None = attrs.field(default=None, validator=_web_address, repr=False)
    heartbeat_interval: float = attrs.field(default=60.0, validator=_between(1, 3600))

    @property
    def is_used(self) -> bool:
        """Whether anybody is told of anything."""
        return bool(self.urls or self.escalation_urls)

    def is_quiet(self, now: datetime) -> bool:
        """Whether these are quiet hours.

        Args:
            now: Aware.
        """
        hours = _hours(self.quiet_hours)
        if hours is None:
            return False
        begin, end = hours
        clock = now.astimezone(ZoneInfo(self.timezone)).time()
        return begin <= clock < end if begin <= end else clock >= begin or clock < end
