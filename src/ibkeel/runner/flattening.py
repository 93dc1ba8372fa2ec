"""Closing everything at a person's word: in this process, or in the bot that holds the session."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime
from typing import Final

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError
from ibkeel.model import Contract, OrderReport, Position
from ibkeel.orders import ExitCause
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.flatten import OrdersAndAccount, flatten
from ibkeel.runner.flatten_requests import Flattened, FlattenRequest, FlattenRequests, Leftover
from ibkeel.runner.schedule import NEW_YORK

_LOOK: Final = 1.0
_REASON: Final = "ibkeel flatten"


def to_be_closed(
    positions: tuple[Position, ...], desk: OrderDesk, *, everything: bool
) -> tuple[Contract, ...]:
    """What a person's word closes: what orders of ours were sent for, or all that the account holds."""
    known = desk.contracts
    return tuple(row.contract for row in positions if everything or row.contract in known)


async def close_everything(
    broker: OrdersAndAccount, desk: OrderDesk, *, session: date, wait: float, everything: bool = False
) -> Flattened:
    """Cancel our working entries, close positions, and look whether they are closed.

    Halt entries before.

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
    before = await broker.positions()
    entries = [row for row in await broker.open_orders() if _is_open_entry(row, desk)]
    await desk.cancel_entries()
    wanted = to_be_closed(before, desk, everything=everything)
    contracts = tuple(dict.fromkeys((*desk.contracts, *wanted)))
    held = await flatten(
        broker,
        desk,
        session=session,
        wait=wait,
        reason=_REASON,
        cause=ExitCause.MANUAL,
        contracts=contracts,
        of_anybody=everything,
    )
    still = {row.contract: None for row in held}
    left = [Leftover.of(row) for row in held if row.contract in contracts]
    return Flattened(
        cancelled=tuple(str(row.client_order_id) for row in entries),
        closed=tuple(_words(row) for row in before if row.contract in wanted and row.contract not in still),
        left=tuple(left),
        untouched=tuple(
            f"{row.signed_quantity:+g} {row.contract}" for row in held if row.contract not in contracts
        ),
    )


def _is_open_entry(report: OrderReport, desk: OrderDesk) -> bool:
    return desk.is_entry(report) and not report.filled and not report.state.is_final


def _words(position: Position) -> str:
    return f"{position.signed_quantity:+g} {position.contract}"


class Flattening:
    """Does in a running bot what another process asks for by a file.

    Args:
        requests: Where they come from.
        broker: Where it is done.
        desk: The door by which the exits leave.
        halt: Halts entries, and is told why and when.
        clock: Wall time.
    """

    def __init__(
        self,
        requests: FlattenRequests,
        broker: OrdersAndAccount,
        desk: OrderDesk,
        halt: Callable[[str, datetime], None],
        clock: Clock,
    ) -> None:
        self._requests, self._broker, self._desk = requests, broker, desk
        self._halt, self._clock = halt, clock

    async def run(self) -> None:
        """Look for requests, until cancelled."""
        while True:
            request = self._requests.take(self._clock.now())
            if request is not None:
                self._requests.answer(request, await self._done(request))
            await asyncio.sleep(_LOOK)

    async def _done(self, request: FlattenRequest) -> Flattened:
        now = self._clock.now()
        self._halt(_REASON, now)
        try:
            return await close_everything(
                self._broker,
                self._desk,
                session=now.astimezone(NEW_YORK).date(),
                wait=request.wait,
                everything=request.everything,
            )
        except IbkeelError as error:
            return Flattened(failure=f"{type(error).__name__}: {error}")
