"""What happened, as frozen records.

Names are in the past tense; durations are seconds, instants aware UTC. A record carries text that
is fit to be shown: an error by its type and message, a contract by its name, an account masked.
"""

from datetime import datetime

import attrs

from ibkeel.model.checks import as_utc

__all__ = [
    "AlarmRaised",
    "Connected",
    "ConnectionLost",
    "CycleEnded",
    "Disconnected",
    "Event",
    "GatewayNoticed",
    "LineClosed",
    "LineOpened",
    "OrderChanged",
    "OrderPlaced",
    "PacingWaited",
    "RequestEnded",
    "ServiceChanged",
    "SessionChanged",
    "StreamRestored",
    "SymbolFailed",
    "SymbolSkipped",
]


@attrs.frozen(kw_only=True)
class Connected:
    """A session with the Gateway began."""

    at: datetime = attrs.field(converter=as_utc)
    host: str
    port: int
    client_id: int
    server_version: int | None = None
    account: str = ""


@attrs.frozen(kw_only=True)
class Disconnected:
    """We ended the session."""

    at: datetime = attrs.field(converter=as_utc)


@attrs.frozen(kw_only=True)
class ConnectionLost:
    """The session ended without our asking."""

    at: datetime = attrs.field(converter=as_utc)
    cause: str


@attrs.frozen(kw_only=True)
class RequestEnded:
    """A request ended, with a value or with one typed error.

    Args:
        kind: Kind of request, such as `quote` or `bars`.
        subject: What it was about, such as a contract's name.
        seconds: From the call to its end, waiting for pacing included.
        error: Type of the error; empty when a value came.
    """

    at: datetime = attrs.field(converter=as_utc)
    kind: str
    subject: str = ""
    seconds: float
    error: str = ""


@attrs.frozen(kw_only=True)
class PacingWaited:
    """A request was held back so that a documented limit is kept."""

    at: datetime = attrs.field(converter=as_utc)
    rule: str
    seconds: float


@attrs.frozen(kw_only=True)
class LineOpened:
    """A market data line was taken."""

    at: datetime = attrs.field(converter=as_utc)
    subject: str
    open_lines: int


@attrs.frozen(kw_only=True)
class LineClosed:
    """A market data line was given back."""

    at: datetime = attrs.field(converter=as_utc)
    subject: str
    open_lines: int


@attrs.frozen(kw_only=True)
class GatewayNoticed:
    """The Gateway sent a notice that ended no request."""

    at: datetime = attrs.field(converter=as_utc)
    code: int
    text: str


@attrs.frozen(kw_only=True)
class OrderPlaced:
    """An order left, or would have left in dry run."""

    at: datetime = attrs.field(converter=as_utc)
    client_order_id: str
    subject: str
    side: str
    quantity: int
    was_sent: bool


@attrs.frozen(kw_only=True)
class OrderChanged:
    """The venue said something new of an order."""

    at: datetime = attrs.field(converter=as_utc)
    client_order_id: str
    state: str
    filled: float
    reason: str = ""


@attrs.frozen(kw_only=True)
class CycleEnded:
    """The runner went once over all its symbols."""

    at: datetime = attrs.field(converter=as_utc)
    number: int
    seconds: float
    failures: int


@attrs.frozen(kw_only=True)
class AlarmRaised:
    """Something that only a person can mend, or must know of.

    Args:
        name: What it is about, such as `session` or `service historical data`.
        message: What happened, and what to do.
    """

    at: datetime = attrs.field(converter=as_utc)
    name: str
    message: str


@attrs.frozen(kw_only=True)
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


@attrs.frozen(kw_only=True)
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


@attrs.frozen(kw_only=True)
class StreamRestored:
    """A stream that an outage interrupted ticks again.

    Args:
        subject: Whose quotes it carries.
        seconds: From the interruption to its first tick.
    """

    at: datetime = attrs.field(converter=as_utc)
    subject: str
    seconds: float


@attrs.frozen(kw_only=True)
class SymbolFailed:
    """One symbol's part of a cycle ended in a typed error."""

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    error: str
    message: str


@attrs.frozen(kw_only=True)
class SymbolSkipped:
    """One symbol sat out a cycle after repeated failures."""

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    failures: int
    cycles_left: int


Event = (
    AlarmRaised
    | Connected
    | ConnectionLost
    | CycleEnded
    | Disconnected
    | GatewayNoticed
    | LineClosed
    | LineOpened
    | OrderChanged
    | OrderPlaced
    | PacingWaited
    | RequestEnded
    | ServiceChanged
    | SessionChanged
    | StreamRestored
    | SymbolFailed
    | SymbolSkipped
)
"""Anything that an observer is told."""
