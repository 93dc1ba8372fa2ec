"""What the wire, and we ourselves, can say about an order: also that it left no trace, or that it lives twice."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.model import ClientOrderId, ExecId, Execution, OrderReport, OrderState
from ibkeel.model.checks import NEW_YORK, as_utc, finite, positive

# Source: TWS API, "Order Status"; `Inactive` covers rejected, cancelled and held orders alike.
STATUS: Final = MappingProxyType(
    {
        "ApiCancelled": OrderState.CANCELLED,
        "ApiPending": OrderState.SENT,
        "Cancelled": OrderState.CANCELLED,
        "Filled": OrderState.FILLED,
        "Inactive": OrderState.UNKNOWN,
        "PendingCancel": OrderState.CANCELLING,
        "PendingSubmit": OrderState.SENT,
        "PreSubmitted": OrderState.ACKNOWLEDGED,
        "Submitted": OrderState.WORKING,
    }
)
"""State that each status text of `openOrder` and `orderStatus` stands for."""

_APART: Final = timedelta(seconds=10)


def state_of_status(text: str) -> OrderState:
    """The state of a status text; UNKNOWN for one that is not in the table."""
    return STATUS.get(text, OrderState.UNKNOWN)


class ErrorFate(StrEnum):
    """What an error code with an order's id says about the order."""

    REJECTED = "rejected"
    CANCELLED = "cancelled"
    NOTICE = "notice"
    CANCEL_REFUSED = "cancel_refused"
    UNCERTAIN = "uncertain"


@attrs.frozen(kw_only=True)
class Sent:
    """The order's bytes left."""


@attrs.frozen(kw_only=True)
class CancelRequested:
    """The cancel's bytes left."""


@attrs.frozen(kw_only=True)
class CancelUnanswered:
    """Nothing came of a cancel in its time: the order may work on, or be gone."""


@attrs.frozen(kw_only=True)
class LinkLost:
    """The connection ended; nobody says what happens to the order now."""


@attrs.frozen(kw_only=True)
class StatusSeen:
    """An `openOrder` or `orderStatus` arrived.

    Args:
        status: Its text.
        filled: Contracts filled so far; None where the message has none.
        reason: Such as `whyHeld` or a reject reason.
    """

    status: str
    filled: float | None = attrs.field(default=None, validator=finite)
    reason: str = ""


@attrs.frozen(kw_only=True)
class Filled:
    """An execution arrived; the same one twice counts once.

    Args:
        exec_id: Name of the fill.
        quantity: Contracts or shares, above zero.
    """

    exec_id: ExecId
    quantity: float = attrs.field(validator=positive)


@attrs.frozen(kw_only=True)
class ErrorSeen:
    """An error message with the order's id arrived.

    Args:
        fate: What the code means for an order that the venue has not accepted yet; UNCERTAIN for a
            code nobody knows.
        code: The code.
        text: The message.
    """

    fate: ErrorFate
    code: int
    text: str = ""


@attrs.frozen(kw_only=True)
class Unlisted:
    """The venue's list of open orders lacks an order that was said to work."""


@attrs.frozen(kw_only=True)
class Vanished:
    """No list of open, ended or filled orders names it, time and again, on a good session: it works no more.

    Args:
        reason: Why.
        may_have_filled: Whether it may have filled where no list reaches back: then its fate stays unknown.
    """

    reason: str
    may_have_filled: bool = False


Evidence = (
    Sent
    | CancelRequested
    | CancelUnanswered
    | LinkLost
    | StatusSeen
    | Filled
    | ErrorSeen
    | Unlisted
    | Vanished
)


"""Anything that says something about an order."""


def _named(values: Iterable[ClientOrderId]) -> frozenset[ClientOrderId]:
    return frozenset(value for value in values if value)


@attrs.frozen(kw_only=True)
class Reading:
    """All three lists of the venue, read one after the other.

    Args:
        at: When the last of them was in.
        names: Our names that any of them holds.
        was_ready: Whether the session was good all the while: a Gateway without its servers keeps
            orders to itself and sends them later.
        utc_offset: How far the Gateway's clock is ahead of UTC; None when it is not known.
    """

    at: datetime = attrs.field(converter=as_utc)
    names: frozenset[ClientOrderId] = attrs.field(converter=_named)
    was_ready: bool
    utc_offset: timedelta | None = None

    @classmethod
    def of(
        cls,
        *,
        at: datetime,
        was_ready: bool,
        utc_offset: timedelta | None = None,
        open_orders: Iterable[OrderReport],
        completed_orders: Iterable[OrderReport],
        executions: Iterable[Execution],
    ) -> "Reading":
        """A reading from the three lists."""
        reports = [row.client_order_id for row in (*open_orders, *completed_orders)]
        names = frozenset([*reports, *(row.client_order_id for row in executions)])
        return cls(at=at, was_ready=was_ready, names=names, utc_offset=utc_offset)


def venue_day(instant: datetime) -> date:
    """The day whose fills and ended orders the venue lists at an instant.

    Raises:
        InvalidInput: The instant has no time zone.
    """
    return as_utc(instant).astimezone(NEW_YORK).date()


def listed_days(instant: datetime, utc_offset: timedelta | None) -> tuple[date, ...]:
    """In New York and at the Gateway: whose midnight ends what is listed is unverified.

    Args:
        instant: Aware.
        utc_offset: How far the Gateway's clock is ahead of UTC; None when it is not known.

    Raises:
        InvalidInput: The instant has no time zone.
    """
    day = venue_day(instant)
    return (day,) if utc_offset is None else (day, (as_utc(instant) + utc_offset).date())


def proof_of_absence(name: ClientOrderId, *, sent_at: datetime, readings: Iterable[Reading]) -> str | None:
    """Words that prove that nothing of an order works and nothing of it filled; None without proof.

    Two readings on a good session, ten seconds apart, both later than the order by as much, must
    lack it; and fills are listed for the present day only, so the order must be of that day,
    in New York and at the Gateway.

    Args:
        name: Ours, carried in `orderRef`.
        sent_at: When it may have left.
        readings: Of the venue's lists, in order of time.
    """
    every = tuple(readings)
    good = [row for row in every if row.was_ready and row.at - sent_at >= _APART]
    if not good or any(name in row.names for row in every):
        return None
    first, last = good[0], good[-1]
    day, sent_on = (listed_days(at, last.utc_offset) for at in (last.at, sent_at))
    if last.at - first.at < _APART or sent_on != day:
        return None
    return f"not at the venue: on no list of open, ended or filled orders at {first.at:%H:%M:%S} and {last.at:%H:%M:%S} UTC"


def doubled_orders(orders: Iterable[OrderReport]) -> Mapping[ClientOrderId, tuple[OrderReport, ...]]:
    """Orders that bear the name of another one that is alive, by that name: those to be cancelled.

    The one that has filled most stays, else the oldest.

    Args:
        orders: Of ours, in any order; ended ones are left out, and so are those without a name.
    """
    families: dict[ClientOrderId, dict[tuple[int, int, int], OrderReport]] = {}
    for order in orders:
        if order.client_order_id and not order.state.is_final:
            family = families.setdefault(order.client_order_id, {})
            family[order.client_id, order.order_id, order.perm_id] = order
    return {
        name: tuple(sorted(family.values(), key=_precedence)[1:])
        for name, family in families.items()
        if len(family) > 1
    }


def _precedence(order: OrderReport) -> tuple[float, int, int]:
    return -order.filled, order.perm_id or 2**62, order.order_id
