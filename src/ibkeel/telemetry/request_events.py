"""What happened to requests: the limits that held them back, their way and their end."""

from datetime import datetime

import attrs

from ibkeel.model.checks import as_utc
from ibkeel.telemetry.redaction import masked


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
