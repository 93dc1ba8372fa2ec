"""What the account shows at the start of a cycle; what cannot be read is None, and refuses."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from hashlib import blake2s
from typing import TypeVar

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, RequestFailed
from ibkeel.journal import LossGuardKept
from ibkeel.model import AccountValues, Broker, OrderReport, Position, mask_account
from ibkeel.risk import DailyLossGuard, LossVerdict
from ibkeel.runner.entry import View
from ibkeel.runner.exposure import PortfolioGreeks
from ibkeel.runner.feed import Feed
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.schedule import Session
from ibkeel.runner.telling import Teller

T = TypeVar("T")
Listed = tuple[tuple[Position, ...] | None, tuple[OrderReport, ...] | None]


class AccountReader:
    """Reads balances, positions and orders, and keeps the daily loss guard.

    The guard stops entries at a loss of `max_daily_loss`, a part of the session's first equity, counted for each
    account; each change of it is recorded, for a run that starts later.
    """

    def __init__(
        self,
        broker: Broker,
        feed: Feed,
        max_daily_loss: float,
        recorder: Recorder,
        clock: Clock,
        failed: Callable[[str, Exception], None],
        teller: Teller,
        greeks: PortfolioGreeks,
    ) -> None:
        self._broker, self._feed, self._failed = broker, feed, failed
        self._limit, self._owner = max_daily_loss, ""
        self._guards: dict[str, DailyLossGuard] = {}
        self._recorder, self._clock, self._teller, self._greeks = recorder, clock, teller, greeks

    def restore(self, guards: Iterable[DailyLossGuard]) -> None:
        """Take over the guards of earlier runs, with the limit of this one."""
        self._guards.update((guard.owner, guard) for guard in guards)

    def use(self, *, max_daily_loss: float) -> None:
        """Another limit of the daily loss from now on; once reached, it stays so for the session."""
        self._limit = max_daily_loss

    async def listed(self) -> Listed:
        """Positions and orders at work: all that exits look at."""
        return await asyncio.gather(
            self._read("positions", self._broker.positions()),
            self._read("open_orders", self._broker.all_open_orders()),
        )

    async def view(self, number: int, session: Session, listed: Listed | None = None) -> View:
        """Everything that a cycle needs to know before it looks at a symbol; what was `listed` is not asked again."""
        positions, working = listed or await self.listed()
        account = await self._read("account", self._broker.account())
        exposure = self._greeks.of(positions, account.currency if account else None)
        # What others hold is protected by orders of theirs; of orders, ours alone count against an entry elsewhere.
        self._teller.saw_account(account, positions, working, exposure)
        ours = self._broker.client_id
        open_orders = None if working is None else tuple(row for row in working if row.client_id == ours)
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
        if account is not None:
            self._owner = _mark(account.account)
        # Where whose it was is not known, it counts for any: a limit that was reached may not be forgotten.
        known = self._guards.get(self._owner) or self._guards.get("") or DailyLossGuard()
        before = attrs.evolve(known, limit=self._limit, owner=self._owner)
        guard, loss = before.observe(session.day, account.net_liquidation if account else None)
        if guard != before:
            self._recorder.keep(LossGuardKept(at=self._clock.now(), guard=guard))
        self._guards[self._owner] = guard
        self._teller.saw_loss(loss, limit=guard.limit, tripped=guard.tripped)
        return loss

    async def _read(self, kind: str, answer: Awaitable[T]) -> T | None:
        try:
            return await self._feed.timed(kind, answer)
        except (RequestFailed, ConnectionFailure) as error:
            self._failed(kind, error)
            return None


def _mark(account: str) -> str:
    """Names no account, and tells paper from live trading always, two alike but for one pair in thousands."""
    return f"{mask_account(account)} {blake2s(account.encode(), digest_size=1).hexdigest()}"
