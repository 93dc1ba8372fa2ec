"""What becomes of orders: who is told, and which children went with a parent that the venue refused."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from typing import Final
from weakref import WeakKeyDictionary

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError, NotConnected
from ibkeel.guards import AsyncStream, Held, next_of
from ibkeel.ibkr.codes import Meaning, Reaction
from ibkeel.model import Execution, OrderReport, OrderState
from ibkeel.orders import ErrorFate, OrderTruth
from ibkeel.telemetry import AlarmRaised, Observer, OrderChanged, OrderFilled

OrderEvent = OrderReport | Execution
_Queue = asyncio.Queue[OrderEvent | Exception]
NOT_FOUND: Final = frozenset({135, 10147})
"""Codes that name an order to say that there is none. Source: TWS API, "Message Codes"."""
_NO_PARENT: Final = 135
_LAST_NUMBER: Final = re.compile(r"(\d+)\D*$")


class OrderNews:
    """Passes on reports and fills, and what contradicts them."""

    def __init__(self, clock: Clock, observer: Observer) -> None:
        self._clock, self._observer = clock, observer
        self._listeners: WeakKeyDictionary[_Queue, None] = WeakKeyDictionary()  # each lives with its stream

    def publish(self, event: OrderEvent, *, is_leg: bool = False) -> None:
        """Tell of a report or a fill, which may be a leg's part in that of a combo."""
        for queue in self._listeners:
            queue.put_nowait(event)
        if isinstance(event, OrderReport):
            self._observer.on_event(OrderChanged.of(event))
        else:
            self._observer.on_event(OrderFilled.of(event, is_leg=is_leg))

    def contradicted(self, report: OrderReport, words: str) -> None:
        """Tell a person of evidence that cannot be true together with what is known."""
        subject = f"{report.side} {report.quantity:g} {report.contract} {report.order_type}"
        self._observer.on_event(
            AlarmRaised(
                at=self._clock.now(),
                name=f"order {report.client_order_id}",
                message=f"the venue contradicts itself about {subject}: {words}. It counts as {report.state}; compare "
                "orders, fills and positions with those in TWS or Client Portal",
            )
        )

    def end(self, error: IbkeelError) -> None:
        """The session ended: whoever listens hears of it."""
        for queue in self._listeners:
            ended = NotConnected(f"the stream of order events ended: {error}")
            ended.__cause__ = error
            queue.put_nowait(ended)

    def events(self, check: Callable[[], None]) -> AsyncGenerator[OrderEvent, None]:
        """Reports and fills from the call on.

        Args:
            check: Asked first when they are read; what it raises is raised there, but for a lost session of which
                there is more to tell.
        """
        queue: _Queue = asyncio.Queue()
        self._listeners[queue] = None
        return AsyncStream(lambda: _heard(queue, check))


async def _heard(queue: _Queue, check: Callable[[], None]) -> Held[OrderEvent]:
    try:
        check()
    except NotConnected:
        if queue.empty():
            raise
    yield lambda: next_of(queue)


def of_orphan(meaning: Meaning, text: str, child: OrderTruth, parent: OrderReport | None) -> Meaning:
    """What a code means for a child: 135 that names its refused parent refuses the child, too.

    Alone, 135 proves nothing, for it is also said of an order that works. Here the venue has refused
    the entry, never accepted the child, and names the entry as what it cannot find.
    """
    is_unclear = meaning.code == _NO_PARENT and meaning.fate is ErrorFate.UNCERTAIN
    if not is_unclear or parent is None or child.may_work:
        return meaning
    named = _LAST_NUMBER.search(text)
    is_refused = parent.state is OrderState.REJECTED and not parent.filled
    if not is_refused or named is None or int(named[1]) != parent.order_id:
        return meaning
    return attrs.evolve(
        meaning, fate=ErrorFate.REJECTED, reaction=Reaction.NONE, remedy="its entry was refused"
    )
