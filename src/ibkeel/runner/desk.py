"""The one door by which an order leaves: journaled first, then placed."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Final

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError, OrderRejected, SafetyRefused
from ibkeel.journal import Intent, Journal
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
    Signal,
)
from ibkeel.orders import EntryIntent, ExitCause, ExitIntent, client_order_id
from ibkeel.runner.feed import Feed
from ibkeel.runner.tally import Tally
from ibkeel.telemetry import Observer, OrderPlaced

__all__ = ["OrderDesk"]

_NO_FUNDS: Final = 201


@attrs.define
class _Ours:
    """What the desk knows of one order of its own."""

    ticket: OrderTicket
    is_entry: bool
    state: OrderState
    placed_at: datetime


class OrderDesk:
    """Names, journals and places orders, and remembers which are ours.

    Args:
        broker: Where orders go; in dry run it keeps them to itself.
        feed: Times the requests.
        journal: Told of every intent before anything leaves.
        tally: Counts.
        clock: Stamps.
        observer: Told of every order.
        run: Name of the run, a part of every order's name.
    """

    def __init__(
        self,
        broker: Orders,
        feed: Feed,
        journal: Journal,
        tally: Tally,
        clock: Clock,
        observer: Observer,
        run: str,
    ) -> None:
        self._broker, self._feed, self._journal = broker, feed, journal
        self._tally, self._clock, self._observer = tally, clock, observer
        self._run = run
        self._sequence = 0
        self._ours: dict[ClientOrderId, _Ours] = {}
        self.funds_rejected = False
        """Whether the venue refused an order for lack of funds in this session."""

    @property
    def unknown_orders(self) -> int:
        """Orders of ours whose fate nobody knows."""
        return sum(order.state is OrderState.UNKNOWN for order in self._ours.values())

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """Contracts that orders of ours were sent for, each once; intents of a dry run do not count."""
        sent = [order for order in self._ours.values() if order.state is not OrderState.INTENT]
        return tuple(dict.fromkeys(order.ticket.contract for order in sent))

    def owns(self, report: OrderReport | Execution) -> bool:
        """Whether a report or a fill is of an order of ours."""
        return report.client_order_id in self._ours

    def is_entry(self, report: OrderReport) -> bool:
        """Whether a report is of an entry of ours."""
        order = self._ours.get(report.client_order_id)
        return order is not None and order.is_entry

    def placed_at(self, name: ClientOrderId) -> datetime | None:
        """When an order of ours was placed; None when it is not ours."""
        order = self._ours.get(name)
        return None if order is None else order.placed_at

    def saw(self, report: OrderReport) -> None:
        """Take notice of what the venue says."""
        order = self._ours.get(report.client_order_id)
        if order is not None and not order.state.is_final:
            order.state = report.state

    async def enter(
        self, symbol: str, bracket: Bracket, signal: Signal, session: date, reason: str
    ) -> Placement:
        """Place a protected entry.

        Raises:
            SafetyRefused: A rule said no; nothing was sent.
            IbkeelError: Whatever else the broker says; the order's fate is then unknown.
        """
        name = self._next_name(session)
        named = attrs.evolve(bracket, entry=attrs.evolve(bracket.entry, client_order_id=name))
        intent = EntryIntent(
            client_order_id=name,
            symbol=symbol,
            at=self._clock.now(),
            signal=signal,
            bracket=named,
            reason=reason,
        )
        return await self._place(intent)

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
        name = self._next_name(session)
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

    def _next_name(self, session: date) -> ClientOrderId:
        self._sequence += 1
        return client_order_id(session, self._run, self._sequence)

    async def _place(self, intent: EntryIntent | ExitIntent) -> Placement:
        entry = intent.bracket.entry if isinstance(intent, EntryIntent) else intent.ticket
        children = intent.bracket.children() if isinstance(intent, EntryIntent) else ()
        self._journal.record(Intent.of(intent))
        self._count_intent(intent.symbol)
        order = _Ours(
            ticket=entry, is_entry=isinstance(intent, EntryIntent), state=OrderState.SENT, placed_at=intent.at
        )
        self._ours[intent.client_order_id] = order
        try:
            placement = await self._feed.timed("place", self._broker.place(intent.order))
        except (SafetyRefused, OrderRejected) as refused:
            order.state = OrderState.REJECTED
            self.funds_rejected |= getattr(refused, "code", None) == _NO_FUNDS
            raise
        except IbkeelError:
            order.state = OrderState.UNKNOWN
            raise
        self._remember(placement, (entry, *children))
        return placement

    def _remember(self, placement: Placement, tickets: tuple[OrderTicket, ...]) -> None:
        self._tally.orders += len(tickets)
        first = self._ours[placement.client_order_id]
        if not first.state.is_final:
            first.state = placement.state
        for child, ticket in zip(placement.children, tickets[1:], strict=False):
            self._ours[child.client_order_id] = _Ours(
                ticket=ticket, is_entry=False, state=child.state, placed_at=first.placed_at
            )
        if placement.was_sent:
            self._tally.orders_sent += len(tickets)
        entry = tickets[0]
        self._observer.on_event(
            OrderPlaced(
                at=self._clock.now(),
                client_order_id=placement.client_order_id,
                subject=str(entry.contract),
                side=entry.side.value,
                quantity=entry.quantity,
                was_sent=placement.was_sent,
            )
        )

    def _count_intent(self, symbol: str) -> None:
        if symbol in self._tally.symbols:
            self._tally.symbols[symbol].intents += 1
