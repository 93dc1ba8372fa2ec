"""The end of a session, when positions are closed until none is left or the market is; and what a run leaves open."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, IbkeelError, RequestFailed, UnreadableRecord
from ibkeel.guards import finish
from ibkeel.journal import Failure, Journal, RunEnded, RunStarted
from ibkeel.model import (
    Bars,
    Contract,
    Direction,
    ExitPolicy,
    Option,
    OrderReport,
    OrderState,
    Position,
    Reason,
    Signal,
    Stock,
)
from ibkeel.orders import ExitCause, StopUnit, is_same_contract, is_stop, stops_at_work, venue_day
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
_LOG: Final = logging.getLogger("ibkeel.runner")
_PATIENCE: Final = 5.0  # seconds: whoever stops a bot does not wait for a Gateway that is gone
_CAUSES: Final = MappingProxyType({ExitRule.TRAIL: ExitCause.TRAIL, ExitRule.EXPIRY: ExitCause.EXPIRY})
_LEAST: Final = 0.01  # stands for a price that is not known: no rule that is asked here looks at it
_STATES: Final = {
    OrderState.ACKNOWLEDGED: "working",
    OrderState.WORKING: "working",
    OrderState.PARTIALLY_FILLED: "working",
    OrderState.CANCELLING: "being cancelled",
}
_HELD_UNTIL: Final = {"DAY": "good for the day only", "GTC": "good until cancelled"}


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
        today = venue_day(self._clock.now())
        is_last_day = isinstance(contract, Option) and contract.expiry == today
        return is_last_day or self._end_of_day.ends(self._policy(contract))

    async def look(self, positions: Iterable[Position], session: Session, ends_at: datetime) -> None:
        """End what is due; positions that no order of ours opened, or that we have left, are left alone.

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


@attrs.frozen(kw_only=True)
class LeftOpen:
    """Positions that a bot may have opened, and the bot's orders that have not ended, those of unknown fate included."""

    positions: tuple[Position, ...] = ()
    orders: tuple[OrderReport, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """One for each position with the stop that works for it, and one for each other order."""
        behind = [stops_at_work(held, self.orders) for held in self.positions]
        held = [_held(position, own) for position, own in zip(self.positions, behind, strict=True)]
        told = {row.order_id for own in behind for unit in own for row in unit.orders}
        rest = [_order(row, self.orders) for row in self.orders if row.order_id not in told]
        return (*held, *rest) or ("no position that the bot may have opened, and no order of it",)


def _held(position: Position, stops: Sequence[StopUnit]) -> str:
    what = f"{position.signed_quantity:+g} {position.contract}"
    if not stops:
        return f"{what}, WITHOUT A STOP at the venue"
    lacking = abs(position.signed_quantity) - sum(unit.size for unit in stops)
    short = f"; NO STOP for {lacking:g} of it" if lacking > 0 else ""
    return f"{what}, behind " + " and ".join(map(_stop, stops)) + short


def _stop(unit: StopUnit) -> str:
    until = ((row.stop_price, _HELD_UNTIL.get(row.tif, row.tif)) for row in unit.orders)
    return " or ".join(f"a stop at {price} for {unit.size}, {words}" for price, words in until)


def _order(order: OrderReport, orders: Iterable[OrderReport]) -> str:
    price = order.stop_price if is_stop(order) else order.limit_price
    what = f"{order.side} {order.remaining:g} {order.contract} {order.order_type}"
    state = _STATES.get(order.state, "fate unknown")
    if state == "working":
        parents = (
            row for row in orders if (row.client_id, row.order_id) == (order.client_id, order.parent_id)
        )
        waits = any(not (row.filled or row.state.is_final) for row in parents)
        state = f"{'waits for its entry' if waits else state}, {order.tif}"
    return f"{what} {price if price is not None else ''}".rstrip() + f" ({order.client_order_id}), {state}"


class Handover:
    """Reads what is open and tells it: to a person, to the log, and for the journal."""

    def __init__(
        self, broker: OrdersAndAccount, desk: OrderDesk, announce: Callable[[str], None] | None
    ) -> None:
        self._broker, self._desk = broker, desk
        self._announce = announce or (lambda _: None)
        self._killed = ""
        self._unread: tuple[str, ...] = ()

    def look_back(self, journal: Journal, unread: Iterable[str] = ()) -> None:
        """Note whether the run before ended in order, before another is recorded; unread records are told as sentences."""
        self._unread = tuple(unread)
        try:
            began, ended = journal.last(RunStarted), journal.last(RunEnded)
        except UnreadableRecord as error:
            self._unread = tuple(dict.fromkeys((*self._unread, str(error))))
            return
        if began is None or (ended is not None and ended.seq > began.seq):
            return
        self._killed = began.record.run

    async def begin(self) -> None:
        """Say what an earlier run left; nothing when there was none that traded."""
        for words in self._unread:
            self._say(f"not taken over: {words}")
        if self._killed:
            self._say(f"the run {self._killed} did not end in order: it was killed, or the power went")
        if self._desk.contracts:
            for words in await self._read():
                self._say(f"taken over: {words}")

    async def end(self) -> str:
        """Say what this run leaves; the same in one line for the journal."""
        if not self._desk.contracts:
            return ""
        found = await self._read()
        for words in found:
            self._say(f"left open: {words}")
        return "; ".join(found)

    def _say(self, line: str) -> None:
        _LOG.warning("%s", line)
        self._announce(line)

    async def _read(self) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(_PATIENCE):
                positions = await self._broker.positions()
                orders = await self._broker.all_open_orders()
        except (IbkeelError, TimeoutError) as error:
            cause = str(error) or f"no answer within {_PATIENCE:g} s"
            unread = f"it could not be read ({type(error).__name__}: {cause}); look in TWS or Client Portal"
            last = (f"{name}, {row.contract}, last known as {row.state}" for name, row in self._desk.alive)
            return (unread, *last)
        return LeftOpen(
            positions=tuple(filter(self._desk.may_own, positions)),
            orders=tuple(row for row in orders if self._desk.owns(row)),
        ).sentences()
