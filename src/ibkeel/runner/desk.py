"""The one door by which an order leaves: journaled first, then placed."""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Final

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError, OrderRejected, SafetyRefused
from ibkeel.journal import Intent
from ibkeel.model import (
    Bracket,
    ClientOrderId,
    Contract,
    Execution,
    OrderReport,
    Orders,
    OrderState,
    OrderTicket,
    Placement,
    Position,
    Quote,
    Signal,
)
from ibkeel.orders import EntryIntent, ExitCause, ExitIntent, GapKind, StopIntent, is_same_contract, venue_day
from ibkeel.runner.doorkeeper import Doorkeeper, Standing
from ibkeel.runner.feed import Feed
from ibkeel.runner.memory import Names, OwnOrder, child_name, family_of, may_live
from ibkeel.runner.own_orders import fate_of, may_hold, never_left, not_expired, settle
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Tally
from ibkeel.runner.telling import intended
from ibkeel.telemetry import Observer, OrderPlaced

_NO_FUNDS: Final = 201
_STANDING: Final = Standing()
_LAG: Final = 15.0  # seconds: as the protection, before it takes anything for too much


class OrderDesk:
    """Names, journals and places orders, and remembers which are ours.

    Args:
        broker: Where orders go; in dry run it keeps them to itself.
        feed: Times the requests.
        recorder: Told of every intent before anything leaves; an exit leaves even so.
        tally: Counts.
        clock: Stamps.
        observer: Told of every order.
        run: Name of the run, a part of every order's name.
        doorkeeper: Says what speaks against an order; None lets every one pass but while halted.
    """

    def __init__(
        self,
        broker: Orders,
        feed: Feed,
        recorder: Recorder,
        tally: Tally,
        clock: Clock,
        observer: Observer,
        run: str,
        doorkeeper: Doorkeeper | None = None,
    ) -> None:
        self._broker, self._feed, self._recorder = broker, feed, recorder
        self._tally, self._clock, self._observer = tally, clock, observer
        self._names = Names(run, broker.client_id, clock.now())
        self._doorkeeper = doorkeeper
        self._ours: dict[ClientOrderId, OwnOrder] = {}
        self.funds_rejected = False
        """Whether the venue rejected an order with code 201, as for lack of funds, in this session."""
        self.filled_at = -math.inf
        """When an order of ours last filled, whole or in part, in monotonic seconds."""
        self._opened: dict[Contract, float] = {}
        self.stirred = asyncio.Event()
        """Set when an order of ours is placed, taken over or found in another state."""
        self.turn = asyncio.Lock()
        """Held by whoever looks at a position and then sends an order that closes it, until it was sent."""

    @property
    def unknown_orders(self) -> int:
        """Orders of ours whose fate nobody knows, those that the venue never answered included."""
        return sum(
            order.is_in_doubt and (order.state is OrderState.UNKNOWN or not order.is_placing)
            for order in self._ours.values()
        )

    @property
    def is_placing(self) -> bool:
        """Whether the broker was given an order and has not answered yet."""
        return any(order.is_placing for order in self._ours.values())

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """Contracts that orders of ours were sent for, each once; intents of a dry run do not count."""
        sent = [order for order in self._ours.values() if order.state is not OrderState.INTENT]
        return tuple(dict.fromkeys(order.contract for order in sent))

    def may_own(self, position: Position) -> bool:
        """Whether a position may be what orders of ours opened; not where all of that is known to be closed."""
        return may_hold(self.of_contract(position.contract), is_long=position.signed_quantity > 0)

    def owns(self, report: OrderReport | Execution) -> bool:
        """Whether a report or a fill is of an order of ours; fills are listed of our own client id only."""
        if isinstance(report, Execution):
            return report.client_order_id in self._ours
        return self._of(report) is not None

    def _of(self, report: OrderReport) -> OwnOrder | None:
        order = self._ours.get(report.client_order_id)
        return order if order is not None and order.is_of(report) else None

    def can_change(self, report: OrderReport) -> bool:
        """Whether it is of an order of ours that stands under our client id: a number of another is another order."""
        return report.client_id == self._broker.client_id and self.owns(report)

    def filled(self, name: ClientOrderId) -> OwnOrder:
        """Take notice that some of an order of ours filled just now, and give it back."""
        order, self.filled_at = self._ours[name], self._clock.monotonic()
        if order.is_entry:
            self._opened[order.contract] = self.filled_at
        return order

    def may_hold_more(self, of: Contract | None = None) -> bool:
        """Whether an entry, of a contract or any, filled so lately that the account's list may lack what it opened."""
        late = [each for each, at in self._opened.items() if self._clock.monotonic() - at < _LAG]
        return any(of is None or is_same_contract(of, each) for each in late)

    def is_entry(self, report: OrderReport) -> bool:
        """Whether a report is of an entry of ours."""
        order = self._of(report)
        return order is not None and order.is_entry

    def state_of(self, name: ClientOrderId) -> OrderState:
        """What is known of an order of ours."""
        return self._ours[name].state

    def placed_at(self, name: ClientOrderId) -> float | None:
        """When an order of ours was placed, in monotonic seconds; None when it is not ours."""
        order = self._ours.get(name)
        return None if order is None else order.since

    def begin_session(self) -> None:
        """Forget what was wrong with the last one, what ended in options that are long expired, and old doubts."""
        today = venue_day(self._clock.now())
        self.funds_rejected, self._opened, self._ours = False, {}, not_expired(self._ours, today)
        for order in self._ours.values():  # as after a restart: what is held tells whether it filled
            order.is_past |= order.is_entry and order.is_in_doubt and venue_day(order.placed_at) < today

    def restore(self, orders: Mapping[ClientOrderId, OwnOrder]) -> None:
        """Take over the orders of an earlier run."""
        now, wall = self._clock.monotonic(), self._clock.now()
        for name, order in orders.items():
            age = max((wall - order.placed_at).total_seconds(), 0.0)  # the clock may have been set back
            whose = self._broker.client_id if order.client_id is None else order.client_id
            self._ours[name] = attrs.evolve(order, since=now - age, client_id=whose)
        self.stirred.set()

    def saw(self, report: OrderReport, *, is_event: bool = False) -> None:
        """Take notice of what the venue says.

        Args:
            report: What it says.
            is_event: Whether it was said just now: what was taken for gone may live again. Lists may be old.
        """
        order = self._of(report)
        if order is None or order.is_told_again(report):
            return
        if order.is_past:
            self.stirred.set()  # it may live after all
        order.noted(report)
        if report.code == _NO_FUNDS:
            self.funds_rejected = True  # also when it had been accepted
        is_over = order.state in {OrderState.FILLED, OrderState.REJECTED}
        if is_over or order.state is report.state or (order.state.is_final and not is_event):
            return
        order.state = report.state
        self.stirred.set()
        self._note_fill(order, report.client_order_id)

    def _note_fill(self, order: OwnOrder, name: ClientOrderId) -> None:
        if order.state in {OrderState.FILLED, OrderState.PARTIALLY_FILLED}:
            self.filled(name)
        if order.state is OrderState.FILLED and self._doorkeeper is not None:
            self._doorkeeper.filled()

    def is_untold(self, report: OrderReport) -> bool:
        """Whether it is what we know of an order of ours, and the journal does not have it."""
        order = self._of(report)
        return order is not None and order.state is report.state is not order.journaled

    def told(self, report: OrderReport) -> None:
        """Note that the journal has it."""
        order = self._of(report)
        if order is not None:
            order.journaled = report.state

    @property
    def alive(self) -> tuple[tuple[ClientOrderId, OwnOrder], ...]:
        """Orders of ours that were sent and have not ended, as far as is known."""
        return tuple((name, row) for name, row in self._ours.items() if may_live(row))

    def settle(self, name: ClientOrderId, state: OrderState) -> None:
        """Take notice of what was proved about an order that no list names."""
        self._ours[name].state = self._ours[name].journaled = state

    def knows_nothing_of(self, contract: Contract) -> bool:
        """Whether the fate of an order of ours in a contract is unknown, one under way included."""
        return any(order.is_in_doubt for order in self.of_contract(contract))

    def of_contract(self, contract: Contract) -> tuple[OwnOrder, ...]:
        """Every order of ours in a contract, ended ones included, in the order placed."""
        return tuple(row for row in self._ours.values() if is_same_contract(row.contract, contract))

    async def enter(
        self,
        symbol: str,
        bracket: Bracket,
        signal: Signal,
        session: date,
        reason: str,
        *,
        quote: Quote | None = None,
        open_orders: Iterable[OrderReport] = (),
        standing: Standing = _STANDING,
        signal_id: str = "",
        ends_at: datetime | None = None,
    ) -> Placement:
        """Place a protected entry.

        Args:
            symbol: Ticker of the underlying.
            bracket: The order; it is named here.
            signal: What the strategy said.
            session: Trading date.
            reason: Why, in words.
            quote: Of the contract itself, for the gates.
            open_orders: Every order that works, for the gates.
            standing: What a lookout saw, for the gates.
            signal_id: Of the signal, for the observer.
            ends_at: It does not leave from then on.

        Raises:
            GatesShut: A gate is shut, or was when it was about to leave; nothing was sent.
            JournalError: The intent could not be written in time; nothing was sent.
            SafetyRefused: A rule said no; nothing was sent.
            IbkeelError: Whatever else the broker says; the fate is unknown, unless it means that nothing left.
        """
        may_leave: Callable[[], None] | None = None
        if self._doorkeeper is not None:
            self._doorkeeper.check(bracket.entry, quote, open_orders, standing)
            may_leave = self._doorkeeper.last_look(bracket.entry, quote, ends_at)
        name = self._names.next(session, self._ours)
        named = attrs.evolve(bracket, entry=attrs.evolve(bracket.entry, client_order_id=name))
        intent = EntryIntent(
            client_order_id=name,
            symbol=symbol,
            at=self._clock.now(),
            signal=signal,
            bracket=named,
            reason=reason,
        )
        return await self._place(intent, signal_id, may_leave)

    async def leave(
        self,
        make: Callable[[ClientOrderId], OrderTicket | None],
        cause: ExitCause,
        session: date,
        reason: str,
    ) -> Placement | None:
        """Place an exit.

        Args:
            make: Gives the ticket under a name, or None when nothing may be sent.
            cause: What ends the position.
            session: Trading date.
            reason: The facts, in words.

        Returns:
            The placement; None when nothing may be sent.
        """
        name = self._names.next(session, self._ours)
        ticket = make(name)
        if ticket is None:
            return None
        intent = ExitIntent(
            client_order_id=name,
            symbol=ticket.contract.symbol,
            at=self._clock.now(),
            ticket=ticket,
            cause=cause,
            reason=reason,
        )
        return await self._place(intent)

    async def change(self, report: OrderReport, ticket: OrderTicket) -> OrderReport:
        """Replace price or quantity of an order that works, and count the message.

        Raises:
            GatesShut: Entries are halted, and this is one; nothing was sent.
        """
        if self._doorkeeper is not None:
            if self.is_entry(report):
                self._doorkeeper.check_halt(ticket)
            self._doorkeeper.changed()
        return await self._broker.modify(report.order_id, ticket)

    async def cancel(self, report: OrderReport) -> OrderReport:
        """Cancel an order, and count the message."""
        if self._doorkeeper is not None:
            self._doorkeeper.changed()
        return await self._broker.cancel(report.order_id)

    async def protect(
        self, make: Callable[[ClientOrderId], OrderTicket], gap: GapKind, session: date, reason: str
    ) -> Placement:
        """Place a stop for a position that has lost its own; the ticket is made under a name."""
        name = self._names.next(session, self._ours)
        ticket = make(name)
        intent = StopIntent(
            client_order_id=name,
            symbol=ticket.contract.symbol,
            at=self._clock.now(),
            ticket=ticket,
            gap=gap,
            reason=reason,
        )
        return await self._place(intent)

    async def _place(
        self,
        intent: EntryIntent | ExitIntent | StopIntent,
        signal_id: str = "",
        may_leave: Callable[[], None] | None = None,
    ) -> Placement:
        """Register, record and send; what closes a position leaves though it cannot be recorded."""
        order = intent.order
        entry, children = (order.entry, order.children()) if isinstance(order, Bracket) else (order, ())
        record = Intent.of(intent)
        # Known before they leave: a child of an order whose answer is lost is ours too.
        ours = family_of(record, OrderState.SENT, is_placing=True)
        for own in ours.values():
            own.since, own.client_id = self._clock.monotonic(), self._broker.client_id
        self._ours |= ours
        self.stirred.set()
        try:
            try:
                await self._recorder.announce(record)
            except asyncio.CancelledError:
                self._failed(ours, record, SafetyRefused("it was given up while its record was written"))
                raise
            self._observer.on_event(intended(record, signal_id))
            if intent.symbol in self._tally.symbols:
                self._tally.symbols[intent.symbol].intents += 1
            # A halt may come while the disk is slow, and while a session comes back or a contract is looked up.
            if may_leave is not None:
                may_leave()
            if self._doorkeeper is not None:
                self._doorkeeper.passed(entry)
            placement = await self._feed.timed("place", self._broker.place(order, may_leave=may_leave))
        except IbkeelError as error:
            self._failed(ours, record, error)
            raise
        finally:
            # A cancelled task knows no fate: its orders stay SENT, which counts as unknown.
            for own in ours.values():
                own.is_placing = False
        self._remember(placement, (entry, *children))
        return placement

    def _failed(self, ours: Mapping[ClientOrderId, OwnOrder], intent: Intent, error: IbkeelError) -> None:
        """Take notice; the journal hears what never left, or whoever reads it after a restart would look for it."""
        self.funds_rejected |= isinstance(error, OrderRejected) and error.code == _NO_FUNDS
        settle(ours.values(), fate_of(error))
        for record in never_left(ours, intent.symbol, self._clock.now(), error):
            self._recorder.keep(record)

    def _remember(self, placement: Placement, tickets: tuple[OrderTicket, ...]) -> None:
        self._tally.orders += len(tickets)
        name = placement.client_order_id
        for number, said in enumerate(placement.family()):
            order = self._ours.pop(child_name(name, number) if number else name)
            self._ours[said.client_order_id] = order
            # The venue may have answered, and the watch told of it, before the placement came.
            if order.state is OrderState.SENT:
                order.state = said.state
                self._note_fill(order, said.client_order_id)
        if placement.was_sent:
            self._tally.orders_sent += len(tickets)
            if self._doorkeeper is not None:
                self._doorkeeper.sent(len(tickets))
        self._observer.on_event(
            OrderPlaced.of(tickets[0], name, self._clock.now(), was_sent=placement.was_sent)
        )
