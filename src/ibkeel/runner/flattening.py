"""Closing everything at a person's word: in this process, or in the bot that holds the session."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime
from typing import Final

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError
from ibkeel.model import OrderState, Position
from ibkeel.orders import ExitCause
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.flatten import OrdersAndAccount, cancel_entries, distinct, flatten, is_among
from ibkeel.runner.flatten_requests import Flattened, FlattenRequest, FlattenRequests, Leftover
from ibkeel.runner.schedule import NEW_YORK
from ibkeel.runner.tally import Held

_LOOK: Final = 1.0
_REASON: Final = "ibkeel flatten"


def to_be_closed(
    positions: tuple[Position, ...], desk: OrderDesk, *, everything: bool
) -> tuple[Position, ...]:
    """What a person's word closes: what orders of ours were sent for, or all that the account holds."""
    known = desk.contracts
    return tuple(row for row in positions if everything or is_among(known, row.contract))


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
    entries = await cancel_entries(broker, desk)
    wanted = to_be_closed(await broker.positions(), desk, everything=everything)
    contracts = distinct((*desk.contracts, *(row.contract for row in wanted)))
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
    still = [row.contract for row in held]
    states = {name: desk.state_of(name) for name in entries}  # closing a contract cancelled once more
    return Flattened(
        cancelled=tuple(str(name) for name, state in states.items() if state is OrderState.CANCELLED),
        uncancelled=tuple(
            f"{name}: {entries[name] or state}" for name, state in states.items() if not state.is_final
        ),
        closed=tuple(_words(row) for row in wanted if not is_among(still, row.contract)),
        left=tuple(Leftover.of(row) for row in held if is_among(contracts, row.contract)),
        untouched=tuple(_words(row) for row in held if not is_among(contracts, row.contract)),
    )


def _words(row: Position | Held) -> str:
    return f"{row.signed_quantity:+g} {row.contract}"


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
            request = self._requests.take()
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
