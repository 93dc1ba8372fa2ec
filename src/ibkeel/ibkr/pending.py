"""A request that is under way, its times and its line, and what those that ended tell of the session's health."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import CircuitOpen, NotConnected, PacingExceeded
from ibkeel.guards import Attempt
from ibkeel.ibkr.wire_pacing import Outgoing
from ibkeel.model import LatencySummary
from ibkeel.resilience import RequestKind
from ibkeel.telemetry import LineClosed, LineOpened, Observer, is_observed

LATE: Final = 1.0
"""Seconds that the loop may run late before its own deadlines wait as long."""
_KEPT: Final = 512
_SAYS_NOTHING: Final = frozenset(
    {CircuitOpen.__name__, PacingExceeded.__name__, NotConnected.__name__, "CancelledError"}
)


class Way(NamedTuple):
    """Where one request was when, in seconds of the loop's time.

    It is made for every request, also when nobody is told of it, hence a tuple.
    """

    began_at: float
    sent_at: float | None
    """When its bytes left; None when they never did."""
    heard_at: float | None
    """When its first message came; None when none did."""
    ended_at: float

    @property
    def seconds(self) -> float:
        """From the call to the end."""
        return self.ended_at - self.began_at

    @property
    def after_sending(self) -> float:
        """From its bytes to the end; 0 when they never left."""
        return 0.0 if self.sent_at is None else self.ended_at - self.sent_at

    @property
    def queue_seconds(self) -> float:
        """From the call to its bytes, or to the end when they never left."""
        return (self.ended_at if self.sent_at is None else self.sent_at) - self.began_at

    @property
    def wire_seconds(self) -> float:
        """From its bytes to the first message of it, or to the end when none came."""
        if self.sent_at is None:
            return 0.0
        return max(0.0, (self.ended_at if self.heard_at is None else self.heard_at) - self.sent_at)

    @property
    def reply_seconds(self) -> float:
        """From that message to the end; 0 when none came."""
        return max(0.0, self.after_sending - self.wire_seconds)


NO_WAY: Final = Way(0.0, None, None, 0.0)
"""Of a request that was refused before it began."""


class SubscribeAgain(Exception):
    """A stream has to be asked for again; with words, because the Gateway ended it."""


@attrs.define(kw_only=True, eq=False)
class Pending:
    """A request that waits for its answer.

    Args:
        key: Request id, or a name for those messages that carry none.
        kind: Its kind.
        what: What was asked, for errors and telemetry.
        heard: Called with the name of a message and its arguments.
        cancel: Writes the server-side cancel.
        goes_on: Whether the server goes on after the answer, so that it must be told to stop.
        rows: What came so far.
        is_stream: Whether it goes on until the caller has had enough.
        delayed: Whether the Gateway said that it sends delayed data.
        heard_at: When the first message of it came, in the loop's time; None before.
        is_given_up: Whether it ended without the server's knowledge.
        outgoing: Its message, when somebody needs to know whether that has left.
        attempt: Counts for its service's circuit breaker.
        settle: Ends it by an end that may be that of an earlier question, when no other has followed.
    """

    key: Hashable
    kind: RequestKind
    what: str
    future: "asyncio.Future[Any]"
    heard: Callable[["Pending", str, tuple[Any, ...]], None] | None = None
    cancel: Callable[[], None] | None = None
    goes_on: bool = False
    rows: list[Any] = attrs.field(factory=list)
    delayed: bool = False
    is_stream: bool = False
    heard_at: float | None = None
    is_given_up: bool = False
    outgoing: Outgoing | None = None
    attempt: Attempt | None = None
    settle: Callable[[], None] = lambda: None

    def take(self, message: str, args: tuple[Any, ...]) -> None:
        """Hear a message; one that comes after the end, in the same batch, changes nothing."""
        if self.heard_at is None:
            self.heard_at = self.future.get_loop().time()
        if self.heard is not None and not self.future.done():
            self.heard(self, message, args)

    def restart(self) -> None:
        """Count its time from now on, as its service's breaker does."""
        if self.attempt is not None:
            self.attempt.restart()

    @property
    def was_heard(self) -> bool:
        """Whether any message of it came."""
        return self.heard_at is not None

    @property
    def is_answered(self) -> bool:
        """Whether a value came."""
        return self.future.done() and not self.future.cancelled() and self.future.exception() is None

    def finish(self, value: Any = None) -> None:
        """End with a value; a second end changes nothing."""
        if not self.future.done():
            self.future.set_result(value)

    def fail(self, error: Exception) -> None:
        """End with an error; a second end changes nothing."""
        if not self.future.done():
            self.future.set_exception(error)

    def give_up(self, error: Exception) -> None:
        """End with an error of our own making: the server has to be told."""
        self.is_given_up = True
        self.fail(error)


Heard = Callable[[Pending, str, tuple[Any, ...]], None]


def collecting(row: str, end: str = "") -> Heard:
    """Keep the messages of a name until their end; others, under an id of ours, are some mistake."""

    def heard(pending: Pending, message: str, args: tuple[Any, ...]) -> None:
        if message == (end or f"{row}End"):
            pending.finish(pending.rows)
        elif message == row:
            pending.rows.append(args)

    return heard


def first_answer(pending: Pending, _: str, args: tuple[Any, ...]) -> None:
    """End with what the first message says."""
    pending.finish(args[0])


class Outcome(NamedTuple):
    """How one request ended; a tuple, as `Way` is."""

    at: datetime
    subject: str
    error: str = ""
    code: int | None = None
    is_answer: bool = False


class Vitals:
    """Keeps the last outcomes of each kind of request."""

    def __init__(self) -> None:
        self._seconds: dict[RequestKind, deque[float]] = {}
        self._answered: dict[RequestKind, Outcome] = {}
        self._failed: dict[RequestKind, Outcome] = {}
        self._last: Outcome | None = None

    def note(self, kind: RequestKind, outcome: Outcome, seconds: float | None) -> None:
        """A request ended, if its seconds count; one that was never sent tells nothing."""
        if outcome.error in _SAYS_NOTHING:
            return
        if self._last is not None and outcome.at < self._last.at:
            self._failed.clear()  # the clock was set back: what was stamped before would count as the latest
            self._answered.clear()
        self._last = outcome
        if outcome.error:
            self._failed[kind] = outcome
        else:
            self._answered[kind] = outcome
            if seconds is not None:
                self._seconds.setdefault(kind, deque(maxlen=_KEPT)).append(seconds)

    def answered(self, *kinds: RequestKind) -> Outcome | None:
        """The last value that came of any of these kinds."""
        return max(
            (self._answered[kind] for kind in kinds if kind in self._answered), key=_when, default=None
        )

    def failed(self, *kinds: RequestKind) -> Outcome | None:
        """The last failure of any of these kinds."""
        return max((self._failed[kind] for kind in kinds if kind in self._failed), key=_when, default=None)

    def latencies(self) -> Mapping[str, LatencySummary]:
        """Seconds to a value, by kind of request, from sending on."""
        return {kind.value: LatencySummary.of(seconds) for kind, seconds in sorted(self._seconds.items())}


def _when(outcome: Outcome) -> datetime:
    return outcome.at


# Messages whose first argument is the id of a request.
BY_REQUEST: Final = (
    "contractDetails",
    "contractDetailsEnd",
    "securityDefinitionOptionParameter",
    "securityDefinitionOptionParameterEnd",
    "historicalData",
    "historicalDataEnd",
    "priceSizeTick",
    "tickSize",
    "tickString",
    "tickGeneric",
    "tickOptionComputation",
    "tickReqParams",
    "tickSnapshotEnd",
    "marketDataType",
    "accountSummary",
    "accountSummaryEnd",
    "accountUpdateMulti",
    "accountUpdateMultiEnd",
    "execDetailsEnd",
    "symbolSamples",
)
# Messages that name no request: the key under which we wait, and whether the library must not
# see the message because it would choke on an answer that it did not ask for.
BY_NAME: Final = {
    "currentTime": ("currentTime", False),
    "position": ("positions", False),
    "positionEnd": ("positions", False),
    "openOrder": ("openOrders", False),
    "openOrderEnd": ("openOrders", False),
    "orderStatus": ("openOrders", False),
    "completedOrder": ("completedOrders", True),
    "completedOrdersEnd": ("completedOrders", True),
}
ENDS_BY_NAME: Final = frozenset({"positionEnd", "openOrderEnd", "completedOrdersEnd"})


class Lines:
    """Leases of market data lines, in the order of asking; an asker waits so many seconds for a free one."""

    def __init__(self, capacity: int, clock: Clock, observer: Observer, *, patience: float = 60.0) -> None:
        self._capacity, self._patience = capacity, patience
        self._free = asyncio.Semaphore(capacity)
        self._clock = clock
        self._observer, self._is_observed = observer, is_observed(observer)
        self._open: dict[int, str] = {}
        self.most_open = 0

    def begin(self) -> None:
        """Belong to the loop that runs from now on; no line of an earlier loop is out any more."""
        self._free = asyncio.Semaphore(self._capacity)
        self._open.clear()

    @property
    def capacity(self) -> int:
        """How many may be out at once."""
        return self._capacity

    @property
    def open(self) -> dict[int, str]:
        """Request id and subject of each line that is out."""
        return dict(self._open)

    @asynccontextmanager
    async def lease(self, subject: str, request_id: Callable[[], int]) -> AsyncIterator[int]:
        """Hold one line, whose id is drawn once it is ours; waits, in order of asking, while all are out."""
        free = self._free
        try:
            async with asyncio.timeout(self._patience):
                await free.acquire()
        except TimeoutError as late:
            holders = ", ".join(sorted(set(self._open.values()))[:5])
            raise PacingExceeded(
                f"no market data line for {subject} within {self._patience:g} s: all {len(self._open)} are out, for "
                f"{holders}; close streams, or raise IBKRConfig.market_data_lines if your account has more"
            ) from late
        try:
            key = request_id()
            self._enter(key, subject)
            try:
                yield key
            finally:
                self._leave(key)
        finally:
            free.release()

    def _enter(self, key: int, subject: str) -> None:
        self._open[key] = subject
        self.most_open = max(self.most_open, len(self._open))
        if self._is_observed:
            event = LineOpened(at=self._clock.now(), subject=subject, open_lines=len(self._open))
            self._observer.on_event(event)

    def _leave(self, key: int) -> None:
        subject = self._open.pop(key, None)
        if subject is None:
            return  # it was of an earlier loop
        if self._is_observed:
            event = LineClosed(at=self._clock.now(), subject=subject, open_lines=len(self._open))
            self._observer.on_event(event)
