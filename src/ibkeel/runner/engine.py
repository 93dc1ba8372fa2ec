"""The runner: waits for the session, looks at each symbol in each cycle, and closes before the end."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, IbkeelError, RequestFailed, UnknownContract
from ibkeel.journal import Journal, RunEnded, RunStarted
from ibkeel.model import Broker, OrderReport
from ibkeel.orders import OrderLimits, venue_day
from ibkeel.runner.closing import Closing, Handover
from ibkeel.runner.config import RiskConfig, RunnerConfig
from ibkeel.runner.crew import Safety, beside, crew_of
from ibkeel.runner.entry import EntryPlanner, View
from ibkeel.runner.exposure import PortfolioGreeks
from ibkeel.runner.limits_file import LimitsSource, Retuning
from ibkeel.runner.memory import remember
from ibkeel.runner.opening import AccountReader, WarmUp
from ibkeel.runner.schedule import (
    ExchangeCalendar,
    LiquidHours,
    Session,
    SessionCalendar,
    session_now,
)
from ibkeel.runner.tally import Progress, RunReport
from ibkeel.runner.telling import aside
from ibkeel.runner.visiting import Entering, Round, Visiting
from ibkeel.strategy import Strategy
from ibkeel.system import SystemClock
from ibkeel.telemetry import NullObserver, Observer, unfailing

_EARLY: Final = timedelta(minutes=1)  # before the open, to read the contract's own hours
_HALF_A_DAY: Final = 43_200.0  # seconds; so long before its open no session is traded
_LOOK: Final = 60.0  # seconds after which the clock is looked at again
_COOLDOWN: Final = 86_400.0  # seconds: the longest that it may be set to while the run goes on
_LONGEST_MEMORY: Final = 400 * 86_400.0  # seconds; further back no entry is looked for


class _AnotherDay(Exception):
    """The clock was set back: the session that was traded is to come."""


class Runner:
    """Runs one strategy over its symbols, session after session.

    One symbol's failure never ends another's cycle: it is journaled with its type, and a symbol
    that keeps failing sits out some cycles. Positions are protected by their bracket at the venue
    and closed before the close, unless the configuration holds them. A run that starts within a
    session takes over what the journal knows of it: orders, fills and the daily loss.

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
        mode: For the journal; None: the broker's `config.orders`, else `DRY_RUN`, whose orders no run looks for.
        run: Name of the run, letters and digits; by default counted from the journal.
        safety: What stands between the strategy and money; by default every position must have a stop.
        limits: Where changed limits are read, before each cycle; None keeps to those given.
        executor: Of one thread, writes the journal, so that a slow disk holds back only the order that
            waits for it; None writes in the loop's thread, as rehearsals on virtual time need.
        announce: Told what is open, in one line each, when the run takes over from another and when it
            ends before its time.
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
        mode: str | None = None,
        run: str | None = None,
        safety: Safety | None = None,
        limits: LimitsSource | None = None,
        executor: Executor | None = None,
        announce: Callable[[str], None] | None = None,
    ) -> None:
        risk = risk or RiskConfig()
        safety = safety or Safety.of(risk)
        self._strategy, self._config, self._journal = strategy, config, journal
        self._clock = clock or SystemClock()
        self._observer = unfailing(observer or NullObserver(), asyncio.get_running_loop)
        self._calendar = calendar
        self._early = max(_EARLY, timedelta(seconds=config.warm_up))
        self._mode = mode or str(getattr(getattr(broker, "config", None), "orders", "DRY_RUN"))
        self._progress = progress = progress and aside(progress)
        self._run = run or f"r{journal.count(RunStarted) + 1}"
        crew = crew_of(
            broker,
            journal,
            run=self._run,
            symbols=config.symbols,
            config=config,
            clock=self._clock,
            observer=self._observer,
            safety=safety,
            executor=executor,
        )
        self._crew, self._tally, self._recorder, self._feed = crew, crew.tally, crew.recorder, crew.feed
        self._failures, self._desk, self._watch = crew.failures, crew.desk, crew.watch
        self._handover = Handover(broker, crew.desk, announce and aside(announce))
        self._closing = Closing(
            broker,
            self._desk,
            self._watch,
            config,
            self._recorder,
            self._clock,
            lambda error: self._failures.note("", error, "flatten"),
            crew.leaving.ends,
        )
        self._greeks = PortfolioGreeks(
            self._feed,
            self._failures,
            self._clock,
            limits=risk.exposure,
            every=config.greeks_interval,
            is_told=crew.teller.is_observed,
        )
        self._planner = EntryPlanner(self._feed, strategy, config, risk)
        self._account = AccountReader(
            broker,
            self._feed,
            risk.max_daily_loss,
            self._recorder,
            self._clock,
            lambda kind, error: self._failures.note("", error, kind),
            crew.teller,
            self._greeks,
        )
        self._entering = Entering(self._planner, crew, self._clock, self._greeks, self._account.view)
        self._visiting = Visiting(self._entering, crew, config, self._clock)
        self._round = Round(config.symbols, concurrency=config.concurrency, gap=config.symbol_gap)
        self._warm_up = WarmUp(
            self._feed, self._failures, crew.teller, config, strategy, self._clock, progress
        )
        self._retuning = Retuning(
            limits,
            self.use,
            self._recorder,
            self._failures,
            self._clock,
            self._observer,
            risk=risk,
            limits=safety.limits,
        )

    async def run(
        self, *, sessions: int | None = None, unknown: Mapping[str, RequestFailed] | None = None
    ) -> RunReport:
        """Trade.

        Args:
            sessions: How many, the one that is open included; None never ends by itself.
            unknown: Symbols that could not be looked up: told now, and asked for again in the cycles.

        Returns:
            What was done; `report` gives the same at any time.
        """
        calendar = self._calendar or ExchangeCalendar(start=self._clock.now().date() - timedelta(days=7))
        session = session_now(calendar, self._clock.now())
        self._take_over(session)
        outcome, done = "interrupted", 0
        try:
            began = RunStarted(
                at=self._clock.now(),
                run=self._run,
                session=session.day,
                mode=self._mode,
                strategy=self._strategy.name,
                symbols=self._config.symbols,
            )
            await self._recorder.record(began)
            self._crew.teller.run_began(began)
            for symbol, error in (unknown or {}).items():
                self._failures.note(symbol, error, "qualify")
            async with beside(*self._crew.companions()):
                await self._handover.begin()
                await self._catch_up(())  # tomorrow the fills of today are not listed any more
                over: Session | None = None
                while sessions is None or done < sessions:
                    listed = session_now(calendar, self._clock.now())
                    wait = self._seconds_to(listed.opens_at - self._early)
                    # One that its own hours ended early is still the calendar's present one.
                    if wait > 0 or listed == over:
                        await asyncio.sleep(min(wait, _LOOK) if wait > 0 else _LOOK)
                        continue
                    with suppress(_AnotherDay):
                        done += await self._trade(listed) is not None
                        over = listed
            outcome = "finished"
        finally:
            await self._end(outcome)
        return self.report()

    async def _end(self, outcome: str) -> None:
        left = ""
        self._crew.doorkeeper.close()
        try:
            if outcome != "finished":
                left = await self._handover.end()
        finally:
            self._recorder.keep(RunEnded(at=self._clock.now(), run=self._run, outcome=outcome, detail=left))
            await self._recorder.drain()
            self._crew.teller.run_finished(outcome, left)

    def report(self) -> RunReport:
        """What was done so far."""
        return self._tally.report()

    def halt(self, reason: str) -> None:
        """Let no entry leave from now on, and cancel those that work; exits pass.

        Args:
            reason: Why, in words.
        """
        self._crew.halting.now(reason, self._clock.now())

    def use(self, risk: RiskConfig, limits: OrderLimits) -> None:
        """Keep to other limits from now on; orders that work and positions stay as they are.

        Args:
            risk: How much may be risked.
            limits: What every entry must keep to.
        """
        self._planner.use(risk)
        self._greeks.use(risk.exposure)
        self._account.use(max_daily_loss=risk.max_daily_loss)
        self._crew.use(risk, limits)

    def lift_halt(self) -> None:
        """Let entries pass again.

        Raises:
            ConfigurationError: The halt's file cannot be removed.
        """
        self._crew.doorkeeper.halt.lift()

    def _take_over(self, session: Session) -> None:
        """Go on where an earlier run of the same session ended."""
        look_back = min(max(self._strategy.needs().memory, _COOLDOWN), _LONGEST_MEMORY)
        today = venue_day(self._clock.now())
        memory = remember(self._journal, session, look_back=timedelta(seconds=look_back), today=today)
        self._handover.look_back(self._journal, memory.unread)
        self._desk.restore(memory.orders)
        traded = (contract.symbol for contract in memory.signals)
        self._watch.restore(
            memory.fills, is_behind=bool(memory.orders), alarmed=memory.alarmed, traded=traded
        )
        self._entering.restore(memory.last_entry)
        self._crew.leaving.restore(memory.signals)
        self._account.restore(memory.guards)

    async def _trade(self, listed: Session) -> Session | None:
        """Trade one session and return it; None when the contract's own hours say that there is none."""
        session = await self._own_hours(listed)
        if session is None:
            return None
        since = max(self._clock.now(), session.opens_at)  # a cycle that is due at the open is not missed
        self._crew.begin_session()
        self._greeks.begin_session(session)
        self._crew.teller.day_opened(session)
        stop = self._crew.supervisor.ends_at = self._stop(session)
        timetable = self._config.timetable
        due = timetable.next(session, now=since, stop=stop)
        if due is not None:
            await self._warm_up.run(session, due, self._tally.cycles)
        await self._wait_until(session.opens_at, session)
        last: datetime | None = None
        while due is not None:
            while await self._waits(due, session):
                # A clock that was set back has instants before this one again.
                due = min(due, timetable.next(session, now=self._clock.now(), stop=stop, last=last) or due)
            last = max(due, self._clock.now())
            if last >= stop:  # the machine slept over it
                break
            await self._cycle_until(stop, session, timetable.allowed(session, due=due, stop=stop))
            due = timetable.next(session, now=self._clock.now(), stop=stop, last=last)
        await self._wait_until(stop, session)
        self._tally.held = await self._closing.close(session)
        await self._wait_until(session.closes_at, session)
        self._tally.held = await self._closing.left_of(self._tally.held)
        self._crew.teller.day_closed(session, self._tally.held)
        return session

    def _stop(self, session: Session) -> datetime:
        """When positions that end with a session begin to leave."""
        return session.closes_at - timedelta(seconds=self._config.flatten_before_close)

    async def _own_hours(self, listed: Session) -> Session | None:
        """The session as the first known symbol's own liquid hours have it: they win over the calendar."""
        for symbol in self._config.symbols:
            try:
                details = await self._feed.definition(symbol)
            except (RequestFailed, ConnectionFailure) as error:
                self._failures.note(symbol, error, "qualify")
                if not isinstance(error, UnknownContract):
                    break
            else:
                hours = LiquidHours(details.liquid_hours)
                return hours.session(listed.day) if hours.covers(listed.day) else listed
        return listed

    async def _wait_until(self, instant: datetime, session: Session) -> None:
        while await self._waits(instant, session):
            pass  # the clock may be set meanwhile

    async def _waits(self, instant: datetime, session: Session) -> bool:
        """Wait for an instant of a session, a minute at most; whether that was called for."""
        wait = self._seconds_to(instant)
        if wait > 0:
            if self._seconds_to(session.opens_at) > _HALF_A_DAY:
                raise _AnotherDay
            await asyncio.sleep(min(wait, _LOOK))
        return wait > 0

    def _seconds_to(self, instant: datetime) -> float:
        return (instant - self._clock.now()).total_seconds()

    async def _cycle_until(self, stop: datetime, session: Session, allowed: float) -> None:
        """One cycle; one that is still going at `stop` is ended, so that no exit waits for it."""
        began = self._clock.now()
        limit = asyncio.timeout((stop - began).total_seconds())
        try:
            async with limit:
                await self._cycle(session, allowed)
        except TimeoutError:
            if not limit.expired():
                raise
            cut = TimeoutError(
                f"cycle {self._tally.cycles} was still going at {stop.isoformat()}; it was ended"
            )
            self._failures.note("", cut, "cycle")
            seconds = (self._clock.now() - began).total_seconds()
            self._crew.teller.cycle_overran(self._tally.cycles, seconds, seconds)

    async def _cycle(self, session: Session, allowed: float) -> None:
        loop = asyncio.get_running_loop()
        started, failures = loop.time(), len(self._tally.errors)
        self._tally.cycles += 1
        self._crew.teller.cycle_started(self._tally.cycles, allowed)
        self._entering.begin_cycle()
        await self._retuning.look()
        positions, working = listed = await self._account.listed()
        await self._catch_up(working)
        if positions is not None:
            self._watch.held(positions)
        # Before the balances are asked for: no exit needs them, and they may be long in coming.
        await self._crew.leaving.look(positions or (), session, self._stop(session))
        view = await self._account.view(self._tally.cycles, session, listed)
        try:
            await self._round.go(lambda symbol: self._visiting.visit(symbol, view))
        finally:
            self._recorder.flush()
        seconds, failures = loop.time() - started, len(self._tally.errors) - failures
        self._crew.teller.cycle_ended(self._tally.cycles, seconds, failures, allowed)
        if self._progress is not None:
            self._progress(Progress(now=self._clock.now(), session=session, cycles=self._tally.cycles))
        await self._read_greeks(view, allowed - seconds, session)

    async def _catch_up(self, open_orders: Iterable[OrderReport] | None) -> None:
        try:
            await self._watch.reconcile(open_orders)
        except IbkeelError as error:
            self._failures.note("", error, "catch_up")

    async def _read_greeks(self, view: View, left: float, session: Session) -> None:
        """Use half of the time that is left, so that the next cycle and the exits begin in theirs."""
        to_stop = (self._stop(session) - self._clock.now()).total_seconds()
        if await self._greeks.refresh(view, within=min(left, to_stop) / 2):
            currency = view.account.currency if view.account else None
            exposure = self._greeks.of(view.positions, currency)
            self._crew.teller.saw_exposure(view.positions, exposure, currency)
