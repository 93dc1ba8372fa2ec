"""What happens to orders, and to their families, as clients and the market act on them."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import attrs

from ibkeel.sim.settings import Habits, VenueSettings
from ibkeel.sim.values import Execution, Market, MarketQuote, OrderError, SimOrder, VenueEvent
from ibkeel.sim.venue.book import (
    Book,
    Queue,
    base_after_change,
    cut_to_parent,
    is_group_over,
    reduced_quantity,
    workable,
)
from ibkeel.sim.venue.hours import CLOSING_TYPES, Auction, Auctions, TradingHours, Window
from ibkeel.sim.venue.ledger import Ledger, Stamps
from ibkeel.sim.venue.matching import (
    LIMIT_TYPES,
    STOP_TYPES,
    TRAILING_TYPES,
    Board,
    Liquidity,
    fill_price,
    follow,
    is_triggered,
    limit_of,
)
from ibkeel.sim.venue.orders import (
    Stage,
    WorkingOrder,
    cancellation,
    inherit,
    killed,
    opening_notice,
    pair,
    stage_after_change,
)
from ibkeel.sim.venue.rejects import Refusal, advice, is_beyond, is_overridden, refuse

_IMMEDIATE: Final = ("IOC", "FOK")
_ASLEEP: Final = (Stage.DRAFT, Stage.CHILD)


class Engine:
    """Moves orders through their stages and collects what must be sent, in order."""

    def __init__(
        self, market: Market, ledgers: Mapping[str, Ledger], stamps: Stamps, settings: VenueSettings
    ) -> None:
        self.book = Book()
        self._board, self._ledgers = Board(market, queues=settings.queues_limits), ledgers
        self._stamps, self._settings = stamps, settings
        self._habits = Habits(settings, stamps.seed)
        self._hours, self._auctions, self._queue = TradingHours(market), Auctions(market), Queue()
        self._liquidity = Liquidity(market, is_limited=settings.displayed_size_limits)

    def enter(self, order: SimOrder, at: datetime) -> list[VenueEvent]:
        """Take an order that has passed the checks; transmitting it releases its family."""
        working = WorkingOrder(order=order, base_quantity=order.quantity)
        self.book.add(working)
        if not order.transmit:
            return []
        events: list[VenueEvent] = []
        for member in list(self.book.family_drafts(working)):
            if member.is_live:  # not cancelled with a parent that was killed just now
                events += self._transmit(member, at)
        return events

    def modify(self, working: WorkingOrder, order: SimOrder, at: datetime) -> list[VenueEvent]:
        """Give an order new terms, which have passed the checks."""
        if working.stage is Stage.DRAFT:
            self.book.discard(working)
            return self.enter(order, at)
        if not order.transmit:
            return []
        inherit(order, working.order)
        refusal = self._refusal_for_funds(order, at)
        if refusal is not None:
            return [refusal]
        self._replace_terms(working, order, at)
        return [*pair(working), *self._work(working, at)]

    def cancel(self, working: WorkingOrder, at: datetime, *, told: int | None = None) -> list[VenueEvent]:
        """Cancel at a client's wish; `told` is the client that the messages name, if another."""
        is_pending_shown = not self._habits.of(working.order).skips_pending_cancel
        return self._cancel(working, at, is_pending_shown=is_pending_shown, told=told)

    def step(self, at: datetime) -> list[VenueEvent]:
        """Expire and match every live order, in the order in which they were sent."""
        events: list[VenueEvent] = []
        for working in self.book.live():
            if not working.is_live:  # ended by what happened to another
                continue
            if working.expires_at is not None and at >= working.expires_at:
                events += self._cancel(working, at)
            elif working.quiet_until(at) is None:
                events += self._work(working, at)
        return events

    def next_event(self, after: datetime) -> datetime | None:
        """First instant after `after` at which `step` may do something."""
        asked: set[tuple[object, ...]] = set()
        instants: list[datetime] = []
        for working in self.book.live():
            if working.expires_at is not None and working.expires_at > after:
                instants.append(working.expires_at)
            if (quiet_until := working.quiet_until(after)) is not None:
                instants.append(quiet_until)
                continue
            order = working.order
            key = (order.contract.con_id, order.legs, order.outside_rth, working.auction, working.reach)
            if working.stage not in _ASLEEP and key not in asked:
                asked.add(key)
                instants += self._next_changes(working, after)
        return min(instants, default=None)

    # Entering

    def _transmit(self, working: WorkingOrder, at: datetime) -> list[VenueEvent]:
        refusal = self._refusal_on_entry(working, at)
        if refusal is not None:
            self.book.discard(working)
            return [refusal]
        order = working.order
        order.perm_id, order.placed_at = self._stamps.perm_id(), at
        working.expires_at = self._expiry(order, at)
        order.quantity = reduced_quantity(working, self.book.group(working))
        parent = self.book.parent(working)
        if parent is None or parent.order.filled:
            return self._activate(working, at)
        working.move(Stage.CHILD)
        return pair(working)

    def _refusal_on_entry(self, working: WorkingOrder, at: datetime) -> OrderError | None:
        order, limit = working.order, self._settings.active_orders_limit
        if order.parent_id and self.book.parent(working) is None:
            return self._refuse(Refusal.PARENT_MISSING, order, parent_id=order.parent_id)
        if limit is not None and self.book.active_count(order) >= limit:
            refusal = self._refuse(Refusal.TOO_MANY_ORDERS, order, limit=limit)
            return attrs.evolve(refusal, rule="active_orders")
        members = self.book.group(working)
        if is_group_over(members, order.oca_type) or not reduced_quantity(working, members):
            return self._refuse(Refusal.GROUP_OVER, order)
        return self._refusal_for_price(order, at) or self._refusal_for_funds(order, at)

    def _refusal_for_price(self, order: SimOrder, at: datetime) -> OrderError | None:
        fraction = self._settings.price_precaution
        if fraction is None or is_overridden(order):
            return None
        if not is_beyond(order, self._board.quote(order, at), fraction):
            return None
        refusal = self._refuse(Refusal.PRICE_PRECAUTION, order, percent=100 * fraction)
        return attrs.evolve(refusal, advanced_reject=advice(refusal.text))

    def _refusal_for_funds(self, order: SimOrder, at: datetime) -> OrderError | None:
        if order.parent_id:  # an exit of what the parent is yet to open
            return None
        preview, reduces = self._ledgers[order.account].preview(order, at, leaves="OPT")
        # To sell what covers a short option ties up more.
        reduces = reduces and preview.after.initial < preview.before.initial + 0.01
        if reduces or preview.commission is None or preview.after.available_funds >= 0:
            return None
        return self._refuse(
            Refusal.NO_FUNDS,
            order,
            equity=preview.after.equity_with_loan,
            needed=preview.after.initial,
        )

    def _activate(self, working: WorkingOrder, at: datetime) -> list[VenueEvent]:
        """Wake a new order, or a child whose parent has begun to fill."""
        is_new = working.stage is Stage.DRAFT
        is_stop = working.order.order_type in STOP_TYPES
        working.auction = self._auctions.ahead(working.order, at)
        working.move(Stage.ARMED if is_stop else Stage.HELD)
        shown = pair(working)
        worked = self._work(working, at)
        if is_stop:
            return [*shown, *(shown if is_new else ()), *self._notice(working, at), *worked]
        if working.order.tif in _IMMEDIATE and not _has_fill(worked):
            return [shown[0], *worked]
        if self._habits.of(working.order).straight_to_submitted and _is_resting(working):
            return worked
        return [*shown, *self._notice(working, at), *worked]

    def _notice(self, working: WorkingOrder, at: datetime) -> list[VenueEvent]:
        window = self._window(working.order, at)
        if window is None or window.is_open(at) or working.auction is not None:
            return []
        return [opening_notice(working.order, window.opens_at)]

    # Working

    def _work(self, working: WorkingOrder, at: datetime) -> list[VenueEvent]:
        """Let an order meet the market of this instant."""
        if working.stage in _ASLEEP:
            return []
        if working.auction is not None:
            return self._meet_auction(working, working.auction, at)
        order = working.order
        window = self._window(order, at)
        events: list[VenueEvent] = []
        is_early = order.good_after is not None and at < order.good_after
        if window is not None and window.is_open(at) and not is_early:
            events += self._meet(working, self._board.quote(order, at), at)
        if working.is_live and working.stage is not Stage.ARMED and order.tif in _IMMEDIATE:
            events += self._kill(working, at)
        return events

    def _meet(self, working: WorkingOrder, quote: MarketQuote, at: datetime) -> list[VenueEvent]:
        events: list[VenueEvent] = []
        order = working.order
        if working.stage is Stage.ARMED:
            if order.order_type in TRAILING_TYPES:
                order.trail_stop = follow(order, quote)
            if not is_triggered(order, quote):
                return []
            if order.order_type in TRAILING_TYPES:
                order.limit_price = limit_of(order)
            working.move(Stage.WORKING)
            events += pair(working)
        events += self._match(working, quote, at)
        rests = working.stage is Stage.HELD and order.order_type in LIMIT_TYPES
        if rests and order.tif not in _IMMEDIATE:
            working.move(Stage.WORKING)
            events += pair(working)
        return events

    def _meet_auction(self, working: WorkingOrder, auction: Auction, at: datetime) -> list[VenueEvent]:
        outcome = self._auctions.outcome(working.order, auction, at)
        if outcome is None:
            return []
        held = MarketQuote(at=at, bid=outcome.price, ask=outcome.price)
        price, quantity = fill_price(working.order, held), workable(self.book, working)
        events = self._fill(working, quantity, price, at) if price is not None and quantity > 0 else []
        return [*events, *(self._cancel(working, at) if working.is_live else ())]

    def _match(self, working: WorkingOrder, quote: MarketQuote, at: datetime) -> list[VenueEvent]:
        order = working.order
        price = fill_price(order, quote)
        if price is None:
            return self._match_in_queue(working, quote, at) if self._settings.queues_limits else []
        available = self._liquidity.available(order, quote, at)
        quantity = float(math.floor(min(workable(self.book, working), available)))
        if quantity <= 0 or (order.tif == "FOK" and quantity < working.remaining):
            return []
        self._liquidity.take(order, quantity, at)
        return self._fill(working, quantity, price, at)

    def _match_in_queue(self, working: WorkingOrder, quote: MarketQuote, at: datetime) -> list[VenueEvent]:
        order = working.order
        reached = self._queue.reached(order, quote)
        quantity = float(math.floor(min(workable(self.book, working), reached)))
        if quantity <= 0 or order.limit_price is None or order.tif in _IMMEDIATE:
            return []
        return self._fill(working, quantity, order.limit_price, at)

    def _fill(self, working: WorkingOrder, quantity: float, price: float, at: datetime) -> list[VenueEvent]:
        working.fill(quantity, price)
        booked = self._ledgers[working.order.account].book(working, quantity, price, at)
        executions, commissions = [each for each, _ in booked], [each for _, each in booked]
        habits, shown = self._habits.of(working.order), pair(working)
        if habits.repeats_status:
            shown = [*shown, *shown]
        if habits.status_before_execution:
            events = [*shown, *executions, *commissions]
        else:
            events = [*executions, *shown, *commissions]
        if working.stage is Stage.FILLED:
            self._complete(working, f"Filled Size: {working.order.filled:g}", at)
        events += self._shrink_group(working, at)
        if not working.is_live:
            events += self._bereave_children(working, at)
        return [*events, *self._wake_children(working, at)]

    # Families

    def _shrink_group(self, working: WorkingOrder, at: datetime) -> list[VenueEvent]:
        """Cancel or reduce the other members of a group after a fill of one."""
        members = self.book.group(working)
        is_over = is_group_over(members, working.order.oca_type)
        events: list[VenueEvent] = []
        for member in members:
            if member is not working and member.is_live:
                events += self._resize(member, 0.0 if is_over else math.inf, at)
        return events

    def _wake_children(self, working: WorkingOrder, at: datetime) -> list[VenueEvent]:
        events: list[VenueEvent] = []
        for child in self.book.children(working):
            if child.stage is Stage.CHILD:
                events += self._activate(child, at)
        return events

    def _bereave_children(self, parent: WorkingOrder, at: datetime) -> list[VenueEvent]:
        """Cancel the children of a parent that ended unfilled; cut those of one part filled.

        Source:
            That children of a cancelled parent are cancelled is seen; the cut is unverified.
        """
        events: list[VenueEvent] = []
        if parent.order.filled >= parent.base_quantity:
            return events
        cut = [(child, cut_to_parent(child, parent)) for child in self.book.children(parent)]
        for child, size in cut:
            if child.is_live:
                events += self._resize(child, size, at)
        return events

    def _resize(self, working: WorkingOrder, most: float, at: datetime) -> list[VenueEvent]:
        """Lower an order's quantity to what its group leaves, and to `most`."""
        quantity = min(most, reduced_quantity(working, self.book.group(working)))
        if quantity <= working.order.filled:
            return self._cancel(working, at)
        if quantity == working.order.quantity:
            return []
        working.order.quantity = quantity
        return [] if working.stage is Stage.DRAFT else pair(working)

    # Ending

    def _cancel(
        self,
        working: WorkingOrder,
        at: datetime,
        *,
        is_pending_shown: bool = False,
        told: int | None = None,
    ) -> list[VenueEvent]:
        working.move(Stage.CANCELLED)
        self._complete(working, "Cancelled", at)
        return [
            *cancellation(working, is_pending_shown=is_pending_shown, told=told),
            *self._bereave_children(working, at),
        ]

    def _kill(self, working: WorkingOrder, at: datetime) -> list[VenueEvent]:
        working.move(Stage.INACTIVE if working.order.tif == "FOK" else Stage.CANCELLED)
        self._complete(working, working.order.status, at)
        return [*killed(working), *self._bereave_children(working, at)]

    def _complete(self, working: WorkingOrder, text: str, at: datetime) -> None:
        working.order.completed_at, working.order.completed_status = at, text
        self.book.complete(working)

    # Terms and times

    def _replace_terms(self, working: WorkingOrder, order: SimOrder, at: datetime) -> None:
        before = working.order
        working.order = order
        working.base_quantity = base_after_change(self.book, working)
        order.quantity = reduced_quantity(working, self.book.group(working))
        working.expires_at, working.auction = self._expiry(order, at), self._auctions.ahead(order, at)
        stage = stage_after_change(working.stage, before, order)
        if stage is not working.stage:
            working.move(stage)
        working.restate()  # a child may have become a stop, or ceased to be one

    def _expiry(self, order: SimOrder, at: datetime) -> datetime | None:
        ends = [self._hours.last_close(order), order.good_till if order.tif == "GTD" else None]
        if order.tif == "DAY" and order.order_type not in CLOSING_TYPES:
            window = self._window(order, at)
            ends.append(None if window is None else window.closes_at)
        return min(filter(None, ends), default=None)

    def _window(self, order: SimOrder, at: datetime) -> Window | None:
        return self._hours.window(order.contract, extended=order.outside_rth, at=at)

    def _next_changes(self, working: WorkingOrder, after: datetime) -> Iterable[datetime]:
        order = working.order
        if working.auction is not None:
            return self._auctions.looks(order, working.auction, after)
        window = self._window(order, after)
        if window is None:
            return ()
        if not window.is_open(after):
            return (window.opens_at,)
        if order.good_after is not None and after < order.good_after:
            return (min(order.good_after, window.closes_at),)
        due = min(self._board.next_change(order, after, working.reach) or window.closes_at, window.closes_at)
        if self._board.is_foreseen(order, after, working.reach):
            working.quiet = after, due
        return (due,)

    def _refuse(self, refusal: Refusal, order: SimOrder, **facts: object) -> OrderError:
        return refuse(refusal, order.client_id, order.order_id, **facts)


def _has_fill(events: Iterable[VenueEvent]) -> bool:
    return any(isinstance(event, Execution) for event in events)


def _is_resting(working: WorkingOrder) -> bool:
    return working.stage is Stage.WORKING and not working.order.filled
