"""What a run did, counted while it runs and frozen when it ends; and how far it is."""

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import AmbiguousContract, JournalError, UnknownContract
from ibkeel.journal import Failure
from ibkeel.model import Contract
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.schedule import Session
from ibkeel.telemetry import AlarmRaised, Observer, SymbolFailed, redact
from ibkeel.validators import Fixed


@attrs.frozen(kw_only=True)
class Held:
    """A position that is still open, and why.

    Args:
        contract: What is held.
        signed_quantity: How much.
        reason: Why it was not closed.
        is_ours: Whether this run or one that it took over traded the contract.
        is_leaving: Whether its exit was sent, and has not filled in time.
    """

    contract: Contract
    signed_quantity: float
    reason: str
    is_ours: bool = True
    is_leaving: bool = False


@attrs.frozen(kw_only=True)
class ErrorSeen:
    """One failure.

    Args:
        symbol: Whose part of a cycle failed; empty for none.
        kind: Type of the error.
        message: Its text.
        is_timeout: Whether a deadline passed.
    """

    at: datetime
    symbol: str
    kind: str
    message: str
    is_timeout: bool


@attrs.frozen(kw_only=True)
class Latency:
    """How long one kind of request took, in seconds of the loop's time.

    Args:
        count: Requests that ended, in a value or an error.
        median: Half took at most this long.
        p95: 95 % took at most this long.
        longest: All did.
    """

    count: int
    median: float
    p95: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        """The figures of at least one duration; quantiles are durations that occurred."""
        ordered = sorted(seconds)
        last = len(ordered) - 1
        return cls(
            count=len(ordered),
            median=ordered[last // 2],
            p95=ordered[min(last, int(0.95 * len(ordered)))],
            longest=ordered[last],
        )


@attrs.define(kw_only=True)
class SymbolTally:
    """What became of one symbol.

    Args:
        cycles: Cycles that looked at it, failures included.
        skipped: Cycles it sat out after repeated failures.
        failures: Cycles that ended in an error.
        answers: Cycles in which the strategy was asked, and answered.
        signals: Cycles whose signal asked for a position.
        intents: Entries and exits that were decided.
    """

    cycles: int = 0
    skipped: int = 0
    failures: int = 0
    answers: int = 0
    signals: int = 0
    intents: int = 0


@attrs.frozen(kw_only=True)
class RunReport:
    """What a run did.

    Args:
        run: Its name.
        cycles: How often the runner went over its symbols.
        symbols: Per symbol, in the order configured.
        orders: Orders intended in dry run, else sent, the children of brackets included.
        orders_sent: Orders that left.
        fills: Executions of our orders.
        errors: Every failure, in order.
        held: Positions of the account that are still open at the end of the session, those that are not
            ours named so; empty when flat, None when nobody looked or could.
        latencies: By kind of request.
    """

    run: str
    cycles: int
    symbols: Mapping[str, SymbolTally]
    orders: int
    orders_sent: int
    fills: int
    errors: tuple[ErrorSeen, ...]
    held: tuple[Held, ...] | None
    latencies: Mapping[str, Latency]

    @property
    def signals(self) -> int:
        """Signals that asked for a position."""
        return sum(row.signals for row in self.symbols.values())

    @property
    def intents(self) -> int:
        """Entries and exits that were decided."""
        return sum(row.intents for row in self.symbols.values())

    @property
    def timeouts(self) -> int:
        """Failures in which a deadline passed."""
        return sum(error.is_timeout for error in self.errors)


class Tally:
    """Counts while a run runs."""

    def __init__(self, run: str, symbols: Sequence[str]) -> None:
        self._run = run
        self._seconds: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self.symbols = {symbol: SymbolTally() for symbol in symbols}
        self.errors: list[ErrorSeen] = []
        self.held: tuple[Held, ...] | None = None
        self.cycles = self.orders = self.orders_sent = self.fills = 0

    def took(self, kind: str, seconds: float) -> None:
        """Note how long a request took."""
        # The virtual loop lands a microsecond after its timers; that is no latency.
        self._seconds[kind].append(round(seconds, 4) if seconds else 0.0)

    def report(self) -> RunReport:
        """Everything counted so far."""
        return RunReport(
            run=self._run,
            cycles=self.cycles,
            symbols=Fixed({name: attrs.evolve(row) for name, row in self.symbols.items()}),
            orders=self.orders,
            orders_sent=self.orders_sent,
            fills=self.fills,
            errors=tuple(self.errors),
            held=self.held,
            latencies=Fixed({kind: Latency.of(row) for kind, row in sorted(self._seconds.items())}),
        )


@attrs.frozen(kw_only=True)
class Progress:
    """How far a session is.

    Args:
        now: The present instant.
        session: The session that is traded.
        cycles: Cycles done in the run.
        warmed: Symbols that were warmed up; None once cycles go.
        symbols: How many there are to warm up.
    """

    now: datetime
    session: Session
    cycles: int
    warmed: int | None = None
    symbols: int = 0


class Failures:
    """Takes note of what went wrong."""

    def __init__(self, recorder: Recorder, tally: Tally, clock: Clock, observer: Observer) -> None:
        self._recorder, self._tally = recorder, tally
        self._clock, self._observer = clock, observer
        self._unknown: set[str] = set()
        recorder.lost = self.lost

    def note(self, symbol: str, error: BaseException, service: str = "") -> None:
        """Note the failure of a service, such as `cancel`, in a symbol, or in none."""
        # What a strategy raises may be text that no file holds, or have no words, or a code that is no number.
        message = redact(_words(error)).encode(errors="backslashreplace").decode()
        now, kind = self._clock.now(), type(error).__name__
        code = getattr(error, "code", None)
        code = code if type(code) is int else None
        self._recorder.keep(
            Failure(at=now, symbol=symbol, kind=kind, message=message, service=service, code=code)
        )
        self._tally.errors.append(
            ErrorSeen(
                at=now, symbol=symbol, kind=kind, message=message, is_timeout=isinstance(error, TimeoutError)
            )
        )
        self._observer.on_event(SymbolFailed(at=now, symbol=symbol, error=kind, message=message))
        is_unknown = isinstance(error, UnknownContract | AmbiguousContract) and service in {"", "qualify"}
        if is_unknown and symbol and symbol not in self._unknown:
            self._unknown.add(symbol)
            self._alarm(f"symbol {symbol}", f"{message}; nothing is entered there, and it is asked for again")

    def lost(self, error: JournalError) -> None:
        """Note that the journal lacks a record, for good or for now, and tell a person."""
        self.note("", error, "journal")
        words = f"the journal lacks a record, and what it was about may be unknown after a restart: {error}"
        self._alarm("journal", words)

    def broke(self, name: str, error: BaseException, words: str) -> None:
        """Note a fault of our own in what runs beside the cycles, and tell a person what it means."""
        self.note("", error, name)
        self._alarm(f"task {name}", words)

    def _alarm(self, name: str, words: str) -> None:
        self._observer.on_event(AlarmRaised(at=self._clock.now(), name=name, message=redact(words)))


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failed:  # noqa: BLE001 - it is somebody else's code
        return f"its words could not be read: {type(failed).__name__}"
