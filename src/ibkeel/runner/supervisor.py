"""Looks after entries that work and have not filled: moves them, withdraws them, replaces them."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, IbkeelError, OrderRejected, RequestFailed, SafetyRefused
from ibkeel.model import (
    Bracket,
    ClientOrderId,
    Combo,
    MarketData,
    OrderReport,
    Orders,
    OrderState,
    OrderTicket,
    OrderType,
    Placement,
    Quote,
    Signal,
    TimeInForce,
)
from ibkeel.orders import RepricePolicy, Withdraw, WorkingOrder, left_to_replace, supervise
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.memory import OwnOrder
from ibkeel.runner.tally import Failures

_REFUSALS: Final = 2  # of a change in a row, before the order is made anew
_LOOK: Final = 5.0  # seconds after which what is due is done


class Supervised(Orders, MarketData, Protocol):
    """Whom a supervisor asks."""


@attrs.frozen(kw_only=True)
class Entered:
    """What an entry was made of: what it takes to make it anew.

    Args:
        symbol: Ticker of the underlying.
        bracket: The order.
        signal: What the strategy said.
        session: Trading date.
    """

    symbol: str
    bracket: Bracket
    signal: Signal
    session: date


@attrs.define(kw_only=True)
class _Minded:
    """One entry, as long as it works."""

    first_price: Decimal
    moved_at: float
    seen_at: float
    """When its price was last held against the market; both in monotonic seconds."""
    entered: Entered | None = None
    refusals: int = 0


@attrs.frozen(kw_only=True)
class _Again:
    """An entry that was cancelled to be made anew."""

    name: ClientOrderId
    entered: Entered
    first_price: Decimal


class Supervisor:
    """Carries out what the rule of supervision says, one order at a time.

    An order is changed in place: its number stays, so that there is never a second one. Where the venue
    refuses the change it is cancelled, its fate awaited, and another one placed for what the venue says is
    left. Of an order whose change or cancel was not answered nothing more is asked until its fate is known.

    Args:
        broker: Whom to ask.
        desk: The door by which orders leave.
        failures: Told of what did not succeed.
        clock: Wall time for the end of the session, monotonic seconds for ages.
        policy: How long an entry waits, and how it follows the market.
    """

    def __init__(
        self, broker: Supervised, desk: OrderDesk, failures: Failures, clock: Clock, policy: RepricePolicy
    ) -> None:
        self._broker, self._desk, self._failures = broker, desk, failures
        self._clock, self._policy = clock, policy
        self._minded: dict[ClientOrderId, _Minded] = {}
        self.ends_at: datetime | None = None
        """When the session's entries are withdrawn; None for never."""

    def mind(self, placed: Placement, entered: Entered) -> None:
        """Know what an entry was made of."""
        price = entered.bracket.entry.limit_price
        if price is not None and placed.was_sent:
            now = self._clock.monotonic()
            self._minded[placed.client_order_id] = _Minded(
                first_price=price, moved_at=now, seen_at=now, entered=entered
            )

    async def run(self) -> None:
        """Look when something is due for an entry, until cancelled."""
        while True:
            if not self._entries():
                self._minded.clear()
                self._desk.stirred.clear()
                await self._desk.stirred.wait()
            await asyncio.sleep(_LOOK)
            if not any(self._is_due(name, row) for name, row in self._entries()):
                continue
            try:
                await self.look()
            except (RequestFailed, ConnectionFailure) as error:
                self._failures.note("", error, "supervision")

    def _entries(self) -> Sequence[tuple[ClientOrderId, OwnOrder]]:
        return [(name, row) for name, row in self._desk.alive if row.is_entry and not row.is_past]

    async def look(self) -> None:
        """Look once at every entry that works.

        Raises:
            RequestFailed: What works could not be read.
            ConnectionFailure: There is no session.
        """
        for report in await self._broker.open_orders():
            if not self._desk.is_entry(report):
                continue
            try:
                async with self._desk.turn:
                    again = await self._take_step(report)
                # Exits do not wait for it: an entry is held up by a disk, a lookup and a limit.
                if again is not None:
                    await self._enter_again(again)
            except IbkeelError as error:
                self._failures.note(report.contract.symbol, error, "supervision")

    async def _take_step(self, report: OrderReport) -> _Again | None:
        """Do what the rule says; what was cancelled to be made anew is left to the caller."""
        placed_at = self._desk.placed_at(report.client_order_id)
        if placed_at is None or report.limit_price is None:
            return None
        minded = self._minded.setdefault(
            report.client_order_id,
            _Minded(first_price=report.limit_price, moved_at=placed_at, seen_at=placed_at),
        )
        now = self._clock.now()
        working = WorkingOrder(
            now=now,
            order=report,
            placed_at=now - timedelta(seconds=self._since(placed_at)),
            moved_at=now - timedelta(seconds=self._since(minded.moved_at)),
            first_price=minded.first_price,
            ends_at=self.ends_at,
        )
        step = supervise(working, self._policy)
        if step is None and self._is_to_be_seen(minded.seen_at):
            quote = await self._quote(report)
            minded.seen_at = self._clock.monotonic()
            if quote is not None:
                seen = attrs.evolve(working, bid=quote.bid, ask=quote.ask)
                step = supervise(seen, self._policy)
        if isinstance(step, Withdraw):
            self._desk.saw(await self._desk.cancel(report))
        elif step is not None:
            minded.moved_at = minded.seen_at = self._clock.monotonic()
            return await self._move(report, step.price, minded)
        return None

    def _is_due(self, name: ClientOrderId, entry: OwnOrder) -> bool:
        """Whether an entry's time may be over, or its market is to be looked at."""
        if entry.state is OrderState.PARTIALLY_FILLED:
            return False  # the protection's matter from now on
        lifetime, minded = self._policy.lifetime, self._minded.get(name)
        if self.ends_at is not None and self._clock.now() >= self.ends_at:
            return True
        if lifetime is not None and self._since(entry.since) >= lifetime:
            return True
        return self._is_to_be_seen(entry.since if minded is None else minded.seen_at)

    def _is_to_be_seen(self, seen_at: float) -> bool:
        every = self._policy.every
        return every is not None and self._since(seen_at) >= every

    def _since(self, instant: float) -> float:
        """Seconds, to the microsecond that wall time has too."""
        return round(self._clock.monotonic() - instant, 6)

    async def _quote(self, report: OrderReport) -> Quote | None:
        """The order's own market, good enough to follow; nobody quotes a combo as one."""
        if isinstance(report.contract, Combo):
            return None
        quote = await self._broker.quote(report.contract)
        return quote if quote.is_live and not quote.is_halted else None

    async def _move(self, report: OrderReport, price: Decimal, minded: _Minded) -> _Again | None:
        """Change the order's limit; where the venue refuses that, cancel it for another of what is left."""
        ticket = OrderTicket(
            contract=report.contract,
            side=report.side,
            quantity=int(report.quantity),
            order_type=OrderType(report.order_type),
            limit_price=price,
            tif=TimeInForce(report.tif),
            oca_group=report.oca_group,
            client_order_id=report.client_order_id,
        )
        if await self._is_moved(report, ticket):
            minded.refusals = 0
            return None
        minded.refusals += 1
        return await self._cancelled(report, price, minded) if minded.refusals >= _REFUSALS else None

    async def _is_moved(self, report: OrderReport, ticket: OrderTicket) -> bool:
        """Whether the venue took the change; False too when the order ended before it."""
        try:
            after = await self._desk.change(report, ticket)
        except (OrderRejected, SafetyRefused) as error:
            self._failures.note(report.contract.symbol, error, "supervision")
            return False
        self._desk.saw(after)
        return after.limit_price == ticket.limit_price

    async def _cancelled(self, report: OrderReport, price: Decimal, minded: _Minded) -> _Again | None:
        ended = await self._desk.cancel(report)
        self._desk.saw(ended)
        left, entered = left_to_replace(ended), minded.entered
        if not left or ended.filled or entered is None:
            return None
        entry = attrs.evolve(entered.bracket.entry, limit_price=price, quantity=left, client_order_id=None)
        return _Again(
            name=report.client_order_id,
            entered=attrs.evolve(entered, bracket=attrs.evolve(entered.bracket, entry=entry)),
            first_price=minded.first_price,
        )

    async def _enter_again(self, again: _Again) -> None:
        entered = again.entered
        placed = await self._desk.enter(
            entered.symbol,
            entered.bracket,
            entered.signal,
            entered.session,
            f"in the place of {again.name}, which the venue did not let change",
            quote=await self._broker.quote(entered.bracket.entry.contract),
            open_orders=await self._broker.all_open_orders(),
            ends_at=self.ends_at,
        )
        self.mind(placed, entered)
        minded = self._minded.get(placed.client_order_id)
        if minded is not None:
            minded.first_price = again.first_price  # the collar is about where the first one began
