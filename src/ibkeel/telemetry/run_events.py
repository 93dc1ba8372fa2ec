"""What happened to a run: its days, its cycles and its symbols."""

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
    """

    at: datetime = attrs.field(converter=as_utc)
    day: date
    held: int | None = None


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
