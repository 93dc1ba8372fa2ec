"""What happened to the link with the Gateway, and how well it is."""

from datetime import datetime

import attrs

from ibkeel.model import Health, HealthCheck
from ibkeel.model.checks import as_utc
from ibkeel.telemetry.redaction import masked, redact


def _masked_health(health: Health) -> Health:
    def shown(check: HealthCheck) -> HealthCheck:
        evidence, remedy = redact(check.evidence), redact(check.remedy)
        return attrs.evolve(check, name=redact(check.name), evidence=evidence, remedy=remedy)

    return attrs.evolve(health, checks=tuple(map(shown, health.checks)))


@attrs.frozen(kw_only=True, field_transformer=masked)
class Connected:
    """A session with the Gateway began.

    Args:
        port: Of the Gateway's API.
        server_version: Of the protocol, as agreed; None when it is not known.
    """

    at: datetime = attrs.field(converter=as_utc)
    host: str
    port: int
    client_id: int
    server_version: int | None = None
    account: str = ""


@attrs.frozen(kw_only=True, field_transformer=masked)
class Disconnected:
    """We ended the session."""

    at: datetime = attrs.field(converter=as_utc)


@attrs.frozen(kw_only=True, field_transformer=masked)
class ConnectionLost:
    """The session ended without our asking."""

    at: datetime = attrs.field(converter=as_utc)
    cause: str


@attrs.frozen(kw_only=True, field_transformer=masked)
class SessionChanged:
    """The session with the Gateway went from one state to another.

    Args:
        before: What it was, such as `ready`.
        after: What it is.
        cause: Why, in words.
    """

    at: datetime = attrs.field(converter=as_utc)
    before: str
    after: str
    cause: str = ""


@attrs.frozen(kw_only=True, field_transformer=masked)
class GatewayNoticed:
    """The Gateway sent a notice that ended no request."""

    at: datetime = attrs.field(converter=as_utc)
    code: int
    text: str


@attrs.frozen(kw_only=True, field_transformer=masked)
class FarmChanged:
    """A data farm, or the Gateway's own link to its servers, is better or worse than it was.

    Args:
        farm: Such as `farm usfarm`; `upstream` for the Gateway's own link.
        before: Its grade: `ok`, `degraded` or `down`; empty when nothing was known of it.
        after: What it is.
        evidence: The notice, with its code.
    """

    at: datetime = attrs.field(converter=as_utc)
    farm: str
    before: str
    after: str
    evidence: str = ""


@attrs.frozen(kw_only=True, field_transformer=masked)
class ServiceChanged:
    """The circuit breaker of a service opened, let a probe pass, or closed.

    Args:
        service: Such as `historical data`.
        before: What it was: `closed`, `open` or `half open`.
        after: What it is.
        cause: The error that opened it, by type and message; empty otherwise.
    """

    at: datetime = attrs.field(converter=as_utc)
    service: str
    before: str
    after: str
    cause: str = ""


@attrs.frozen(kw_only=True, field_transformer=masked)
class StreamRestored:
    """A stream that an outage interrupted ticks again.

    Args:
        subject: Whose quotes it carries.
        seconds: From the interruption to its first tick.
    """

    at: datetime = attrs.field(converter=as_utc)
    subject: str
    seconds: float


@attrs.frozen(kw_only=True, field_transformer=masked)
class HealthTaken:
    """Somebody looked at every tier.

    Args:
        health: What was seen.
    """

    at: datetime = attrs.field(converter=as_utc)
    health: Health = attrs.field(converter=_masked_health)


SessionEvent = (
    Connected
    | ConnectionLost
    | Disconnected
    | FarmChanged
    | GatewayNoticed
    | HealthTaken
    | ServiceChanged
    | SessionChanged
    | StreamRestored
)
"""Anything about the link with the Gateway."""
