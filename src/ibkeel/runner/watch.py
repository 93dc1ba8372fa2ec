"""Listens to the venue while a run runs, and journals what it says of our orders."""

import asyncio
from contextlib import aclosing
from typing import Final

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError
from ibkeel.journal import Failure, FillSeen, Journal, OrderUpdate
from ibkeel.model import ExecId, Execution, OrderReport, Orders
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.tally import Tally
from ibkeel.telemetry import Observer, OrderChanged

__all__ = ["Watch"]

_PAUSE: Final = 5.0


class Watch:
    """Reads order events and keeps desk, journal and tally up to date.

    Args:
        broker: Whose events.
        desk: Knows which orders are ours.
        journal: Where the events go.
        tally: Counts the fills.
        clock: Stamps failures.
        observer: Told of each change.
    """

    def __init__(
        self,
        broker: Orders,
        desk: OrderDesk,
        journal: Journal,
        tally: Tally,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._broker, self._desk, self._journal = broker, desk, journal
        self._tally, self._clock, self._observer = tally, clock, observer
        self._seen: dict[ExecId, None] = {}

    async def run(self) -> None:
        """Read events until cancelled; a stream that ends is opened again."""
        while True:
            try:
                async with aclosing(self._broker.order_events()) as events:
                    async for event in events:
                        self.saw(event)
            except IbkeelError as error:
                self._journal.record(
                    Failure(
                        at=self._clock.now(),
                        symbol="",
                        kind=type(error).__name__,
                        message=str(error),
                        service="order_events",
                    )
                )
            await asyncio.sleep(_PAUSE)

    async def catch_up(self) -> None:
        """Ask for the fills and the ended orders, in case the stream missed some.

        Raises:
            RequestFailed: The venue did not say.
            ConnectionFailure: There is no session.
        """
        for execution in await self._broker.executions():
            self.saw(execution)
        for report in await self._broker.completed_orders():
            self._desk.saw(report)

    def saw(self, event: OrderReport | Execution) -> None:
        """Take in one event; a fill that was seen before changes nothing."""
        if not self._desk.owns(event):
            return
        if isinstance(event, Execution):
            if event.exec_id not in self._seen:
                self._seen[event.exec_id] = None
                self._tally.fills += 1
                self._journal.record(FillSeen(at=event.at, execution=event))
            return
        self._desk.saw(event)
        self._journal.record(OrderUpdate(at=event.at, report=event))
        self._observer.on_event(
            OrderChanged(
                at=event.at,
                client_order_id=event.client_order_id,
                state=event.state.value,
                filled=event.filled,
                reason=event.reason,
            )
        )
