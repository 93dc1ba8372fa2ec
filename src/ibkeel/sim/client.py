"""What is to happen when; one connected client: its session, its subscriptions, its outbox, and what spoils that."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final, Protocol

import attrs
from typing_extensions import override

from ibkeel.sim.codec import REPLIES, Form
from ibkeel.sim.counters import SlidingWindow
from ibkeel.sim.faults import Duplicated, Fault, Garbage, Reordered, Truncated
from ibkeel.sim.session import Session
from ibkeel.sim.values import MarketQuote, ModelGreeks, SimContract, SimPosition
from ibkeel.sim.wire import encode, framed, split, writes

_HEADER: Final = 4
_NO_MESSAGE: Final = encode(("99999", "no", "message"))
_NO_FRAME: Final = b"\xff" * 12

HISTORY: Final = "historical_data"
"""The kind of a historical request that waits for its answer."""
FOLLOWED: Final = "historical_update"
"""And of one that is kept up to date."""
_OF_MARKET_DATA: Final = frozenset({"market_depth", "real_time_bars", "tick_by_tick"})
_NEVER_SET: Final = {"mask": 0, "attribute": 0}  # of ticks


class Ticket:
    """An entry of the agenda; cancel it as often as you like."""

    __slots__ = ("action", "at")

    def __init__(self, at: datetime, action: Callable[[datetime], None]) -> None:
        self.at = at
        self.action: Callable[[datetime], None] | None = action  # None: cancelled, or run already

    @property
    def is_cancelled(self) -> bool:
        """Whether it will not run: cancelled, or run already."""
        return self.action is None

    def cancel(self) -> None:
        """Make sure that it does not run."""
        self.action = None

    def run(self, now: datetime) -> None:
        """Run the action once."""
        action, self.action = self.action, None
        if action is not None:
            action(now)


class Agenda:
    """Actions ordered by instant, then by the order of adding.

    Event loops run timers of equal time in no promised order. So the same requests at the same instants give the
    same bytes.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Ticket]] = []
        self._sequence = count()

    def add(self, at: datetime, action: Callable[[datetime], None]) -> Ticket:
        """Plan an action; it gets the instant at which it really runs."""
        ticket = Ticket(at, action)
        heapq.heappush(self._heap, (at, next(self._sequence), ticket))
        return ticket

    def next_at(self) -> datetime | None:
        """When the next action is due; None when nothing is planned."""
        heap = self._heap
        while heap and heap[0][2].action is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: datetime) -> Ticket | None:
        """Take the first entry with `at <= now`; None when there is none."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            ticket = heapq.heappop(heap)[2]
            if ticket.action is not None:
                return ticket
        return None

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()


class Sink(Protocol):
    """Where bytes go: an asyncio transport, or a list in a test."""

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    def close(self) -> None:
        """Send what is buffered, then close."""
        ...

    def abort(self) -> None:
        """Close at once; what is buffered is lost."""
        ...


@attrs.define(kw_only=True)
class _Lasting:
    """A request that goes on until it is cancelled."""

    request_id: int
    ticket: Ticket | None = None

    def stop(self) -> None:
        """Send nothing more; the request stays, and holds its line, until it is cancelled."""
        if self.ticket is not None:
            self.ticket.cancel()


@attrs.define(kw_only=True)
class Subscription(_Lasting):
    """One market data request, streaming or snapshot."""

    contract: SimContract
    generic_ticks: frozenset[str]
    is_snapshot: bool
    holds_line: bool
    wanted_type: int  # of market data, when it was asked for
    sent: MarketQuote | None = None
    sent_greeks: ModelGreeks | None = None
    announced_type: int = 0
    ends_at: datetime | None = None
    book_at: datetime | None = None
    step: Callable[[datetime], None] | None = None  # what its tickets do
    forms: dict[int, Form] = attrs.field(factory=dict, repr=False)  # of its ticks, by type


@attrs.define(kw_only=True)
class Stream(_Lasting):
    """A request other than for quotes."""

    kind: str  # the name of its message
    contract: SimContract | None = None
    holds_line: bool = False
    holds_history: bool = False  # counts as an open historical request
    on_fills: Callable[[Sequence[SimPosition], datetime], None] | None = None  # hears what changed


class Client:
    """A connection, from its first byte to its last.

    Replies collect in an outbox and leave together in `flush`: a client then sees the ticks of one
    instant as one batch.
    """

    def __init__(self, sink: Sink, session: Session, rate: SlidingWindow, errors: Counter[int]) -> None:
        self.session = session
        self.rate = rate
        self.subscriptions: dict[int, Subscription] = {}
        self.market_data_type = 1
        self.wants_positions = False
        self.watched = ""  # the account whose updates it gets
        self.streams: dict[tuple[str, int], Stream] = {}  # by kind and request id
        self.is_open = True
        self.is_forgotten = False  # its Gateway ended: orders that were not passed on yet are lost
        self.has_hung_up = False  # it has closed the connection, though nobody may have read that yet
        self.is_deaf = False  # what it sends is never read
        self.is_garbled = False  # it has sent a message that could not be read
        self.unread = bytearray()  # what it sent while nobody read
        self.paced_until = 0.0  # epoch seconds at which the last of those is read that wait
        self.waiting = 0  # messages that are read later, where the rate is paced
        self.breaches = 0  # of the message rate, where breaches are refused
        self.spoiled_by: list[Fault] = []  # what happens to its next messages, once
        self._sink = sink
        self._errors = errors
        self._outbox: list[bytes] = []

    @property
    def client_id(self) -> int:
        """The id under which the client started; -1 before."""
        return -1 if self.session.client_id is None else self.session.client_id

    @property
    def title(self) -> str:
        """Who it is, for the log."""
        return "a client that has not begun" if self.session.client_id is None else f"client {self.client_id}"

    @property
    def has_news(self) -> bool:
        """Whether there is anything in the outbox."""
        return bool(self._outbox)

    def tick(self, subscription: Subscription, ticks: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Put ticks into the outbox, each as the name of its message and its values but for the request id."""
        payloads, forms = [], subscription.forms
        for name, values in ticks:
            kind = values["type"]
            form = forms.get(kind)
            if form is None:
                known = {"request_id": subscription.request_id, "type": kind, **_NEVER_SET}
                form = forms[kind] = self.session.form(name, known)
            payloads.append(form.payload(values))
        self.put(payloads)

    def put(self, payloads: Sequence[bytes]) -> None:
        """Put messages into the outbox whose fields are written already."""
        if self.is_open:
            self._outbox += framed(payloads)

    def reply(self, name: str, **values: Any) -> None:
        """Put one message into the outbox."""
        if self.is_open:
            self._outbox.append(self.session.encode(name, values))

    def raw(self, data: bytes) -> None:
        """Put bytes into the outbox that are framed already."""
        self._outbox.append(data)

    def error(
        self, request_id: int, code: int, text: str, *, at: datetime, advanced_reject: str = ""
    ) -> None:
        """Put an error message, or a notice, into the outbox."""
        self._errors[code] += 1
        self.reply(
            "error",
            request_id=request_id,
            code=code,
            text=text,
            advanced_reject=advanced_reject,
            at_millis=int(at.timestamp() * 1000),
        )

    def market_streams(self) -> list[Stream]:
        """The streams that come from a market data farm, other than quotes."""
        return [stream for (kind, _), stream in self.streams.items() if kind in _OF_MARKET_DATA]

    def market_requests(self) -> list[Stream | Subscription]:
        """Those streams, and the quotes."""
        return [*self.market_streams(), *self.subscriptions.values()]

    def followed(self) -> list[Stream]:
        """The historical requests that are kept up to date."""
        return [
            stream
            for (kind, _), stream in self.streams.items()
            if kind == FOLLOWED and stream.ticket is not None and not stream.ticket.is_cancelled
        ]

    def flush(self, clock_text: Callable[[], str], faults: Sequence[Fault] = ()) -> None:
        """Send the outbox, as faults leave it; `clock_text` tells the time that the filler of awkward lengths carries."""
        outbox, self._outbox = self._outbox, []
        ends = False
        if outbox and (faults or self.spoiled_by):
            outbox, ends = _spoiled(outbox, (*faults, *self.spoiled_by))
            self.spoiled_by.clear()
        for piece in writes(outbox, lambda: encode(("8", "1", clock_text()))):
            self._sink.write(piece)
        if ends:
            self.close()

    def close(self, *, abruptly: bool = False) -> None:
        """Close after everything that was flushed, or abruptly at once."""
        self.is_open = False
        self.session.close()
        if abruptly:
            self._sink.abort()
        else:
            self._sink.close()


class LateSink(Sink):
    """Hands bytes on in their order, at once or, as long as there is a delay, so many seconds later."""

    def __init__(
        self, sink: Sink, agenda: Agenda, now: Callable[[], datetime], delay: Callable[[], float]
    ) -> None:
        self._sink, self._agenda, self._now, self._delay = sink, agenda, now, delay
        self._under_way = 0
        self._last_due: datetime | None = None
        self._is_broken = False

    @override
    def write(self, data: bytes) -> None:
        self._do(lambda: self._sink.write(data))

    @override
    def close(self) -> None:
        self._do(self._sink.close)

    @override
    def abort(self) -> None:
        self._is_broken = True
        self._sink.abort()

    def _do(self, action: Callable[[], None]) -> None:
        if self._is_broken:
            return
        delay = self._delay()
        if not delay and not self._under_way:
            action()
            return
        due = self._now() + timedelta(seconds=delay)
        self._last_due = due = due if self._last_due is None else max(due, self._last_due)
        self._under_way += 1

        def arrive(_: datetime) -> None:
            self._under_way -= 1
            if not self._is_broken:
                action()

        self._agenda.add(due, arrive)


def _spoiled(frames: Sequence[bytes], faults: Sequence[Fault]) -> tuple[list[bytes], bool]:
    """What faults make of the whole frames of one instant, and whether the connection ends after them."""
    made, ends = list(frames), False
    for fault in faults:
        match fault:
            case Duplicated():
                made = [each for frame in made for each in [frame] * (1 + _is_of(frame, fault.messages))]
            case Reordered():
                turned = [frame for frame in made if _is_of(frame, fault.messages)]
                made = [turned.pop() if _is_of(frame, fault.messages) else frame for frame in made]
            case Truncated():
                made[-1], ends = made[-1][: len(made[-1]) // 2], True
            case Garbage():
                made.append(_NO_MESSAGE if fault.framed else _NO_FRAME)
    return made, ends


def _is_of(frame: bytes, names: Sequence[str]) -> bool:
    """Whether it is a message of one of those names, or of any where none is given."""
    return not names or split(frame[_HEADER:])[0] in {str(REPLIES[name].number) for name in names}
