"""A round over all symbols, and one symbol's part of it: looked at, and journaled; its failure stays its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, Self

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, IbkeelError, RequestFailed
from ibkeel.journal import CycleDone, Look
from ibkeel.runner.config import RunnerConfig
from ibkeel.runner.crew import Crew
from ibkeel.runner.entering import Entering
from ibkeel.runner.entry import Outcome, Verdict, View

_AT_A_STRETCH: Final = 50  # visits, before others in the loop have their turn
Visit = Callable[[str], Awaitable[None]]


@attrs.frozen(kw_only=True)
class SymbolBackoff:
    """How often a symbol failed in a row, and how many cycles it still sits out.

    Args:
        threshold: Consecutive failures after which it sits out.
        skip_cycles: How many cycles.
        failures: Consecutive failures so far.
        cycles_left: Cycles still to be sat out.
    """

    threshold: int = 3
    skip_cycles: int = 2
    failures: int = 0
    cycles_left: int = 0

    def begin(self) -> tuple[Self, bool]:
        """Begin a cycle; tells whether the symbol is looked at in it."""
        if self.cycles_left == 0:
            return self, True
        return attrs.evolve(self, cycles_left=self.cycles_left - 1), False

    def failed(self) -> Self:
        """Record a cycle that ended in a data failure."""
        failures = self.failures + 1
        left = self.skip_cycles if failures >= self.threshold else 0
        return attrs.evolve(self, failures=failures, cycles_left=left)

    def succeeded(self) -> Self:
        """Record a cycle that had its data."""
        return self if self.failures == 0 else attrs.evolve(self, failures=0)


_LOG: Final = logging.getLogger("ibkeel.runner")
_SKIPPED: Final = "skipped"
_FAILED: Final = "failed"


class Visiting:
    """Looks at one symbol after another.

    Args:
        entering: Decides about a symbol, and enters it.
        crew: Those who work for the run.
        config: Which symbols, and how long one that fails sits out.
        clock: Wall time.
    """

    def __init__(self, entering: Entering, crew: Crew, config: RunnerConfig, clock: Clock) -> None:
        self._entering, self._crew, self._clock = entering, crew, clock
        backoff = SymbolBackoff(threshold=config.failures_before_skip, skip_cycles=config.skip_cycles)
        self._backoff = dict.fromkeys(config.symbols, backoff)

    async def visit(self, symbol: str, view: View) -> None:
        """Do one symbol's part of a cycle; every failure ends here, with its type."""
        time = asyncio.get_running_loop().time
        started = time()
        backoff = self._backoff[symbol]
        if backoff.cycles_left:
            self._backoff[symbol], _ = backoff.begin()
            verdict: Verdict | str = self._skip(symbol)
        else:
            verdict = await self._attempt(symbol, view)
        elapsed = time() - started
        seconds = round(elapsed, 4) if elapsed else 0.0
        self._crew.recorder.note(_record_of(symbol, view.number, verdict, self._clock.now(), seconds))

    def _skip(self, symbol: str) -> str:
        backoff = self._backoff[symbol]
        self._crew.tally.symbols[symbol].skipped += 1
        self._crew.teller.skipped(symbol, backoff.failures, backoff.cycles_left)
        return _SKIPPED

    async def _attempt(self, symbol: str, view: View) -> Verdict | str:
        tally, failures = self._crew.tally.symbols[symbol], self._crew.failures
        tally.cycles += 1
        try:
            verdict = await self._entering.consider(symbol, view)
        except (RequestFailed, ConnectionFailure) as error:
            self._backoff[symbol] = self._backoff[symbol].failed()
            failures.note(symbol, error)
        except IbkeelError as error:
            failures.note(symbol, error)
        except Exception as error:  # noqa: BLE001 - the runner's supervised loop
            # A strategy is somebody else's code: its fault must not end the other symbols' day.
            _LOG.exception("cycle failed symbol=%s", symbol)
            failures.note(symbol, error)
        else:
            if self._backoff[symbol].failures:
                self._backoff[symbol] = self._backoff[symbol].succeeded()
            tally.answers += verdict.outcome is not Outcome.WARMING_UP
            return verdict
        tally.failures += 1
        return _FAILED


def _record_of(
    symbol: str, cycle: int, verdict: Verdict | str, at: datetime, seconds: float
) -> CycleDone | Look:
    """What the journal keeps of a symbol's part of a cycle: of a quiet one everything, in one record."""
    if isinstance(verdict, str):
        return CycleDone(at=at, symbol=symbol, cycle=cycle, outcome=verdict, seconds=seconds)
    outcome, seen = verdict.outcome.value, verdict.seen
    if seen is None:
        return CycleDone(at=at, symbol=symbol, cycle=cycle, outcome=outcome, seconds=seconds)
    return Look(
        at=at,
        symbol=symbol,
        cycle=cycle,
        outcome=outcome,
        seconds=seconds,
        quote=seen.quote,
        quoted_at=seen.quoted_at,
        signal=verdict.signal,
        decided_at=seen.decided_at,
        reasons=verdict.reasons,
    )


class Round:
    """Visits symbols in their order, so many at once as it takes and is allowed.

    One worker begins. Only when it has to wait does the next one, and then the one after that: a broker
    that answers from what it has already costs no task and no turn of the loop for each symbol.

    Args:
        symbols: Tickers.
        concurrency: Most of them that are visited at the same time.
        gap: Least time from one symbol's beginning to the next one's, in seconds.
    """

    def __init__(self, symbols: Sequence[str], *, concurrency: int, gap: float) -> None:
        self._symbols, self._concurrency, self._gap = symbols, concurrency, gap

    async def go(self, visit: Visit) -> None:
        """Visit each symbol once.

        Args:
            visit: Deals with its own failures: what it raises ends the round.
        """
        left = iter(enumerate(self._symbols))
        async with asyncio.TaskGroup() as group:
            await _Shift(group, left, visit, self._concurrency, self._gap).work()


class _Shift:
    """Those who work in one round."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        left: Iterator[tuple[int, str]],
        visit: Visit,
        concurrency: int,
        gap: float,
    ) -> None:
        self._group, self._left, self._visit, self._gap = group, left, visit, gap
        self._loop = asyncio.get_running_loop()
        self._began, self._may_come = self._loop.time(), concurrency
        self._is_over = False

    async def work(self) -> None:
        """Visit what is left, until nothing is."""
        self._may_come -= 1
        called = self._loop.call_soon(self._call_another)
        try:
            for number, (position, symbol) in enumerate(self._left, start=1):
                if self._gap:
                    await asyncio.sleep(self._began + position * self._gap - self._loop.time())
                await self._visit(symbol)
                if number % _AT_A_STRETCH == 0:
                    await asyncio.sleep(0)
        finally:
            self._is_over = True
            called.cancel()

    def _call_another(self) -> None:
        """Runs only while the one who asked for it waits."""
        if self._may_come > 0 and not self._is_over:
            self._group.create_task(self.work())
