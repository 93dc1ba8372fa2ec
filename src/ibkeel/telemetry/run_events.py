"""What happened to a run: its days, its cycles and its symbols; and what a person must know of."""

from datetime import date, datetime

import attrs

from ibkeel.model.checks import as_utc
from ibkeel.telemetry.redaction import masked


@attrs.frozen(kw_only=True, field_transformer=masked)
class RunBegan:
    """A run began.

    Args:
        run: Its name, a part of the names of its orders.
        mode: Order mode, such as `DRY_RUN`.
        strategy: Name of the strategy.
        symbols: Tickers, in the order of the cycle.
    """

    at: datetime = attrs.field(converter=as_utc)
    run: str
    mode: str
    strategy: str
    symbols: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, field_transformer=masked)
class RunFinished:
    """A run ended.

    Args:
        at: When.
        run: Name of the run.
        outcome: One word: `finished` or `interrupted`.
        detail: What it left open, when it did not finish: positions with their stops, and orders.
    """

    at: datetime = attrs.field(converter=as_utc)
    run: str
    outcome: str
    detail: str = ""


@attrs.frozen(kw_only=True, field_transformer=masked)
class TradingDayOpened:
    """A trading session of the exchange is about to be traded.

    Args:
        day: Trading date.
        opens_at: When it opens.
        closes_at: When it closes.
    """

    at: datetime = attrs.field(converter=as_utc)
    day: date
    opens_at: datetime = attrs.field(converter=as_utc)
    closes_at: datetime = attrs.field(converter=as_utc)


@attrs.frozen(kw_only=True, field_transformer=masked)
class TradingDayClosed:
    """A trading session is over.

    Args:
        day: Trading date.
        held: Positions that are still open; None when nobody could look.
        detail: Which, and why.
    """

    at: datetime = attrs.field(converter=as_utc)
    day: date
    held: int | None = None
    detail: str = ""


@attrs.frozen(kw_only=True, field_transformer=masked)
class CycleStarted:
    """The runner begins to go over its symbols.

    Args:
        number: Counts the cycles of the run, 1 or more.
        interval: Seconds from one cycle to the next, as configured.
    """

    at: datetime = attrs.field(converter=as_utc)
    number: int
    interval: float


@attrs.frozen(kw_only=True, field_transformer=masked)
class CycleEnded:
    """The runner went once over all its symbols.

    Args:
        number: Of the cycle, from 1.
        failures: Symbols whose cycle ended in an error.
    """

    at: datetime = attrs.field(converter=as_utc)
    number: int
    seconds: float
    failures: int


@attrs.frozen(kw_only=True, field_transformer=masked)
class CycleOverran:
    """A cycle took longer than the interval, or was ended because the close neared.

    Args:
        number: Of the cycle.
        seconds: How long it took.
        allowed: How long it might have taken.
    """

    at: datetime = attrs.field(converter=as_utc)
    number: int
    seconds: float
    allowed: float


@attrs.frozen(kw_only=True, field_transformer=masked)
class LimitsChanged:
    """Changed limits were taken over from the configuration; the next entry keeps to them.

    Args:
        changes: Such as `risk.max_contracts: 10 -> 5`.
        needs_restart: Keys that were changed too and hold only once the bot is started again.
    """

    at: datetime = attrs.field(converter=as_utc)
    changes: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, field_transformer=masked)
class SymbolFailed:
    """One symbol's part of a cycle ended in a typed error."""

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    error: str
    message: str


@attrs.frozen(kw_only=True, field_transformer=masked)
class SymbolWarmed:
    """What the strategy needs of one symbol was asked for, before the first cycle.

    Args:
        symbol: Ticker.
        is_ready: Whether it is all there.
        detail: What is there, or what is not.
        done: Symbols that were asked about, this one included.
        of: How many there are.
    """

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    is_ready: bool
    detail: str
    done: int
    of: int


@attrs.frozen(kw_only=True, field_transformer=masked)
class SymbolSkipped:
    """One symbol sat out a cycle after repeated failures.

    Args:
        cycles_left: Cycles that it is still left out.
    """

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    failures: int
    cycles_left: int


RunEvent = (
    CycleEnded
    | CycleOverran
    | CycleStarted
    | LimitsChanged
    | RunBegan
    | RunFinished
    | SymbolFailed
    | SymbolSkipped
    | SymbolWarmed
    | TradingDayClosed
    | TradingDayOpened
)
"""Anything about a run."""


@attrs.frozen(kw_only=True, field_transformer=masked)
class AlarmRaised:
    """Something that only a person can mend, or must know of.

    Args:
        name: What it is about, such as `session` or `service historical data`.
        message: What happened, and what to do.
        lasts: Whether `AlarmEnded` will tell that it is over.
    """

    at: datetime = attrs.field(converter=as_utc)
    name: str
    message: str
    lasts: bool = False


@attrs.frozen(kw_only=True, field_transformer=masked)
class AlarmEnded:
    """What alarms of a name were about is over.

    Args:
        name: Theirs.
        message: What it is like now.
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


AlarmEvent = AlarmEnded | AlarmRaised | AlertDelivered | AlertQueued | AlertUndelivered
"""Anything about alarms and their alerts."""
