"""Listens to the venue while a run runs, and journals what it says of our orders."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from datetime import timedelta
from typing import Final

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError
from ibkeel.journal import CommissionSeen, Failure, FillSeen, OrderSettled, OrderUpdate
from ibkeel.model import (
    ClientOrderId,
    Combo,
    ExecId,
    Execution,
    Grade,
    Health,
    OrderReport,
    Orders,
    OrderState,
    Position,
    Stock,
    fill_name,
)
from ibkeel.orders import Reading, doubled_orders, is_same_contract, proof_of_absence
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.memory import FOREIGN_SHARES
from ibkeel.runner.own_orders import is_lost
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Tally
from ibkeel.telemetry import AlarmRaised, Observer, OrderChanged, OrderFilled, redact

_LOG: Final = logging.getLogger("ibkeel.runner")
_PAUSE: Final = 5.0
_SAME: Final = 600.0
_READINGS: Final = 3  # without proof before a person must look


class Watch:
    """Reads order events and keeps desk, journal and tally up to date.

    A list that is read on a session that is not ready proves nothing. `changed` is called after each piece of news
    about an order of ours.
    """

    def __init__(
        self,
        broker: Orders,
        desk: OrderDesk,
        recorder: Recorder,
        tally: Tally,
        clock: Clock,
        observer: Observer,
        *,
        health: Callable[[], Awaitable[Health]],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._broker, self._desk, self._recorder = broker, desk, recorder
        self._tally, self._clock, self._observer = tally, clock, observer
        self._health, self._changed = health, changed
        self._symbols = {*tally.symbols}
        self._seen: dict[ExecId, bool] = {}  # whether what it cost is known
        self._readings: list[Reading] = []
        self._alarmed: dict[str, None] = {}
        self._foreign: set[str] = set()  # those of them about shares
        self._failure = ("", -_SAME)  # what was last kept, and when
        self.is_behind = False
        """Whether the stream was interrupted since `catch_up` last succeeded."""

    def restore(
        self,
        fills: Mapping[ExecId, bool],
        *,
        is_behind: bool,
        alarmed: Iterable[str] = (),
        traded: Iterable[str] = (),
    ) -> None:
        """Take over the fills that an earlier run journaled, each with whether its cost is journaled.

        Others may have come while nobody listened: when it `is_behind`, the lists are to be read. Options of symbols
        that were `traded` may have become shares, though they are no longer looked at.
        """
        self._symbols.update(traded)
        self._foreign = set(alarmed)
        self._alarmed.update(dict.fromkeys(self._foreign))
        self._seen.update(fills)
        self.is_behind = is_behind

    async def run(self) -> None:
        """Read events until cancelled; a stream that ends is opened again."""
        while True:
            try:
                async with aclosing(self._broker.order_events()) as events:
                    self._changed()
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
        """While a Gateway is away for a night the same comes every few seconds: then it is kept now and then."""
        now, said = self._clock.monotonic(), str(error)
        if said == self._failure[0] and now - self._failure[1] < _SAME:
            return
        self._failure = said, now
        self._recorder.keep(
            Failure(
                at=self._clock.now(),
                symbol="",
                kind=type(error).__name__,
                message=redact(said),
                service="order_events",
            )
        )

    async def reconcile(self, open_orders: Iterable[OrderReport] | None) -> None:
        """Learn from lists what events did not tell: the fate of unknown orders, and what was missed.

        What works is told, where it could be read.
        """
        for report in open_orders or ():
            self.listed(report)
        if self._desk.unknown_orders or self.is_behind:
            await self.catch_up()
            self._changed()

    async def catch_up(self) -> None:
        """Ask for fills, ended and open orders, in case the stream missed some."""
        before = await self._health()
        executions = await self._broker.executions()
        for execution in executions:
            self.saw(execution)
        completed = await self._broker.completed_orders()
        open_orders = await self._broker.all_open_orders()
        for report in (*completed, *open_orders):
            self.listed(report)
        after = await self._health() if before.grade is Grade.OK else before
        reading = Reading.of(
            at=self._clock.now(),
            was_ready=after.grade is Grade.OK,
            utc_offset=after.utc_offset,
            executions=executions,
            completed_orders=[row for row in completed if self._desk.owns(row)],
            # What has no lasting number is only what we ourselves believe.
            open_orders=[row for row in open_orders if row.perm_id],
        )
        self._settle_lost(reading, {row.client_order_id for row in open_orders if self._desk.owns(row)})
        await self._undouble(open_orders)

    def _settle_lost(self, reading: Reading, known: AbstractSet[ClientOrderId]) -> None:
        """End what provably left no trace; of the rest a person must know."""
        now = self._clock.monotonic()
        # The broker itself finds out about those that it knows.
        lost = [row for row in self._desk.alive if is_lost(row[1], is_known=row[0] in known)]
        # Those from before the clock was set back cannot be compared.
        before = [row for row in self._readings if row.at <= reading.at]
        self._readings = [*before, reading] if lost else []
        for name, order in lost:
            sent_at = reading.at - timedelta(seconds=round(now - order.since, 6))
            proof = proof_of_absence(name, sent_at=sent_at, readings=self._readings)
            if proof is None:
                if len(self._readings) >= _READINGS:
                    words = f"nobody knows what became of {name}: look at the venue's own list"
                    self._alarm(f"order {name}", words)
                continue
            self._desk.settle(name, OrderState.CANCELLED)
            at, state = self._clock.now(), OrderState.CANCELLED
            symbol = order.contract.symbol
            self._recorder.keep(
                OrderSettled(at=at, symbol=symbol, client_order_id=name, state=state, reason=proof)
            )
            self._observer.on_event(
                OrderChanged(at=at, client_order_id=name, state=state.value, filled=0.0, reason=proof)
            )

    async def _undouble(self, open_orders: Iterable[OrderReport]) -> None:
        """Of two live orders of one intent the second is cancelled, and a person told."""
        for name, seconds in doubled_orders(row for row in open_orders if self._desk.can_change(row)).items():
            numbers = ", ".join(str(row.order_id) for row in seconds)
            self._alarm(f"order {name}", f"more than one order of {name} works; cancelling {numbers}")
            for report in seconds:
                self.is_behind = True  # until it is answered
                await self._desk.cancel(report)
        self.is_behind = False

    def _alarm(self, name: str, message: str, service: str = "orders") -> None:
        if message in self._alarmed:
            return
        self._alarmed[message] = None
        now = self._clock.now()
        self._recorder.keep(Failure(at=now, symbol="", kind="Alarm", message=message, service=service))
        self._observer.on_event(AlarmRaised(at=now, name=name, message=message))

    def held(self, positions: Iterable[Position]) -> None:
        """Tell a person of shares that no order of ours bought, as after an exercise: once, while their number stays."""
        foreign: dict[str, str] = {}
        for row in positions:
            symbol = row.contract.symbol
            is_own = any(is_same_contract(row.contract, ours) for ours in self._desk.contracts)
            if isinstance(row.contract, Stock) and symbol in self._symbols and not is_own:
                words = f"the account holds {row.signed_quantity:+.10g} {symbol}, which no order of this run bought"
                why = "was an option exercised or assigned? No stop of the bot's protects them, and it enters nothing there"
                foreign[f"{words}: {why}"] = symbol
        for gone in self._foreign - foreign.keys():
            del self._alarmed[gone]
        self._foreign = set(foreign)
        for message, symbol in foreign.items():
            self._alarm(f"shares of {symbol}", message, FOREIGN_SHARES)

    def listed(self, report: OrderReport) -> None:
        """Take in an order from a list; what the journal has already changes nothing.

        The desk may know more: the answer to a cancel comes also when the stream of events is interrupted.
        """
        self._desk.saw(report)
        if self._desk.is_untold(report):
            self._tell(report)
            self._changed()

    def saw(self, event: OrderReport | Execution) -> None:
        """Take in one event; of a fill that was seen before only what it cost is news."""
        if not self._desk.owns(event):
            return
        if isinstance(event, Execution):
            if event.exec_id not in self._seen:
                known = map(fill_name, self._seen)
                self._tally.fills += fill_name(event.exec_id) not in known
                self._seen[event.exec_id] = event.commission is not None
                order = self._desk.filled(event.client_order_id)
                self._recorder.keep(FillSeen(at=event.at, execution=event))
                is_leg = isinstance(order.contract, Combo) and not event.is_of_combo
                self._observer.on_event(OrderFilled.of(event, is_leg=is_leg))
                self._changed()
            elif not self._seen[event.exec_id] and (cost := CommissionSeen.of(event, self._clock.now())):
                self._seen[event.exec_id] = True
                self._recorder.keep(cost)
            return
        self._desk.saw(event, is_event=True)
        self._tell(event)
        self._changed()

    def _tell(self, event: OrderReport) -> None:
        self._desk.told(event)
        self._recorder.keep(OrderUpdate(at=event.at, report=event))
        self._observer.on_event(OrderChanged.of(event))
