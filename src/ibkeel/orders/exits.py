"""Exits move a position towards zero and never past it; how much of each order can fill, and which fill in its place."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import attrs

from ibkeel.errors import OrderRefused
from ibkeel.model import (
    ClientOrderId,
    Combo,
    Contract,
    Option,
    OrderId,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    Position,
    Side,
    TimeInForce,
)
from ibkeel.model.checks import as_optional_count
from ibkeel.validators import whole_number

_AT_WORK: Final = frozenset({OrderState.ACKNOWLEDGED, OrderState.WORKING, OrderState.PARTIALLY_FILLED})
_STOPS: Final = frozenset({OrderType.STP.value, OrderType.STP_LMT.value, "TRAIL", "TRAIL LIMIT"})


@attrs.frozen(kw_only=True)
class ExitPlan:
    """What may be sent to close a position.

    Args:
        ticket: The order; None when nothing may be sent.
        held: Signed quantity of the position.
        already_exiting: Contracts that open exits may still close.
    """

    ticket: OrderTicket | None
    held: float
    already_exiting: int


def _side_of(held: float) -> Side:
    return Side.SELL if held > 0 else Side.BUY


def _pending(held: float, orders: Iterable[OrderReport]) -> int:
    """The most that open exits may still close; one of a one-cancels-all group fills, and one child of a parent."""
    side = _side_of(held)
    groups: dict[object, float] = {}
    for order in orders:
        if order.side is not side or order.state.is_final:
            continue
        # `remaining` is 0 in an order whose fate is unknown; what it may still do is not.
        left = max(order.quantity - order.filled, 0.0)
        alone = None if order.parent_id else (order.order_id, order.perm_id)
        group = order.oca_group or (order.client_id, order.parent_id, alone)
        groups[group] = max(groups.get(group, 0.0), left)
    return math.ceil(sum(groups.values()))


def exit_room(held: float, orders: Iterable[OrderReport]) -> int:
    """Contracts that a further exit may close.

    Args:
        held: Signed quantity of the position.
        orders: Orders of the same contract; entries and ended ones are left out here.

    Returns:
        0 when flat, or when open exits, those of unknown fate included, cover everything.
    """
    return max(math.floor(abs(held)) - _pending(held, orders), 0)


def is_same_contract(one: Contract, other: Contract) -> bool:
    """Whether two are one contract, by number where both have one.

    An order may leave the trading class open, which a position has, and name an exchange, which a position does not.
    """
    if one.con_id is not None and other.con_id is not None:
        return one.con_id == other.con_id
    if one == other or not (isinstance(one, Option) and isinstance(other, Option)):
        return one == other
    is_open = not (one.trading_class and other.trading_class) or one.trading_class == other.trading_class
    return is_open and _terms(one) == _terms(other)


def _terms(option: Option) -> tuple[object, ...]:
    return (
        option.underlying,
        option.expiry,
        option.strike,
        option.right,
        option.multiplier,
        option.currency,
    )


def part_in(order: OrderReport, contract: Contract) -> OrderReport | None:
    """An order as far as it trades a contract: as it is, or the leg of a combo as an order; None where it does not.

    Args:
        order: Of any contract.
        contract: With its `con_id`, by which a combo names its legs.
    """
    for leg in order.contract.legs if isinstance(order.contract, Combo) else ():
        if leg.con_id == contract.con_id:
            return attrs.evolve(
                order,
                contract=contract,
                side=leg.side if order.side is Side.BUY else leg.side.opposite,
                quantity=order.quantity * leg.ratio,
                filled=order.filled * leg.ratio,
                average_fill_price=None,
            )
    return order if is_same_contract(order.contract, contract) else None


def plan_exit(
    position: Position,
    open_orders: Iterable[OrderReport],
    *,
    quantity: int | None = None,
    limit_price: Decimal | None = None,
    client_order_id: ClientOrderId | None = None,
    tif: TimeInForce = TimeInForce.DAY,
) -> ExitPlan:
    """The order that closes a position, as far as open exits leave room.

    Args:
        position: What is held.
        open_orders: Every order that is not known to have ended.
        quantity: Most contracts to close; None for all.
        limit_price: Makes it a limit order; None for a market order.
        client_order_id: Our name of the order.
        tif: How long it works.

    Raises:
        InvalidInput: `quantity` is no whole number, or below 0.
    """
    held = position.signed_quantity
    orders = Listed(open_orders).parts(position.contract)
    room = exit_room(held, orders)
    amount = room if quantity is None else min(room, whole_number("quantity", as_optional_count(quantity)))
    pending = _pending(held, orders) if held else 0
    if amount <= 0:
        return ExitPlan(ticket=None, held=held, already_exiting=pending)
    ticket = OrderTicket(
        is_closing=True,
        contract=position.contract,
        side=_side_of(held),
        quantity=amount,
        order_type=OrderType.MKT if limit_price is None else OrderType.LMT,
        limit_price=limit_price,
        tif=tif,
        client_order_id=client_order_id,
    )
    return ExitPlan(ticket=ticket, held=held, already_exiting=pending)


def check_exit(ticket: OrderTicket, position: Position, open_orders: Iterable[OrderReport]) -> None:
    """Refuse an exit that would open, turn or overshoot a position.

    Raises:
        OrderRefused: It is of another contract, on the wrong side, or too large.
    """
    held = position.signed_quantity
    if not is_same_contract(ticket.contract, position.contract):
        raise OrderRefused(f"an exit of {ticket.contract} does not close {position.contract}")
    if not held or ticket.side is not _side_of(held):
        raise OrderRefused(f"a {ticket.side.value} does not close {held:g} of {position.contract}")
    room = exit_room(held, Listed(open_orders).parts(position.contract))
    if ticket.quantity > room:
        raise OrderRefused(
            f"an exit of {ticket.quantity} {position.contract} would pass zero: {held:g} held, "
            f"room for {room} beside the open exits"
        )


def is_stop(order: OrderReport) -> bool:
    """Whether an order waits for a trigger price."""
    return order.order_type in _STOPS


@attrs.frozen
class Standing:
    """An order, and how much of it can fill as things stand.

    Args:
        report: The order.
        left: Contracts that it can fill.
        is_grouped: Whether it is in a one-cancels-all group with a stop of its contract and side.
    """

    report: OrderReport
    left: int
    is_grouped: bool = False

    @property
    def works(self) -> bool:
        """Whether it is sure to be at work, and can fill."""
        return self.left > 0 and self.report.state in _AT_WORK

    @property
    def is_child(self) -> bool:
        """Whether it closes what a parent opened, and nothing else."""
        return self.report.parent_id is not None

    @property
    def is_profit(self) -> bool:
        """Whether it is the take profit of a family; an exit on its own is none."""
        return (self.is_child or self.is_grouped) and not is_stop(self.report)


class Listed:
    """Orders, to be looked up by what they trade; to look at each for every position would take seconds.

    Args:
        orders: Every order that is not known to have ended, parents of children included.
    """

    def __init__(self, orders: Iterable[OrderReport]) -> None:
        self.orders = tuple(orders)
        self._parents: dict[tuple[int, OrderId | None], OrderReport] = {}
        self._places: defaultdict[object, list[int]] = defaultdict(list)  # None: only a look tells
        for place, row in enumerate(self.orders):
            self._parents.setdefault((row.client_id, row.order_id), row)
            self._places[None if isinstance(row.contract, Combo) else row.contract.con_id].append(place)

    def parts(self, contract: Contract) -> list[OrderReport]:
        """What trades a contract, as far as it does; in the order of the orders."""
        places: Iterable[int] = range(len(self.orders))
        if contract.con_id is not None:
            places = sorted(self._places[contract.con_id] + self._places[None])
        return [part for place in places if (part := part_in(self.orders[place], contract))]

    def standings(self, rows: Sequence[OrderReport]) -> list[Standing]:
        """How some of them stand, all of one contract or all that there are."""
        stops: defaultdict[str, list[OrderReport]] = defaultdict(list)
        for row in rows:
            if row.oca_group and is_stop(row):
                stops[row.oca_group].append(row)
        return [
            Standing(row, self._left(row), any(_is_beside(row, stop) for stop in stops[row.oca_group]))
            for row in rows
        ]

    def _left(self, order: OrderReport) -> int:
        """A child of an entry that has not filled can do nothing; of one in part, its share."""
        left = max(order.quantity - order.filled, 0.0)
        parent = self._parents.get((order.client_id, order.parent_id))
        if parent is not None and parent.filled < parent.quantity and not parent.state.is_final:
            left = max(order.quantity * parent.filled / parent.quantity - order.filled, 0.0)
        return 0 if order.state.is_final else math.floor(left)


def _is_beside(order: OrderReport, stop: OrderReport) -> bool:
    return order.side is stop.side and is_same_contract(order.contract, stop.contract)


def are_family(one: OrderReport, other: OrderReport) -> bool:
    """Whether two fill in each other's place: of one group, or children of one parent."""
    if one.oca_group and one.oca_group == other.oca_group:
        return True
    parents = {(row.client_id, row.parent_id) for row in (one, other)}
    return one.parent_id is not None and len(parents) == 1


def units(stops: Sequence[Standing]) -> list[tuple[int, list[Standing]]]:
    """Stops that can fill beside each other, each group once, the newest first."""
    groups: dict[str, list[Standing]] = {}
    for stop in stops:
        report = stop.report
        alone = f"{report.client_id}/{report.order_id}/{report.perm_id}"
        groups.setdefault(f"group {report.oca_group}" if report.oca_group else alone, []).append(stop)
    found = [(max(stop.left for stop in group), group) for group in groups.values()]
    return sorted(found, key=lambda unit: max(age(stop.report) for stop in unit[1]), reverse=True)


def age(report: OrderReport) -> tuple[OrderId, int]:
    """Two bots that look at the same orders must see the same one as the newest."""
    return report.order_id, report.client_id
