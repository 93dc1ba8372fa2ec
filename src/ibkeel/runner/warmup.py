"""Before the first cycle of a session: what the strategy needs of each symbol is asked for once."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from ibkeel.clock import Clock
from ibkeel.errors import PacingExceeded
from ibkeel.runner.config import RunnerConfig
from ibkeel.runner.entry import needs_of
from ibkeel.runner.feed import Feed
from ibkeel.runner.schedule import Session
from ibkeel.runner.tally import Failures, Progress
from ibkeel.runner.telling import Teller
from ibkeel.runner.visiting import Round
from ibkeel.strategy import Needs, Strategy, warming_up

_LOG: Final = logging.getLogger("ibkeel.runner")
_AGAIN: Final = 30.0  # seconds, after a limit held back a request for longer than the broker is patient


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
