"""Closing what a run holds: children cancelled first, then exactly what is held is sold."""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Final, Protocol

from ibkeel.errors import ConnectionFailure, RequestFailed, SafetyRefused
from ibkeel.model import Account, Contract, OrderReport, Orders, Position
from ibkeel.orders import ExitCause, plan_exit
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.tally import Held

__all__ = ["OrdersAndAccount", "cancel_ours", "flatten", "held_of"]

_POLL: Final = 1.0
_ROUNDS: Final = 2


class OrdersAndAccount(Orders, Account, Protocol):
    """What closing a position needs."""


async def flatten(
    broker: OrdersAndAccount, desk: OrderDesk, *, session: date, wait: float, reason: str
) -> tuple[Held, ...]:
    """Close every position in a contract that this run traded, and verify it.

    Orders that work for us are cancelled and their fate awaited before anything is sold, so that
    no exit passes zero. What is left after a second attempt is reported, never guessed away.

    Args:
        broker: Where it is done.
        desk: Knows our orders; the door by which the exits leave.
        session: Trading date.
        wait: Seconds that each attempt may take.
        reason: Why, in words.

    Returns:
        What is still held, and why; empty when flat.

    Raises:
        RequestFailed: What is held could not even be read.
        ConnectionFailure: The same, for want of a session.
        SafetyRefused: The same, for a rule of ours.
    """
    trouble: RequestFailed | ConnectionFailure | SafetyRefused | None = None
    held: tuple[Position, ...] | None = None
    for _ in range(_ROUNDS if desk.contracts else 0):
        try:
            await cancel_ours(broker, desk)
            held = held_of(await broker.positions(), desk.contracts)
            await _sell(broker, desk, held, session, reason)
            held = await _until_flat(broker, desk, wait)
        except (RequestFailed, ConnectionFailure, SafetyRefused) as error:
            trouble = error
            continue
        trouble = None
        if not held:
            return ()
    if trouble is not None and held is None:
        raise trouble
    why = f"{type(trouble).__name__}: {trouble}" if trouble else f"the exit did not fill within {wait:g} s"
    return tuple(
        Held(contract=row.contract, signed_quantity=row.signed_quantity, reason=why) for row in held or ()
    )


async def cancel_ours(broker: Orders, desk: OrderDesk) -> None:
    """Cancel our working orders, parents before children, and wait for each one's fate.

    Raises:
        RequestFailed: The venue did not say what became of one of them.
    """
    ours = [report for report in await broker.open_orders() if desk.owns(report)]
    for report in sorted(ours, key=_parents_first):
        still_open = {row.order_id for row in await broker.open_orders()}
        if report.order_id in still_open:
            desk.saw(await broker.cancel(report.order_id))


def held_of(positions: Sequence[Position], contracts: Sequence[Contract]) -> tuple[Position, ...]:
    """Positions in the contracts named."""
    return tuple(row for row in positions if row.contract in contracts)


def _parents_first(report: OrderReport) -> tuple[bool, int]:
    return report.parent_id is not None, report.order_id


async def _sell(
    broker: Orders, desk: OrderDesk, held: Sequence[Position], session: date, reason: str
) -> None:
    open_orders = await broker.open_orders()
    for position in held:
        await desk.leave(
            lambda name, position=position: plan_exit(position, open_orders, client_order_id=name).ticket,  # type: ignore[misc]
            ExitCause.END_OF_DAY,
            session,
            reason,
        )


async def _until_flat(broker: OrdersAndAccount, desk: OrderDesk, wait: float) -> tuple[Position, ...]:
    """What is held after at most `wait` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while held := held_of(await broker.positions(), desk.contracts):
        if loop.time() >= deadline:
            break
        await asyncio.sleep(_POLL)
    return held
