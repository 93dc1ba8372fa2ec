"""What an earlier run of the same session left in the journal, for the run that takes over."""

from bisect import bisect
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import attrs

from ibkeel.journal import (
    FillSeen,
    Intent,
    Journal,
    LossGuardKept,
    OrderSettled,
    OrderUpdate,
    Purpose,
    RunStarted,
)
from ibkeel.model import Bracket, ClientOrderId, Contract, ExecId, OrderState
from ibkeel.risk import DailyLossGuard
from ibkeel.runner.schedule import Session

__all__ = ["Memory", "OwnOrder", "child_name", "remember"]

_DRY_RUN: Final = "DRY_RUN"


@attrs.define(kw_only=True)
class OwnOrder:
    """What is known of one order of ours.

    Args:
        contract: What it trades.
        is_entry: Whether it opens a position.
        state: INTENT when nothing was sent.
        placed_at: When it was decided.
        is_placing: Whether the broker has not answered yet.
        is_restored: Whether an earlier run placed it.
        stop_price: Its trigger, per share; None but for a stop.
    """

    contract: Contract
    is_entry: bool
    state: OrderState
    placed_at: datetime
    is_placing: bool = False
    is_restored: bool = False
    stop_price: Decimal | None = None


@attrs.frozen(kw_only=True)
class Memory:
    """What earlier runs did in a session.

    Args:
        orders: By name, in the order decided.
        fills: Those that were journaled.
        last_entry: When a symbol was last entered.
        guard: The daily loss guard of the session; None when none was kept.
    """

    orders: Mapping[ClientOrderId, OwnOrder]
    fills: tuple[ExecId, ...]
    last_entry: Mapping[str, datetime]
    guard: DailyLossGuard | None


def child_name(parent: ClientOrderId, number: int) -> ClientOrderId:
    """The name of a bracket's child, counted from 1, take profit first."""
    return ClientOrderId(f"{parent}-{number}")


def remember(journal: Journal, session: Session, *, look_back: timedelta = timedelta(0)) -> Memory:
    """Read back what was done in a session.

    An order of which the venue said nothing is of unknown fate; one of a dry run stays an intent.

    Args:
        journal: Where it is.
        session: Whose orders are ours.
        look_back: How long before the session entries still count as the last ones.

    Raises:
        JournalError: The journal cannot be read.
    """
    first, end = session.opens_at, session.closes_at
    intents = list(journal.events(Intent, since=first, until=end))
    starts = [(entry.seq, entry.record) for entry in journal.events(RunStarted)]
    numbers = [seq for seq, _ in starts]
    orders: dict[ClientOrderId, OwnOrder] = {}
    last_entry = _entries(journal, first - look_back, first)
    for entry in intents:
        intent, run = entry.record, starts[: bisect(numbers, entry.seq)][-1:]
        assert isinstance(intent, Intent)
        is_dry = any(isinstance(start, RunStarted) and start.mode == _DRY_RUN for _, start in run)
        orders.update(_family(intent, OrderState.INTENT if is_dry else OrderState.UNKNOWN))
        if intent.purpose is Purpose.ENTRY:
            last_entry[intent.symbol] = intent.at
    _catch_up(orders, journal, session)
    fills = [entry.record for entry in journal.events(FillSeen, since=first)]
    return Memory(
        orders=orders,
        fills=tuple(row.execution.exec_id for row in fills if isinstance(row, FillSeen)),
        last_entry=last_entry,
        guard=_guard(journal, session),
    )


def _entries(journal: Journal, since: datetime, until: datetime) -> dict[str, datetime]:
    """When each symbol was last entered in a span; intended entries count like sent ones."""
    rows = (entry.record for entry in journal.events(Intent, since=since, until=until))
    return {row.symbol: row.at for row in rows if isinstance(row, Intent) and row.purpose is Purpose.ENTRY}


def _family(intent: Intent, state: OrderState) -> dict[ClientOrderId, OwnOrder]:
    """An order and its children, under their names."""
    is_bracket = isinstance(intent.order, Bracket)
    entry = intent.order.entry if isinstance(intent.order, Bracket) else intent.order
    children = intent.order.children() if isinstance(intent.order, Bracket) else ()
    name = intent.client_order_id
    return {
        child_name(name, number) if number else name: OwnOrder(
            contract=entry.contract,
            is_entry=is_bracket and number == 0,
            state=state,
            placed_at=intent.at,
            is_restored=True,
            stop_price=ticket.stop_price,
        )
        for number, ticket in enumerate((entry, *children))
    }


def _catch_up(orders: dict[ClientOrderId, OwnOrder], journal: Journal, session: Session) -> None:
    """Take in what the venue said; it spoke of our orders only, so an unexpected name is ours too."""
    for entry in journal.events(OrderUpdate, since=session.opens_at):
        assert isinstance(entry.record, OrderUpdate)
        report = entry.record.report
        order = orders.get(report.client_order_id)
        if order is not None:
            order.state = report.state
        elif entry.record.at < session.closes_at:
            orders[report.client_order_id] = OwnOrder(
                contract=report.contract,
                is_entry=False,
                state=report.state,
                placed_at=report.at,
                is_restored=True,
                stop_price=report.stop_price,
            )
    for entry in journal.events(OrderSettled, since=session.opens_at):
        assert isinstance(entry.record, OrderSettled)
        settled = orders.get(entry.record.client_order_id)
        if settled is not None and not settled.state.is_final:
            settled.state = entry.record.state


def _guard(journal: Journal, session: Session) -> DailyLossGuard | None:
    last = journal.last(LossGuardKept)
    if last is None or not isinstance(last.record, LossGuardKept):
        return None
    guard = last.record.guard
    return guard if guard.session == session.day else None
