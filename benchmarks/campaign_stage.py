"""One run: a Gateway, a market, a bot that may die and live again, and everything that goes wrong."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import attrs

from benchmarks.campaign_journal import Boundary, copied
from benchmarks.campaign_judge import Verdict, judge
from benchmarks.campaign_life import HOST, PORT, Life, Told
from benchmarks.campaign_market import ThinMarket
from benchmarks.campaign_mishaps import Mishaps
from benchmarks.campaign_plan import MINUTES, Act, Deed, Phase, Plan, Trouble
from benchmarks.campaign_tap import Message, Tap
from benchmarks.campaign_trader import Trader
from benchmarks.campaign_vigil import STOPS, NotedVenue, Vigil
from ibkeel.errors import IbkeelError
from ibkeel.runner.flatten import flatten
from ibkeel.sim import GatewaySettings, SimulatedGateway
from ibkeel.sim.venue import VenueSettings
from ibkeel.virtual import DEFAULT_START, run_virtual, virtual_clock

__all__ = ["Outcome", "play"]

_CASH: Final = 1e7
_INSTANT: Final = timedelta(seconds=0.15)
_BOUNDARIES: Final = tuple(Boundary)
_KINDS: Final = ("", "intent", "fill_seen", "")  # records at whose boundary a process ends; empty: any
_LONGEST_START: Final = 900.0
_RAM_DISK: Final = Path("/dev/shm")
_SETTLE: Final = (45.0, 15.0, 40.0, 15.0)


@attrs.frozen(kw_only=True)
class Outcome:
    """What one run came to."""

    seed: int
    verdict: Verdict
    hits: dict[tuple[str, str], int]
    boundaries: dict[str, int]
    orders: int
    fills: int
    lives: int
    trace: tuple[str, ...]


def play(plan: Plan, *, is_traced: bool = False) -> Outcome:
    """Play a plan on virtual time.

    Args:
        plan: What happens.
        is_traced: Whether the trace is kept.
    """
    with tempfile.TemporaryDirectory(dir=_RAM_DISK if _RAM_DISK.is_dir() else None) as folder:
        return run_virtual(Stage(plan, Path(folder), is_traced=is_traced).run(), travel=False)


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
        self._lives: list[Life] = []
        self._traders: list[Trader] = []
        self._armed: tuple[Boundary, str] | None = None
        self._copy: Path | None = None
        self._died = asyncio.Event()
        self._boundaries: Counter[str] = Counter()
        self._told = Told(self._say)

    async def run(self) -> Outcome:
        """Play it, and judge."""
        clock = virtual_clock()
        self._clock = clock
        self._market = ThinMarket(self._plan.seed, DEFAULT_START)
        variant = self._plan.variant
        habits = VenueSettings(
            status_before_execution=bool(variant & 1),
            straight_to_submitted=bool(variant & 2),
            skips_pending_cancel=bool(variant & 4),
        )
        self._venue = NotedVenue(self._market, cash=_CASH, seed=self._plan.seed, settings=habits)
        gateway = SimulatedGateway(
            market=self._market, clock=clock, venue=self._venue, settings=GatewaySettings()
        )
        self._gateway = gateway
        self._mishaps = Mishaps(self._plan.mishaps, gateway, clock, kill=self._arm, trace=self._say)
        self._tap = Tap(gateway, clock)
        self._tap.hear = self._heard
        self._vigil = Vigil(
            self._venue, clock, self._mishaps, self._told, is_up=lambda: self._life.is_up, trace=self._say
        )
        async with gateway.listening(HOST, PORT):
            bot = asyncio.create_task(self._live())
            vigil = asyncio.create_task(self._vigil.run())
            await self._script()
            verdict = await self._finale()
            for task in (bot, vigil):
                task.cancel()
            await asyncio.gather(bot, vigil, return_exceptions=True)
            await self._life.end()
        self._count_what_came_by_itself()
        return Outcome(
            seed=self._plan.seed,
            verdict=verdict,
            hits={(trouble.value, phase.value): n for (trouble, phase), n in self._mishaps.hits.items()},
            boundaries=dict(self._boundaries),
            orders=sum(message.name == "place_order" for message in self._tap.messages),
            fills=len(self._venue.executions()),
            lives=len(self._lives),
            trace=tuple(self._trace),
        )

    @property
    def _life(self) -> Life:
        return self._lives[-1]

    def _say(self, words: str) -> None:
        if self._is_traced:
            self._trace.append(f"{self._clock.now():%H:%M:%S.%f} {words}")

    # The bot.

    async def _live(self) -> None:
        """Live, and after a death live again from what was on disk."""
        path = self._folder / "life1" / "journal.sqlite"
        while True:
            self._died.clear()
            life = Life(
                number=len(self._lives) + 1,
                journal_path=path,
                halt_path=self._folder / "halt",
                clock=self._clock,
                told=self._told,
            )
            self._lives.append(life)
            self._traders.append(Trader(life=life, market=self._market, clock=self._clock, trace=self._say))
            life.journal.hear = self._at_boundary
            self._say(f"LIFE {life.number} begins")
            life.spawn(life.begin())
            await self._died.wait()
            await life.end()
            assert self._copy is not None
            path = self._copy
            await asyncio.sleep(1.0 + 5 * (self._plan.seed % 7))

    def _arm(self, number: int) -> None:
        """The process ends at the first boundary of that sort of the record that was chosen."""
        if self._armed is None:
            self._armed = (
                _BOUNDARIES[number % len(_BOUNDARIES)],
                _KINDS[number // len(_BOUNDARIES) % len(_KINDS)],
            )

    def _at_boundary(self, boundary: Boundary, kinds: str) -> None:
        if self._armed is None or self._life.is_dead:
            return
        wanted, kind = self._armed
        if boundary is not wanted or kind not in kinds:
            return
        self._armed = None
        self._boundaries[f"{boundary.value} {kinds}"] += 1
        self._say(f"KILLED {boundary.value} {kinds}")
        self._copy = copied(self._life.journal_path, self._folder / f"life{len(self._lives) + 1}")
        self._life.cut_off()
        self._died.set()

    # What happens to it.

    def _heard(self, message: Message) -> None:
        """A message left: what waits for its phase goes wrong before the Gateway has it."""
        values = message.values
        self._say(
            f"-> {message.name} {message.order_id} {message.order_ref} {values.get('action', '')} "
            f"{values.get('quantity', '')} {values.get('order_type', '')}{' (change)' if message.is_change else ''}"
        )
        if message.is_change or not message.values.get("parent_id"):  # a family counts once
            self._mishaps.moment(_phase_of(message), message.name)

    async def _script(self) -> None:
        loop = asyncio.get_running_loop()
        for deed in self._plan.deeds:
            await asyncio.sleep(max(0.0, deed.at - loop.time()))
            self._perform(deed)
        await asyncio.sleep(max(0.0, MINUTES * 60.0 - loop.time()))

    def _perform(self, deed: Deed) -> None:
        self._say(f"DEED {deed.act.value} {deed.contract} x{deed.quantity}")
        if not self._lives or self._life.is_dead:
            return
        if deed.act is Act.HALT:
            self._vigil.halted_at = self._clock.now()
        elif deed.act is Act.LIFT:
            self._vigil.lifted()
        self._life.spawn(self._traders[-1].do(deed))

    # The end.

    async def _finale(self) -> Verdict:
        """Let everything heal and settle, look at the venue's own book, then close what is held."""
        self._mishaps.stop()
        self._vigil.lifted()
        self._gateway.heal()
        self._armed = None
        self._say("FINALE")
        async with asyncio.timeout(_LONGEST_START):
            while not self._life.is_up:  # noqa: ASYNC110 - a life that begins does not tell
                await asyncio.sleep(5)
        for pause in _SETTLE:
            await asyncio.sleep(pause)
            await self._catch_up()
        crew = self._life.crew
        assert crew is not None
        unknown = crew.desk.unknown_orders
        naked = self._vigil.look()
        left = await self._close_all()
        await self._catch_up()
        await crew.recorder.drain()
        return judge(
            venue=self._venue,
            journal=self._life.journal_path,
            messages=self._tap.messages,
            vigil=self._vigil,
            unknown=unknown,
            naked=naked,
            exits_refused=[words for trader in self._traders for words in trader.exits_refused],
            left=left,
        )

    def _count_what_came_by_itself(self) -> None:
        """Fills in parts, and fills in the instant of a cancel."""
        fills = [fill for fill, _ in self._venue.executions()]
        for order in (*self._venue.open_orders(), *self._venue.completed_orders()):
            if sum(fill.perm_id == order.perm_id for fill in fills) > 1:
                is_stop = order.order_type in STOPS
                phase = Phase.SENDING if order.action == "BUY" else Phase.HELD if is_stop else Phase.EXITING
                self._mishaps.hit(Trouble.PARTIAL_FILL, phase)
        for message in self._tap.messages:
            near = [fill.at - message.at for fill in fills if fill.order_id == message.order_id]
            if message.name == "cancel_order" and any(abs(apart) < _INSTANT for apart in near):
                self._mishaps.hit(Trouble.CANCEL_FILL_RACE, Phase.CANCELLING)

    async def _catch_up(self) -> None:
        crew = self._life.crew
        assert crew is not None
        with suppress(IbkeelError):
            await crew.watch.catch_up()

    async def _close_all(self) -> Iterable[str]:
        """Whatever is held after four attempts on a session with nothing wrong."""
        crew = self._life.crew
        assert crew is not None
        held: Iterable[str] = ()
        for _ in range(4):
            try:
                rest = await flatten(
                    self._life.broker, crew.desk, session=DEFAULT_START.date(), wait=60.0, reason="the end"
                )
            except IbkeelError as error:
                held = [f"{type(error).__name__}: {error}"]
            else:
                held = [f"{row.signed_quantity:g} {row.contract}: {row.reason}" for row in rest]
                if not held:
                    break
            await asyncio.sleep(15)
        return held


def _phase_of(message: Message) -> Phase:
    """Where an order is whose message leaves."""
    if message.name == "cancel_order":
        return Phase.CANCELLING
    if message.is_change:
        return Phase.CHANGING
    if message.is_entry:
        return Phase.SENDING
    return Phase.EXITING if message.values["order_type"] == "MKT" else Phase.PROTECTING
