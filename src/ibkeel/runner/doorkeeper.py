"""Knows what an order's gates need to be asked, and asks them."""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import GatesShut
from ibkeel.model import OrderReport, OrderTicket, Quote
from ibkeel.orders import (
    GateKind,
    GateRefusal,
    Interlock,
    OrderFacts,
    OrderLimits,
    SentOrder,
    TickLadder,
    check_order,
)
from ibkeel.runner.halt import Halt
from ibkeel.runner.lookout import Standing

_REMEMBERED: Final = 1000
_DEFAULT: Final = OrderLimits()
_STANDING: Final = Standing()
_OF_THE_MOMENT: Final = frozenset({GateKind.HALTED, GateKind.QUOTE_AGE})


class Doorkeeper:
    """Counts what leaves, and says what speaks against the next order.

    Args:
        clock: Wall time.
        limits: What an order must keep to.
        halt: The kill switch.
        interlock: Whose money an order moves; None when the broker sees to it.
        ticks: Price steps of what is traded; None leaves prices alone.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        limits: OrderLimits = _DEFAULT,
        halt: Halt | None = None,
        interlock: Interlock | None = None,
        ticks: TickLadder | None = None,
    ) -> None:
        self._clock, self._limits, self._interlock, self._ticks = clock, limits, interlock, ticks
        self.halt = halt or Halt()
        self._sent: deque[SentOrder] = deque(maxlen=_REMEMBERED)
        self._submitted = self._filled = 0

    def use(self, limits: OrderLimits) -> None:
        """Keep to other limits from now on; what was counted stays counted."""
        self._limits = limits

    def refusals(
        self,
        ticket: OrderTicket,
        quote: Quote | None,
        open_orders: Iterable[OrderReport] = (),
        standing: Standing = _STANDING,
    ) -> tuple[GateRefusal, ...]:
        """Every reason against an order now; none means that it may leave.

        Args:
            ticket: The order; of a bracket, its entry.
            quote: Of the contract itself.
            open_orders: Every order that works.
            standing: What a lookout saw of session, health, hours and margin.
        """
        facts = OrderFacts(
            now=self._clock.now(),
            ticket=ticket,
            quote=quote,
            ticks=self._ticks,
            halted=self.halt.reason,
            interlock=self._interlock,
            open_orders=open_orders,
            sent=self._sent,
            submitted=self._submitted,
            filled=self._filled,
            **attrs.asdict(standing, recurse=False),
        )
        return check_order(facts, self._limits)

    def check(
        self,
        ticket: OrderTicket,
        quote: Quote | None,
        open_orders: Iterable[OrderReport] = (),
        standing: Standing = _STANDING,
    ) -> None:
        """Refuse an order that a gate is shut for; arguments as of `refusals`.

        Raises:
            GatesShut: One is, or several; all are named.
        """
        found = self.refusals(ticket, quote, open_orders, standing)
        if found:
            raise GatesShut(ticket.contract, found)

    def check_halt(self, ticket: OrderTicket) -> None:
        """Refuse what opens a position while entries are halted.

        Raises:
            GatesShut: They are.
        """
        if self.halt.reason:
            found = tuple(row for row in self.refusals(ticket, None) if row.kind is GateKind.HALTED)
            raise GatesShut(ticket.contract, found)

    def last_look(
        self, ticket: OrderTicket, quote: Quote | None, ends_at: datetime | None = None
    ) -> Callable[[], None]:
        """What an entry is asked right before it leaves: a disk, a lookup and a limit may have held it up.

        Args:
            ticket: The order; of a bracket, its entry.
            quote: The one that the gates were asked with.
            ends_at: When the session's entries are withdrawn; None for never.

        Returns:
            To be called then; raises `GatesShut` when entries are halted or over, or the quote is too old by now.
        """

        def look() -> None:
            found = [row for row in self.refusals(ticket, quote) if row.kind in _OF_THE_MOMENT]
            now = self._clock.now()
            if ends_at is not None and now >= ends_at:
                over = f"entries of this session before {ends_at.isoformat()}"
                found.append(GateRefusal(kind=GateKind.MARKET, value=now.isoformat(), limit=over))
            if found:
                raise GatesShut(ticket.contract, tuple(found))

        return look

    def begin_session(self) -> None:
        """Count messages and fills anew: efficiency is reckoned by the day."""
        self._submitted = self._filled = 0

    def passed(self, ticket: OrderTicket) -> None:
        """An order is about to leave, or to be kept back in dry run."""
        self._sent.append(SentOrder(at=self._clock.now(), ticket=ticket))

    def sent(self, messages: int) -> None:
        """An order and its children left, in so many messages."""
        self._submitted += messages

    def changed(self) -> None:
        """A change or a cancel of an order left."""
        self._submitted += 1

    def filled(self) -> None:
        """An order filled."""
        self._filled += 1
