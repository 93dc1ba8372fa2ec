"""A round over all symbols, and one symbol's part of it: decided, journaled, and sent; its failure stays its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Self

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError, RequestFailed
from ibkeel.journal import CycleDone, Decision, Look
from ibkeel.model import Bracket, OrderReport, Placement
from ibkeel.runner.config import RunnerConfig
from ibkeel.runner.crew import Crew
from ibkeel.runner.doorkeeper import Standing
from ibkeel.runner.entry import EntryPlanner, Outcome, Pending, Verdict, View
from ibkeel.runner.exposure import PortfolioGreeks
from ibkeel.runner.recorder import ENTRY_PATIENCE
from ibkeel.runner.schedule import Session
from ibkeel.runner.supervisor import Entered

_AT_A_STRETCH: Final = 50  # visits, before others in the loop have their turn
Visit = Callable[[str], Awaitable[None]]


@attrs.frozen(kw_only=True)
class SymbolBackoff:
    """How often a symbol failed in a row, and how many cycles it still sits out, once it failed `threshold` times."""

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
_OLD: Final = 15.0  # seconds, after which the account is read anew before an entry
_TOO_OLD: Final = 120.0  # seconds, after which nothing is entered on what was seen


class Entering:
    """Decides about symbols, one entry at a time."""

    def __init__(
        self,
        planner: EntryPlanner,
        crew: Crew,
        clock: Clock,
        greeks: PortfolioGreeks,
        look: Callable[[int, Session], Awaitable[View]],
    ) -> None:
        self._planner, self._crew, self._clock, self._greeks = planner, crew, clock, greeks
        self._look, self._began_at = look, clock.now()
        self._last_entry: dict[str, datetime] = {}
        self._entered: list[str] = []
        self._entering = asyncio.Lock()

    def restore(self, last_entry: Mapping[str, datetime]) -> None:
        """Take over when symbols were last entered."""
        self._last_entry.update(last_entry)

    def begin_cycle(self) -> None:
        """Forget what was entered in the cycle before."""
        self._entered.clear()
        self._began_at = self._clock.now()
        self._greeks.begin_cycle()

    async def consider(self, symbol: str, view: View) -> Verdict:
        """Decide about a symbol, and enter it when nothing speaks against it.

        The decision is journaled, unless the verdict bears what was seen: then a look is left to be journaled.

        Raises:
            IbkeelError: Something that had to be known could not be, or the order was refused.
        """
        began_at = self._clock.now()
        verdict = await self._planner.plan(
            symbol, view, lambda: self._pending(symbol), last_entry_at=self._last_entry.get(symbol)
        )
        if verdict.bracket is not None and (took := self._since(began_at)) > _TOO_OLD:
            why = f"it took {took:.0f} s to decide"
            verdict = Verdict(signal=verdict.signal, outcome=Outcome.REFUSED, reasons=(why,))
        if verdict.signal.is_entry:
            self._crew.tally.symbols[symbol].signals += 1
        if verdict.bracket is not None:
            async with self._entering:
                view, verdict = await self._afresh(view, verdict)
                if verdict.bracket is not None:
                    return await self._attempt(symbol, view, verdict, verdict.bracket)
        if verdict.seen is None:
            self._crew.recorder.note(self._decision(symbol, verdict))
        self._crew.teller.decided(symbol, view.number, verdict)
        return verdict

    async def _afresh(self, view: View, verdict: Verdict) -> tuple[View, Verdict]:
        """The account as it is now, and the size for it: a long cycle began with another, or an entry took of it."""
        is_new = not self._entered and self._since(self._began_at) <= _OLD
        if is_new or verdict.candidate is None:
            return view, verdict
        view = await self._look(view.number, view.session)
        return view, self._planner.sized(verdict.signal, verdict.candidate, view, verdict.spot)

    def _since(self, instant: datetime) -> float:
        """Seconds by wall time, which alone goes on while the machine sleeps."""
        return abs((self._clock.now() - instant).total_seconds())

    async def _attempt(self, symbol: str, view: View, verdict: Verdict, bracket: Bracket) -> Verdict:
        standing = await self._crew.lookout.standing(bracket.entry, view.session)
        working = await self._crew.lookout.working() if standing.is_well else ()
        verdict = self._checked_again(symbol, view, verdict, standing, working)
        await self._crew.recorder.record(self._decision(symbol, verdict), ENTRY_PATIENCE)
        signal_id = self._crew.teller.decided(symbol, view.number, verdict)
        if verdict.bracket is not None:
            placing = self._place(symbol, view, verdict, standing, working, signal_id)
            await self._enter(symbol, verdict, placing)
        return verdict

    def _decision(self, symbol: str, verdict: Verdict) -> Decision:
        return Decision(
            at=self._clock.now(),
            symbol=symbol,
            signal=verdict.signal,
            outcome=verdict.outcome.value,
            reasons=verdict.reasons,
        )

    async def _enter(self, symbol: str, verdict: Verdict, placing: Coroutine[Any, Any, Placement]) -> None:
        """Place an entry; when the cycle is ended meanwhile, the venue's answer is still heard."""
        task = asyncio.create_task(placing)
        self._entered.append(symbol)
        if verdict.bracket is not None and verdict.candidate is not None:
            self._greeks.entered(verdict.candidate.option, verdict.bracket.entry.quantity)
        self._last_entry[symbol] = self._clock.now()
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._entered_late)
            raise

    async def _place(
        self,
        symbol: str,
        view: View,
        verdict: Verdict,
        standing: Standing,
        working: Sequence[OrderReport],
        signal_id: str,
    ) -> Placement:
        bracket, signal, day = verdict.bracket, verdict.signal, view.session.day
        assert bracket is not None
        self._crew.leaving.mind(bracket.entry.contract, signal)
        placed = await self._crew.desk.enter(
            symbol,
            bracket,
            signal,
            day,
            "; ".join(verdict.reasons),
            quote=verdict.candidate.quote if verdict.candidate else None,
            open_orders=working,
            standing=standing,
            signal_id=signal_id,
            ends_at=self._crew.supervisor.ends_at,
        )
        self._crew.supervisor.mind(
            placed, Entered(symbol=symbol, bracket=bracket, signal=signal, session=day)
        )
        return placed

    def _entered_late(self, task: asyncio.Task[Placement]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._crew.failures.note("", error, "place")

    def _checked_again(
        self, symbol: str, view: View, verdict: Verdict, standing: Standing, working: Sequence[OrderReport]
    ) -> Verdict:
        """The gate once more, on the option's own quote and with what other symbols did meanwhile."""
        quote = verdict.candidate.quote if verdict.candidate else None
        if quote is None or verdict.bracket is None:
            return verdict
        entry, pending = verdict.bracket.entry, self._pending(symbol)
        self._greeks.learn(quote, verdict.spot)
        if view.open_orders is not None:
            here = (row for row in working if row.contract.symbol == symbol)  # other clients' too
            view = attrs.evolve(view, open_orders=(*view.open_orders, *here))
        against = (
            *self._planner.refusals(symbol, view, pending, now=self._clock.now(), quote=quote),
            *map(str, self._crew.doorkeeper.refusals(entry, quote, working, standing)),
            *self._greeks.refusals(view, quote, entry.quantity),
        )
        return (
            Verdict(signal=verdict.signal, outcome=Outcome.REFUSED, reasons=against) if against else verdict
        )

    def _pending(self, symbol: str) -> Pending:
        return Pending(
            last_entry_at=self._last_entry.get(symbol),
            entered=tuple(self._entered),
            unknown_orders=self._crew.desk.unknown_orders,
            funds_rejected=self._crew.desk.funds_rejected,
            halted=self._crew.doorkeeper.halt.reason,
        )


class Visiting:
    """Looks at one symbol after another."""

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
        except RequestFailed as error:
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
    """Visits symbols in their order, so many at once as it takes and is allowed, `gap` seconds apart or more.

    One worker begins. Only when it has to wait does the next one, and then the one after that: a broker
    that answers from what it has already costs no task and no turn of the loop for each symbol.
    """

    def __init__(self, symbols: Sequence[str], *, concurrency: int, gap: float) -> None:
        self._symbols, self._concurrency, self._gap = symbols, concurrency, gap

    async def go(self, visit: Visit) -> None:
        """Visit each symbol once; what a visit raises ends the round."""
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
