"""What an earlier run of the same session left in the journal, for the run that takes over."""

from bisect import bisect
from collections.abc import Callable, Container, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import attrs

from ibkeel.journal import (
    Failure,
    Intent,
    Journal,
    LossGuardKept,
    OrderSettled,
    OrderUpdate,
    Purpose,
    RunStarted,
    SparingReader,
    fills_of,
)
from ibkeel.model import (
    Bracket,
    ClientOrderId,
    Combo,
    Contract,
    ExecId,
    Option,
    OrderReport,
    OrderState,
    Side,
    Signal,
)
from ibkeel.orders import client_order_id, is_same_contract, venue_day
from ibkeel.risk import DailyLossGuard
from ibkeel.runner.schedule import Session

_DRY_RUN: Final = "DRY_RUN"
_BEFORE_OPEN: Final = timedelta(hours=12)
_LONGEST_HELD: Final = timedelta(days=400)  # what was entered before is not looked for
LISTED: Final = timedelta(days=7)  # as long a venue may list fills: before this session's open too
_EXERCISED: Final = timedelta(days=30)  # what an option became, nobody may have seen for as long
FOREIGN_SHARES: Final = "shares"  # the service under which the journal has alarms about them


@attrs.define(kw_only=True)
class OwnOrder:
    """What is known of one order of ours.

    Args:
        contract: What it trades.
        is_entry: Whether it opens a position.
        state: INTENT when nothing was sent.
        placed_at: When it was decided.
        since: The same in monotonic seconds, for its age: no clock that is set changes that.
        is_placing: Whether the broker has not answered yet.
        is_restored: Whether an earlier run placed it.
        is_past: Whether it is of an earlier day, and nobody has heard its end nor, since then, that it lives. Lists
            of the present day do not tell it, so it keeps nothing waiting: what is held tells whether it filled.
        has_filled: Whether some of it is known to have filled.
        filled: As much of it as is known to have filled.
        stop_price: Its trigger, per share, where the venue last showed it; None but for a stop.
        journaled: The state that the journal has; None before it was told of any.
        side: Of the order.
        client_id: Whose it is; None before that is known.
        perm_id: The venue's lasting number; 0 before it was told.
    """

    contract: Contract
    is_entry: bool
    state: OrderState
    placed_at: datetime
    since: float = 0.0
    is_placing: bool = False
    is_restored: bool = False
    is_past: bool = False
    has_filled: bool = False
    filled: float = 0.0
    stop_price: Decimal | None = None
    journaled: OrderState | None = None
    side: Side | None = None
    client_id: int | None = None
    perm_id: int = 0

    @property
    def is_in_doubt(self) -> bool:
        """Whether nobody knows what became of it, and lists may still tell."""
        return self.state in {OrderState.UNKNOWN, OrderState.SENT} and not self.is_past

    def is_told_again(self, report: OrderReport) -> bool:
        """Whether it only repeats what we ourselves believe of an order of the past."""
        is_belief = report.state in {OrderState.UNKNOWN, OrderState.SENT} and report.filled <= self.filled
        return self.is_past and is_belief

    def is_of(self, report: OrderReport) -> bool:
        """Whether a report that bears the order's name is of it: other clients and people may use the name too."""
        if report.order_id or not report.state.is_final:
            return self.client_id in {None, report.client_id}
        # The venue lists ended orders without their client and its number.
        if self.perm_id and report.perm_id:
            return self.perm_id == report.perm_id
        # A list may tell more of a contract than the order did.
        is_same = isinstance(self.contract, Combo) or str(self.contract) == str(report.contract)
        return is_same and self.side in {None, report.side}

    def heard(self, report: OrderReport) -> None:
        """Take in what the venue says of it, and how to know it again."""
        self.state = report.state
        if report.order_id:
            self.client_id = report.client_id
        self.noted(report)

    def noted(self, report: OrderReport) -> None:
        """Take in all but the state: that may be older than what is known."""
        self.perm_id = report.perm_id or self.perm_id
        self.is_past = False
        self.filled = max(self.filled, report.filled)
        self.has_filled |= report.filled > 0 or report.state is OrderState.FILLED
        if report.stop_price is not None:
            self.stop_price = report.stop_price


@attrs.frozen(kw_only=True)
class Memory:
    """What earlier runs did in a session.

    Args:
        orders: By name, in the order decided, those of earlier sessions first.
        fills: Those that were journaled, and whether what they cost is.
        last_entry: When a symbol was last entered.
        guards: The daily loss guards of the session, the last of each account that was traded in it.
        signals: What the strategy said when it last entered a contract, earlier sessions included, and options that
            expired within the last month.
        alarmed: What a person was told since the night before of shares that no order bought.
        unread: A sentence for each record that could not be read, so that what it told is not known.
    """

    orders: Mapping[ClientOrderId, OwnOrder]
    fills: Mapping[ExecId, bool]
    last_entry: Mapping[str, datetime]
    guards: tuple[DailyLossGuard, ...]
    signals: Mapping[Contract, Signal] = attrs.field(factory=dict)
    alarmed: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def child_name(parent: ClientOrderId, number: int) -> ClientOrderId:
    """The name of a bracket's child, counted from 1, take profit first."""
    return ClientOrderId(f"{parent}-{number}")


def remember(
    journal: Journal, session: Session, *, look_back: timedelta = timedelta(0), today: date | None = None
) -> Memory:
    """Read back what was done in a session.

    An order of which the venue said nothing is of unknown fate; one of a dry run stays an intent. Of earlier sessions
    only that is read which may still be held, so that it is protected and closed: what filled, and what may have
    filled since it was last heard of. A record that cannot be read keeps nobody from the others.

    Args:
        journal: Where it is.
        session: Whose orders are ours.
        look_back: How long before the session entries still count as the last ones.
        today: The venue's day, whose fills it still lists: in the evening before the session, the day that ends. None
            for the session's.
    """
    reader = SparingReader(journal)
    memory = _remembered(reader, session, look_back, min(session.day, today or session.day))
    unread = (f"{error}; compare orders and positions with the venue's" for error in reader.skipped.values())
    return attrs.evolve(memory, unread=tuple(unread))


def _remembered(journal: SparingReader, session: Session, look_back: timedelta, today: date) -> Memory:
    first, end = session.opens_at, session.closes_at
    intents = list(journal.events(Intent, since=first, until=end))
    is_dry = _dry_runs(journal)
    orders = _held_over(journal, session, is_dry, today)
    last_entry = _entries(journal, first - look_back, first)
    for entry in intents:
        intent = entry.record
        orders.update(family_of(intent, _unheard(is_dry=is_dry(entry.seq))))
        if intent.purpose is Purpose.ENTRY:
            last_entry[intent.symbol] = intent.at
    _catch_up(orders, journal, first, end)
    for order in orders.values():
        order.journaled = order.state
        # Nobody waits for the answer to that cancel any more; of older orders no list could prove an end.
        if order.state is OrderState.CANCELLING and order.placed_at >= first:
            order.state = OrderState.UNKNOWN
    return Memory(
        orders=orders,
        fills=fills_of(journal, first - LISTED),
        last_entry=last_entry,
        guards=_guards(journal, session),
        signals=_signals(journal, session, today - _EXERCISED),
        alarmed=_alarmed(journal, first - _BEFORE_OPEN),
    )


def _alarmed(journal: SparingReader, since: datetime) -> tuple[str, ...]:
    rows = (entry.record for entry in journal.events(Failure, since=since))
    return tuple(row.message for row in rows if row.service == FOREIGN_SHARES)


def _signals(journal: SparingReader, session: Session, today: date) -> dict[Contract, Signal]:
    """Why each contract that had not expired by a day was last entered."""
    entries = journal.events(Intent, since=session.opens_at - _LONGEST_HELD, alive_on=today)
    rows = (entry.record for entry in entries)
    return {
        row.order.entry.contract: row.signal
        for row in rows
        if isinstance(row.order, Bracket) and row.signal is not None
    }


def _dry_runs(journal: SparingReader) -> Callable[[int], bool]:
    """Tells by its number whether a record is of a dry run."""
    starts = list(journal.events(RunStarted))
    numbers = [entry.seq for entry in starts]
    modes = ["", *(entry.record.mode for entry in starts)]
    return lambda seq: modes[bisect(numbers, seq)] == _DRY_RUN


def _unheard(*, is_dry: bool) -> OrderState:
    """What is known of an order of which the venue said nothing."""
    return OrderState.INTENT if is_dry else OrderState.UNKNOWN


def _held_over(
    journal: SparingReader, session: Session, is_dry: Callable[[int], bool], today: date
) -> dict[ClientOrderId, OwnOrder]:
    """Orders of earlier sessions, as last heard of: those behind what may be held, and all of the venue's day."""
    since, until = session.opens_at - _LONGEST_HELD, session.opens_at
    families = [
        family_of(row.record, _unheard(is_dry=is_dry(row.seq)))
        for row in journal.events(Intent, since=since, until=until, alive_on=today)
    ]
    orders = {name: order for family in families for name, order in family.items()}
    _catch_up(orders, journal, since, until, until, today)
    held: dict[ClientOrderId, OwnOrder] = {}
    ended: dict[ClientOrderId, OwnOrder] = {}
    for family in families:
        first = next(iter(family.values()))
        if first.is_entry:
            (held if _may_be_held(first, today) else ended).update(family)
    contracts = {order.contract for order in held.values()}
    for order in orders.values():
        order.is_past = may_live(order) and venue_day(order.placed_at) < session.day
    return {
        name: order
        for name, order in orders.items()
        if name in held
        or venue_day(order.placed_at) == today  # fills of it are listed that the journal may lack
        or (
            _may_count(order, is_orphan=name in ended)
            and any(is_same_contract(order.contract, row) for row in contracts)
        )
    }


def _may_be_held(entry: OwnOrder, today: date) -> bool:
    """Whether what an entry opened may be there: it filled, or nobody heard its end."""
    is_over = isinstance(entry.contract, Option) and entry.contract.expiry < today
    return not is_over and (entry.has_filled or may_live(entry))


def may_live(order: OwnOrder) -> bool:
    """Whether an order was sent and has not ended, as far as is known."""
    return not order.state.is_final and order.state is not OrderState.INTENT


def _may_count(order: OwnOrder, *, is_orphan: bool) -> bool:
    """Whether a stop or an exit of what may be held may work, or tells where a stop stood or what is held no more.

    A child of an entry that ended unfilled went with it, unless it was heard of otherwise.
    """
    if is_orphan:
        return may_live(order) and order.state is not OrderState.UNKNOWN
    tells = order.stop_price is not None or order.has_filled
    return may_live(order) or (tells and order.state.is_final)


def _as_spoken_of(report: OrderReport) -> OwnOrder:
    order = OwnOrder(
        contract=report.contract,
        is_entry=False,
        state=report.state,
        placed_at=report.at,
        is_restored=True,
        stop_price=report.stop_price,
        side=report.side,
    )
    order.heard(report)
    return order


def _entries(journal: SparingReader, since: datetime, until: datetime) -> dict[str, datetime]:
    """When each symbol was last entered in a span; intended entries count like sent ones."""
    rows = (entry.record for entry in journal.events(Intent, since=since, until=until))
    return {row.symbol: row.at for row in rows if row.purpose is Purpose.ENTRY}


def family_of(
    intent: Intent, state: OrderState, *, is_placing: bool = False
) -> dict[ClientOrderId, OwnOrder]:
    """An order and its children, under their names."""
    name, order = intent.client_order_id, intent.order
    entry, children = (order.entry, order.children()) if isinstance(order, Bracket) else (order, ())
    return {
        child_name(name, number) if number else name: OwnOrder(
            contract=entry.contract,
            is_entry=bool(children) and number == 0,
            state=state,
            placed_at=intent.at,
            is_placing=is_placing,
            is_restored=not is_placing,
            stop_price=ticket.stop_price,
            side=ticket.side,
        )
        for number, ticket in enumerate((entry, *children))
    }


def _catch_up(
    orders: dict[ClientOrderId, OwnOrder],
    journal: SparingReader,
    first: datetime,
    end: datetime,
    until: datetime | None = None,
    today: date | None = None,
) -> None:
    """Take in what the venue said since an instant; it spoke of our orders only, so an unexpected name is ours too.

    That holds until `end`; the reading ends at `until`, and leaves out options that expired before `today`.
    """
    heard: dict[ClientOrderId, int] = {}
    for entry in journal.events(OrderUpdate, since=first, until=until, alive_on=today):
        report = entry.record.report
        order = orders.get(report.client_order_id)
        if order is not None:
            if order.is_of(report):
                order.heard(report)
                heard[report.client_order_id] = entry.seq
        elif entry.record.at < end:
            orders[report.client_order_id] = _as_spoken_of(report)
            heard[report.client_order_id] = entry.seq
    for ending in journal.events(OrderSettled, since=first, until=until):
        name = ending.record.client_order_id
        settled = orders.get(name)
        is_last = ending.seq > heard.get(name, 0)  # it may have been heard of again
        if settled is not None and is_last and not settled.state.is_final:
            settled.state = ending.record.state


def _guards(journal: SparingReader, session: Session) -> tuple[DailyLossGuard, ...]:
    skipped = len(journal.skipped)
    guards: dict[str, DailyLossGuard] = {}
    for entry in journal.events(LossGuardKept, since=session.opens_at - _BEFORE_OPEN):
        guard = entry.record.guard
        # That of another day is not the last word on this one: the clock may have been wrong for a while.
        if guard.session == session.day:
            guards[guard.owner] = guard
    if len(journal.skipped) > skipped:  # the limit may have been reached, of whatever account
        guards = {"": DailyLossGuard(session=session.day), **guards}
        return tuple(attrs.evolve(guard, tripped=True) for guard in guards.values())
    if len(guards) > 1:  # an earlier release knew no owners; who followed took its guard over
        guards.pop("", None)
    return tuple(guards.values())


_ROOM: Final = 20  # letters and digits that a name has left for the run


class Names:
    """Names orders, one after the other.

    Two bots of one account may call their runs the same, and a bot whose journal was lost begins its count
    anew: so a name has the client id and the time of day at which the run began. A long run's name is cut.
    """

    def __init__(self, run: str, client_id: int, began: datetime) -> None:
        mark = f"c{client_id}t{began:%H%M%S}"
        self._run = run[: _ROOM - len(mark)] + mark
        self._sequence = 0

    def next(self, session: date, taken: Container[ClientOrderId]) -> ClientOrderId:
        """A name that is not taken, by an earlier run neither."""
        while True:
            self._sequence += 1
            name = client_order_id(session, self._run, self._sequence)
            if name not in taken:
                return name
