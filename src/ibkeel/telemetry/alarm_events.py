"""What a person must know of, and whether it reached one."""

from datetime import datetime

import attrs

from ibkeel.model.checks import as_utc
from ibkeel.telemetry.redaction import masked


@attrs.frozen(kw_only=True, field_transformer=masked)
class AlarmRaised:
    """Something that only a person can mend, or must know of.

    Args:
        name: What it is about, such as `session` or `service historical data`.
        message: What happened, and what to do.
    """

    at: datetime = attrs.field(converter=as_utc)
    name: str
    message: str


@attrs.frozen(kw_only=True, field_transformer=masked)
class AlertQueued:
    """An alert is about to be sent, or is kept back.

    Args:
        number: Counts the alerts of this process, 1 or more.
        severity: `info`, `warning` or `critical`.
        key: What it is about; repeats of one key are told once.
        title: One line.
        text: What happened, what was done about it, what to do.
        kept_back: Why it is not sent: `quiet hours` or `rate limit`; empty when it is.
    """

    at: datetime = attrs.field(converter=as_utc)
    number: int
    severity: str
    key: str
    title: str
    text: str = ""
    kept_back: str = ""


@attrs.frozen(kw_only=True, field_transformer=masked)
class AlertDelivered:
    """An alert reached a channel.

    Args:
        number: Of the alert.
        channel: Its place in the configuration and its kind, such as `1 (discord)`; never an address.
        attempts: How many it took.
    """

    at: datetime = attrs.field(converter=as_utc)
    number: int
    channel: str
    attempts: int


@attrs.frozen(kw_only=True, field_transformer=masked)
class AlertUndelivered:
    """An alert did not reach a channel.

    Args:
        number: Of the alert; 0 for the heartbeat.
        channel: As in `AlertDelivered`.
        attempts: How many were made.
        cause: What went wrong, by type, in words.
        is_final: Whether it was given up.
    """

    at: datetime = attrs.field(converter=as_utc)
    number: int
    channel: str
    attempts: int
    cause: str
    is_final: bool = False


AlarmEvent = AlarmRaised | AlertDelivered | AlertQueued | AlertUndelivered
"""Anything about alarms and their alerts."""
