"""What was sent through an `IB` object: which requests are open, which ended, and how they failed."""

from collections import OrderedDict, deque
from datetime import datetime
from typing import Final

import attrs
from typing_extensions import override

from ibkeel.errors import IbkeelError
from ibkeel.ibkr.wire_pacing import Outgoing
from ibkeel.ibkr.wire_table import Reading

_REMEMBERED: Final = 4096
_LONGEST: Final = 600.0  # seconds that a deadline may be
_LINE: Final = "reqMktData"


@attrs.frozen(kw_only=True)
class Failure:
    """A request that ended without a value, whatever the library returned for it.

    Args:
        at: When it became known.
        request_id: Its id.
        call: The library's name of the call that asked, such as `reqHistoricalData`.
        error: What it failed with.
    """

    at: datetime
    request_id: int
    call: str
    error: IbkeelError

    @override
    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} UTC {type(self.error).__name__}: {self.error}"


class Scope:
    """A block in which failures are raised.

    Attributes:
        left: Failures of requests for which nobody waits, to be raised where the block ends.
        is_over: Whether it has ended; what began in it, such as a session, goes on in its context.
    """

    def __init__(self, ledger: "SentLedger", around: "Scope | None" = None) -> None:
        self.ledger, self._around = ledger, around
        self.left: list[IbkeelError] = []
        self.is_over = False

    def of(self, ledger: "SentLedger") -> "Scope | None":
        """The innermost block of an object that has not ended; None when there is none."""
        if self.ledger is ledger and not self.is_over:
            return self
        return None if self._around is None else self._around.of(ledger)


@attrs.define(kw_only=True, eq=False)
class Sent:
    """One request."""

    reading: Reading
    scope: Scope | None
    asked_at: float = 0.0
    outgoing: Outgoing | None = None
    rows: int = 0

    @property
    def name(self) -> str:
        """The library's name of the call."""
        return self.reading.message.name

    @property
    def is_one_answer(self) -> bool:
        """Whether it counts until its answer is complete, and ends with it."""
        return self.reading.message.is_open and not self.reading.goes_on

    @property
    def left_at(self) -> float:
        """When its turn came, in the loop's seconds."""
        return self.asked_at + ((self.outgoing and self.outgoing.waited) or 0.0)

    def may_be_answered(self, now: float) -> bool:
        """Whether it counts until it ends, or a deadline may still run."""
        return self.reading.message.is_open or self.is_waiting or now - self.left_at < _LONGEST

    @property
    def is_waiting(self) -> bool:
        """Whether its bytes have yet to leave."""
        return self.outgoing is not None and not self.outgoing.is_sent

    @override
    def __str__(self) -> str:
        subject = self.reading.request.subject
        key = "" if self.reading.key is None else f" {self.reading.key}"
        return f"{self.name}{key}" + (f" of {subject}" if subject else "")


class SentLedger:
    """Requests by id, from the wire; the library's own maps forget nothing and guess."""

    def __init__(self) -> None:
        self._sent: OrderedDict[int, Sent] = OrderedDict()
        self.named: dict[str, Sent] = {}
        """The last request without an id, by the name of its call."""
        self._ended: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._most = _REMEMBERED
        self.failures: deque[Failure] = deque(maxlen=_REMEMBERED)

    @property
    def open(self) -> dict[int, Sent]:
        """Requests that count until something ends them, in the order of asking."""
        return {key: sent for key, sent in self._sent.items() if sent.reading.message.is_open}

    @property
    def lines(self) -> dict[int, str]:
        """Market data lines that are out: request id and what it is for."""
        return {key: sent.reading.request.subject for key, sent in self.open.items() if sent.name == _LINE}

    def enter(self, sent: Sent) -> None:
        """A request is about to leave."""
        key = sent.reading.key
        if key is None:
            self.named[sent.name] = sent
            return
        self._ended.pop((sent.name, key), None)
        self._sent[key] = sent
        if len(self._sent) > self._most:
            # All at once, each time that the number has doubled.
            for key, one in list(self._sent.items())[:-_REMEMBERED]:
                if not one.may_be_answered(sent.asked_at):
                    del self._sent[key]
            self._most = max(_REMEMBERED, 2 * len(self._sent))

    def unanswered(self) -> list[Sent]:
        """All that is not known to have ended."""
        return [*self._sent.values(), *self.named.values()]

    def get(self, key: int, name: str = "") -> Sent | None:
        """The request of that id, if it did not end and is of that name."""
        sent = self._sent.get(key)
        return sent if sent is not None and name in {"", sent.name} else None

    def end(self, key: int, name: str = "", *, wants_cancel: bool = False) -> Sent | None:
        """A request has ended; None when there was none. Should it want a cancel, that is not held back."""
        sent = self.get(key, name)
        if sent is not None:
            del self._sent[key]
            if not wants_cancel:
                self._ended[sent.name, key] = None
            if len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)
        return sent

    def has_ended(self, key: int, name: str) -> bool:
        """Whether a request of that name and id was seen to end, so that there is nothing to cancel."""
        return (name, key) in self._ended

    def ended_lines(self) -> list[int]:
        """Ids of market data requests that have ended."""
        return [key for name, key in self._ended if name == _LINE]

    def forget(self) -> list[Sent]:
        """Note that the session ended; returns what had not, or bears no id. What failed stays known."""
        left = self.unanswered()
        for book in (self._sent, self.named, self._ended):
            book.clear()
        return left
