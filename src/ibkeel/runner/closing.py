"""The end of a session: positions are closed again and again until they are, or the market is."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, IbkeelError, RequestFailed
from ibkeel.guards import finish
from ibkeel.journal import Failure
from ibkeel.model import Bars, Contract, Direction, ExitPolicy, Option, Position, Reason, Signal, Stock
from ibkeel.model.checks import NEW_YORK
from ibkeel.orders import ExitCause, is_same_contract
from ibkeel.runner.config import EndOfDay, RunnerConfig
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.feed import Feed
from ibkeel.runner.flatten import OrdersAndAccount, flatten, is_among, leave_position
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.schedule import Session
from ibkeel.runner.tally import Failures, Held
from ibkeel.runner.watch import Watch
from ibkeel.strategy import ExitRule, PositionFacts, due_exits, trail_bars

_AGAIN: Final = 15.0  # seconds between two attempts, the last ones closer together
_LAST: Final = 3.0  # seconds before the close, after which none begins


class Closing:
    """Ends sessions as the configuration says."""

    def __init__(
        self,
        broker: OrdersAndAccount,
        desk: OrderDesk,
        watch: Watch,
        config: RunnerConfig,
        recorder: Recorder,
        clock: Clock,
        failed: Callable[[Exception], None],
        ends: Callable[[Contract], bool],
    ) -> None:
        self._broker, self._desk, self._watch, self._config = broker, desk, watch, config
        self._recorder, self._clock, self._failed, self._ends = recorder, clock, failed, ends

    async def close(self, session: Session) -> tuple[Held, ...] | None:
        """What the account still holds; None when that could not be read.

        It goes on while an order's fate is unknown: tomorrow nobody asks the venue for it any more.
        """
        leaving: tuple[Held, ...] = ()
        while True:
            held = await self._attempt(session, leaving)
            late = tuple(row for row in held or () if self._is_late(row))
            is_done = await self._knows_all() and held is not None and not late
            is_done = is_done and not (self._desk.is_placing or self._desk.may_hold_more())
            left = self._left(session)
            pause = min(_AGAIN, left / 2)
            # So late no exit is withdrawn for another.
            leaving = tuple(row for row in late if row.is_leaving) if left <= _AGAIN else ()
            is_leaving = held is not None and left <= _AGAIN and leaving == late
            if is_done or left - pause < _LAST or is_leaving:
                return held
            await asyncio.sleep(pause)

    async def left_of(self, held: tuple[Held, ...] | None) -> tuple[Held, ...] | None:
        """What is held of it at the close: until then a stop may fill, or an exit that was late."""
        if not held:
            return held
        try:
            positions = await self._broker.positions()
        except IbkeelError as error:
            self._failed(error)
            return held
        return tuple(
            attrs.evolve(row, signed_quantity=position.signed_quantity)
            for row in held
            for position in positions
            if is_same_contract(row.contract, position.contract)
        )

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

    async def _attempt(self, session: Session, leaving: tuple[Held, ...]) -> tuple[Held, ...] | None:
        """Close our positions but for those that are to be held, or leave by now; what stays open, and why."""
        left_alone = {row.contract: row.reason for row in leaving}
        is_hold, left = self._config.end_of_day is EndOfDay.HOLD, self._left(session)
        try:
            held = await flatten(
                self._broker,
                self._desk,
                session=session.day,
                wait=max(min(self._config.exit_wait, left), 0.0),
                within=left,
                reason=f"{self._config.flatten_before_close:g} s before the close",
                contracts=[
                    contract
                    for contract in self._desk.contracts
                    if not is_among(left_alone, contract) and self._ends(contract)
                ],
                held_for="end_of_day is hold" if is_hold else "its strategy holds it",
            )
        except IbkeelError as error:
            self._failed(error)
            return None
        held = tuple(
            attrs.evolve(row, reason=left_alone[row.contract], is_leaving=True)
            if row.contract in left_alone
            else row
            for row in held
        )
        for row in filter(self._is_late, held):
            symbol = row.contract.symbol
            self._recorder.keep(
                Failure(at=self._clock.now(), symbol=symbol, kind="StillHeld", message=row.reason)
            )
        return held


_CAUSES: Final = MappingProxyType({ExitRule.TRAIL: ExitCause.TRAIL, ExitRule.EXPIRY: ExitCause.EXPIRY})
_LEAST: Final = 0.01  # stands for a price that is not known: no rule that is asked here looks at it


class Leaving:
    """Knows why each position was entered, and ends it when its own rules say so."""

    def __init__(
        self,
        broker: OrdersAndAccount,
        desk: OrderDesk,
        feed: Feed,
        failures: Failures,
        clock: Clock,
        end_of_day: EndOfDay,
    ) -> None:
        self._broker, self._desk, self._feed, self._failures = broker, desk, feed, failures
        self._clock, self._end_of_day = clock, end_of_day
        self._policies: dict[Contract, ExitPolicy] = {}

    def mind(self, contract: Contract, signal: Signal) -> None:
        """Know what the strategy wants of a position that is entered now."""
        self._policies[contract] = signal.exits

    def restore(self, signals: Mapping[Contract, Signal]) -> None:
        """Take over what an earlier run was told."""
        self._policies.update({contract: signal.exits for contract, signal in signals.items()})

    def ends(self, contract: Contract) -> bool:
        """Whether a position is to end with the session; over the night of its expiry nothing can be held."""
        today = self._clock.now().astimezone(NEW_YORK).date()
        is_last_day = isinstance(contract, Option) and contract.expiry == today
        return is_last_day or self._end_of_day.ends(self._policy(contract))

    async def look(self, positions: Iterable[Position], session: Session, ends_at: datetime) -> None:
        """End what is due; positions that no order of ours was sent for are left alone.

        Those that end with the session begin to leave at `ends_at`.
        """
        for position in filter(self._desk.may_own, positions):
            try:
                await self._consider(position, session, ends_at)
            except IbkeelError as error:
                self._failures.note(position.contract.symbol, error, "exit")

    async def _consider(self, position: Position, session: Session, ends_at: datetime) -> None:
        contract, policy = position.contract, self._policy(position.contract)
        if not isinstance(contract, Option) or position.signed_quantity <= 0:
            return
        facts = PositionFacts(
            direction=next(way for way in Direction if way.right is contract.right),
            entry_premium=max(position.average_price, _LEAST),
            expiry=contract.expiry,
            now=self._clock.now(),
            today=session.day,
            ends_at=ends_at,
            hours=await self._hours(contract, policy),
        )
        for rule, why in due_exits(policy, facts):
            if rule in _CAUSES:
                async with self._desk.turn:
                    leaving = leave_position(
                        self._broker, self._desk, contract, session.day, _words(why), _CAUSES[rule]
                    )
                    await finish(leaving)  # half-way there is neither stop nor exit
                return

    async def _hours(self, contract: Option, policy: ExitPolicy) -> Bars | None:
        """What a trail looks at; None where they cannot be had, so that the other rules are asked all the same."""
        if policy.trail_period is None:
            return None
        stock = Stock(contract.underlying, currency=contract.currency)
        try:
            return await self._feed.bars(stock, trail_bars(policy.trail_period))
        except (RequestFailed, ConnectionFailure) as error:
            self._failures.note(contract.symbol, error, "exit")
            return None

    def _policy(self, contract: Contract) -> ExitPolicy:
        known = (policy for row, policy in self._policies.items() if is_same_contract(row, contract))
        return next(known, ExitPolicy())


def _words(why: Reason) -> str:
    return f"{why.name} is {why.value:g}; held while {why.rule}"
