"""Whether every position has a stop that works at the venue, and what would mend it where it has none."""

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
    OrderId,
    OrderReport,
    OrderState,
    OrderType,
    Position,
    Side,
    TimeInForce,
)
from ibkeel.orders.exits import exit_room, is_same_contract

_AT_WORK: Final = frozenset({OrderState.ACKNOWLEDGED, OrderState.WORKING, OrderState.PARTIALLY_FILLED})
_STOPS: Final = frozenset({OrderType.STP.value, OrderType.STP_LMT.value, "TRAIL", "TRAIL LIMIT"})


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
        held: Signed quantity of the position; 0 for a stop that protects nothing.
        covered: Contracts that working stops of the right side would close.
        uncertain: Contracts of stops of which nobody knows whether they work; they are given time.
        mends: What would mend it, in order; empty when only time, or a person, can.
    """

    kind: GapKind
    contract: Contract
    held: float
    covered: int
    uncertain: int = 0
    mends: tuple[Mend, ...] = ()

    @property
    def detail(self) -> str:
        """The facts, in words."""
        words = f"{self.held:g} {self.contract} held, stops at work for {self.covered}"
        return f"{words}, for {self.uncertain} nobody knows" if self.uncertain else words


def _times(values: Iterable[TimeInForce | str]) -> tuple[TimeInForce, ...]:
    return tuple(TimeInForce(value) for value in values)


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
            a gap. False for an account in which stops open positions as well.
    """

    tifs: tuple[TimeInForce, ...] = attrs.field(default=(TimeInForce.DAY, TimeInForce.GTC), converter=_times)
    stocks: bool = True
    long_options: bool = True
    short_options: bool = True
    covered_otherwise: tuple[Contract, ...] = attrs.field(default=(), converter=tuple)
    stops_only_close: bool = True

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


def is_stop(order: OrderReport) -> bool:
    """Whether an order waits for a trigger price."""
    return order.order_type in _STOPS


def protection_gaps(
    positions: Iterable[Position], orders: Iterable[OrderReport], policy: ProtectionPolicy = _DEFAULT
) -> tuple[Gap, ...]:
    """Everything that is wrong with the protection of an account.

    Only orders that work at the venue count: not one of unknown fate, not one that the venue shows
    as `Inactive`, not a child whose parent has not filled. Of a one-cancels-all group one order
    fills, so a group counts once. What is advised never lets all exits together pass zero.

    Args:
        positions: What is held.
        orders: Every order that is not known to have ended, of all clients, and those of a family
            that has begun to fill.
        policy: What is wanted.
    """
    held = [row for row in positions if row.signed_quantity]
    listed = tuple(orders)
    every = [_as_it_stands(order, listed) for order in listed]
    gaps: list[Gap] = []
    for row in held:
        own = [order for order in every if is_same_contract(order.contract, row.contract)]
        gaps += _of_position(_View(contract=row.contract, held=row.signed_quantity, orders=own), policy)
    if policy.stops_only_close:
        gaps += _without_position([row.contract for row in held], every)
    return tuple(gaps)


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
    listed = tuple(orders)
    own = [_as_it_stands(row, listed) for row in listed if is_same_contract(row.contract, position.contract)]
    view = _View(contract=position.contract, held=position.signed_quantity, orders=own)
    return tuple(
        StopUnit(size=size, orders=tuple(stop.report for stop in group))
        for size, group in _units([stop for stop in view.stops(view.side) if stop.works])
    )


@attrs.frozen
class _Standing:
    """An order, and how much of it can fill as things stand."""

    report: OrderReport
    left: int

    @property
    def contract(self) -> Contract:
        return self.report.contract

    @property
    def works(self) -> bool:
        return self.left > 0 and self.report.state in _AT_WORK


@attrs.frozen(kw_only=True)
class _View:
    contract: Contract
    held: float
    orders: list[_Standing]

    @property
    def side(self) -> Side:
        return Side.SELL if self.held > 0 else Side.BUY

    @property
    def size(self) -> int:
        return math.floor(abs(self.held))

    def stops(self, side: Side) -> list[_Standing]:
        return [order for order in self.orders if is_stop(order.report) and order.report.side is side]


def _as_it_stands(order: OrderReport, orders: Iterable[OrderReport]) -> _Standing:
    """A child of an entry that has not filled can do nothing; of one in part, its share."""
    left = max(order.quantity - order.filled, 0.0)
    if order.parent_id is not None:
        key = (order.client_id, order.parent_id)
        parent = next((row for row in orders if (row.client_id, row.order_id) == key), None)
        if parent is not None and parent.filled < parent.quantity and not parent.state.is_final:
            left = max(order.quantity * parent.filled / parent.quantity - order.filled, 0.0)
    return _Standing(order, 0 if order.state.is_final else math.floor(left))


def _units(stops: Sequence[_Standing]) -> list[tuple[int, list[_Standing]]]:
    """Stops that can fill beside each other, each group once, the newest first."""
    groups: dict[str, list[_Standing]] = {}
    for stop in stops:
        report = stop.report
        alone = f"{report.client_id}/{report.order_id}/{report.perm_id}"
        groups.setdefault(f"group {report.oca_group}" if report.oca_group else alone, []).append(stop)
    units = [(max(stop.left for stop in group), group) for group in groups.values()]
    return sorted(units, key=lambda unit: max(_age(stop.report) for stop in unit[1]), reverse=True)


def _age(report: OrderReport) -> tuple[OrderId, int]:
    """Two bots that look at the same orders must see the same one as the newest."""
    return report.order_id, report.client_id


def _of_position(view: _View, policy: ProtectionPolicy) -> Iterable[Gap]:
    stops = view.stops(view.side)
    at_work = [stop for stop in stops if stop.works]
    covered = sum(size for size, _ in _units(at_work))
    uncertain = sum(size for size, _ in _units([stop for stop in stops if stop.left and not stop.works]))
    found = partial(Gap, contract=view.contract, held=view.held, covered=covered, uncertain=uncertain)
    if policy.demands(view.contract, view.held):
        if covered < view.size:
            kind = GapKind.UNDERSIZED if covered else GapKind.NAKED
            yield found(kind=kind, mends=_mends_of_lack(view, stops, view.size - covered))
        late = [stop for stop in at_work if policy.tifs and stop.report.tif not in policy.tifs]
        if late:
            yield found(kind=GapKind.WRONG_TIF, mends=tuple(_retimed(s, policy.tifs[0]) for s in late))
    if covered > math.ceil(abs(view.held)):
        kind, mends = _too_much(at_work, covered - view.size)
        yield found(kind=kind, mends=mends)
    wrong = [stop for stop in view.stops(view.side.opposite) if stop.works]
    if wrong and policy.stops_only_close:
        mends = tuple(CancelOrder(order=stop.report) for stop in wrong)
        yield found(kind=GapKind.WRONG_SIDE, mends=mends)


def _mends_of_lack(view: _View, stops: Sequence[_Standing], missing: int) -> tuple[Mend, ...]:
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
    profits = [
        order.report
        for order in view.orders
        if order.works
        and order.report.side is view.side
        and order.report.parent_id is not None
        and not is_stop(order.report)
    ]
    return tuple(CancelOrder(order=report) for report in (dead or profits))


def _retimed(stop: _Standing, tif: TimeInForce) -> ChangeOrder:
    return ChangeOrder(order=stop.report, quantity=int(stop.report.quantity), tif=tif)


def _too_much(at_work: Sequence[_Standing], excess: int) -> tuple[GapKind, tuple[Mend, ...]]:
    """Whole stops that can be spared go, the newest first; else the largest shrinks."""
    spared: list[_Standing] = []
    for size, group in _units(at_work):
        if size <= excess:
            spared += group
            excess -= size
    if spared:
        return GapKind.DOUBLED, tuple(CancelOrder(order=stop.report) for stop in spared)
    _, group = max(_units(at_work), key=lambda unit: unit[0])
    return GapKind.OVERSIZED, tuple(_shrunk(stop.report, excess) for stop in group)


def _shrunk(report: OrderReport, excess: int) -> ChangeOrder:
    return ChangeOrder(order=report, quantity=max(int(report.quantity) - excess, 1))


def _without_position(held: Sequence[Contract], orders: Iterable[_Standing]) -> Iterable[Gap]:
    """Stops that work for a contract of which nothing is held: a trigger would open a position."""
    for order in orders:
        if not (order.works and is_stop(order.report)):
            continue
        if any(is_same_contract(order.contract, contract) for contract in held):
            continue
        yield Gap(
            kind=GapKind.OVERSIZED,
            contract=order.contract,
            held=0.0,
            covered=order.left,
            mends=(CancelOrder(order=order.report),),
        )
