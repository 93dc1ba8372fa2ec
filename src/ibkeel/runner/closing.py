"""The end of a session: positions are closed again and again until they are, or the market is."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, IbkeelError, RequestFailed, SafetyRefused
from ibkeel.journal import Failure
from ibkeel.model import Contract
from ibkeel.runner.config import EndOfDay, RunnerConfig
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.flatten import OrdersAndAccount, flatten, kept, unprotected
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.schedule import Session
from ibkeel.runner.tally import Held
from ibkeel.runner.watch import Watch

_AGAIN: Final = 15.0  # seconds between two attempts


class Closing:
    """Ends sessions as the configuration says.

    Args:
        broker: Where positions are.
        desk: Knows our orders; the door by which the exits leave.
        watch: Asked for the fills at the end.
        config: Whether to close, and how long an exit may take.
        recorder: Told of each position that an attempt left open.
        clock: Tells how long the market stays open.
        failed: Told of each failure.
        ends: Whether a position in a contract is to end with the session; by default as the
            configuration says, for every contract alike.
    """

    def __init__(
        self,
        broker: OrdersAndAccount,
        desk: OrderDesk,
        watch: Watch,
        config: RunnerConfig,
        recorder: Recorder,
        clock: Clock,
        failed: Callable[[Exception], None],
        ends: Callable[[Contract], bool] | None = None,
    ) -> None:
        self._broker, self._desk, self._watch, self._config = broker, desk, watch, config
        self._recorder, self._clock, self._failed = recorder, clock, failed
        self._ends = ends or (lambda _: config.end_of_day is EndOfDay.FLATTEN)

    async def close(self, session: Session) -> tuple[Held, ...] | None:
        """What the account still holds; None when that could not be read.

        It goes on while an order's fate is unknown: tomorrow nobody asks the venue for it any more.
        """
        while True:
            held = await self._attempt(session)
            is_done = held is not None and not any(self._is_late(row) for row in held)
            is_done = await self._knows_all() and is_done and not self._desk.is_placing
            if is_done or self._left(session) <= _AGAIN:
                return held
            await asyncio.sleep(_AGAIN)

    def _is_late(self, held: Held) -> bool:
        return held.is_ours and self._ends(held.contract)

    async def _knows_all(self) -> bool:
        try:
            await self._watch.catch_up()
        except IbkeelError as error:
            self._failed(error)
            return False
        return not self._desk.unknown_orders

    def _left(self, session: Session) -> float:
        return (session.closes_at - self._clock.now()) / timedelta(seconds=1)

    async def _attempt(self, session: Session) -> tuple[Held, ...] | None:
        try:
            held = await self._leftovers(session)
        except (RequestFailed, ConnectionFailure, SafetyRefused) as error:
            self._failed(error)
            return None
        for row in held:
            if self._is_late(row):
                self._recorder.keep(
                    Failure(
                        at=self._clock.now(),
                        symbol=row.contract.symbol,
                        kind="StillHeld",
                        message=row.reason,
                    )
                )
        return held

    async def _leftovers(self, session: Session) -> tuple[Held, ...]:
        """Close our positions but for those that are to be held; what stays open, and why."""
        due = [contract for contract in self._desk.contracts if self._ends(contract)]
        if not due and self._config.end_of_day is EndOfDay.HOLD:
            positions = await self._broker.positions()
            bare = await unprotected(self._broker, positions)
            rows = kept(positions, self._desk, "end_of_day is hold")
            return tuple(
                attrs.evolve(row, reason=row.reason + bare[row.contract] * row.is_ours) for row in rows
            )
        return await flatten(
            self._broker,
            self._desk,
            session=session.day,
            wait=max(min(self._config.exit_wait, self._left(session)), 0.0),
            reason=f"{self._config.flatten_before_close:g} s before the close",
            contracts=due,
        )
