"""Whether an order that nobody answered for can be proved to have left no trace at the venue."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ibkeel.model import ClientOrderId, Execution, OrderReport
from ibkeel.model.checks import as_utc

_VENUE_ZONE: Final = ZoneInfo("America/New_York")
_APART: Final = timedelta(seconds=10)


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
    """

    at: datetime = attrs.field(converter=as_utc)
    names: frozenset[ClientOrderId] = attrs.field(converter=_named)
    was_ready: bool

    @classmethod
    def of(
        cls,
        *,
        at: datetime,
        was_ready: bool,
        open_orders: Iterable[OrderReport],
        completed_orders: Iterable[OrderReport],
        executions: Iterable[Execution],
    ) -> "Reading":
        """A reading from the three lists."""
        reports = [row.client_order_id for row in (*open_orders, *completed_orders)]
        names = frozenset([*reports, *(row.client_order_id for row in executions)])
        return cls(at=at, was_ready=was_ready, names=names)


def _day(instant: datetime) -> date:
    return instant.astimezone(_VENUE_ZONE).date()


def proof_of_absence(name: ClientOrderId, *, sent_at: datetime, readings: Iterable[Reading]) -> str | None:
    """Words that prove that nothing of an order works and nothing of it filled; None without proof.

    Two readings on a good session, ten seconds apart, both later than the order by as much, must
    lack it; and fills are listed for the present day only, so the order must be of that day.

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
    if last.at - first.at < _APART or _day(sent_at) != _day(last.at):
        return None
    return f"not at the venue: on no list of open, ended or filled orders at {first.at:%H:%M:%S} and {last.at:%H:%M:%S} UTC"
