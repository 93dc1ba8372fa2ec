"""What became of an order, from evidence on the wire and never from a guess."""

from types import MappingProxyType
from typing import Final, assert_never

import attrs

from ibkeel.model import ClientOrderId, OrderState
from ibkeel.model.checks import not_negative
from ibkeel.orders.evidence import (
    CancelRequested,
    CancelUnanswered,
    ErrorFate,
    ErrorSeen,
    Evidence,
    Filled,
    LinkLost,
    Sent,
    StatusSeen,
    Unlisted,
    Vanished,
    state_of_status,
)

# How far an order is known to have come: a late message of an earlier stage changes nothing.
_STAGE: Final = MappingProxyType(
    {
        OrderState.INTENT: 0,
        OrderState.SENT: 1,
        OrderState.ACKNOWLEDGED: 2,
        OrderState.WORKING: 3,
        OrderState.PARTIALLY_FILLED: 4,
        OrderState.CANCELLING: 5,
    }
)

_LISTED: Final = frozenset(
    {OrderState.ACKNOWLEDGED, OrderState.WORKING, OrderState.PARTIALLY_FILLED, OrderState.CANCELLING}
)

_AT_WORK: Final = frozenset({OrderState.ACKNOWLEDGED, OrderState.WORKING})

_LEAST: Final = 1e-6  # parts of a share add up to a whole order only so far

_ERROR_STATES: Final = MappingProxyType(
    {
        ErrorFate.REJECTED: OrderState.REJECTED,
        ErrorFate.CANCELLED: OrderState.CANCELLED,
        ErrorFate.CANCEL_REFUSED: OrderState.UNKNOWN,
        ErrorFate.UNCERTAIN: OrderState.UNKNOWN,
    }
)

# The two codes by which the venue ends an order that it had accepted: rejected, and cancelled. Any
# other that seems to say so refuses a message about the order, not the order.
# Source: TWS API, "Message Codes".
_CODES_OF_AN_END: Final = frozenset({201, 202})


@attrs.frozen(kw_only=True)
class OrderTruth:
    """What is known of one order.

    A state that is final is never left, but for one that was inferred from silence. Evidence
    against it is kept in `contradictions`, and an order that has any must be reconciled with the
    venue's own lists.

    Args:
        client_order_id: Our name.
        quantity: Contracts or shares ordered, a part of a share too; 0 when that was not told, as of an
            order for an amount of cash.
        asked: Its size by our last change, or by a list of ended orders; 0 for none.
        state: What the evidence says.
        filled: Contracts filled, by executions or as reported, whichever is more.
        fills: Executions counted so far, in order of arrival.
        reason: Last reason that came with evidence.
        code: Of the error that rejected it; None while it is not `REJECTED`.
        may_work: Whether the venue accepted it, or may have: an error code alone, other than 201
            and 202, does not end it any more.
        is_inferred: Whether its end was inferred from the venue's silence; it may be UNKNOWN which one.
        contradictions: Evidence that cannot be true together with the state.
    """

    client_order_id: ClientOrderId
    quantity: float = attrs.field(validator=not_negative)
    asked: float = 0.0
    state: OrderState = OrderState.INTENT
    filled: float = 0.0
    fills: tuple[Filled, ...] = ()
    reason: str = ""
    code: int | None = None
    may_work: bool = False
    is_inferred: bool = False
    contradictions: tuple[str, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether it works no more: its end is known, or was inferred."""
        return self.state.is_final or self.is_inferred

    @property
    def must_reconcile(self) -> bool:
        """Whether the venue's own lists must be read before anybody acts on this order."""
        return self.state is OrderState.UNKNOWN or bool(self.contradictions)

    def may_have_filled(self, filled: float) -> bool:
        """Whether so much can have filled: not more than was ordered, where that is known."""
        return not 0 < max(self.quantity, self.asked) < filled - _LEAST

    def saw(self, evidence: Evidence) -> "OrderTruth":
        """What is known after one more piece of evidence; late and repeated ones do no harm."""
        match evidence:
            case Sent() | CancelRequested() | LinkLost():
                return _did(self, evidence)
            case Filled():
                return _filled(self, evidence)
            case StatusSeen():
                return _told(self, evidence)
            case ErrorSeen():
                return _refused(self, evidence)
            case Unlisted():
                return _unlisted(self)
            case CancelUnanswered():
                return _cancel_unanswered(self)
            case Vanished():
                return _vanished(self, evidence)
            case _:
                assert_never(evidence)


def _settled(truth: OrderTruth, state: OrderState, reason: str) -> OrderTruth:
    return attrs.evolve(truth, state=state, reason=reason)


def _contradicted(truth: OrderTruth, words: str) -> OrderTruth:
    if words in truth.contradictions:
        return truth
    return attrs.evolve(truth, contradictions=(*truth.contradictions, words))


def _advanced(truth: OrderTruth, state: OrderState) -> OrderTruth:
    """A later stage; never backwards, and never out of UNKNOWN, which only the venue can end."""
    if truth.state not in _STAGE or _STAGE[state] <= _STAGE[truth.state]:
        return truth
    return attrs.evolve(truth, state=state)


def _did(truth: OrderTruth, deed: Sent | CancelRequested | LinkLost) -> OrderTruth:
    if isinstance(deed, LinkLost):
        return _link_lost(truth)
    return _advanced(truth, OrderState.SENT if isinstance(deed, Sent) else OrderState.CANCELLING)


def _link_lost(truth: OrderTruth) -> OrderTruth:
    if truth.state is OrderState.INTENT or truth.has_ended:
        return truth
    return _settled(attrs.evolve(truth, may_work=True), OrderState.UNKNOWN, "the connection ended")


def _unlisted(truth: OrderTruth) -> OrderTruth:
    if truth.state not in _LISTED:
        return truth
    return _settled(truth, OrderState.UNKNOWN, "not on the venue's list of open orders")


def _cancel_unanswered(truth: OrderTruth) -> OrderTruth:
    """Only the venue's lists can tell whether it works on; while it seems to be going, nobody would cancel it again."""
    if truth.state is not OrderState.CANCELLING:
        return truth
    return _settled(truth, OrderState.UNKNOWN, "a cancel was not answered")


def _vanished(truth: OrderTruth, vanished: Vanished) -> OrderTruth:
    if truth.state not in {OrderState.SENT, OrderState.UNKNOWN}:
        return truth
    state = OrderState.UNKNOWN if vanished.may_have_filled else OrderState.CANCELLED
    return attrs.evolve(truth, state=state, reason=vanished.reason, is_inferred=True)


def _revived(truth: OrderTruth, words: str) -> OrderTruth:
    """The venue speaks of an order that was taken for gone: it was not."""
    if not truth.is_inferred:
        return truth
    alive = attrs.evolve(truth, state=OrderState.UNKNOWN, is_inferred=False)
    return _contradicted(alive, f"{words}, but it was taken for gone")


def _filled(truth: OrderTruth, fill: Filled) -> OrderTruth:
    if any(known.exec_id == fill.exec_id for known in truth.fills):
        return truth
    truth = _revived(truth, f"fill {fill.exec_id}")
    fills = (*truth.fills, fill)
    counted = sum(known.quantity for known in fills)
    return _with_filled(attrs.evolve(truth, fills=fills), counted)


def _with_filled(truth: OrderTruth, filled: float) -> OrderTruth:
    if filled <= truth.filled:
        return truth
    known = attrs.evolve(truth, filled=filled, may_work=True)
    most = max(truth.quantity, truth.asked)  # that it may be for
    whole_order = 0 < most <= filled + _LEAST
    if not truth.may_have_filled(filled):
        known = _contradicted(known, f"{filled:g} filled of {most:g} ordered")
    if truth.state is OrderState.REJECTED or (truth.state is OrderState.CANCELLED and whole_order):
        return _contradicted(known, f"{filled:g} filled, but the order is {truth.state.value}")
    if truth.state.is_final:
        return known
    if whole_order:
        return attrs.evolve(known, state=OrderState.FILLED, quantity=most)
    # A part that was filled says nothing about what became of the rest.
    open_end = truth.state in {OrderState.CANCELLING, OrderState.UNKNOWN}
    return known if open_end else attrs.evolve(known, state=OrderState.PARTIALLY_FILLED)


def _told(truth: OrderTruth, seen: StatusSeen) -> OrderTruth:
    told = state_of_status(seen.status)
    if seen.filled is not None and not truth.may_have_filled(seen.filled):  # fills would be named one by one
        words = f"status {seen.status} with {seen.filled:g} filled of {truth.quantity:g} ordered"
        truth, seen = _contradicted(truth, words), attrs.evolve(seen, filled=None)
    if told is OrderState.FILLED and seen.filled == truth.asked > 0 and not truth.state.is_final:
        truth = attrs.evolve(truth, quantity=truth.asked)
    if told is OrderState.CANCELLED:  # also when that was inferred
        truth = attrs.evolve(truth, is_inferred=False)
    truth = _revived(truth, f"status {seen.status}")
    all_of_it = float(truth.quantity) if told is OrderState.FILLED else 0.0
    if not truth.may_work and told is not OrderState.SENT:
        truth = attrs.evolve(truth, may_work=True)
    known = _with_filled(truth, all_of_it if seen.filled is None else seen.filled)
    if known.state.is_final:
        # An ended order may repeat its end; other open states are late messages, but a refused order has none.
        refused = known.state is OrderState.REJECTED and told in _AT_WORK
        clash = refused or (told.is_final and told is not known.state)
        return _contradicted(known, f"status {seen.status}, but {known.state.value}") if clash else known
    if told is OrderState.FILLED and known.filled + _LEAST < truth.quantity:
        return _settled(
            known, OrderState.UNKNOWN, f"status Filled with {known.filled:g} of {truth.quantity:g}"
        )
    if told.is_final or told is OrderState.UNKNOWN:
        return _settled(known, told, seen.reason or f"status {seen.status or 'not read'}")
    return _at_work(known, told, seen.reason)


def _at_work(truth: OrderTruth, told: OrderState, reason: str) -> OrderTruth:
    if told is OrderState.WORKING and truth.filled > 0:
        told = OrderState.PARTIALLY_FILLED
    if truth.state is OrderState.UNKNOWN:
        return _settled(truth, told, reason)
    if reason and reason != truth.reason:
        truth = attrs.evolve(truth, reason=reason)
    return _advanced(truth, told)


def _refused(truth: OrderTruth, seen: ErrorSeen) -> OrderTruth:
    if seen.fate is ErrorFate.NOTICE:
        return truth
    state, words = _ERROR_STATES[seen.fate], f"error {seen.code}: {seen.text}"
    if state.is_final and truth.may_work and seen.code not in _CODES_OF_AN_END:
        state = OrderState.UNKNOWN
    if not truth.state.is_final:
        code = seen.code if state is OrderState.REJECTED else None
        is_inferred = truth.is_inferred and seen.fate is ErrorFate.CANCEL_REFUSED  # no sign that it lives
        return attrs.evolve(truth, state=state, reason=words, code=code, is_inferred=is_inferred)
    clash = state.is_final and state is not truth.state
    return _contradicted(truth, f"{words}, but {truth.state.value}") if clash else truth
