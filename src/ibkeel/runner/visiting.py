"""One symbol's part of a cycle: looked at unless it sits out, and journaled; its failure stays its own."""

import asyncio
import logging
from datetime import datetime
from typing import Final, Self

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, IbkeelError, RequestFailed
from ibkeel.journal import CycleDone, Look
from ibkeel.runner.config import RunnerConfig
from ibkeel.runner.crew import Crew
from ibkeel.runner.entering import Entering
from ibkeel.runner.entry import Verdict, View


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
