"""Who is told what becomes of orders: listeners of the book, and the observer."""

import asyncio
from collections.abc import AsyncGenerator

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError, NotConnected
from ibkeel.model import Execution, OrderReport
from ibkeel.telemetry import AlarmRaised, Observer, OrderChanged, OrderFilled

OrderEvent = OrderReport | Execution


class OrderNews:
    """Passes on reports and fills, and what contradicts them.

    Args:
        clock: Stamps alarms.
        observer: Told of everything.
    """

    def __init__(self, clock: Clock, observer: Observer) -> None:
        self._clock, self._observer = clock, observer
        self._listeners: list[asyncio.Queue[OrderEvent | IbkeelError]] = []

    def publish(self, event: OrderEvent) -> None:
        """Tell of a report or a fill."""
        for queue in self._listeners:
            queue.put_nowait(event)
        if isinstance(event, OrderReport):
            self._observer.on_event(
                OrderChanged(
                    at=event.at,
                    client_order_id=event.client_order_id,
                    state=event.state.value,
                    filled=event.filled,
                    reason=event.reason,
                )
            )
        else:
            self._observer.on_event(OrderFilled.of(event))

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
            queue.put_nowait(error)

    async def events(self) -> AsyncGenerator[OrderEvent, None]:
        """Reports and fills from now on.

        Raises:
            NotConnected: The session ended.
        """
        queue: asyncio.Queue[OrderEvent | IbkeelError] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            while True:
                event = await queue.get()
                if isinstance(event, IbkeelError):
                    raise NotConnected(f"the stream of order events ended: {event}") from event
                yield event
        finally:
            self._listeners.remove(queue)
