"""Ends positions while a session goes on: when their trail breaks, or their expiry is too near.

Stop and take profit are orders at the venue, so they are not looked at here.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError
from ibkeel.model import Bars, Contract, Direction, ExitPolicy, Option, Position, Reason, Signal, Stock
from ibkeel.orders import ExitCause, is_same_contract
from ibkeel.runner.config import EndOfDay
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.failures import Failures
from ibkeel.runner.feed import Feed
from ibkeel.runner.flatten import OrdersAndAccount, leave_position
from ibkeel.runner.schedule import Session
from ibkeel.strategy import TRAIL_BARS, ExitRule, PositionFacts, due_exits

_CAUSES: Final = MappingProxyType({ExitRule.TRAIL: ExitCause.TRAIL, ExitRule.EXPIRY: ExitCause.EXPIRY})
_LEAST: Final = 0.01  # stands for a price that is not known: no rule that is asked here looks at it


class Leaving:
    """Knows why each position was entered, and ends it when its own rules say so.

    Args:
        broker: Where it is done.
        desk: Knows our orders; the door by which the exits leave.
        feed: Where the hourly bars come from.
        failures: Told of what did not succeed; it is tried again in the next cycle.
        clock: Wall time.
        end_of_day: What happens to positions whose strategy leaves it open.
    """

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
        """Whether a position is to end with the session."""
        return self._end_of_day.ends(self._policy(contract))

    async def look(self, positions: Iterable[Position], session: Session, ends_at: datetime) -> None:
        """End what is due.

        Args:
            positions: What the account holds; what no order of ours was sent for is left alone.
            session: The session that is traded.
            ends_at: When positions that end with it begin to leave.
        """
        ours = self._desk.contracts
        for position in positions:
            if not any(is_same_contract(position.contract, known) for known in ours):
                continue
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
                    await leave_position(
                        self._broker, self._desk, contract, session.day, _words(why), _CAUSES[rule]
                    )
                return

    async def _hours(self, contract: Option, policy: ExitPolicy) -> Bars | None:
        if policy.trail_period is None:
            return None
        return await self._feed.bars(Stock(contract.underlying, currency=contract.currency), TRAIL_BARS)

    def _policy(self, contract: Contract) -> ExitPolicy:
        known = (policy for row, policy in self._policies.items() if is_same_contract(row, contract))
        return next(known, ExitPolicy())


def _words(why: Reason) -> str:
    return f"{why.name} is {why.value:g}; held while {why.rule}"
