"""What the journal keeps; each record bears its own instant, so the journal adds none."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Generic, Self, get_args

import attrs
import cattrs
from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.strategies import configure_tagged_union
from typing_extensions import TypeVar

from ibkeel.errors import JournalError
from ibkeel.model import (
    Bracket,
    ClientOrderId,
    ExecId,
    Execution,
    OrderReport,
    OrderState,
    OrderTicket,
    Quote,
    Signal,
    make_converter,
)
from ibkeel.model.checks import as_utc, finite
from ibkeel.model.convert import problems
from ibkeel.orders import EntryIntent, ExitIntent, StopIntent
from ibkeel.risk import DailyLossGuard


@attrs.frozen(kw_only=True)
class RunStarted:
    """A run began.

    Args:
        at: When.
        run: Name of the run, a part of its orders' names.
        session: Trading date.
        mode: Order mode, such as `DRY_RUN`.
        strategy: Name of the strategy.
        symbols: Tickers, in the order of the cycle.
        settings: Figures of the configuration, as text.
    """

    at: datetime = attrs.field(converter=as_utc)
    run: str
    session: date
    mode: str
    strategy: str
    symbols: tuple[str, ...] = ()
    settings: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class RunEnded:
    """A run ended; `outcome` is one word, `detail` says more."""

    at: datetime = attrs.field(converter=as_utc)
    run: str
    outcome: str
    detail: str = ""


@attrs.frozen(kw_only=True)
class CycleDone:
    """One symbol's cycle ended.

    Args:
        at: When it ended.
        symbol: Ticker.
        cycle: Counts the cycles of the run, 1 or more.
        outcome: One word, such as `entered`, `held`, `skipped` or `failed`.
        seconds: How long it took.
    """

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    cycle: int
    outcome: str
    seconds: float = attrs.field(default=0.0, validator=finite)


@attrs.frozen(kw_only=True)
class Decision:
    """What the strategy said, and what came of it.

    Args:
        at: When.
        symbol: Ticker.
        signal: The verdict with its facts.
        outcome: One word, such as `intended`, `refused` or `nothing`.
        reasons: Why it went no further; empty when it did.
    """

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    signal: Signal
    outcome: str
    reasons: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class QuoteSeen:
    """A quote that a decision rested on."""

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    quote: Quote


class Purpose(StrEnum):
    """What an order is for."""

    ENTRY = "entry"
    EXIT = "exit"
    PROTECTION = "protection"


@attrs.frozen(kw_only=True)
class Intent:
    """An order that is about to be sent, or would be in dry run.

    Args:
        at: When it was decided.
        symbol: Ticker of the underlying.
        client_order_id: Our name of the order.
        purpose: Entry, exit, or a stop for a position that has lost its own.
        order: The order itself.
        reason: Why, in words.
        signal: What the strategy said; None but for an entry.
    """

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    client_order_id: ClientOrderId
    purpose: Purpose = attrs.field(converter=Purpose)
    order: OrderTicket | Bracket
    reason: str = ""
    signal: Signal | None = None

    @classmethod
    def of(cls, intent: EntryIntent | ExitIntent | StopIntent) -> "Intent":
        """The record of an intent."""
        purpose, reason = _purpose_of(intent)
        return cls(
            at=intent.at,
            symbol=intent.symbol,
            client_order_id=intent.client_order_id,
            purpose=purpose,
            order=intent.order,
            reason=reason,
            signal=intent.signal if isinstance(intent, EntryIntent) else None,
        )


def _purpose_of(intent: EntryIntent | ExitIntent | StopIntent) -> tuple[Purpose, str]:
    if isinstance(intent, EntryIntent):
        return Purpose.ENTRY, intent.reason
    purpose, cause = (
        (Purpose.EXIT, intent.cause) if isinstance(intent, ExitIntent) else (Purpose.PROTECTION, intent.gap)
    )
    return purpose, f"{cause.value}: {intent.reason}" if intent.reason else cause.value


@attrs.frozen(kw_only=True)
class OrderUpdate:
    """What the venue said of an order."""

    at: datetime = attrs.field(converter=as_utc)
    report: OrderReport


@attrs.frozen(kw_only=True)
class OrderSettled:
    """What became of an order of which the venue has no trace, as far as that can be proved.

    Args:
        at: When it was proved.
        symbol: Ticker of the underlying.
        client_order_id: Our name of the order.
        state: What it is now.
        reason: The proof, in words.
    """

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    client_order_id: ClientOrderId
    state: OrderState = attrs.field(converter=OrderState)
    reason: str


@attrs.frozen(kw_only=True)
class FillSeen:
    """A fill; what it cost a Gateway tells a moment later, see `CommissionSeen`."""

    at: datetime = attrs.field(converter=as_utc)
    execution: Execution


@attrs.frozen(kw_only=True)
class CommissionSeen:
    """What a fill cost that was kept without.

    Args:
        at: When that was told.
        symbol: Ticker of what was traded.
        client_order_id: Our name of the order.
        exec_id: Name of the fill.
        commission: As in `Execution`.
        realized_pnl: The same; None on an opening fill.
    """

    at: datetime = attrs.field(converter=as_utc)
    symbol: str
    client_order_id: ClientOrderId
    exec_id: ExecId
    commission: float
    realized_pnl: float | None = None

    @classmethod
    def of(cls, execution: Execution, at: datetime) -> Self | None:
        """What a fill that is told again says of its cost; None when it says nothing."""
        if execution.commission is None:
            return None
        return cls(
            at=at,
            symbol=execution.contract.symbol,
            client_order_id=execution.client_order_id,
            exec_id=execution.exec_id,
            commission=execution.commission,
            realized_pnl=execution.realized_pnl,
        )


@attrs.frozen(kw_only=True)
class LossGuardKept:
    """The daily loss guard changed; a run that starts later takes it up again."""

    at: datetime = attrs.field(converter=as_utc)
    guard: DailyLossGuard


@attrs.frozen(kw_only=True)
class LimitsTaken:
    """Changed limits were taken over while the bot ran.

    Args:
        at: When; the next entry keeps to them.
        changes: Such as `risk.max_contracts: 10 -> 5`.
        needs_restart: Keys that were changed too and hold only once the bot is started again.
    """

    at: datetime = attrs.field(converter=as_utc)
    changes: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Failure:
    """Something went wrong and was dealt with.

    Args:
        at: When.
        symbol: Ticker; empty when it concerns none.
        kind: Name of the error's class.
        message: Its message.
        service: What failed, such as `bars` or `place`.
        code: The Gateway's error code; None when it sent none.
    """

    at: datetime = attrs.field(converter=as_utc)
    symbol: str = ""
    kind: str
    message: str
    service: str = ""
    code: int | None = None


Record = (
    RunStarted
    | RunEnded
    | CycleDone
    | Decision
    | QuoteSeen
    | Intent
    | OrderUpdate
    | OrderSettled
    | FillSeen
    | CommissionSeen
    | LimitsTaken
    | LossGuardKept
    | Failure
)
"""Anything the journal keeps."""

R_co = TypeVar("R_co", bound=Record, covariant=True, default=Record)


@attrs.frozen
class Entry(Generic[R_co]):
    """A record and its number, `seq`, counted from 1 in the order of writing."""

    seq: int
    record: R_co


KINDS: Final[Mapping[str, type[Any]]] = {
    "commission_seen": CommissionSeen,
    "cycle_done": CycleDone,
    "decision": Decision,
    "failure": Failure,
    "fill_seen": FillSeen,
    "intent": Intent,
    "limits_taken": LimitsTaken,
    "loss_guard_kept": LossGuardKept,
    "order_settled": OrderSettled,
    "order_update": OrderUpdate,
    "quote_seen": QuoteSeen,
    "run_ended": RunEnded,
    "run_started": RunStarted,
}
"""Record types by the name under which they are stored."""

_NAMES: Final[Mapping[type[Any], str]] = {kind: name for name, kind in KINDS.items()}


def kind_of(record: Record | type[Any] | str) -> str:
    """The stored name of a record, of its type, or of that name itself.

    Raises:
        JournalError: The journal keeps no such record.
    """
    kind = record if isinstance(record, type | str) else type(record)
    name = kind if isinstance(kind, str) else _NAMES.get(kind, kind.__name__)
    if name not in KINDS:
        raise JournalError(f"the journal keeps no {name!r}; it keeps {', '.join(KINDS)}")
    return name


def _make_converter() -> cattrs.Converter:
    converter = make_converter()
    configure_tagged_union(
        OrderTicket | Bracket, converter, tag_name="type", tag_generator=lambda kind: kind.__name__.lower()
    )
    report = make_dict_unstructure_fn(OrderReport, converter, code=override(omit_if_default=True))
    converter.register_unstructure_hook(OrderReport, report)  # older readers know no code
    return converter


_CONVERTER: Final = _make_converter()


def to_row(record: Record) -> dict[str, Any]:
    """Plain data of a record; keys in the order of its fields."""
    data: dict[str, Any] = _CONVERTER.unstructure(record)
    return data


def to_plain(value: object, kind: Any = None) -> Any:
    """Plain data of a part of a record; its declared type is needed for what may be of several kinds."""
    return _CONVERTER.unstructure(value, kind)


def from_row(kind: str, data: Mapping[str, Any]) -> Record:
    """A record from plain data, or a JournalError."""
    try:
        record: Record = _CONVERTER.structure(data, KINDS[kind_of(kind)])
    except (
        cattrs.BaseValidationError,
        ArithmeticError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise JournalError(f"a stored {kind} cannot be read: {'; '.join(problems(error))}") from error
    return record


def _told(record: Record) -> OrderReport | Execution | None:
    """What the venue said, of a record that holds nothing else."""
    if isinstance(record, OrderUpdate):
        return record.report
    return record.execution if isinstance(record, FillSeen) else None


def symbol_of(record: Record) -> str:
    """Ticker that a record concerns; empty for none."""
    told = _told(record)
    return getattr(record, "symbol", "") if told is None else told.contract.symbol


def reference_of(record: Record) -> str:
    """Our name of the order that a record concerns; empty for none."""
    return getattr(_told(record) or record, "client_order_id", "")


assert set(get_args(Record)) == set(KINDS.values())
