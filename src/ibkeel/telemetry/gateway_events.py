"""What happened between us and the Gateway: to the link and its health, to requests and their limits."""

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
        window: Name of the reset window that it is in, if any.
    """

    at: datetime = attrs.field(converter=as_utc)
    before: str
    after: str
    cause: str = ""
    window: str = ""


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


@attrs.frozen(kw_only=True, field_transformer=masked)
class RequestQueued:
    """A request must wait for its turn.

    Args:
        kind: Kind of request, such as `quote` or `history`.
        subject: What it is about.
        rule: The limit that holds it back first.
    """

    at: datetime = attrs.field(converter=as_utc)
    kind: str
    subject: str = ""
    rule: str


@attrs.frozen(kw_only=True, field_transformer=masked)
class RequestSent:
    """The bytes of a request left.

    Args:
        kind: Kind of request.
        subject: What it is about.
        queue_seconds: How long it waited for its turn.
    """

    at: datetime = attrs.field(converter=as_utc)
    kind: str
    subject: str = ""
    queue_seconds: float = 0.0


@attrs.frozen(kw_only=True, field_transformer=masked)
class RequestEnded:
    """A request ended, with a value or with one typed error.

    Its time is the sum of three: in our queue, on the wire until the first message of the answer, and
    from there to its end.

    Args:
        kind: Kind of request, such as `quote` or `bars`.
        subject: What it was about, such as a contract's name.
        seconds: From the call to its end, waiting for pacing included.
        error: Type of the error; empty when a value came.
        queue_seconds: From the call until its bytes left, or until it was given up unsent.
        wire_seconds: From its bytes to the first message that names it, or to its end when none came.
        reply_seconds: From that message to its end.
        code: The Gateway's error code, if it sent one.
        was_sent: Whether its bytes left at all.
    """

    at: datetime = attrs.field(converter=as_utc)
    kind: str
    subject: str = ""
    seconds: float
    error: str = ""
    queue_seconds: float = 0.0
    wire_seconds: float = 0.0
    reply_seconds: float = 0.0
    code: int | None = None
    was_sent: bool = True


@attrs.frozen(kw_only=True, field_transformer=masked)
class PacingWaited:
    """A request was held back so that a documented limit is kept."""

    at: datetime = attrs.field(converter=as_utc)
    rule: str
    seconds: float


@attrs.frozen(kw_only=True, field_transformer=masked)
class PacingHeld:
    """The Gateway said that a limit was passed: a whole window is let go by.

    Args:
        rule: Name of the limit, such as `messages`.
    """

    at: datetime = attrs.field(converter=as_utc)
    rule: str


@attrs.frozen(kw_only=True, field_transformer=masked)
class BudgetUse:
    """How much of one limit is used.

    Args:
        rule: Name of the limit.
        used: Requests by weight, in the fullest of its windows.
        limit: How many there may be.
        seconds: Length of the window; None when requests count as long as they are open.
    """

    rule: str
    used: int
    limit: int
    seconds: float | None = None


@attrs.frozen(kw_only=True, field_transformer=masked)
class QueueState:
    """Those of one kind who wait for their turn.

    Args:
        kind: Kind of message.
        waiting: How many.
        oldest: Seconds that the first of them has waited.
        waits_for: The limit that holds it back.
    """

    kind: str
    waiting: int
    oldest: float
    waits_for: str = ""


@attrs.frozen(kw_only=True, field_transformer=masked)
class PacingSampled:
    """What the limits look like now.

    Args:
        budgets: One for each limit.
        queues: One for each kind of message of which some wait.
        open_lines: Market data lines that are out.
        line_capacity: How many may be.
    """

    at: datetime = attrs.field(converter=as_utc)
    budgets: tuple[BudgetUse, ...] = ()
    queues: tuple[QueueState, ...] = ()
    open_lines: int = 0
    line_capacity: int = 0


@attrs.frozen(kw_only=True, field_transformer=masked)
class LineOpened:
    """A market data line was taken.

    Args:
        open_lines: Market data lines open from now on.
    """

    at: datetime = attrs.field(converter=as_utc)
    subject: str
    open_lines: int


@attrs.frozen(kw_only=True, field_transformer=masked)
class LineClosed:
    """A market data line was given back.

    Args:
        open_lines: Market data lines open from now on.
    """

    at: datetime = attrs.field(converter=as_utc)
    subject: str
    open_lines: int


RequestEvent = (
    LineClosed
    | LineOpened
    | PacingHeld
    | PacingSampled
    | PacingWaited
    | RequestEnded
    | RequestQueued
    | RequestSent
)
"""Anything about requests and their limits."""
