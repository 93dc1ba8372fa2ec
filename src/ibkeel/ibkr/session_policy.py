"""How patient a session is."""

import math
from typing import Any

import attrs

from ibkeel.errors import ConfigurationError
from ibkeel.resilience import Backoff


def _seconds(least: float) -> Any:
    def check(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
        if not least <= value < math.inf:
            raise ConfigurationError(
                f"SessionPolicy.{attribute.name} is {value!r}; valid: a finite number from {least:g}"
            )

    return check


def _optional_seconds(instance: object, attribute: "attrs.Attribute[Any]", value: float | None) -> None:
    if value is not None:
        _seconds(0)(instance, attribute, value)


def _count(_: object, attribute: "attrs.Attribute[int]", value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"SessionPolicy.{attribute.name} is {value!r}; valid: a whole number from 1")


@attrs.frozen(kw_only=True)
class SessionPolicy:
    """How a session that was lost is sought, and how long each trouble may last before a person hears of it.

    Args:
        reconnect: Waits between attempts; a loss counts as the first failure.
        id_in_use_wait: Least seconds to wait when the client id is in use; never is another id tried.
        id_in_use_spread: Jitter lengthens that wait by up to this fraction.
        window_pause: Seconds between attempts in a reset window.
        window_grace: After a reset window, seconds in which nobody is alarmed; also how long a
            session may be gone after the weekly login expired.
        link_patience: Seconds without a usable session before an alarm.
        upstream_patience: Seconds that the Gateway may lack its servers before an alarm; from then
            on failed probes lead to a new connection, too.
        farm_patience: Seconds that a data farm may be broken before an alarm.
        probe_failures_before_reconnect: So many failed probes in a row end the link.
        restore_deadline: Seconds in which a stream that was sent again must tick.
        stream_silence: Seconds without a tick after which a stream that used to tick, and whose market
            is open, is taken for dead; more for one that ticks seldom.
        sync_deadline: Seconds that a sync may take.
        give_up_after: Seconds without a session, reset windows apart, after which no more is
            tried; None means never.

    Raises:
        ConfigurationError: A figure is out of range.
    """

    reconnect: Backoff = attrs.field(factory=lambda: Backoff(first=1.0, factor=2.0, cap=60.0, attempts=None))
    id_in_use_wait: float = attrs.field(default=30.0, validator=_seconds(1))
    id_in_use_spread: float = attrs.field(default=1.0, validator=_seconds(0))
    window_pause: float = attrs.field(default=20.0, validator=_seconds(1))
    window_grace: float = attrs.field(default=300.0, validator=_seconds(0))
    link_patience: float = attrs.field(default=60.0, validator=_seconds(0))
    upstream_patience: float = attrs.field(default=120.0, validator=_seconds(0))
    farm_patience: float = attrs.field(default=300.0, validator=_seconds(0))
    probe_failures_before_reconnect: int = attrs.field(default=2, validator=_count)
    restore_deadline: float = attrs.field(default=30.0, validator=_seconds(1))
    stream_silence: float = attrs.field(default=60.0, validator=_seconds(1))
    sync_deadline: float = attrs.field(default=30.0, validator=_seconds(1))
    give_up_after: float | None = attrs.field(default=None, validator=_optional_seconds)
