"""Listens to the venue while a run runs, and journals what it says of our orders."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import aclosing
from typing import Final

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError
from ibkeel.journal import Failure, FillSeen, OrderUpdate
from ibkeel.model import ExecId, Execution, OrderReport, Orders
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Tally
from ibkeel.telemetry import Observer, OrderChanged, redact

__all__ = ["Watch"]

_LOG: Final = logging.getLogger("ibkeel.runner")
_PAUSE: Final = 5.0


class Watch:
    """Reads order events and keeps desk, journal and tally up to date.

    Args:
        broker: Whose events.
        desk: Knows which orders are ours.
        recorder: Where the events go.
        tally: Counts the fills.
        clock: Stamps failures.
        observer: Told of each change.
    """

    def __init__(
        self,
        broker: Orders,
        desk: OrderDesk,
        recorder: Recorder,
        tally: Tally,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._broker, self._desk, self._recorder = broker, desk, recorder
        self._tally, self._clock, self._observer = tally, clock, observer
        self._seen: dict[ExecId, None] = {}
        self.is_behind = False
        """Whether the stream was interrupted since `catch_up` last succeeded."""

    def restore(self, fills: Iterable[ExecId]) -> None:
        """Take over the fills that an earlier run journaled."""
        self._seen.update(dict.fromkeys(fills))

    async def run(self) -> None:
        """Read events until cancelled; a stream that ends is opened again."""
        while True:
            try:
                async with aclosing(self._broker.order_events()) as events:
                    async for event in events:
                        self.saw(event)
            except IbkeelError as error:
                self._failed(error)
            except Exception as error:  # noqa: BLE001 - the runner's supervised loop
                # An event that cannot be read must not make the run deaf to the next one.
                _LOG.exception("order events failed")
                self._failed(error)
            self.is_behind = True
            await asyncio.sleep(_PAUSE)
            self.is_behind = True  # what happened in the pause was missed too

    def _failed(self, error: Exception) -> None:
        self._recorder.keep(
            Failure(
                at=self._clock.now(),
                symbol="",
                kind=type(error).__name__,
                message=redact(str(error)),
                service="order_events",
            )
        )

    async def reconcile(self, open_orders: Iterable[OrderReport] | None) -> None:
        """Learn from lists what events did not tell: the fate of unknown orders, and what was missed.

        Args:
            open_orders: Everything that works; None when that could not be read.

        Raises:
            RequestFailed: The venue did not say.
            ConnectionFailure: There is no session.
        """
        if open_orders is not None:
            working = tuple(open_orders)
            for report in working:
                self.listed(report)
            self._desk.listed(working)
        if self._desk.unknown_orders or self.is_behind:
            await self.catch_up()

    async def catch_up(self) -> None:
        """Ask for the fills and the ended orders, in case the stream missed some.

        Raises:
            RequestFailed: The venue did not say.
            ConnectionFailure: There is no session.
        """
        for execution in await self._broker.executions():
            self.saw(execution)
        for report in await self._broker.completed_orders():
            self.listed(report)
        self.is_behind = False

    def listed(self, report: OrderReport) -> None:
        """Take in an order from a list; what is known already changes nothing."""
        if self._desk.saw(report):
            self._tell(report)

    def saw(self, event: OrderReport | Execution) -> None:
        """Take in one event; a fill that was seen before changes nothing."""
        if not self._desk.owns(event):
            return
        if isinstance(event, Execution):
            if event.exec_id not in self._seen:
                self._seen[event.exec_id] = None
                self._tally.fills += 1
                self._recorder.keep(FillSeen(at=event.at, execution=event))
            return
        self._desk.saw(event)
        self._tell(event)

    def _tell(self, event: OrderReport) -> None:
        self._recorder.keep(OrderUpdate(at=event.at, report=event))
        self._observer.on_event(
            OrderChanged(
                at=event.at,
                client_order_id=event.client_order_id,
                state=event.state.value,
                filled=event.filled,
                reason=event.reason,
            )
        )
