"""One run: a Gateway, a market, a person, bots that may die and live again, over some days."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import attrs

from benchmarks.campaign_journal import Boundary, copied
from benchmarks.campaign_life import HOST, PORT
from benchmarks.campaign_tap import Message, Tap
from benchmarks.campaign_vigil import NotedVenue
from benchmarks.days_faults import faults_of, longest
from benchmarks.days_judge import Sent, Verdict, judge
from benchmarks.days_life import Ears, Life, SetClock
from benchmarks.days_limits import LimitsOnFile
from benchmarks.days_market import MINUTES, OPENS, OPENS_AT, DaysMarket
from benchmarks.days_operator import Operator
from benchmarks.days_person import Person
from benchmarks.days_plan import Event, Plan, What
from benchmarks.days_vigil import LOOK, Bot, Vigil
from ibkeel.runner import Halt, RiskConfig
from ibkeel.sim import GatewaySettings, SimulatedGateway
from ibkeel.sim.venue import VenueSettings
from ibkeel.virtual import run_virtual, virtual_clock

__all__ = ["Outcome", "play"]

_CASH: Final = 1e5
_BEFORE: Final = 600.0  # seconds before the first open at which all begins
_AFTER: Final = 240.0  # seconds after a close at which its session is judged
_NIGHT_LOOK: Final = 60.0
_ABOUT: Final = 600.0  # seconds about a session in which one looks often
_HEALS: Final = 45.0  # seconds after a trouble until a link is good again
_RAM_DISK: Final = Path("/dev/shm")
_BOUNDARIES: Final = tuple(Boundary)
_KINDS: Final = ("", "intent", "fill_seen", "order_update")
_LOOKS_FOR: Final = 600.0  # seconds for which a person looks for something to do it to
_LOOKS_EVERY: Final = {What.CANCELS_ENTRY: 0.25}  # most entries fill at once
_ALIKE: Final = 12
_FARTHEST: Final = 150.0
_DEATHS: Final = frozenset({What.KILLED, What.KILLED_TWICE, What.KILLED_FOR_THE_DAY})


@attrs.frozen(kw_only=True)
class Outcome:
    """What one run came to."""

    seed: int
    verdict: Verdict
    hits: Mapping[str, int]
    kills: int
    orders: int
    fills: int
    cycles: int
    lives: int
    long_wrong: tuple[str, ...]
    trace: tuple[str, ...]


def play(plan: Plan, *, is_traced: bool = False) -> Outcome:
    """Play a plan on virtual time.

    Args:
        plan: What happens.
        is_traced: Whether the trace is kept.
    """
    with tempfile.TemporaryDirectory(dir=_RAM_DISK if _RAM_DISK.is_dir() else None) as folder:
        stage = Stage(plan, Path(folder), is_traced=is_traced)
        return run_virtual(stage.run(), start=OPENS_AT - timedelta(seconds=_BEFORE), travel=False)


class Stage:
    """Where a plan is played.

    Args:
        plan: What happens.
        folder: For journals and the halt file.
        is_traced: Whether the trace is kept.
    """

    def __init__(self, plan: Plan, folder: Path, *, is_traced: bool) -> None:
        self._plan, self._folder, self._is_traced = plan, folder, is_traced
        self._trace: list[str] = []
        self._sent: list[Sent] = []
        self._hits: Counter[str] = Counter()
        self._armed: tuple[Boundary, str] | None = None
        self._faults: list[str] = []
        self._lives = self._kills = 0
        self._wakes: list[asyncio.Task[None]] = []
        self._rests = 0.0
        self._halt = Halt(folder / "halt")

    async def run(self) -> Outcome:
        """Play it, and judge."""
        plan = self._plan
        self._clock = clock = virtual_clock()
        self._machine = SetClock(clock)
        self._market = DaysMarket(plan.seed)
        habits = VenueSettings(
            status_before_execution=bool(plan.variant & 1),
            straight_to_submitted=bool(plan.variant & 2),
            skips_pending_cancel=bool(plan.variant & 4),
            settles_expiries=True,
        )
        self._venue = NotedVenue(self._market, cash=_CASH, seed=plan.seed, settings=habits)
        self._gateway = SimulatedGateway(
            market=self._market, clock=clock, venue=self._venue, settings=GatewaySettings()
        )
        self._person = Person(self._gateway, self._venue, clock, self._say)
        ids = (1, 2) if plan.has_second else (1,)
        self._bots = [Bot(client_id=each, ears=Ears(clock, self._say)) for each in ids]
        self._vigil = Vigil(self._venue, self._market, clock, self._bots, self._person.acted, self._say)
        self._limits = LimitsOnFile(RiskConfig(**plan.risk), clock)
        self._operator = Operator(self._folder, self._machine, clock, self._vigil.is_flat, self._say)
        Tap(self._gateway, clock).hear = self._heard
        async with self._gateway.listening(HOST, PORT):
            for bot in self._bots:
                self._begin(bot, self._folder / f"bot{bot.client_id}-1" / "journal.sqlite")
            looking = asyncio.create_task(self._look())
            await self._script()
            for task in (looking, *self._wakes):
                task.cancel()
            ended = await asyncio.gather(looking, *self._wakes, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error
            await self._finish()
        return self._outcome()

    def _outcome(self) -> Outcome:
        verdict = judge(
            venue=self._venue,
            market=self._market,
            journals={bot.client_id: _life_of(bot).journal_path for bot in self._bots},
            sent=self._sent,
            bots=self._bots,
            vigil=self._vigil,
            faults=self._faults,
            operator=self._operator,
            limits=self._limits,
        )
        return Outcome(
            seed=self._plan.seed,
            verdict=verdict,
            hits=dict(self._hits),
            kills=self._kills,
            orders=sum(row.message.name == "place_order" for row in self._sent),
            fills=len(self._venue.executions()),
            cycles=sum(len(bot.ears.cycles) for bot in self._bots),
            lives=self._lives,
            long_wrong=tuple(self._vigil.long_bare),
            trace=tuple(self._trace),
        )

    def _say(self, words: str) -> None:
        line = f"{self._clock.now():%d %H:%M:%S.%f} {words}"
        # A broker and its runner tell the same.
        if self._is_traced and line not in self._trace[-_ALIKE:]:
            self._trace.append(line)

    # The bots.

    def _begin(self, bot: Bot, path: Path) -> None:
        self._lives += 1
        self._say(f"LIFE of bot {bot.client_id} begins")
        bot.life = Life(
            plan=self._plan,
            client_id=bot.client_id,
            journal_path=path,
            halt_path=self._folder / "halt",
            clock=self._machine,
            market=self._market,
            ears=bot.ears,
            limits=self._limits,
            requests=self._operator.requests_to(bot.client_id),
        )
        bot.clear_at = max(bot.clear_at or self._clock.now(), self._clock.now() + timedelta(seconds=_HEALS))
        if bot.client_id == 1:
            bot.life.journal.hear = self._at_boundary
        bot.life.begin()

    def _at_boundary(self, boundary: Boundary, kinds: str) -> None:
        if self._armed is None or _life_of(self._bots[0]).is_dead:
            return
        wanted, kind = self._armed
        if boundary is wanted and kind in kinds:
            self._armed = None
            self._die(f"{boundary.value} {kinds}", self._rests)

    def _die(self, words: str, rests: float) -> None:
        """The process of the first bot is gone, and comes again after some seconds."""
        bot = self._bots[0]
        life = _life_of(bot)
        if life.is_dead:
            return
        self._kills += 1
        self._note_fault(life)
        self._say(f"KILLED {words}, for {rests:g} s")
        path = copied(life.journal_path, self._folder / f"bot1-{self._lives + 1}")
        life.cut_off()
        self._wakes.append(asyncio.create_task(self._live_again(bot, life, path, rests)))

    async def _live_again(self, bot: Bot, life: Life, path: Path, rests: float) -> None:
        await asyncio.gather(life.bury(), asyncio.sleep(rests))
        self._begin(bot, path)

    async def _restart(self, bot: Bot, rests: float) -> None:
        life = _life_of(bot)
        self._note_fault(life)
        await life.stop()
        await asyncio.sleep(rests)
        self._begin(bot, life.journal_path)

    def _note_fault(self, life: Life) -> None:
        if life.fault:
            self._faults.append(f"bot {life.client_id}: {life.fault}")

    async def _finish(self) -> None:
        """End what lives as a person would."""
        for bot in self._bots:
            life = _life_of(bot)
            self._note_fault(life)
            if not life.is_dead:
                await life.stop()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)

    # What happens to them.

    def _heard(self, message: Message) -> None:
        values = message.values
        if not values.get("what_if"):
            self._say(
                f"-> {message.client_id} {message.name} {message.order_id} {message.order_ref} "
                f"{values.get('action', '')} {values.get('quantity', '')} {values.get('order_type', '')} "
                f"{values.get('limit_price', '')} {values.get('stop_price', '')}"
                f"{' (change)' if message.is_change else ''}"
            )
        shown_at = message.at + self._machine.ahead
        self._sent.append(Sent(message=message, shown_at=shown_at, is_halted=bool(self._halt.reason)))

    async def _script(self) -> None:
        events = [(event.at, event) for event in self._plan.events]
        closes = [opens + MINUTES * 60 + _AFTER for opens in OPENS[: self._plan.days]]
        for at, event in sorted([*events, *((at, None) for at in closes)], key=lambda row: row[0]):
            if at > closes[-1]:
                return
            await self._until(at)
            if event is None:
                self._say("SESSION JUDGED")
                self._vigil.look(0.0)
                self._vigil.ends_session(closes.index(at))
            else:
                self._bring_about(event)

    async def _until(self, at: float) -> None:
        wait = OPENS_AT + timedelta(seconds=at) - self._clock.now()
        await asyncio.sleep(max(wait.total_seconds(), 0.0))

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now = self._now()
            is_day = any(opens - _ABOUT < now < opens + MINUTES * 60 + _ABOUT for opens in OPENS)
            wait, before = LOOK if is_day else _NIGHT_LOOK, loop.time()
            await asyncio.sleep(wait)
            # When the whole process stood still, nobody could act either.
            self._vigil.look(min(loop.time() - before, wait))

    def _bring_about(self, event: Event) -> None:
        self._say(f"EVENT {event.what.value} {event.lasts:.1f} {event.number}")
        self._hits[event.what.value] += self._did(event)

    def _did(self, event: Event) -> bool:
        ways: Mapping[What, Callable[[Event], object]] = {
            **dict.fromkeys(_DEATHS, self._kill),
            What.KILLED_AT_A_WRITE: self._arm,
            What.STOPPED: self._stop,
            What.CLOCK_SET: self._set_clock,
            What.HALTS: lambda _: self._halt.halt("a person", self._clock.now()),
            What.LIFTS: lambda _: self._halt.lift(),
            What.FLATTENS: self._flatten,
            What.RETUNES: lambda each: self._limits.edit(each.number),
        }
        if event.what in ways:
            return ways[event.what](event) is not False
        made = faults_of(event)
        if not made:
            self._wakes.append(asyncio.create_task(self._finds(event)))
            return False
        if event.what is What.SILENT_STORE:
            self._silence(event.lasts)
        for fault in made:
            self._gateway.inject(fault)
        self._is_unclear(longest(event))
        return True

    async def _finds(self, event: Event) -> None:
        """A person looks for something to do it to, for some minutes."""
        pause = _LOOKS_EVERY.get(event.what, 10.0)
        for _ in range(int(_LOOKS_FOR / pause)):
            if self._person.does(event):
                self._hits[event.what.value] += 1
                return
            await asyncio.sleep(pause)

    def _is_unclear(self, seconds: float) -> None:
        until = self._clock.now() + timedelta(seconds=seconds + _HEALS)
        for bot in self._bots:
            bot.clear_at = max(bot.clear_at or until, until)

    def _silence(self, seconds: float) -> None:
        """Nobody hears of 1100 nor of its end."""
        reception = self._gateway.reception
        reception.tell = lambda *_: None  # type: ignore[method-assign]
        asyncio.get_running_loop().call_later(seconds + 0.1, lambda: reception.__dict__.pop("tell", None))

    def _kill(self, event: Event) -> None:
        rests = event.lasts
        if event.what is What.KILLED_FOR_THE_DAY:
            following = next(opens for opens in OPENS if opens > self._now())
            rests = following - self._now() - 300 + 10 * event.number  # about the next open
        self._die("at an instant", rests)

    def _now(self) -> float:
        """Seconds since the first open."""
        return (self._clock.now() - OPENS_AT).total_seconds()

    def _arm(self, event: Event) -> None:
        number = event.number
        kinds = _KINDS[number // len(_BOUNDARIES) % len(_KINDS)]
        self._armed, self._rests = (_BOUNDARIES[number % len(_BOUNDARIES)], kinds), event.lasts

    def _stop(self, event: Event) -> bool:
        bot = self._bots[0]
        if _life_of(bot).is_dead:
            return False
        self._wakes.append(asyncio.create_task(self._restart(bot, event.lasts)))
        return True

    def _flatten(self, event: Event) -> bool:
        bot = self._bots[event.number % len(self._bots)]
        if _life_of(bot).is_dead:
            return False
        self._wakes.append(asyncio.create_task(self._operator.flatten(bot, event)))
        return True

    def _set_clock(self, event: Event) -> None:
        seconds = event.lasts if event.number % 2 else -event.lasts
        ahead = self._machine.ahead.total_seconds() + seconds
        if abs(ahead) > _FARTHEST:
            ahead = 0.0
        self._machine.ahead = timedelta(seconds=ahead)
        self._say(f"CLOCK {ahead:+.1f} s")


def _life_of(bot: Bot) -> Life:
    assert bot.life is not None
    return bot.life
