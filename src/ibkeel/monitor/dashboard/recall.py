"""What a journal says of its last session, as the board shows it."""

from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Final

from ibkeel.journal import (
    Decision,
    Failure,
    FillSeen,
    Intent,
    Journal,
    LossGuardKept,
    OrderUpdate,
    Record,
    RunEnded,
    RunStarted,
    SparingReader,
)
from ibkeel.model import Combo
from ibkeel.monitor.board import Snapshot, fold
from ibkeel.runner.telling import intended, ticket_of
from ibkeel.telemetry import (
    DecisionMade,
    Event,
    OrderChanged,
    OrderFilled,
    OrderPlaced,
    RunBegan,
    RunFinished,
    SignalSeen,
    SymbolFailed,
    redact,
)

_NONE: Final = "none"
_MOST: Final = 20_000
_WHOLE: Final = (RunStarted, RunEnded, Intent, OrderUpdate, FillSeen)
_RECENT: Final = (Decision, Failure)


def recalled(journal: Journal, most: int = _MOST) -> Snapshot:
    """The board of the journal's last session, all its runs together; blank when it tells of none.

    Orders and fills are whole; of decisions and failures only the last are read, so that a journal of
    months does not keep anybody waiting. What cannot be read is left out.

    Args:
        journal: Opened for reading.
        most: Records, from the end, among which decisions and failures are looked for.

    Raises:
        JournalError: It cannot be read.
    """
    reader = SparingReader(journal)
    found = _begin(reader)
    if found is None:
        return Snapshot()
    begin, run = found
    recent = max(begin, journal.count() - most)
    whole = (reader.events(kind, after=begin) for kind in _WHOLE)
    partly = (reader.events(kind, after=recent) for kind in _RECENT)
    entries = merge(*whole, *partly, key=lambda entry: entry.seq)
    return fold(Snapshot(), (*_told(run, ""), *_events(entry.record for entry in entries)))


def orders_of_last_session(journal: Journal) -> Iterator[Event]:
    """What became of the orders of the journal's last session, for the board of a run that takes over.

    What cannot be read is left out: no run waits for its board.
    """
    reader = SparingReader(journal)
    found = _begin(reader)
    if found is not None:
        kinds = (reader.events(kind, after=found[0]) for kind in (Intent, OrderUpdate, FillSeen))
        yield from _events(entry.record for entry in merge(*kinds, key=lambda entry: entry.seq))


def _begin(journal: SparingReader) -> tuple[int, RunStarted] | None:
    """Number of the record before the last session, and its last run; a run says only once that it began."""
    starts = list(journal.events(RunStarted))
    if not starts:
        return None
    seq, run = starts[-1].seq, starts[-1].record
    session = run.session
    begin = next(entry.seq for entry in starts if entry.record.session == session)
    # The first of a session is kept in its first cycle.
    for kept in journal.events(LossGuardKept, after=seq):
        day = kept.record.guard.session
        if day is not None and day > session:
            begin, session = kept.seq, day
    return begin - 1, run


def _events(records: Iterable[Record]) -> Iterator[Event]:
    combos: dict[str, bool] = {}  # of each order that is known
    for number, record in enumerate(records):
        match record:
            case Intent():
                combos[record.client_order_id] = isinstance(ticket_of(record).contract, Combo)
            case OrderUpdate(report=report) if report.client_order_id not in combos:
                combos[report.client_order_id] = isinstance(report.contract, Combo)
                # A bracket's child has no intent of its own.
                yield OrderPlaced.of(report, report.client_order_id, record.at, was_sent=True)
            case FillSeen(execution=done):
                is_leg = combos.get(done.client_order_id, False) and not done.is_of_combo
                yield OrderFilled.of(done, is_leg=is_leg)
        yield from _told(record, f"j{number}")


def _told(record: Record, name: str) -> Iterator[Event]:
    match record:
        case RunStarted():
            yield RunBegan(
                at=record.at,
                run=record.run,
                mode=record.mode,
                strategy=record.strategy,
                symbols=record.symbols,
            )
        case RunEnded():
            yield RunFinished(at=record.at, run=record.run, outcome=record.outcome, detail=record.detail)
        case Decision():
            yield from _decision(record, name)
        case Intent():
            yield intended(record)
        case OrderUpdate(report=report):
            yield OrderChanged.of(report, at=record.at)
        case Failure():
            yield SymbolFailed(
                at=record.at, symbol=record.symbol, error=record.kind, message=redact(record.message)
            )
        case _:
            return


def _decision(record: Decision, name: str) -> Iterator[Event]:
    signal = record.signal
    facts = tuple(map(str, signal.reasons))
    if signal.direction.value != _NONE:
        yield SignalSeen(
            at=record.at,
            signal_id=name,
            symbol=record.symbol,
            direction=signal.direction.value,
            confidence=signal.confidence,
            reasons=facts,
        )
        facts = ()
    yield DecisionMade(
        at=record.at,
        signal_id=name,
        symbol=record.symbol,
        outcome=record.outcome,
        reasons=record.reasons or facts,
    )
