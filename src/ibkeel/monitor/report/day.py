"""A day's facts, read from what the bot wrote down while it happened."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import isfinite
from typing import Any, Final

import attrs

from ibkeel.errors import JournalError
from ibkeel.journal import (
    CommissionSeen,
    CycleDone,
    Decision,
    Failure,
    FillSeen,
    Intent,
    Journal,
    LossGuardKept,
    OrderSettled,
    QuoteSeen,
    Record,
    RunEnded,
    RunStarted,
    SparingReader,
)
from ibkeel.journal.reading import records_of, runs_on, sessions_of
from ibkeel.model import Execution, Side, Stock, fill_name, name_of_series
from ibkeel.monitor.board import Snapshot
from ibkeel.monitor.board.snapshot import plain
from ibkeel.orders import venue_day
from ibkeel.telemetry import redact

_APART: Final = timedelta(minutes=15)  # more than the ten at which a run keeps what goes on
_NOTES: Final = 500


@attrs.frozen(kw_only=True)
class PricePoint:
    """The price of an underlying at an instant, as a decision saw it."""

    at: datetime
    price: float


@attrs.frozen(kw_only=True)
class TradeLeg:
    """One fill.

    Args:
        at: When.
        symbol: Ticker of the underlying.
        subject: The contract.
        side: `BUY` or `SELL`.
        quantity: Contracts or shares.
        price: Per share, in `currency`.
        cash: What it brought, negative for what it cost, less the commission where the journal knows it.
        order: Our name of the order.
        reason: Why the order was decided; empty for a bracket's child.
        commission: None where the journal does not know it: a Gateway tells it after the fill.
    """

    at: datetime
    symbol: str
    subject: str
    side: str
    quantity: float
    price: float
    currency: str
    cash: float
    order: str
    reason: str = ""
    commission: float | None = None


@attrs.frozen(kw_only=True)
class Outcome:
    """How often decisions ended so."""

    outcome: str
    count: int


@attrs.frozen(kw_only=True)
class Note:
    """One decision: what the strategy wanted, and why it was done or not.

    Args:
        at: When.
        symbol: Ticker.
        direction: What the strategy said.
        outcome: What came of it.
        reasons: Why.
        facts: What the strategy saw.
    """

    at: datetime
    symbol: str
    direction: str
    outcome: str
    reasons: tuple[str, ...]
    facts: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Incident:
    """Something that went wrong.

    Args:
        at: When.
        what: Kind of trouble.
        symbol: Whom it hit; empty for all.
        text: What was said.
        ended_at: When it was over; None when that is not known.
    """

    at: datetime
    what: str
    symbol: str = ""
    text: str = ""
    ended_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Latency:
    """How fast one kind of request was, in seconds."""

    kind: str
    answered: int
    failed: int
    p50: float | None
    p95: float | None
    p99: float | None


@attrs.frozen(kw_only=True)
class DayReport:
    """A trading day.

    Args:
        session: Trading date.
        runs: Names of the runs, in order.
        mode: Order mode of the last one.
        strategy: Of the last one.
        symbols: Of the last one.
        outcome: How the last one ended; empty when it did not.
        cycles: Looks at all symbols.
        start_equity: As the loss guard had it; None when it was never read.
        guard_tripped: Whether the daily loss stopped entries.
        equity: Readings of the day; empty when none were kept.
        prices: Of each underlying, as decisions saw them.
        fills: In order.
        cash: Of the fills, by currency; their result, before commissions not told, if nothing was held before or after.
        open_after: How much the fills change what is held, by contract: below zero when it was held before and sold.
        held_before: How much of the same contracts earlier fills had left.
        outcomes: Of decisions, the most frequent first.
        notes: Decisions that wanted something, the last few hundred.
        not_done: Why nothing came of decisions that wanted something, the most frequent first.
        incidents: In order.
        latencies: By kind of request; empty when they were not kept.
    """

    session: date
    runs: tuple[str, ...]
    mode: str
    strategy: str
    symbols: tuple[str, ...]
    outcome: str
    cycles: int
    start_equity: float | None
    guard_tripped: bool
    equity: tuple[tuple[datetime, float], ...]
    prices: Mapping[str, tuple[PricePoint, ...]]
    fills: tuple[TradeLeg, ...]
    cash: Mapping[str, float]
    open_after: Mapping[str, float]
    held_before: Mapping[str, float]
    outcomes: tuple[Outcome, ...]
    notes: tuple[Note, ...]
    not_done: tuple[Outcome, ...]
    incidents: tuple[Incident, ...]
    latencies: tuple[Latency, ...]

    def as_data(self) -> dict[str, Any]:
        """The report as JSON knows values."""
        data: dict[str, Any] = plain(self)
        return data


def report_of(
    journal: Journal, session: date | None = None, *, snapshot: Snapshot | None = None
) -> DayReport:
    """Read a day.

    Args:
        journal: What the bot wrote down.
        session: Trading date; None takes the last one.
        snapshot: The board of the bot while it runs: it knows equity and latencies, which no journal keeps.

    Raises:
        JournalError: The journal cannot be read, or tells nothing of that day.
    """
    known = sessions_of(journal)
    session = session or (known[-1] if known else None)
    seen = None if snapshot is None else snapshot.run.day  # also when no equity could be read
    records = tuple(records_of(journal, session)) if session and session in {*known, seen} else ()
    runs = runs_on(journal, session, records) if session else ()
    if not session or not runs:
        shown = ", ".join(day.isoformat() for day in known[-5:]) or "none: it has no RunStarted"
        raise JournalError(f"the journal tells nothing of {session or 'any session'}; it tells of {shown}")
    return _Reading(journal, session, runs, records).report(snapshot)


class _Reading:
    def __init__(
        self, journal: Journal, session: date, runs: Sequence[RunStarted], records: Iterable[Record]
    ) -> None:
        self._journal, self._session, self._runs = journal, session, runs
        self._all: defaultdict[type[Any], list[Any]] = defaultdict(list)
        for record in records:
            self._all[type(record)].append(record)

    def report(self, snapshot: Snapshot | None) -> DayReport:
        last = self._runs[-1]
        ends = [row for row in self._all[RunEnded] if row.run == last.run]
        guards = [row.guard for row in self._all[LossGuardKept]]
        start = next((guard.start_equity for guard in guards if guard.start_equity is not None), None)
        known = [(venue_day(fill.at), fill) for fill in self._fills()]
        fills = tuple(fill for day, fill in known if day == self._session)
        traded = {fill.subject for fill in fills}
        before = (fill for day, fill in known if day < self._session and fill.subject in traded)
        notes = tuple(self._notes())
        undone = (note.reasons for note in notes if note.outcome != "entry")
        return DayReport(
            session=self._session,
            runs=tuple(dict.fromkeys(row.run for row in self._runs)),
            mode=last.mode,
            strategy=last.strategy,
            symbols=last.symbols,
            outcome=ends[-1].outcome if ends else "",
            cycles=self._cycles(),
            start_equity=None if start is None else float(start),
            guard_tripped=any(guard.tripped for guard in guards),
            equity=() if snapshot is None else self._equity(snapshot),
            prices=self._prices(),
            fills=fills,
            cash=_sums((fill.currency, fill.cash) for fill in fills),
            open_after=_held(fills),
            held_before=_held(before),
            outcomes=_ranked(Counter(row.outcome for row in self._all[Decision])),
            notes=notes[-_NOTES:],
            not_done=_ranked(Counter(_without_figures(reason) for reasons in undone for reason in reasons)),
            incidents=tuple(self._incidents(snapshot)),
            latencies=() if snapshot is None else tuple(_latencies(snapshot)),
        )

    def _cycles(self) -> int:
        """Each run numbers its own."""
        began = [row.at for row in self._runs]
        return len({(bisect_right(began, row.at), row.cycle) for row in self._all[CycleDone]})

    def _touches(self, begin: datetime, end: datetime | None) -> bool:
        return venue_day(begin) <= self._session and (end is None or venue_day(end) >= self._session)

    def _fills(self) -> Iterator[TradeLeg]:
        """Of every day: on its own a fill stays, whenever it is corrected or charged."""
        reader = SparingReader(self._journal)
        corrected: dict[str, Execution] = {}
        for entry in reader.events(FillSeen):
            done = entry.record.execution
            name = fill_name(done.exec_id)
            corrected[name] = attrs.evolve(done, at=corrected.get(name, done).at)
        costs = {row.record.exec_id: row.record.commission for row in reader.events(CommissionSeen)}
        why = {row.client_order_id: row.reason for row in self._all[Intent]}
        for done in (row for row in corrected.values() if not row.is_of_combo):
            commission = done.commission if done.commission is not None else costs.get(done.exec_id)
            units = done.side.sign * done.quantity * float(getattr(done.contract, "multiplier", 1))
            yield TradeLeg(
                at=done.at,
                symbol=done.contract.symbol,
                subject=name_of_series(done.contract),
                side=done.side.value,
                quantity=done.quantity,
                price=done.price,
                currency=done.contract.currency,
                cash=-units * done.price - (commission or 0.0),
                commission=commission,
                order=done.client_order_id,
                reason=redact(why.get(done.client_order_id, "")),
            )

    def _notes(self) -> Iterator[Note]:
        for row in self._all[Decision]:
            if row.signal.is_entry:
                yield Note(
                    at=row.at,
                    symbol=row.symbol,
                    direction=row.signal.direction.value,
                    outcome=row.outcome,
                    reasons=tuple(map(redact, row.reasons)),
                    facts=tuple(redact(str(fact)) for fact in row.signal.reasons),
                )

    def _prices(self) -> dict[str, tuple[PricePoint, ...]]:
        found: dict[str, list[PricePoint]] = {}
        for row in self._all[QuoteSeen]:
            price = row.quote.last if row.quote.last is not None else row.quote.mid
            if isinstance(row.quote.contract, Stock) and price is not None:
                found.setdefault(row.symbol, []).append(PricePoint(at=row.at, price=price))
        return {symbol: tuple(points) for symbol, points in found.items()}

    def _equity(self, snapshot: Snapshot) -> tuple[tuple[datetime, float], ...]:
        rows = snapshot.money.equity
        return tuple((at, value) for at, value in rows if isfinite(value) and self._touches(at, at))

    def _incidents(self, snapshot: Snapshot | None) -> Iterator[Incident]:
        settled = [
            Incident(
                at=row.at,
                what="order settled",
                symbol=row.symbol,
                text=redact(f"{row.client_order_id}: {row.reason}"),
            )
            for row in self._all[OrderSettled]
        ]
        ended = {row.run for row in self._all[RunEnded]}
        killed = [
            Incident(
                at=after.at, what="run killed", text=f"the run {run.run} before this one did not end in order"
            )
            for run, after in pairwise(self._runs)
            if run.run not in {after.run, *ended}
        ]
        rows = () if snapshot is None else snapshot.incidents.rows
        of_board = [
            Incident(at=row.at, what=f"{row.kind} {row.name}", text=row.text, ended_at=row.ended_at)
            for row in rows
            if self._touches(row.at, None if row.is_open else row.ended_at or row.at)
        ]
        yield from sorted(
            [*_failures(self._all[Failure]), *settled, *killed, *of_board], key=lambda row: row.at
        )


def _failures(rows: Iterable[Failure]) -> Iterator[Incident]:
    """Those that say the same but for figures, one within minutes of the other, as one that ended with the last."""
    groups: dict[tuple[str, str, str], list[Failure]] = {}
    for row in rows:
        group = groups.setdefault((row.kind, row.symbol, _without_figures(row.message)), [])
        if group and row.at - group[-1].at > _APART:
            yield _as_one(group)
            group.clear()
        group.append(row)
    yield from map(_as_one, groups.values())


def _as_one(rows: Sequence[Failure]) -> Incident:
    first, times = rows[0], len(rows)
    text = redact(first.message) + (f" ({times} times)" if times > 1 else "")
    ended_at = rows[-1].at if times > 1 else None
    return Incident(at=first.at, what=first.kind, symbol=first.symbol, text=text, ended_at=ended_at)


def _held(fills: Iterable[TradeLeg]) -> dict[str, float]:
    held = _sums((fill.subject, Side(fill.side).sign * fill.quantity) for fill in fills)
    return {subject: quantity for subject, quantity in held.items() if round(quantity, 9)}


def _sums(rows: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for name, value in rows:
        sums[name] += value
    return dict(sums)


def _without_figures(reason: str) -> str:
    """The reason with its figures left out, so that equal ones count together."""
    words = ("…" if any(sign.isdigit() for sign in word) else word for word in reason.split())
    return " ".join(words)


def _ranked(counts: Mapping[str, int]) -> tuple[Outcome, ...]:
    ordered = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return tuple(Outcome(outcome=name, count=count) for name, count in ordered)


def _latencies(snapshot: Snapshot) -> Iterator[Latency]:
    for row in snapshot.requests.kinds.values():
        seen = {name: getattr(row.latency, name, None) for name in ("p50", "p95", "p99")}
        yield Latency(kind=row.kind, answered=row.answered, failed=row.failed, **seen)
