"""Orders as the Gateway lists them, the venue's ended ones and the open ones of others; and those that no list names."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final

import attrs

from ibkeel.errors import IbkeelError
from ibkeel.ibkr.client import numeric_unset
from ibkeel.ibkr.translate import contract_of, number_of, price_of, side_of, utc_of
from ibkeel.model import (
    ClientOrderId,
    Combo,
    Execution,
    OrderId,
    OrderReport,
    OrderState,
    PermId,
)
from ibkeel.orders import Vanished, listed_days, state_of_status

MAY_HAVE_FILLED: Final = (
    "it may have filled on a day that is over, of which nothing is listed: compare positions"
)
MAY_BE_KEPT: Final = (
    "its servers gave no sign meanwhile: a Gateway that is cut off keeps orders and sends them later"
)
_CLIENT_AT: Final = 8  # in an `orderStatus`
_PROOF_SECONDS: Final = 30.0
_WITHOUT_SIGN: Final = 300.0  # the same while the servers give no sign: nothing stays bare for ever
_STEP: Final = timedelta(minutes=15)  # zones differ by multiples of it
_EASTERNMOST: Final = timedelta(hours=14)  # ahead of UTC; what reads as further ahead is a clock a day off
_CLOCKS_APART: Final = timedelta(minutes=1)  # the venue's and ours may be
Message = tuple[str, tuple[Any, ...]]
Unreadable = Callable[[Any, Exception], None]
UNREADABLE: Final = (IbkeelError, ArithmeticError, LookupError, TypeError, ValueError)
"""What comes of a row in which the Gateway wrote what nobody expected."""


def completed_order(ib_contract: Any, ib_order: Any, ib_state: Any, *, at: datetime) -> OrderReport:
    """An order that ended, from a `completedOrder` message."""
    filled = number_of(ib_order.filledQuantity) or 0.0
    # A completed order reports 0 as its quantity once it filled.
    quantity = max(number_of(ib_order.totalQuantity) or 0.0, filled)
    # This list is of ended ones; of an order that could not fill at once it says `Inactive`.
    told = state_of_status(ib_state.status)
    return attrs.evolve(
        report_of(OrderId(ib_order.orderId), ib_contract, ib_order, at=at),
        quantity=quantity,
        state=told if told.is_final else OrderState.CANCELLED,
        filled=filled,
        remaining=quantity - filled,
        reason=getattr(ib_state, "completedStatus", "") or "",
    )


def ended_at(ib_state: Any) -> datetime | None:
    """When an order of a `completedOrder` message ended; None where that is not told with its zone."""
    text = getattr(ib_state, "completedTime", "")
    with suppress(*UNREADABLE):
        _day, _time, _zone = text.split()
        return utc_of(text)
    return None


def is_of_client(client_id: int, order_id: int, order: Any) -> bool:
    """Whether an `openOrder` message is of an order of a client id; one that a person made may have no number."""
    return order_id != 0 and order.clientId == client_id


def foreign_orders(
    messages: Iterable[Message], client_id: int, at: datetime, unreadable: Unreadable
) -> tuple[OrderReport, ...]:
    """Orders of other clients in a list of open orders, in the order listed; what cannot be read is told and left out."""
    # By hand-made orders the order id may be 0 for all of them; only the lasting number tells them apart.
    found: dict[tuple[int, int, int], OrderReport] = {}
    for name, args in messages:
        if name == "openOrder":
            order_id, contract, order, state = args
            if not (is_of_client(client_id, order_id, order) or order.whatIf):
                key = (order.clientId, order_id, order.permId)
                try:
                    report = report_of(OrderId(order_id), contract, order, at=at)
                except UNREADABLE as error:
                    unreadable(order, error)
                    continue
                found[key] = attrs.evolve(report, state=state_of_status(state.status))
        elif name == "orderStatus" and len(args) > _CLIENT_AT:  # else it is of nobody
            order_id, status, filled, remaining, _, perm_id, _, _, client = args[:9]
            key = (client, order_id, perm_id)
            if key in found and not numeric_unset(filled):
                left = number_of(remaining) or 0.0
                state = state_of_status(status)
                found[key] = attrs.evolve(found[key], state=state, filled=float(filled), remaining=left)
    return tuple(report for report in found.values() if not report.state.is_final)


def is_leg(fill: Execution, report: OrderReport | None, fills: Iterable[Execution] = ()) -> bool:
    """Whether a fill is a leg's part in that of a combo, which has a fill of its own as a whole.

    Of an order that ended before the session began there is no report, and the fills tell.
    """
    if report is None:
        is_combo = any(row.is_of_combo and row.perm_id == fill.perm_id for row in fills)
    else:
        is_combo = isinstance(report.contract, Combo)
    return is_combo and not fill.is_of_combo


def with_average(report: OrderReport, fills: Iterable[Execution]) -> OrderReport:
    """The report with the average price of its fills, unless a status has counted more than are known."""
    own = [fill for fill in fills if fill.order_id == report.order_id and not is_leg(fill, report)]
    quantity = sum(fill.quantity for fill in own)
    if quantity < report.filled:
        return report
    total = sum(fill.quantity * fill.price for fill in own)
    return attrs.evolve(report, average_fill_price=round(total / quantity, 8))


def report_of(order_id: OrderId, contract: Any, order: Any, *, at: datetime) -> OrderReport:
    """What an `openOrder` message says of an order but for its state, which is UNKNOWN here."""
    traded, quantity = contract_of(contract), number_of(order.totalQuantity) or 0.0
    return OrderReport(
        order_id=order_id,
        perm_id=PermId(order.permId),
        client_id=order.clientId,
        client_order_id=ClientOrderId(order.orderRef or ""),
        contract=traded,
        side=side_of(order.action),
        quantity=quantity,
        order_type=order.orderType,
        limit_price=price_of(order.lmtPrice, traded) if "LMT" in order.orderType else None,
        stop_price=price_of(order.auxPrice, traded) if "STP" in order.orderType else None,
        tif=order.tif or "DAY",
        parent_id=OrderId(order.parentId) if order.parentId else None,
        oca_group=order.ocaGroup,
        state=OrderState.UNKNOWN,
        remaining=quantity,
        at=at,
    )


def _is_alike(ours: OrderReport, completed: OrderReport) -> bool:
    """Whether an ended order has our name, and could be ours by what it is; the name alone proves nothing."""
    is_named = bool(ours.client_order_id) and ours.client_order_id == completed.client_order_id
    # A list may tell more of a contract than the order did.
    is_same = isinstance(ours.contract, Combo) or str(ours.contract) == str(completed.contract)
    is_whole = completed.state is not OrderState.FILLED or ours.quantity == completed.quantity
    is_possible = is_same and is_whole and ours.side is completed.side
    return is_named and is_possible and completed.client_id in {ours.client_id, 0}


class OrderList(StrEnum):
    """What the venue can list."""

    OPEN = "open"
    COMPLETED = "completed"
    FILLED = "filled"


class RollCall:
    """Counts lists, and notes at which of them an order was last spoken of."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now, self._turn, self._signed = now, 0, 0
        self._named: dict[OrderId, tuple[int, datetime]] = {}
        self._absent: dict[OrderId, dict[OrderList, tuple[float, float]]] = {}
        self._sent: dict[OrderId, datetime] = {}
        self.utc_offset: timedelta | None = None
        """How far the Gateway's clock is ahead of UTC; None until it could be read."""

    def greeted(self, greeting: bytes) -> None:
        """Learn from the time that a Gateway greets with when its day ends; its zone may have a name of its own."""
        with suppress(*UNREADABLE):
            told = greeting[4:].decode().split("\0")[1].split()[:2]
            ahead = round((utc_of(" ".join(told)) - self._now()) / _STEP) * _STEP
            self.utc_offset = (ahead - _EASTERNMOST) % timedelta(days=-1) + _EASTERNMOST

    def begin(self) -> int:
        """A list, or a sign of the servers, is about to be asked for; returns its turn."""
        self._turn += 1
        return self._turn

    def sent(self, order_id: OrderId) -> None:
        """We sent the order: what ended before is another one."""
        self._sent[order_id] = self._now()
        self.named(order_id)

    def of_ended(
        self, completed: OrderReport, ended: datetime | None, ours: Sequence[OrderReport]
    ) -> Sequence[OrderId]:
        """Which of ours an ended order is: by the lasting number, else by name where we were told none."""
        numbered = [row.order_id for row in ours if row.perm_id and row.perm_id == completed.perm_id]
        alike = [row.order_id for row in ours if not row.perm_id and _is_alike(row, completed)]
        latest = ended + _CLOCKS_APART if ended else None  # that it may have been sent
        return numbered or [one for one in alike if latest is None or latest >= self._sent.get(one, latest)]

    def named(self, order_id: OrderId) -> None:
        """We sent the order, or the venue spoke of it."""
        self._named[order_id] = self._turn, self._now()
        self._absent.pop(order_id, None)

    def servers_answered(self, turn: int) -> None:
        """What only the servers know came back: what the Gateway kept until then is on its way to the venue.

        Of what had no such sign before they were asked, at `turn`, what lists lacked until now proves nothing.
        """
        self._absent = {one: spans for one, spans in self._absent.items() if self._has_sign(one)}
        self._signed = max(self._signed, turn)

    def _has_sign(self, order_id: OrderId) -> bool:
        """Whether on this link the servers were asked, and answered, after the order was last sent or spoken of."""
        return order_id in self._named and self._named[order_id][0] < self._signed

    def is_missing(self, order_id: OrderId, turn: int) -> bool:
        """Whether nothing was said of an order since that list was asked for."""
        return order_id not in self._named or self._named[order_id][0] < turn

    def missed(
        self, order_id: OrderId, which: OrderList, at: float | None, *, closes: bool = False
    ) -> Vanished | None:
        """A complete list does not name an order.

        A Gateway that is cut off answers from its own memory, keeps orders, and need not have noticed or said
        it. So lists count from when its servers were heard after the order left; while they are not, ten times
        as long is asked for: an order that fills twice is worse than a stop that comes late, but not than one
        that never does.

        Of a day that is over no list tells what filled: an order that was last spoken of before may have. Of one
        that closes a position, that position tells the rest.

        Args:
            order_id: Which.
            which: The list.
            at: The loop's seconds; None when the session is not good: then nothing is proved.
            closes: Whether it only reduces a position.

        Returns:
            With words, when all lists have lacked it for long enough to prove that it is not at the venue.
        """
        if at is None:
            self._absent.pop(order_id, None)
            return None
        spans = self._absent.setdefault(order_id, {})
        spans[which] = (spans.get(which, (at, at))[0], at)
        shortest = min(last - first for first, last in spans.values())
        has_sign = self._has_sign(order_id)
        if len(spans) < len(OrderList) or shortest < (_PROOF_SECONDS if has_sign else _WITHOUT_SIGN):
            return None
        proof = f"not at the venue: no list named it for {shortest:.0f} s"
        if not has_sign:
            proof = f"{proof}; {MAY_BE_KEPT}"
        spoken_of = self._named.get(order_id)
        days = partial(listed_days, utc_offset=self.utc_offset)
        if spoken_of is None or days(spoken_of[1]) == days(self._now()):
            return Vanished(reason=proof)
        return Vanished(reason=f"{proof}, and {MAY_HAVE_FILLED}", may_have_filled=not closes)

    def doubt(self) -> None:
        """The link was lost: what lists lacked before proves nothing any more, nor does what was heard on it."""
        self._absent.clear()
        self._signed = 0
