"""The runner: waits for the session, looks at each symbol in each cycle, and closes before the end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, IbkeelError, RequestFailed, SafetyRefused
from ibkeel.journal import CycleDone, Decision, Failure, Journal, RunEnded, RunStarted
from ibkeel.model import Broker
from ibkeel.risk import DailyLossGuard
from ibkeel.runner.backoff import SymbolBackoff
from ibkeel.runner.config import EndOfDay, RiskConfig, RunnerConfig
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.entry import EntryPlanner, Outcome, Pending, Verdict, View
from ibkeel.runner.feed import Feed
from ibkeel.runner.flatten import flatten, held_of
from ibkeel.runner.schedule import (
    ExchangeCalendar,
    LiquidHours,
    Session,
    SessionCalendar,
    next_cycle,
    session_now,
)
from ibkeel.runner.state import AccountReader
from ibkeel.runner.tally import ErrorSeen, Held, RunReport, Tally
from ibkeel.runner.watch import Watch
from ibkeel.strategy import Strategy
from ibkeel.system import SystemClock
from ibkeel.telemetry import CycleEnded, NullObserver, Observer, SymbolFailed, SymbolSkipped, redact

__all__ = ["Progress", "Runner"]

_LOG: Final = logging.getLogger("ibkeel.runner")
_EARLY: Final = timedelta(minutes=1)  # before the open, to read the contract's own hours
_SKIPPED: Final = "skipped"
_FAILED: Final = "failed"


@attrs.frozen(kw_only=True)
class Progress:
    """How far a session is.

    Args:
        now: The present instant.
        session: The session that is traded.
        cycles: Cycles done in the run.
    """

    now: datetime
    session: Session
    cycles: int


class Runner:
    """Runs one strategy over its symbols, session after session.

    One symbol's failure never ends another's cycle: it is journaled with its type, and a symbol
    that keeps failing sits out some cycles. Positions are protected by their bracket at the venue
    and closed before the close, unless the configuration holds them.

    Args:
        broker: Connected; in dry run its orders stay intents.
        strategy: Decides.
        config: When and what.
        journal: Told of everything, before it is done.
        risk: How much.
        calendar: Trading days; by default those of the New York Stock Exchange.
        clock: Wall time; by default the machine's.
        observer: Told what happens.
        progress: Called after each cycle.
        mode: Named in the journal, such as `DRY_RUN`.
        run: Name of the run, letters and digits; by default counted from the journal.
    """

    def __init__(
        self,
        broker: Broker,
        strategy: Strategy,
        config: RunnerConfig,
        journal: Journal,
        *,
        risk: RiskConfig | None = None,
        calendar: SessionCalendar | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
        progress: Callable[[Progress], None] | None = None,
        mode: str = "DRY_RUN",
        run: str | None = None,
    ) -> None:
        risk = risk or RiskConfig()
        self._broker, self._strategy, self._config, self._journal = broker, strategy, config, journal
        self._clock, self._observer = clock or SystemClock(), observer or NullObserver()
        self._calendar, self._progress, self._mode = calendar, progress, mode
        self._run = run or f"r{journal.count(RunStarted) + 1}"
        self._tally = Tally(self._run, config.symbols)
        self._feed = Feed(broker, journal, self._tally, self._clock)
        self._desk = OrderDesk(
            broker, self._feed, journal, self._tally, self._clock, self._observer, self._run
        )
        self._watch = Watch(broker, self._desk, journal, self._tally, self._clock, self._observer)
        self._planner = EntryPlanner(self._feed, strategy, config, risk)
        guard = DailyLossGuard(limit=risk.max_daily_loss)
        self._account = AccountReader(
            broker, self._feed, guard, lambda kind, error: self._fail("", error, kind)
        )
        backoff = SymbolBackoff(threshold=config.failures_before_skip, skip_cycles=config.skip_cycles)
        self._backoff = dict.fromkeys(config.symbols, backoff)
        self._last_entry: dict[str, datetime] = {}
        self._entered: list[str] = []
        self._entering = asyncio.Lock()

    async def run(self, *, sessions: int | None = None) -> RunReport:
        """Trade.

        Args:
            sessions: How many, the one that is open included; None never ends by itself.

        Returns:
            What was done; `report` gives the same at any time.
        """
        calendar = self._calendar or ExchangeCalendar(start=self._clock.now().date() - timedelta(days=7))
        session = session_now(calendar, self._clock.now())
        self._journal.record(
            RunStarted(
                at=self._clock.now(),
                run=self._run,
                session=session.day,
                mode=self._mode,
                strategy=self._strategy.name,
                symbols=self._config.symbols,
            )
        )
        outcome, done = "interrupted", 0
        try:
            async with self._watching():
                while sessions is None or done < sessions:
                    done += await self._trade(session_now(calendar, self._clock.now()))
            outcome = "finished"
        finally:
            self._journal.record(RunEnded(at=self._clock.now(), run=self._run, outcome=outcome))
        return self.report()

    def report(self) -> RunReport:
        """What was done so far."""
        return self._tally.report()

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        """The watch runs beside the body; whatever ends the body ends it."""
        task = asyncio.create_task(self._watch.run(), name="order events")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _trade(self, listed: Session) -> bool:
        """Trade one session; False when the contract's own hours say that there is none."""
        await self._wait_until(listed.opens_at - _EARLY)
        session = await self._own_hours(listed)
        if session is None:
            await self._wait_until(listed.closes_at)
            return False
        await self._wait_until(session.opens_at)
        self._feed.begin_session()
        self._desk.funds_rejected = False
        stop = session.closes_at - timedelta(seconds=self._config.flatten_before_close)
        while due := next_cycle(session, interval=self._config.interval, now=self._clock.now(), stop=stop):
            await self._wait_until(due)
            await self._cycle(session)
        await self._wait_until(stop)
        await self._close(session)
        await self._wait_until(session.closes_at)
        return True

    async def _own_hours(self, listed: Session) -> Session | None:
        """The session as the first symbol's own liquid hours have it: they win over the calendar."""
        try:
            details = await self._feed.definition(self._config.symbols[0])
        except (RequestFailed, ConnectionFailure) as error:
            self._fail(self._config.symbols[0], error, "qualify")
            return listed
        hours = LiquidHours(details.liquid_hours)
        return hours.session(listed.day) if hours.covers(listed.day) else listed

    async def _wait_until(self, instant: datetime) -> None:
        wait = (instant - self._clock.now()).total_seconds()
        if wait > 0:
            await asyncio.sleep(wait)

    async def _cycle(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        started, failures = loop.time(), len(self._tally.errors)
        self._tally.cycles += 1
        self._entered.clear()
        view = await self._account.view(self._tally.cycles, session)
        await self._drop_stale_entries(view)
        gate = asyncio.Semaphore(self._config.concurrency)
        async with asyncio.TaskGroup() as group:
            for position, symbol in enumerate(self._config.symbols):
                group.create_task(self._visit(symbol, view, gate, position * self._config.symbol_gap))
        self._observer.on_event(
            CycleEnded(
                at=self._clock.now(),
                number=self._tally.cycles,
                seconds=loop.time() - started,
                failures=len(self._tally.errors) - failures,
            )
        )
        if self._progress is not None:
            self._progress(Progress(now=self._clock.now(), session=session, cycles=self._tally.cycles))

    async def _visit(self, symbol: str, view: View, gate: asyncio.Semaphore, delay: float) -> None:
        await asyncio.sleep(delay)
        async with gate:
            loop = asyncio.get_running_loop()
            started = loop.time()
            self._backoff[symbol], is_due = self._backoff[symbol].begin()
            outcome = await self._attempt(symbol, view) if is_due else self._skip(symbol)
            self._journal.record(
                CycleDone(
                    at=self._clock.now(),
                    symbol=symbol,
                    cycle=view.number,
                    outcome=outcome,
                    seconds=round(loop.time() - started, 4),
                )
            )

    def _skip(self, symbol: str) -> str:
        backoff = self._backoff[symbol]
        self._tally.symbols[symbol].skipped += 1
        self._observer.on_event(
            SymbolSkipped(
                at=self._clock.now(),
                symbol=symbol,
                failures=backoff.failures,
                cycles_left=backoff.cycles_left,
            )
        )
        return _SKIPPED

    async def _attempt(self, symbol: str, view: View) -> str:
        """One symbol's part of a cycle; every failure ends here, with its type."""
        tally = self._tally.symbols[symbol]
        tally.cycles += 1
        try:
            verdict = await self._consider(symbol, view)
        except (RequestFailed, ConnectionFailure) as error:
            self._backoff[symbol] = self._backoff[symbol].failed()
            self._fail(symbol, error)
        except IbkeelError as error:
            self._fail(symbol, error)
        except Exception as error:  # noqa: BLE001 - the runner's supervised loop
            # A strategy is somebody else's code: its fault must not end the other symbols' day.
            _LOG.exception("cycle failed symbol=%s", symbol)
            self._fail(symbol, error)
        else:
            self._backoff[symbol] = self._backoff[symbol].succeeded()
            return verdict.outcome.value
        tally.failures += 1
        return _FAILED

    async def _consider(self, symbol: str, view: View) -> Verdict:
        verdict = await self._planner.plan(symbol, view, self._pending(symbol))
        if verdict.signal.is_entry:
            self._tally.symbols[symbol].signals += 1
        async with self._entering:
            verdict = self._checked_again(symbol, view, verdict)
            self._journal.record(
                Decision(
                    at=self._clock.now(),
                    symbol=symbol,
                    signal=verdict.signal,
                    outcome=verdict.outcome.value,
                    reasons=verdict.reasons,
                )
            )
            if verdict.bracket is not None:
                self._entered.append(symbol)
                self._last_entry[symbol] = self._clock.now()
                await self._desk.enter(
                    symbol, verdict.bracket, verdict.signal, view.session.day, "; ".join(verdict.reasons)
                )
        return verdict

    def _checked_again(self, symbol: str, view: View, verdict: Verdict) -> Verdict:
        """The gate once more, on the option's own quote and with what other symbols did meanwhile."""
        if verdict.candidate is None or verdict.candidate.quote is None or verdict.bracket is None:
            return verdict
        against = self._planner.refusals(
            symbol, view, self._pending(symbol), now=self._clock.now(), quote=verdict.candidate.quote
        )
        if not against:
            return verdict
        return Verdict(signal=verdict.signal, outcome=Outcome.REFUSED, reasons=against)

    def _pending(self, symbol: str) -> Pending:
        return Pending(
            last_entry_at=self._last_entry.get(symbol),
            entered=tuple(self._entered),
            unknown_orders=self._desk.unknown_orders,
            funds_rejected=self._desk.funds_rejected,
        )

    async def _drop_stale_entries(self, view: View) -> None:
        """Cancel entries that wait for a fill that no longer comes: their quote has moved on."""
        oldest = self._clock.now() - timedelta(seconds=self._config.entry_lifetime)
        for report in view.open_orders or ():
            name = report.client_order_id
            placed_at = self._desk.placed_at(name)
            if placed_at is None or placed_at > oldest or not self._desk.is_entry(report) or report.filled:
                continue
            try:
                self._desk.saw(await self._broker.cancel(report.order_id))
            except (RequestFailed, ConnectionFailure) as error:
                self._fail(report.contract.symbol, error, "cancel")

    async def _close(self, session: Session) -> None:
        self._tally.held = None
        try:
            self._tally.held = await self._leftovers(session)
            await self._watch.catch_up()
        except (RequestFailed, ConnectionFailure, SafetyRefused) as error:
            self._fail("", error, "flatten")
        for row in self._tally.held or ():
            self._journal.record(
                Failure(
                    at=self._clock.now(), symbol=row.contract.symbol, kind="StillHeld", message=row.reason
                )
            )

    async def _leftovers(self, session: Session) -> tuple[Held, ...]:
        """Close our positions, unless they are to be held; what stays open, and why."""
        if self._config.end_of_day is EndOfDay.HOLD:
            reason = "end_of_day is hold"
            positions = held_of(await self._broker.positions(), self._desk.contracts)
            return tuple(
                Held(contract=row.contract, signed_quantity=row.signed_quantity, reason=reason)
                for row in positions
            )
        return await flatten(
            self._broker,
            self._desk,
            session=session.day,
            wait=self._config.exit_wait,
            reason=f"{self._config.flatten_before_close:g} s before the close",
        )

    def _fail(self, symbol: str, error: Exception, service: str = "") -> None:
        now, kind, message = self._clock.now(), type(error).__name__, redact(str(error))
        code = getattr(error, "code", None)
        self._journal.record(
            Failure(at=now, symbol=symbol, kind=kind, message=message, service=service, code=code)
        )
        self._tally.errors.append(
            ErrorSeen(
                at=now, symbol=symbol, kind=kind, message=message, is_timeout=isinstance(error, TimeoutError)
            )
        )
        self._observer.on_event(SymbolFailed(at=now, symbol=symbol, error=kind, message=message))
