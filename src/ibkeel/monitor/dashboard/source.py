"""Where a page gets what it shows: from a board, from a bot that runs, or from what it wrote down."""

import asyncio
import http.client
import json
from collections.abc import Iterable, Iterator
from heapq import merge
from pathlib import Path
from typing import Any, Final, Protocol

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import JournalError
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
from ibkeel.monitor.board import Board, Snapshot, fold, snapshot_data
from ibkeel.monitor.dashboard.api import API_FILE, PROOF
from ibkeel.runner import Halt
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

SILENT: Final = 300.0
"""Seconds without any event, as in the alert IbkeelSilent, after which a bot is not believed to work."""

_VOLATILE: Final = frozenset({"now", "age"})
_PATIENCE: Final = 2.0
_LONGEST: Final = 20_000_000  # bytes
_PARTS: Final = frozenset(field.name for field in attrs.fields(Snapshot))
_NONE: Final = "none"
_MOST: Final = 20_000
_WHOLE: Final = (RunStarted, RunEnded, Intent, OrderUpdate, FillSeen)
_RECENT: Final = (Decision, Failure)


@attrs.frozen(kw_only=True)
class View:
    """What is to be shown now.

    Args:
        origin: `bot` for one that runs, `journal` for what one wrote down, `none` for neither.
        note: What to say about that; empty for a bot that runs.
        data: The board as `snapshot_data` gives it.
    """

    origin: str
    note: str = ""
    data: dict[str, Any]


class Source(Protocol):
    """Gives the present view."""

    async def view(self) -> View:
        """What is to be shown now."""
        ...


class Controls(Protocol):
    """What a page may do."""

    @property
    def halted(self) -> str:
        """Why entries are halted; empty when they are not."""
        ...

    def halt(self, reason: str) -> None:
        """Let no entry leave; exits pass."""
        ...

    def lift(self) -> None:
        """Let entries pass again."""
        ...


class HaltControls(Controls):
    """Halts by the file that every bot of the state directory looks at; works also when none can be reached.

    Args:
        path: The file.
        clock: Stamps it.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock

    @property
    @override
    def halted(self) -> str:
        return redact(Halt(self._path).reason)

    @override
    def halt(self, reason: str) -> None:
        Halt(self._path).halt(reason, self._clock.now())

    @override
    def lift(self) -> None:
        Halt(self._path).lift()


class BoardSource(Source):
    """A board of the same process.

    Args:
        board: What is shown.
        clock: For ages.
    """

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board, self._clock = board, clock

    @override
    async def view(self) -> View:
        return View(origin="bot", data=snapshot_data(self._board.snapshot, now=self._clock.now()))


class BotSource(Source):
    """A bot that runs, by its API; its journal, read-only, when it does not.

    Args:
        folder: The bot's state directory.
        journal: Its journal.
        clock: For ages.
    """

    def __init__(self, folder: Path, journal: Path, clock: Clock) -> None:
        self._folder, self._journal, self._clock = folder, journal, clock
        self._remembered: tuple[tuple[int, ...], Snapshot] | None = None

    @override
    async def view(self) -> View:
        return await asyncio.to_thread(self.look)

    def look(self) -> View:
        """The same, for who has no loop."""
        data, trouble = self._asked()
        if data is not None:
            return View(origin="bot", data=data)
        return self._from_journal(trouble)

    def running(self) -> dict[str, Any] | None:
        """The board of the bot that runs; None when none answers."""
        return self._asked()[0]

    def _asked(self) -> tuple[dict[str, Any] | None, str]:
        """The bot's own board, or why there is none."""
        path = self._folder / API_FILE
        try:
            address = json.loads(path.read_text(encoding="utf-8"))
            connection = http.client.HTTPConnection(address["host"], address["port"], timeout=_PATIENCE)
            token, proof = address["token"], address.get("proof", "")
        except FileNotFoundError:
            return None, "no bot runs"
        except (OSError, ValueError, KeyError, TypeError) as error:
            return None, f"{path} cannot be read: {error}"
        try:
            connection.request("GET", "/board", headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            is_ours = answer.status == http.HTTPStatus.OK and answer.getheader(PROOF, "") == proof
            data = json.loads(answer.read(_LONGEST)) if is_ours else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            return None, f"the bot does not answer ({error})"
        finally:
            connection.close()
        if isinstance(data, dict) and data.keys() >= _PARTS:
            return data, ""
        return None, "another program has the port of a bot that is gone"

    def _from_journal(self, trouble: str) -> View:
        now = self._clock.now()
        try:
            snapshot = self._recalled()
        except (JournalError, OSError) as error:
            blank = snapshot_data(Snapshot(), now=now)
            return View(origin="none", note=f"{trouble}, and there is nothing to show: {error}", data=blank)
        when = "" if snapshot.at is None else f", last written {snapshot.at:%Y-%m-%d %H:%M:%S} UTC"
        note = f"{trouble}: this is what its journal says{when}"
        return View(origin="journal", note=note, data=snapshot_data(snapshot, now=now))

    def _recalled(self) -> Snapshot:
        with Journal.open(self._journal, read_only=True) as journal:
            file = self._journal.stat()  # another one may have as many records
            mark = (journal.count(), file.st_ino, file.st_mtime_ns)
            if self._remembered is None or self._remembered[0] != mark:
                self._remembered = (mark, recalled(journal))
        return self._remembered[1]


@attrs.frozen(kw_only=True)
class Look:
    """What was seen.

    Args:
        data: The board, with `origin`, `note` and `halted`.
        text: The same as JSON.
        settled: The same without ages, which change though nothing happened.
    """

    data: dict[str, Any]
    text: str
    settled: str


class Looks:
    """Looks at a source at most so often, however many pages are open: each look costs the bot something."""

    def __init__(self, source: Source, controls: Controls, every: float) -> None:
        self._source, self._controls, self._every = source, controls, every
        self._turn = asyncio.Lock()
        self._last: tuple[float, Look] | None = None

    async def look(self) -> Look:
        """The present look, or a new one."""
        async with self._turn:
            clock = asyncio.get_running_loop().time
            if self._last is None or clock() - self._last[0] >= self._every:
                self._last = (clock(), await self._new())
            return self._last[1]

    def forget(self) -> None:
        """Something was changed: look anew."""
        self._last = None

    async def _new(self) -> Look:
        view = await self._source.view()
        halted = redact(self._controls.halted)
        data = {**view.data, "origin": view.origin, "note": redact(view.note), "halted": halted}
        return Look(data=data, text=json.dumps(data, separators=(",", ":")), settled=_settled(data))


def _settled(data: dict[str, Any]) -> str:
    tiers = [{name: row[name] for name in row if name != "age"} for row in data["health"]["tiers"]]
    kept = {name: row for name, row in data.items() if name not in _VOLATILE}
    return json.dumps({**kept, "health": {**data["health"], "tiers": tiers}}, separators=(",", ":"))


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
    wholes: set[str] = set()  # orders of which a fill as a whole was told: an earlier session's too
    for number, record in enumerate(records):
        match record:
            case Intent():
                combos[record.client_order_id] = isinstance(ticket_of(record).contract, Combo)
            case OrderUpdate(report=report) if report.client_order_id not in combos:
                combos[report.client_order_id] = isinstance(report.contract, Combo)
                # A bracket's child has no intent of its own.
                yield OrderPlaced.of(report, report.client_order_id, record.at, was_sent=True)
            case FillSeen(execution=done):
                name = done.client_order_id
                if done.is_of_combo:
                    wholes.add(name)
                is_combo = name in wholes or combos.get(name, False)
                yield OrderFilled.of(done, is_leg=is_combo and not done.is_of_combo)
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
