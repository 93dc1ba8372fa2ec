"""One connected client as the Gateway sees it: its session, its subscriptions, its outbox."""

from collections import Counter
from datetime import datetime
from typing import Any, Protocol

import attrs

from ibkeel.sim.agenda import Ticket
from ibkeel.sim.counters import SlidingWindow
from ibkeel.sim.session import Session
from ibkeel.sim.values import MarketQuote, ModelGreeks, SimContract
from ibkeel.sim.wire import encode, writes

__all__ = ["Client", "Sink", "Subscription"]


class Sink(Protocol):
    """Where bytes go: an asyncio transport, or a list in a test."""

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    def close(self) -> None:
        """Send what is buffered, then close."""
        ...


@attrs.define(kw_only=True)
class Subscription:
    """One market data request, streaming or snapshot."""

    request_id: int
    contract: SimContract
    generic_ticks: frozenset[str]
    is_snapshot: bool
    holds_line: bool
    sent: MarketQuote | None = None
    sent_greeks: ModelGreeks | None = None
    announced_type: int = 0
    ends_at: datetime | None = None
    ticket: Ticket | None = None


class Client:
    """A connection, from its first byte to its last.

    Replies collect in an outbox and leave together in `flush`: a client then sees the ticks of one
    instant as one batch.
    """

    def __init__(self, sink: Sink, session: Session, rate: SlidingWindow, errors: Counter[int]) -> None:
        self.session = session
        self.rate = rate
        self.subscriptions: dict[int, Subscription] = {}
        self.histories: dict[int, Ticket] = {}
        self.market_data_type = 1
        self.wants_positions = False
        self.repeats: dict[tuple[str, int], Ticket] = {}  # updates that come again, by kind and id
        self.is_open = True
        self._sink = sink
        self._errors = errors
        self._outbox: list[bytes] = []

    @property
    def client_id(self) -> int:
        """The id under which the client started; -1 before."""
        return -1 if self.session.client_id is None else self.session.client_id

    def reply(self, name: str, **values: Any) -> None:
        """Put one message into the outbox."""
        if self.is_open:
            self._outbox.append(self.session.encode(name, values))

    def raw(self, data: bytes) -> None:
        """Put bytes into the outbox that are framed already."""
        self._outbox.append(data)

    def error(self, request_id: int, code: int, text: str, *, at: datetime) -> None:
        """Put an error message, or a notice, into the outbox."""
        self._errors[code] += 1
        self.reply(
            "error",
            request_id=request_id,
            code=code,
            text=text,
            at_millis=int(at.timestamp() * 1000),
        )

    def flush(self, clock_text: str) -> None:
        """Send the outbox.

        Args:
            clock_text: The Gateway's time of day; the filler of awkward lengths carries it.
        """
        outbox, self._outbox = self._outbox, []
        filler = encode(("8", "1", clock_text))
        for piece in writes(outbox, filler):
            self._sink.write(piece)

    def close(self) -> None:
        """Close after everything that was flushed."""
        self.is_open = False
        self.session.close()
        self._sink.close()
