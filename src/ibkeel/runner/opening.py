"""What a cycle begins with: what the account shows, and before the first one what the strategy needs of each symbol."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from hashlib import blake2s
from typing import Final, TypeVar

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, PacingExceeded, RequestFailed
from ibkeel.journal import LossGuardKept
from ibkeel.model import AccountValues, Broker, OrderReport, Position, mask_account
from ibkeel.risk import DailyLossGuard, LossVerdict
from ibkeel.runner.config import RunnerConfig
from ibkeel.runner.entry import View, needs_of
from ibkeel.runner.exposure import PortfolioGreeks
from ibkeel.runner.feed import Feed
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.schedule import Session
from ibkeel.runner.tally import Failures, Progress
from ibkeel.runner.telling import Teller
from ibkeel.runner.visiting import Round
from ibkeel.strategy import Needs, Strategy, warming_up

_LOG: Final = logging.getLogger("ibkeel.runner")
_AGAIN: Final = 30.0  # seconds, after a limit held back a request for longer than the broker is patient
T = TypeVar("T")
Listed = tuple[tuple[Position, ...] | None, tuple[OrderReport, ...] | None]


class AccountReader:
    """Reads balances, positions and orders, and keeps the daily loss guard; what cannot be read is None, and refuses.

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


class WarmUp:
    """Finds out, symbol by symbol, whether the first cycle will have what the strategy needs.

    Bars and chains are asked for, in the order and as many at a time as in a cycle; quotes are not, for one that
    is a minute old is good for nothing. A symbol that fails fails alone, and is looked at in the first cycle all
    the same. A request that a limit of the Gateway holds back is made again once it may be.
    """

    def __init__(
        self,
        feed: Feed,
        failures: Failures,
        teller: Teller,
        config: RunnerConfig,
        strategy: Strategy,
        clock: Clock,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._feed, self._failures, self._teller = feed, failures, teller
        self._config, self._strategy, self._clock, self._progress = config, strategy, clock, progress
        self._round = Round(config.symbols, concurrency=config.concurrency, gap=config.symbol_gap)
        self._done = 0

    async def run(self, session: Session, until: datetime, cycles: int = 0) -> None:
        """Warm up before a session; what is not there when the first cycle is due is left to the cycles."""
        seconds = (until - self._clock.now()).total_seconds()
        try:
            needs = needs_of(self._strategy)
        except Exception as error:  # noqa: BLE001 - the cycles ask again, and say so of each symbol
            self._failures.note("", error, "warm_up")
            return
        if not self._config.warm_up or seconds <= 0 or not (needs.bars or needs.chain):
            return
        self._done = 0
        try:
            async with asyncio.timeout(seconds):
                await self._round.go(lambda symbol: self._visit(symbol, needs, session, cycles))
        except TimeoutError:
            _LOG.warning("warm-up cut short done=%d of=%d", self._done, len(self._config.symbols))

    async def _visit(self, symbol: str, needs: Needs, session: Session, cycles: int) -> None:
        try:
            is_ready, detail = await self._patiently(symbol, needs)
        except Exception as error:  # noqa: BLE001 - as in the runner's cycle: one symbol's fault stays its own
            self._failures.note(symbol, error, "warm_up")
            is_ready, detail = False, f"{type(error).__name__}: {error}"
        self._done += 1
        of = len(self._config.symbols)
        self._teller.warmed(symbol, detail, self._done, of, is_ready=is_ready)
        if self._progress is not None:
            now = self._clock.now()
            self._progress(Progress(now=now, session=session, cycles=cycles, warmed=self._done, symbols=of))

    async def _patiently(self, symbol: str, needs: Needs) -> tuple[bool, str]:
        while True:
            try:
                return await self._ask(symbol, needs)
            except PacingExceeded:
                await asyncio.sleep(_AGAIN)

    async def _ask(self, symbol: str, needs: Needs) -> tuple[bool, str]:
        stock = self._feed.stock(symbol)
        bars = {spec: await self._feed.bars(stock, spec) for spec in needs.bars}
        found = [f"{len(rows)} bars of {spec.size}" for spec, rows in bars.items()]
        if needs.chain:
            await self._feed.chain(symbol)
            found.append("the option chain")
        waits = warming_up(needs, bars)
        if waits is not None:
            return False, "; ".join(reason.rule for reason in waits.reasons)
        return True, ", ".join(found)
