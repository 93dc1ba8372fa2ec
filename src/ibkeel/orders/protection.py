"""Whether every position has a stop that works at the venue, and what would mend what is wrong with its exits."""

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import partial
from typing import Final

import attrs

from ibkeel.model import (
    Combo,
    Contract,
    Option,
    OrderReport,
    OrderState,
    Position,
    Side,
    TimeInForce,
)
from ibkeel.orders.exits import (
    Listed,
    Standing,
    age,
    are_family,
    exit_room,
    is_same_contract,
    is_stop,
    part_in,
    units,
)
from ibkeel.validators import flag, series


class GapKind(StrEnum):
    """What is wrong with the protection of a position."""

    NAKED = "naked"
    UNDERSIZED = "undersized"
    OVERSIZED = "oversized"
    WRONG_SIDE = "wrong_side"
    WRONG_TIF = "wrong_tif"
    DOUBLED = "doubled"


@attrs.frozen(kw_only=True)
class PlaceStop:
    """Send one more stop, of that side and size.

    Args:
        quantity: Contracts or shares that the stop closes.
    """

    side: Side
    quantity: int


@attrs.frozen(kw_only=True)
class CancelOrder:
    """Withdraw an order, and look again once its fate is known."""

    order: OrderReport


@attrs.frozen(kw_only=True)
class ChangeOrder:
    """Give an order another size or time in force; it works on meanwhile.

    Args:
        order: Which.
        quantity: Its new size, what has filled included.
        tif: Its new time in force; None leaves it.
    """

    order: OrderReport
    quantity: int
    tif: TimeInForce | None = None


Mend = PlaceStop | CancelOrder | ChangeOrder
"""One step towards a position that is protected once."""


@attrs.frozen(kw_only=True)
class Gap:
    """One thing that is wrong with the protection of a contract.

    Args:
        kind: What.
        contract: Whose.
        held: Signed quantity of the position; 0 for a stop or a take profit that has none.
        covered: Contracts that working stops of the right side would close.
        uncertain: Contracts of stops of which nobody knows whether they work; they are given time.
        profits: Contracts that working take profits of the right side would close, each counted.
        mends: What would mend it, in order; empty when only time, or a person, can.
    """

    kind: GapKind
    contract: Contract
    held: float
    covered: int
    uncertain: int = 0
    profits: int = 0
    mends: tuple[Mend, ...] = ()

    @property
    def detail(self) -> str:
        """The facts, in words."""
        words = f"{self.held:g} {self.contract} held, stops at work for {self.covered}"
        if self.uncertain:
            words += f", for {self.uncertain} nobody knows"
        return f"{words}, take profits for {self.profits}" if self.profits else words


def _times(values: Iterable[TimeInForce | str]) -> tuple[TimeInForce, ...]:
    return tuple(TimeInForce(value) for value in series(values))


@attrs.frozen(kw_only=True)
class ProtectionPolicy:
    """Which positions need a stop, and which stops will do.

    Args:
        tifs: Times in force that will do, the one to ask for first; empty for any.
        stocks: Whether stocks need a stop.
        long_options: Whether bought options do, whose loss ends at what was paid.
        short_options: Whether sold ones do.
        covered_otherwise: Contracts that need none, such as legs of a structure that limits its own loss.
        stops_only_close: Whether every stop order is an exit: one that could open a position is then
            a gap. False for an account in which stops open positions as well; a child is an exit there too.
    """

    tifs: tuple[TimeInForce, ...] = attrs.field(default=(TimeInForce.DAY, TimeInForce.GTC), converter=_times)
    stocks: bool = flag(True)
    long_options: bool = flag(True)
    short_options: bool = flag(True)
    covered_otherwise: tuple[Contract, ...] = attrs.field(default=(), converter=series)
    stops_only_close: bool = flag(True)

    def demands(self, contract: Contract, held: float) -> bool:
        """Whether a position needs a stop; a combo never does, for the venue takes none.

        Args:
            contract: Of the position.
            held: Contracts or shares, below zero when short.
        """
        if isinstance(contract, Combo) or any(is_same_contract(contract, c) for c in self.covered_otherwise):
            return False
        if isinstance(contract, Option):
            return self.long_options if held > 0 else self.short_options
        return self.stocks


_DEFAULT: Final = ProtectionPolicy()


def protection_gaps(
    positions: Iterable[Position], orders: Iterable[OrderReport], policy: ProtectionPolicy = _DEFAULT
) -> tuple[Gap, ...]:
    """Everything that is wrong with the protection of an account.

    Only orders that work at the venue count: not one of unknown fate, not one that the venue shows
    as `Inactive`, not a child whose parent has not filled. Of a one-cancels-all group one order
    fills, so a group counts once. What is advised never lets all exits together pass zero. A take
    profit, which is a child or shares its group with a stop, is never to close more than is held; an
    exit on its own is left alone.

    Args:
        positions: What is held.
        orders: Every order that is not known to have ended, of all clients, and those of a family
            that has begun to fill.
        policy: What is wanted.
    """
    held, listed = [row for row in positions if row.signed_quantity], Listed(orders)
    gaps = [
        # A combo is changed by a person: it trades other legs too, and counts in its own units.
        attrs.evolve(
            gap, mends=tuple(m for m in gap.mends if isinstance(m, PlaceStop) or m.order in listed.orders)
        )
        for row in held
        for gap in _of_position(_view(row, listed), policy)
    ]
    exits = [row for row in listed.standings(listed.orders) if _closes(row, policy)]
    return (*gaps, *_without_position([row.contract for row in held], exits))


@attrs.frozen(kw_only=True)
class StopUnit:
    """Stops of which one fills: a single one, or those of a one-cancels-all group.

    Args:
        size: Contracts that it would close.
        orders: The stops.
    """

    size: int
    orders: tuple[OrderReport, ...]


def stops_at_work(position: Position, orders: Iterable[OrderReport]) -> tuple[StopUnit, ...]:
    """Stops that protect a position as things stand, counted as `protection_gaps` counts them.

    Args:
        position: What is held.
        orders: Every order that is not known to have ended, parents of children included.
    """
    view = _view(position, Listed(orders))
    return tuple(
        StopUnit(size=size, orders=tuple(stop.report for stop in group))
        for size, group in units([stop for stop in view.stops(view.side) if stop.works])
    )


@attrs.frozen(kw_only=True)
class _View:
    contract: Contract
    held: float
    orders: list[Standing]

    @property
    def side(self) -> Side:
        return Side.SELL if self.held > 0 else Side.BUY

    @property
    def size(self) -> int:
        return math.floor(abs(self.held))

    @property
    def profits(self) -> list[Standing]:
        """Take profits at work, the oldest first."""
        found = [order for order in self.orders if order.works and order.is_profit]
        return sorted((row for row in found if row.report.side is self.side), key=lambda row: age(row.report))

    def stops(self, side: Side) -> list[Standing]:
        return [order for order in self.orders if is_stop(order.report) and order.report.side is side]


def _view(position: Position, listed: Listed) -> _View:
    own = listed.standings(listed.parts(position.contract))
    return _View(contract=position.contract, held=position.signed_quantity, orders=own)


def _of_position(view: _View, policy: ProtectionPolicy) -> Iterable[Gap]:
    stops = view.stops(view.side)
    at_work = [stop for stop in stops if stop.works]
    covered = sum(size for size, _ in units(at_work))
    uncertain = sum(size for size, _ in units([stop for stop in stops if stop.left and not stop.works]))
    profits = sum(profit.left for profit in view.profits)
    found = partial(
        Gap, contract=view.contract, held=view.held, covered=covered, uncertain=uncertain, profits=profits
    )
    advised: tuple[Mend, ...] = ()
    if policy.demands(view.contract, view.held):
        if covered < view.size:
            kind = GapKind.UNDERSIZED if covered else GapKind.NAKED
            advised = _mends_of_lack(view, stops, view.size - covered)
            yield found(kind=kind, mends=advised)
        late = [stop for stop in at_work if policy.tifs and stop.report.tif not in policy.tifs]
        if late:
            yield found(kind=GapKind.WRONG_TIF, mends=tuple(_retimed(s, policy.tifs[0]) for s in late))
    for kind, mends in _excess(view, at_work, covered, advised):
        yield found(kind=kind, mends=mends)
    wrong = [row for row in view.orders if row.report.side is not view.side and _closes(row, policy)]
    if wrong:
        yield found(kind=GapKind.WRONG_SIDE, mends=tuple(CancelOrder(order=row.report) for row in wrong))


def _closes(order: Standing, policy: ProtectionPolicy) -> bool:
    is_like_a_stop = is_stop(order.report) or order.is_profit
    return order.works and (order.is_child or (is_like_a_stop and policy.stops_only_close))


def _mends_of_lack(view: _View, stops: Sequence[Standing], missing: int) -> tuple[Mend, ...]:
    """A stop as far as open exits leave room; else what stands in its way goes first.

    What was sent and has not shown itself yet stands in the way too, and is given time.
    """
    alive = [
        attrs.evolve(order.report, quantity=order.report.filled + order.left)
        for order in view.orders
        if order.left
    ]
    room = min(missing, exit_room(view.held, alive))
    if room > 0:
        return (PlaceStop(side=view.side, quantity=room),)
    dead = [stop.report for stop in stops if stop.left and stop.report.state is OrderState.UNKNOWN]
    profits = [profit.report for profit in view.profits]
    return tuple(CancelOrder(order=report) for report in (dead or profits))


def _retimed(stop: Standing, tif: TimeInForce) -> ChangeOrder:
    return ChangeOrder(order=stop.report, quantity=int(stop.report.quantity), tif=tif)


def _excess(
    view: _View, at_work: Sequence[Standing], covered: int, advised: tuple[Mend, ...]
) -> Iterable[tuple[GapKind, tuple[Mend, ...]]]:
    """Stops, then take profits, that could close more than is held; `advised` is done already."""
    if covered > math.ceil(abs(view.held)):
        kind, advised = _too_much(at_work, covered - view.size)
        yield kind, advised
    mends = _mends_of_profits(view, at_work, advised)
    if mends:
        yield GapKind.OVERSIZED, mends


def _too_much(at_work: Sequence[Standing], excess: int) -> tuple[GapKind, tuple[Mend, ...]]:
    """Whole stops that can be spared go, the newest first; else the largest shrinks."""
    spared: list[Standing] = []
    for size, group in units(at_work):
        if size <= excess:
            spared += group
            excess -= size
    if spared:
        return GapKind.DOUBLED, tuple(CancelOrder(order=stop.report) for stop in spared)
    _, group = max(units(at_work), key=lambda unit: unit[0])
    return GapKind.OVERSIZED, tuple(_shrunk(stop.report, excess) for stop in group)


def _shrunk(report: OrderReport, excess: int) -> ChangeOrder:
    return ChangeOrder(order=report, quantity=max(int(report.quantity) - excess, 1))


def _mends_of_profits(
    view: _View, at_work: Sequence[Standing], advised: tuple[Mend, ...]
) -> tuple[Mend, ...]:
    """What keeps take profits from closing more than is held beside the stops; the oldest is served first.

    One of a family fills, so a take profit may be as large as the stop that is left of its own, and larger as
    far as all the stops leave room. It shrinks rather than goes: a cancel could take its stop along.
    """
    after = [attrs.evolve(stop, left=_left_after(stop, advised)) for stop in at_work]
    room = math.ceil(abs(view.held)) - sum(size for size, _ in units(after))
    mends: list[Mend] = []
    for profit in view.profits:
        own = max((row.left for row in after if are_family(row.report, profit.report)), default=0)
        left = _left_after(profit, advised)
        size = min(left, own + max(room, 0))
        room -= max(size - own, 0)
        after.append(attrs.evolve(profit, left=size))
        if size < left:
            mends.append(_cut(profit.report, size))
    return tuple(mends)


def _left_after(order: Standing, advised: Iterable[Mend]) -> int:
    for step in advised:
        if isinstance(step, CancelOrder) and step.order is order.report:
            return 0
        if isinstance(step, ChangeOrder) and step.order is order.report:
            return min(order.left, step.quantity - math.floor(order.report.filled))
    return order.left


def _cut(report: OrderReport, size: int) -> Mend:
    if size:
        return ChangeOrder(order=report, quantity=math.floor(report.filled) + size)
    return CancelOrder(order=report)


def _without_position(held: Sequence[Contract], exits: Iterable[Standing]) -> Iterable[Gap]:
    """Exits that work for a contract of which nothing is held: a fill would open a position."""
    numbers = {each.con_id for each in held} - {None}
    for order in exits:
        if order.report.contract.con_id in numbers or any(part_in(order.report, each) for each in held):
            continue
        yield Gap(
            kind=GapKind.OVERSIZED,
            contract=order.report.contract,
            held=0.0,
            covered=order.left if is_stop(order.report) else 0,
            profits=0 if is_stop(order.report) else order.left,
            mends=(CancelOrder(order=order.report),),
        )
