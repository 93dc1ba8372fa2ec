"""What the account shows at the start of a cycle; what cannot be read is None, and refuses."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, RequestFailed
from ibkeel.journal import LossGuardKept
from ibkeel.model import AccountValues, Broker
from ibkeel.risk import DailyLossGuard, LossVerdict
from ibkeel.runner.entry import View
from ibkeel.runner.exposure import PortfolioGreeks
from ibkeel.runner.feed import Feed
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.schedule import Session
from ibkeel.runner.telling import Teller

T = TypeVar("T")


class AccountReader:
    """Reads balances, positions and orders, and keeps the daily loss guard.

    Args:
        broker: Whom to ask.
        feed: Times the requests.
        guard: Stops entries once the day's loss reaches its limit.
        recorder: Told of each change of the guard, for a run that starts later.
        clock: Stamps these.
        failed: Told of each reading that failed.
        teller: Told of what was read.
        greeks: Knows the sensitivities of what is held.
    """

    def __init__(
        self,
        broker: Broker,
        feed: Feed,
        guard: DailyLossGuard,
        recorder: Recorder,
        clock: Clock,
        failed: Callable[[str, Exception], None],
        teller: Teller,
        greeks: PortfolioGreeks,
    ) -> None:
        self._broker, self._feed, self._guard, self._failed = broker, feed, guard, failed
        self._recorder, self._clock, self._teller, self._greeks = recorder, clock, teller, greeks

    def restore(self, guard: DailyLossGuard) -> None:
        """Take over the guard of an earlier run, with the limit of this one."""
        self._guard = attrs.evolve(guard, limit=self._guard.limit)

    def use(self, *, max_daily_loss: float) -> None:
        """Another limit of the daily loss from now on; once reached, it stays so for the session."""
        self._guard = attrs.evolve(self._guard, limit=max_daily_loss)

    async def view(self, number: int, session: Session) -> View:
        """Everything that a cycle needs to know before it looks at a symbol."""
        account = await self._read("account", self._broker.account())
        positions = await self._read("positions", self._broker.positions())
        open_orders = await self._read("open_orders", self._broker.open_orders())
        exposure = self._greeks.of(positions, account.currency if account else None)
        self._teller.saw_account(account, positions, open_orders, exposure)
        loss = self._observe(session, account)
        return View(
            number=number,
            session=session,
            account=account,
            loss=loss,
            positions=positions,
            open_orders=open_orders,
        )

    def _observe(self, session: Session, account: AccountValues | None) -> LossVerdict:
        guard, loss = self._guard.observe(session.day, account.net_liquidation if account else None)
        if guard is not self._guard and guard != self._guard:
            self._recorder.keep(LossGuardKept(at=self._clock.now(), guard=guard))
        self._guard = guard
        self._teller.saw_loss(loss, limit=guard.limit, tripped=guard.tripped)
        return loss

    async def _read(self, kind: str, answer: Awaitable[T]) -> T | None:
        try:
            return await self._feed.timed(kind, answer)
        except (RequestFailed, ConnectionFailure) as error:
            self._failed(kind, error)
            return None
