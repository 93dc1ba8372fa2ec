"""One symbol's part of a cycle: what is decided about it, journaled, and sent."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ibkeel.clock import Clock
from ibkeel.journal import Decision
from ibkeel.model import Bracket, OrderReport, Placement
from ibkeel.runner.crew import Crew
from ibkeel.runner.doorkeeper import Standing
from ibkeel.runner.entry import EntryPlanner, Outcome, Pending, Verdict, View
from ibkeel.runner.exposure import PortfolioGreeks
from ibkeel.runner.recorder import ENTRY_PATIENCE
from ibkeel.runner.schedule import Session
from ibkeel.runner.supervisor import Entered

_OLD: Final = 15.0  # seconds


class Entering:
    """Decides about symbols, one entry at a time.

    Args:
        planner: Puts the rules' verdicts together.
        crew: Those who work for the run.
        clock: Wall time.
        greeks: Knows what the portfolio amounts to.
        look: Reads the account anew, in a cycle and a session.
    """

    def __init__(
        self,
        planner: EntryPlanner,
        crew: Crew,
        clock: Clock,
        greeks: PortfolioGreeks,
        look: Callable[[int, Session], Awaitable[View]],
    ) -> None:
        self._planner, self._crew, self._clock, self._greeks = planner, crew, clock, greeks
        self._look, self._began = look, 0.0
        self._last_entry: dict[str, datetime] = {}
        self._entered: list[str] = []
        self._entering = asyncio.Lock()

    def restore(self, last_entry: Mapping[str, datetime]) -> None:
        """Take over when symbols were last entered."""
        self._last_entry.update(last_entry)

    def begin_cycle(self) -> None:
        """Forget what was entered in the cycle before."""
        self._entered.clear()
        self._began = self._clock.monotonic()
        self._greeks.begin_cycle()

    async def consider(self, symbol: str, view: View) -> Verdict:
        """Decide about a symbol, and enter it when nothing speaks against it.

        The decision is journaled, unless the verdict bears what was seen: then a look is left to be journaled.

        Raises:
            IbkeelError: Something that had to be known could not be, or the order was refused.
        """
        verdict = await self._planner.plan(
            symbol, view, lambda: self._pending(symbol), last_entry_at=self._last_entry.get(symbol)
        )
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
        is_new = not self._entered and self._clock.monotonic() - self._began <= _OLD
        if is_new or verdict.candidate is None:
            return view, verdict
        view = await self._look(view.number, view.session)
        return view, self._planner.sized(verdict.signal, verdict.candidate, view, verdict.spot)

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
        if verdict.candidate is None or verdict.candidate.quote is None or verdict.bracket is None:
            return verdict
        against = self._planner.refusals(
            symbol, view, self._pending(symbol), now=self._clock.now(), quote=verdict.candidate.quote
        )
        gates = self._crew.doorkeeper.refusals(
            verdict.bracket.entry, verdict.candidate.quote, working, standing
        )
        against = (*against, *map(str, gates), *self._leanings(view, verdict))
        if not against:
            return verdict
        return Verdict(signal=verdict.signal, outcome=Outcome.REFUSED, reasons=against)

    def _leanings(self, view: View, verdict: Verdict) -> tuple[str, ...]:
        """What the portfolio's limits say of an entry."""
        quote = verdict.candidate.quote if verdict.candidate else None
        if quote is None or verdict.bracket is None:
            return ()
        self._greeks.learn(quote, verdict.spot)
        return self._greeks.refusals(view, quote, verdict.bracket.entry.quantity)

    def _pending(self, symbol: str) -> Pending:
        return Pending(
            last_entry_at=self._last_entry.get(symbol),
            entered=tuple(self._entered),
            unknown_orders=self._crew.desk.unknown_orders,
            funds_rejected=self._crew.desk.funds_rejected,
            halted=self._crew.doorkeeper.halt.reason,
        )
