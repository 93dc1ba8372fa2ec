"""Leaving one position: what works for it is cancelled first, then exactly what is held is sold."""

import asyncio
from datetime import date
from typing import Final, Protocol

from ibkeel.errors import OrderRefused
from ibkeel.model import Account, Contract, OrderReport, Orders, Position
from ibkeel.orders import ExitCause, exit_room, is_same_contract, plan_exit
from ibkeel.runner.desk import OrderDesk

_FIRST_TURN: Final = (
    1.0  # seconds, after which the exit of a bot that had no turn to wait for is on the lists
)
_TURN: Final = 2.0  # seconds between two bots' turns: a cancel is answered and an exit listed
_TURNS: Final = 8  # longer waits would keep an exit back for more than 15 s
_PATIENCE: Final = 10.0  # seconds: whoever stops a bot does not wait for a Gateway that is gone


class OrdersAndAccount(Orders, Account, Protocol):
    """What closing a position needs."""


async def leave_position(
    broker: OrdersAndAccount,
    desk: OrderDesk,
    contract: Contract,
    session: date,
    reason: str,
    cause: ExitCause,
    *,
    of_anybody: bool = False,
) -> None:
    """Cancel what works for us in a contract and send the exit of what is held; hold the desk's turn meanwhile.

    Nothing is cancelled where orders that stay leave no room for an exit: a stop would be gone for nothing. Where
    there are any, or none at all, bots take turns by their client ids: two that leave at one instant would sell all twice.
    `of_anybody` is as of `cancel_ours`. Whoever is cancelled once that has begun waits for the exit, 10 seconds at most:
    in between there is neither a stop nor an exit.

    Raises:
        IbkeelError: One of the two did not succeed.
    """
    rows = [row for row in await broker.all_open_orders() if is_same_contract(row.contract, contract)]
    stay = [row for row in rows if not (desk.owns(row) or (of_anybody and row.client_id == broker.client_id))]
    for position in await broker.positions() if stay or not rows else ():
        if not is_same_contract(position.contract, contract):
            continue
        if not exit_room(position.signed_quantity, stay):
            raise _no_room(position)
        # Another bot may be about to do the same, its stop cancelled already: one after the other, each counts
        # what the other has sent.
        await asyncio.sleep(_FIRST_TURN + _TURN * (broker.client_id % _TURNS))
    task = asyncio.create_task(_leave(broker, desk, contract, session, reason, cause, of_anybody=of_anybody))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_PATIENCE)
        task.cancel()
        raise


async def _leave(
    broker: OrdersAndAccount,
    desk: OrderDesk,
    contract: Contract,
    session: date,
    reason: str,
    cause: ExitCause,
    *,
    of_anybody: bool,
) -> None:
    """Cancel what works for us, and send the exit of what is held."""
    await cancel_ours(broker, desk, contract, of_anybody=of_anybody)
    before = await broker.all_open_orders()
    for position in await broker.positions():
        if not is_same_contract(position.contract, contract):
            continue
        # What fills between two lists is on one of them still, and what is sent then on the other.
        open_orders = (*before, *await broker.all_open_orders())
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


async def cancel_ours(
    broker: Orders, desk: OrderDesk, contract: Contract, *, of_anybody: bool = False
) -> None:
    """Cancel our working orders in a contract, parents before children, and wait for each one's fate.

    Args:
        broker: Lists the orders of its own client id.
        desk: Knows ours.
        contract: What they trade.
        of_anybody: Whether those that the desk does not know are cancelled too.

    Raises:
        RequestFailed: The venue did not say what became of one of them.
        ConnectionFailure: There is no session.
    """
    rows = await broker.open_orders()
    wanted = [row for row in rows if of_anybody or desk.owns(row)]
    ours = [row for row in wanted if is_same_contract(row.contract, contract)]
    for report in sorted(ours, key=_parents_first):
        still_open = {row.order_id for row in await broker.open_orders()}
        if report.order_id in still_open:
            desk.saw(await desk.cancel(report))


def _parents_first(report: OrderReport) -> tuple[bool, int]:
    return report.parent_id is not None, report.order_id


def _no_room(position: Position) -> OrderRefused:
    return OrderRefused(
        f"orders that have not ended, of ours or of others, may still close {position.signed_quantity:g} "
        f"{position.contract}; another exit could pass zero"
    )
