"""Closing what a run holds, or all there is: children cancelled first, then exactly what is held is sold."""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, Protocol

from ibkeel.errors import ConnectionFailure, IbkeelError, OrderRefused, OrderRejected, RequestFailed
from ibkeel.guards import finish
from ibkeel.model import Account, Contract, OrderReport, Orders, OrderState, Position
from ibkeel.orders import ExitCause, is_same_contract, part_in, plan_exit, stops_at_work
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.flatten_requests import Flattened, Leftover
from ibkeel.runner.own_orders import is_left
from ibkeel.runner.tally import Held

_POLL: Final = 1.0
_READS: Final = 3
_FEW: Final = 8  # contracts that are asked for one by one
_FIRST_TURN: Final = 1.0  # seconds, after which the exit of a bot without a turn to wait for is on the lists
_TURN: Final = 2.0  # seconds between two bots' turns: a cancel is answered and an exit listed
_TURNS: Final = 8  # longer waits would keep an exit back for more than 15 s
_NOT_OURS: Final = "this run did not open it"
REASON: Final = "ibkeel flatten"


class OrdersAndAccount(Orders, Account, Protocol):
    """What closing a position needs."""


async def flatten(
    broker: OrdersAndAccount,
    desk: OrderDesk,
    *,
    session: date,
    wait: float,
    reason: str,
    cause: ExitCause = ExitCause.END_OF_DAY,
    contracts: Sequence[Contract] | None = None,
    of_anybody: bool = False,
    held_for: str = "it is to be held",
    within: float = math.inf,
) -> tuple[Held, ...]:
    """Try once to close every position that orders of ours may have opened, and verify it.

    Position by position, the orders that work for us are cancelled and their fate awaited before
    anything is sold, so that no exit passes zero. What fails for one does not keep the next.

    Args:
        broker: Where it is done.
        desk: Knows our orders; the door by which the exits leave.
        session: Trading date.
        wait: Seconds that the exits may take to fill.
        reason: Why, in words.
        cause: What ends the positions.
        contracts: Only those; None for all that orders of ours were sent for.
        of_anybody: Whether orders of this client id that the desk does not know are cancelled too.
        held_for: Why any other position of ours stays, in words.
        within: Seconds, such as those to the close, after which no exit leaves.

    Returns:
        Everything that the account still holds, and why; empty when flat.
    """
    trouble: dict[Contract, str] = {}
    until = asyncio.get_running_loop().time() + within
    wanted = distinct(desk.contracts if contracts is None else contracts)
    if not of_anybody:
        wanted = await _without_others(broker, desk, wanted)
    for contract in await _present(broker, wanted):
        try:
            async with desk.turn:
                leave = leave_position(
                    broker, desk, contract, session, reason, cause, of_anybody=of_anybody, until=until
                )
                await finish(leave)
        except IbkeelError as error:
            trouble[contract] = f"{type(error).__name__}: {error}"
    leaving = [row for row in wanted if row not in trouble]
    positions = await _until_flat(broker, leaving, wait)
    if not positions:
        return ()
    late = f"the exit did not fill within {wait:.3g} s"
    bare = await unprotected(broker, positions)

    def words(row: Position) -> str:
        found = (why for failed, why in trouble.items() if is_same_contract(row.contract, failed))
        why = str(_no_room(row)) if abs(row.signed_quantity) < 1 else late
        return next(found, why if is_among(wanted, row.contract) else held_for) + bare[row.contract]

    return tuple(_held(row, desk, words(row), wanted, leaving) for row in positions)


async def _without_others(broker: Account, desk: OrderDesk, wanted: Sequence[Contract]) -> Sequence[Contract]:
    """Contracts but for those that we have left and somebody else holds; all where that cannot be read."""
    left = [contract for contract in wanted if is_left(desk.of_contract(contract))]
    try:
        rows = await broker.positions() if left else ()
    except IbkeelError:
        return wanted
    others = [row.contract for row in rows if is_among(left, row.contract) and not desk.may_own(row)]
    return [contract for contract in wanted if not is_among(others, contract)]


async def _present(broker: OrdersAndAccount, wanted: Sequence[Contract]) -> Sequence[Contract]:
    """Of many contracts those that are there: to ask for all that a run traded in months outlasts the session."""
    if len(wanted) <= _FEW:
        return wanted
    try:
        there = [row.contract for row in await broker.positions()]
        there += [row.contract for row in await broker.open_orders()]
    except IbkeelError:
        return wanted
    return [contract for contract in wanted if is_among(there, contract)]


def may_still_open(
    orders: Sequence[OrderReport], desk: OrderDesk, beside: Sequence[Position] | None = None
) -> list[OrderReport]:
    """Entries of ours that work, or go on filling.

    With `beside` also what works under our client id, that the desk does not know, and closes none of these positions;
    a child only when its parent works no more, with which it would go.
    """
    parents = {row.order_id for row in orders}

    def is_foreign(row: OrderReport) -> bool:
        if beside is None or desk.owns(row) or row.parent_id in parents:
            return False
        parts = ((part_in(row, each.contract), each.signed_quantity) for each in beside)
        return not any(part and part.side.sign * held < 0 for part, held in parts)

    return [row for row in orders if not row.state.is_final and (desk.is_entry(row) or is_foreign(row))]


async def cancel_entries(
    broker: Orders, desk: OrderDesk, beside: Sequence[Position] | None = None
) -> list[tuple[OrderReport, IbkeelError | None]]:
    """Cancel all that `may_still_open`, or what is left of it, at once; its children go with it.

    Returns:
        What came of each, and the error of a cancel that failed, which keeps none of the others.
    """

    async def attempt(report: OrderReport) -> tuple[OrderReport, IbkeelError | None]:
        try:
            after = await desk.cancel(report)
        except IbkeelError as error:
            return report, error
        desk.saw(after)
        return after, None if after.state.is_final else _not_cancelled(after)

    rows = may_still_open(await broker.open_orders(), desk, beside)
    return await asyncio.gather(*map(attempt, rows))


def _not_cancelled(report: OrderReport) -> OrderRejected:
    said = f": {report.reason}" if report.reason else ""
    return OrderRejected(
        f"the cancel of entry {report.client_order_id} did not end it; it is {report.state.value}{said}. As long as "
        "entries are halted it is cancelled again; look at it in TWS if this goes on"
    )


async def cancel_ours(
    broker: Orders, desk: OrderDesk, contract: Contract, *, of_anybody: bool = False
) -> None:
    """Cancel our working orders in a contract, parents before children, and wait for each one's fate.

    With `of_anybody` also those of our client id that the desk does not know.
    """
    wanted = [row for row in await broker.open_orders() if of_anybody or desk.owns(row)]
    ours = [row for row in wanted if part_in(row, contract)]
    for report in sorted(ours, key=lambda row: (row.parent_id is not None, row.order_id)):
        if report.order_id in {row.order_id for row in await broker.open_orders()}:
            desk.saw(await desk.cancel(report))


def _held(
    position: Position,
    desk: OrderDesk,
    reason: str,
    wanted: Sequence[Contract],
    leaving: Sequence[Contract],
) -> Held:
    is_ours = desk.may_own(position) or is_among(wanted, position.contract)
    return Held(
        contract=position.contract,
        signed_quantity=position.signed_quantity,
        reason=reason if is_ours else _NOT_OURS,
        is_ours=is_ours,
        is_leaving=is_among(leaving, position.contract),
    )


def is_among(contracts: Iterable[Contract], contract: Contract) -> bool:
    """Whether one of several is the same as another."""
    return any(is_same_contract(contract, each) for each in contracts)


def distinct(contracts: Iterable[Contract]) -> Sequence[Contract]:
    """Each once, though one may be written in two ways."""
    found: list[Contract] = []
    for contract in contracts:
        if not is_among(found, contract):
            found.append(contract)
    return found


async def leave_position(
    broker: OrdersAndAccount,
    desk: OrderDesk,
    contract: Contract,
    session: date,
    reason: str,
    cause: ExitCause,
    *,
    of_anybody: bool = False,
    until: float = math.inf,
) -> None:
    """Cancel what works for us in a contract and send the exit of what is held; hold the desk's turn meanwhile.

    Nothing is cancelled where what is held cannot be read or, such as a future, not be ordered, or orders that stay leave
    no room for an exit: a stop would be gone for nothing. Where there are any, or none at all, bots take turns by their
    client ids: two that leave at one instant would sell all twice.
    Neither where an exit would come after `until`, by the loop's clock. `of_anybody` is as of `cancel_ours`.

    Raises:
        IbkeelError: One of the two did not succeed.
    """
    listed, held = await broker.all_open_orders(), await _of(broker, contract)
    if held:  # the account gives the number by which a combo names its legs
        contract = held[0].contract
    rows = [row for row in listed if part_in(row, contract)]
    whose = broker.client_id if of_anybody else None
    # Client 0 shares its number with orders by hand, which it cannot cancel before they bear an id.
    stay = [row for row in rows if not (desk.owns(row) or (row.order_id and row.client_id == whose))]
    # Another bot may be about to do the same, its stop cancelled already: one after the other, each counts what the
    # other has sent.
    turn = _FIRST_TURN + _TURN * (broker.client_id % _TURNS) if stay or not rows else 0.0
    for position in held:
        if plan_exit(position, stay).ticket is None:
            raise _no_room(position)
        _check_time(contract, until - turn)
        await asyncio.sleep(turn)
    await cancel_ours(broker, desk, contract, of_anybody=of_anybody)
    before = await broker.all_open_orders()
    for position in await _held_in(broker, desk, contract):
        # What fills between two lists is on one of them still, and what is sent then on the other.
        open_orders = (*before, *await broker.all_open_orders())
        _check_time(contract, until)
        placed = await desk.leave(
            lambda name, held=position, orders=open_orders: (
                plan_exit(  # type: ignore[misc]
                    held, orders, client_order_id=name
                ).ticket
            ),
            cause,
            session,
            reason,
        )
        if placed is None:
            raise _no_room(position)


def _check_time(contract: Contract, until: float) -> None:
    if asyncio.get_running_loop().time() >= until:
        raise OrderRefused(
            f"an exit of {contract} would leave after the close; none was sent: close it when it trades again"
        )


async def _held_in(broker: Account, desk: OrderDesk, contract: Contract) -> Sequence[Position]:
    """What is held of it; an entry that filled in the race with its cancel may be listed seconds later.

    A read that fails is tried again, for by now no stop works.
    """
    failures = 0
    while True:
        try:
            rows = await _of(broker, contract)
        except RequestFailed:
            failures += 1
            if failures == _READS:
                raise
        else:
            if rows or not desk.may_hold_more(contract):
                return rows
        await asyncio.sleep(_POLL)


async def _of(broker: Account, contract: Contract) -> Sequence[Position]:
    return [row for row in await broker.positions() if is_same_contract(row.contract, contract)]


def _no_room(position: Position) -> OrderRefused:
    what = f"{position.signed_quantity:g} {position.contract}"
    if abs(position.signed_quantity) < 1:
        return OrderRefused(f"{what} is less than one, and orders here are for whole ones: close it in TWS")
    return OrderRefused(
        f"orders that have not ended, of ours or of others, may still close {what}; another exit could pass zero"
    )


async def _until_flat(
    broker: OrdersAndAccount, contracts: Sequence[Contract], wait: float
) -> tuple[Position, ...]:
    """What the account holds once nothing is left of the contracts named, or after `wait` seconds.

    A read that fails is tried again as long.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        is_late = loop.time() >= deadline
        try:
            positions = await broker.positions()
        except (RequestFailed, ConnectionFailure):
            if is_late:
                raise
        else:
            if is_late or not any(is_among(contracts, row.contract) for row in positions):
                return positions
        await asyncio.sleep(_POLL)


async def unprotected(broker: Orders, positions: Iterable[Position]) -> Mapping[Contract, str]:
    """Words for each position, empty where stops protect all of it, as far as that can be read."""
    try:
        orders = await broker.all_open_orders()
    except (RequestFailed, ConnectionFailure):
        return {row.contract: "; nobody knows whether a stop works" for row in positions}
    return {
        row.contract: _lack(row, sum(unit.size for unit in stops_at_work(row, orders))) for row in positions
    }


def _lack(position: Position, covered: int) -> str:
    lacking = abs(position.signed_quantity) - covered
    part = f"{lacking:g} of " if covered else ""
    return f"; when that was found, no stop worked for {part}it" if lacking > 0 else ""


def to_be_closed(positions: Iterable[Position], desk: OrderDesk, *, everything: bool) -> list[Position]:
    """What a person's word closes: what orders of ours may have opened, or all that the account holds.

    What is owed comes first: until it is bought back, what is held may be its cover.
    """
    rows = sorted(positions, key=lambda row: row.signed_quantity > 0)
    return [row for row in rows if everything or desk.may_own(row)]


async def close_everything(
    broker: OrdersAndAccount, desk: OrderDesk, *, session: date, wait: float, everything: bool = False
) -> Flattened:
    """Cancel our working entries, close positions, and look whether they are closed.

    Halt entries before. What fails for one entry or position does not keep the next.

    Args:
        broker: Where it is done.
        desk: The door by which the exits leave.
        session: Trading date.
        wait: Seconds that the exits may take to fill.
        everything: Whether positions of others are closed too, and orders of this client id that the desk
            does not know cancelled; orders of other clients are counted, not touched.

    Raises:
        RequestFailed: What works or what is held could not be read.
        ConnectionFailure: The same, for want of a session.
    """
    entries = await cancel_entries(broker, desk, await broker.positions() if everything else None)
    wanted = to_be_closed(await broker.positions(), desk, everything=everything)
    contracts = distinct((*(row.contract for row in wanted), *desk.contracts))
    held = await flatten(
        broker,
        desk,
        session=session,
        wait=wait,
        reason=REASON,
        cause=ExitCause.MANUAL,
        contracts=contracts,
        of_anybody=everything,
    )
    still, tried = [row.contract for row in held], []
    for row, error in entries:
        # Closing a contract cancelled ours once more.
        state = desk.state_of(row.client_order_id) if desk.owns(row) else row.state
        tried.append((row.client_order_id or f"order {row.order_id}", state, error))
    return Flattened(
        cancelled=tuple(name for name, state, _ in tried if state is OrderState.CANCELLED),
        uncancelled=tuple(f"{name}: {error or state}" for name, state, error in tried if not state.is_final),
        closed=tuple(_words(row) for row in wanted if not is_among(still, row.contract)),
        left=tuple(Leftover.of(row) for row in held if row.is_ours),
        untouched=tuple(_words(row) for row in held if not row.is_ours),
    )


def _words(row: Position | Held) -> str:
    return f"{row.signed_quantity:+g} {row.contract}"
