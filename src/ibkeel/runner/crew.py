"""Who does what in a run: put together in one place, each told of the others it needs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any, Final, Self

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError
from ibkeel.guards import finish, keep_running
from ibkeel.journal import Journal
from ibkeel.model import Broker, Orders
from ibkeel.orders import PENNY, Interlock, OrderLimits, ProtectionPolicy, venue_day
from ibkeel.runner.closing import Leaving
from ibkeel.runner.config import RiskConfig, RunnerConfig
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.doorkeeper import Doorkeeper, Halt, Lookout
from ibkeel.runner.feed import Feed
from ibkeel.runner.flatten import REASON, OrdersAndAccount, cancel_entries, close_everything
from ibkeel.runner.flatten_requests import Flattened, FlattenRequest, FlattenRequests
from ibkeel.runner.limits_file import limits_at_the_door
from ibkeel.runner.protector import Protector
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.supervisor import Supervisor
from ibkeel.runner.tally import Failures, Tally
from ibkeel.runner.telling import Teller
from ibkeel.runner.watch import Watch
from ibkeel.telemetry import Observer

_CONFIG: Final = RunnerConfig()
_LOOK: Final = 5.0  # seconds between two looks for a file that another process made
_FLATTEN_LOOK: Final = 1.0  # the same, where a person waits for the answer


class Halting:
    """Carries a halt out: entries that work are cancelled within seconds of its coming."""

    def __init__(
        self,
        halt: Halt,
        broker: Orders,
        desk: OrderDesk,
        failures: Failures,
        on_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._halt, self._broker, self._desk, self._failures = halt, broker, desk, failures
        self._on_change = on_change
        self._asked = asyncio.Event()

    def now(self, reason: str, at: datetime) -> None:
        """Halt; a file that cannot be written is noted, and this process is halted all the same."""
        try:
            self._halt.halt(reason, at)
        except IbkeelError as error:
            self._failures.note("", error, "halt")
        self._asked.set()

    async def run(self) -> None:
        """Look, until cancelled."""
        told = ""
        while True:
            self._asked.clear()
            reason = self._halt.reason
            if reason != told:
                told = reason
                self._on_change(reason)
            # An order that was cancelled in vain, or that is found later, is asked for again as long as it lives.
            if reason and any(order.is_entry for _, order in self._desk.alive):
                await self._cancel()
            await self._pause()

    async def _cancel(self) -> None:
        try:
            failed = [error for _, error in await cancel_entries(self._broker, self._desk) if error]
        except IbkeelError as error:
            failed = [error]
        for each in failed:
            self._failures.note("", each, "halt")

    async def _pause(self) -> None:
        """Until somebody asks; a file is looked for now and then."""
        try:
            async with asyncio.timeout(_LOOK if self._halt.may_change or self._halt.reason else None):
                await self._asked.wait()
        except TimeoutError:
            return


class Flattening:
    """Does in a running bot what another process asks for by a file.

    Args:
        requests: Where they come from.
        broker: Where it is done.
        desk: The door by which the exits leave.
        halt: Halts entries, and is told why and when.
        clock: Wall time.
    """

    def __init__(
        self,
        requests: FlattenRequests,
        broker: OrdersAndAccount,
        desk: OrderDesk,
        halt: Callable[[str, datetime], None],
        clock: Clock,
    ) -> None:
        self._requests, self._broker, self._desk = requests, broker, desk
        self._halt, self._clock = halt, clock

    async def run(self) -> None:
        """Look for requests, until cancelled."""
        while True:
            request = self._requests.take()
            if request is not None:
                self._requests.answer(request, await self._done(request))
            await asyncio.sleep(_FLATTEN_LOOK)

    async def _done(self, request: FlattenRequest) -> Flattened:
        now = self._clock.now()
        self._halt(REASON, now)
        try:
            return await close_everything(
                self._broker,
                self._desk,
                session=venue_day(now),
                wait=request.wait,
                everything=request.everything,
            )
        except IbkeelError as error:
            return Flattened(failure=f"{type(error).__name__}: {error}")


@attrs.frozen(kw_only=True)
class Safety:
    """What stands between a strategy and money.

    Args:
        protection: Which positions must have a stop at the venue; by default all.
        limits: What every entry must keep to at the door.
        halt: The kill switch; None makes one that only `Runner.halt` turns.
        interlock: Whose money an order moves; None when the broker sees to it.
        requests: Where another process may ask that everything be closed; None for nowhere.
        stop_fraction: Where a stop goes that is missing and of which nothing is known, a fraction of the
            average price.
    """

    protection: ProtectionPolicy = attrs.field(factory=ProtectionPolicy)
    limits: OrderLimits = attrs.field(factory=OrderLimits)
    halt: Halt | None = None
    interlock: Interlock | None = None
    requests: FlattenRequests | None = None
    stop_fraction: float = 0.20

    @classmethod
    def of(
        cls,
        risk: RiskConfig,
        halt: Halt | None = None,
        *,
        limits: OrderLimits | None = None,
        interlock: Interlock | None = None,
        requests: FlattenRequests | None = None,
    ) -> Self:
        """The usual rules, with a bot's own figures.

        Args:
            risk: Gives the distance of stops and the age of quotes, where that is the stricter one.
            halt: The kill switch.
            limits: What every entry must keep to at the door; None for the usual figures.
            interlock: Whose money an order moves.
            requests: Where another process may ask that everything be closed.
        """
        return cls(
            limits=limits_at_the_door(limits, risk),
            halt=halt,
            interlock=interlock,
            requests=requests,
            stop_fraction=risk.stop_fraction,
        )


DEFAULT_SAFETY: Final = Safety()


@attrs.frozen(kw_only=True)
class Crew:
    """Those who work for a run."""

    tally: Tally
    recorder: Recorder
    feed: Feed
    failures: Failures
    doorkeeper: Doorkeeper
    desk: OrderDesk
    watch: Watch
    protector: Protector
    halting: Halting
    leaving: Leaving
    lookout: Lookout
    supervisor: Supervisor
    teller: Teller
    flattening: Flattening | None = None

    def begin_session(self) -> None:
        """Forget what held for another session."""
        self.feed.begin_session()
        self.doorkeeper.begin_session()
        self.tally.held = None
        self.desk.begin_session()

    def use(self, risk: RiskConfig, limits: OrderLimits) -> None:
        """Keep to other limits from now on."""
        self.doorkeeper.use(limits)
        self.lookout.use(what_if=limits.what_if)
        self.protector.use(stop_fraction=risk.stop_fraction)

    def companions(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What runs beside the cycles."""
        work = [
            ("watch", self.watch.run, "nobody hears what becomes of orders"),
            ("protection", self.protector.run, "no stop that is missing is replaced"),
            ("halt", self.halting.run, "no entry is cancelled when entries are halted"),
            ("supervision", self.supervisor.run, "no entry is withdrawn when its time is over"),
        ]
        if self.flattening is not None:
            work.append(("flatten", self.flattening.run, "nobody hears a request to close everything"))
        broke = self.failures.broke
        return [keep_running(run, meaning, partial(broke, name)) for name, run, meaning in work]


def crew_of(
    broker: Broker,
    journal: Journal,
    *,
    run: str,
    symbols: Sequence[str],
    config: RunnerConfig = _CONFIG,
    clock: Clock,
    observer: Observer,
    safety: Safety = DEFAULT_SAFETY,
    executor: Executor | None = None,
) -> Crew:
    """Put a crew together; the journal is written by the executor's one thread, or without one in the loop's."""
    tally, recorder = Tally(run, symbols), Recorder(journal, executor)
    feed, failures = Feed(broker, recorder, tally, clock), Failures(recorder, tally, clock, observer)
    doorkeeper = Doorkeeper(
        clock, limits=safety.limits, halt=safety.halt, interlock=safety.interlock, ticks=PENNY
    )
    desk = OrderDesk(broker, feed, recorder, tally, clock, observer, run, doorkeeper)
    news = asyncio.Event()

    watch = Watch(broker, desk, recorder, tally, clock, observer, health=broker.health, changed=news.set)
    teller = Teller(observer, clock, run)
    leaving = Leaving(broker, desk, feed, failures, clock, config.end_of_day)
    protector = Protector(
        broker,
        desk,
        failures,
        clock,
        observer,
        policy=safety.protection,
        news=news,
        catch_up=watch.catch_up,
        stop_fraction=safety.stop_fraction,
        ends=leaving.ends,
        seen=teller.saw_positions,
    )
    halting = Halting(doorkeeper.halt, broker, desk, failures, teller.halt_changed)
    requests = safety.requests
    return Crew(
        tally=tally,
        recorder=recorder,
        feed=feed,
        failures=failures,
        doorkeeper=doorkeeper,
        desk=desk,
        watch=watch,
        protector=protector,
        halting=halting,
        leaving=leaving,
        lookout=Lookout(broker, clock, what_if=safety.limits.what_if),
        supervisor=Supervisor(broker, desk, failures, clock, config.repricing),
        teller=teller,
        flattening=None if requests is None else Flattening(requests, broker, desk, halting.now, clock),
    )


@asynccontextmanager
async def beside(*companions: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines that never end beside the body; whatever ends the body ends them, and who is cancelled then waits."""
    tasks = [asyncio.create_task(companion) for companion in companions]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await finish(_unwound(tasks))


async def _unwound(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
