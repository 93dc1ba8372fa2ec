"""What may be asked of a session; and its pulse, a round trip shared by all who ask, taken by itself when all is silent."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from ibkeel.errors import (
    ConnectionFailure,
    GatewayRejected,
    NotConnected,
    PacingExceeded,
    RequestFailed,
    RequestTimeout,
)
from ibkeel.guards import cut_short, keep_running
from ibkeel.ibkr.client import Tap, hear_bytes
from ibkeel.ibkr.keeper import Keeper
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.pending import Heard, Pending, first_answer
from ibkeel.ibkr.services import loop_time
from ibkeel.ibkr.translate import reading
from ibkeel.ibkr.waiting import SharedAnswers
from ibkeel.resilience import CacheKind, Lane, RequestKind

# A Gateway was seen to ignore the question when it came within a second of its last answer.
LEAST_GAP: Final = 1.0
"""Seconds from an answer to the next question."""
_AGAIN_AFTER: Final = 5.0
_BLOCKED: Final = 5.0  # seconds that the loop may run late before it counts as blocked
_GLANCE: Final = 5.0  # seconds between two looks at the clock
_REMEMBERED: Final = 16
YIELD: Final = (
    "Unless the machine slept, or its clock was set, await asyncio.sleep() instead of time.sleep(), and move long "
    "work to a thread"
)
_TELLS_AGAIN: Final = 900.0  # seconds: a program that blocks its loop does so again and again
CLOCK_LIMIT: Final = 60.0
"""Seconds that this machine's clock may be off; with more a person is told, and no runner enters."""
_LONG: Final = 120.0  # seconds, from which on hours are told


class Gate:
    """Lets a call pass, makes it wait while a sync is under way, or says why it is not sent."""

    def __init__(self, link: Link, keeper: Keeper) -> None:
        self._link, self._keeper = link, keeper

    async def ready_for_requests(self) -> None:
        """Wait while a sync is under way.

        Raises:
            WrongLoopError: Called from a loop that does not own the connection.
            NotConnected: Nothing can be asked for now.
        """
        self._link.check_loop()
        await self._keeper.synced()
        if not self._keeper.session.may_request:
            raise self._keeper.refusal()
        self._link.check()

    async def ready_for_exits(self) -> None:
        """Wait while a sync is under way; an exit passes also while the servers are out of reach."""
        self._link.check_loop()
        await self._keeper.synced()
        self.check_exit()

    def check_exit(self) -> None:
        """The same, without waiting."""
        if not self._keeper.session.may_exit:
            raise self._keeper.refusal()
        self._link.check()

    async def ready_for_entries(self) -> None:
        """Wait while a sync is under way."""
        self._link.check_loop()
        await self._keeper.synced()
        self.check_entry()

    def check_entry(self) -> None:
        """The same, without waiting."""
        if not self._keeper.session.may_enter:
            raise NotConnected(f"no new position now: {self._keeper.session.entry_refusal}; nothing was sent")
        self._link.check()

    def check_link(self) -> None:
        """Refuse what needs no more than a link: probes, cancels, lists of orders."""
        self._link.check_loop()
        if not self._keeper.session.has_link:
            raise self._keeper.refusal()
        self._link.check()


def _nothing() -> None:
    """What is asked already is not asked again."""


def instant(epoch: int) -> datetime:
    """What the Gateway's clock says; GatewayRejected when it says no time."""
    try:
        return datetime.fromtimestamp(epoch, UTC)
    except (ValueError, TypeError, ArithmeticError, OSError):
        with reading(f"the server's time, {epoch} s from 1970 on"):
            raise


class Beat(NamedTuple):
    """One round trip: when its answer came, in monotonic seconds and by our clock, and what the Gateway's clock said.

    That a Gateway tells the servers' time, and not its own machine's, is unverified.
    """

    at: float
    received_at: datetime
    server_time: datetime
    seconds: float

    @property
    def off(self) -> float:
        """Seconds that the clocks differ at least: the Gateway tells whole ones, at any moment of the round trip."""
        return abs(self._ahead) - (self.seconds + 1.0) / 2

    @property
    def skew(self) -> str:
        """How far they differ, in words."""
        off, side = abs(self._ahead), "ahead of" if self._ahead > 0 else "behind"
        shown = f"{off:.0f} s" if off < _LONG else timedelta(seconds=round(off))
        theirs = f"the Gateway's ({self.server_time:%Y-%m-%d %H:%M:%S} UTC)"
        return f"this machine's clock is {shown} {side} {theirs}"

    @property
    def _ahead(self) -> float:
        return (self.received_at - self.server_time).total_seconds() - (self.seconds + 1.0) / 2


class Pulse:
    """Asks the Gateway for its time.

    Only one question is ever under way: the answer carries no id, and of two askers the client
    library would serve one. Who asks while the answer to somebody who has left is due, waits for that one.
    """

    def __init__(self, link: Link, keeper: Keeper) -> None:
        self._link, self._keeper = link, keeper
        self._gate = Gate(link, keeper)
        self._last: Beat | None = None
        self._is_old = False  # whether it is from before the program stood still
        self._is_off = False  # whether the clocks differed then
        self._sign: tuple[int, float] | None = None  # the session's generation, and when it came
        self._questions = SharedAnswers()
        self._asked_at = -math.inf
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._due: tuple[float, datetime] | None = None  # the next look at the clock, by both clocks
        hear_bytes(link.ib, self._heard)
        Tap(link.ib.wrapper).hear("currentTime", self._on_time)
        self._told_at = -math.inf
        self.heard_at = -math.inf
        """When bytes last came, in monotonic seconds."""
        self.blocked: deque[tuple[datetime, float]] = deque(maxlen=_REMEMBERED)
        """When this program kept the loop from reading, and for how many seconds."""
        link.requests.on_timeout = self.hurry
        link.requests.on_open = self._look  # what is asked now is answered now

    def start(self) -> None:
        """Beat by itself from now on; again does nothing."""
        if self._task is None or self._task.done():
            # What was waited for or measured on one loop means nothing on another.
            self._wake, self._questions, self._last = asyncio.Event(), SharedAnswers(), None
            self._sign = None
            self.heard_at = self._told_at = -math.inf
            broke = partial(self._keeper.faulted, "heartbeat")
            beating = keep_running(self._beat_on, "nobody notices when the link dies", broke)
            self._task = asyncio.create_task(beating, name="ibkeel pulse")

    def end(self) -> list[asyncio.Task[None]]:
        """Beat no more; returns what is still to unwind, to be waited for."""
        task, self._task = self._task, None
        return cut_short(task)

    def hurry(self) -> None:
        """A request went unanswered: find out now whether the link lives."""
        self._wake.set()

    async def beat(self, deadline: float) -> Beat:
        """One round trip; those who ask meanwhile get the same answer, as does who asks within a second.

        Args:
            deadline: Seconds until the caller gives up, if that is sooner than the configured one.
        """
        self._gate.check_link()
        if self._last is not None and not self._is_old and loop_time() - self._last.at < LEAST_GAP:
            return self._last
        if deadline >= self._link.config.deadlines.probe:
            return await self._questions.get("time", self._ask)
        mine = asyncio.timeout(deadline)
        try:
            async with mine:
                return await self._questions.get("time", self._ask)
        except TimeoutError as late:
            if not mine.expired():
                raise
            raise RequestTimeout(f"no answer to the server's time within {deadline:g} s") from late

    async def _ask(self) -> Beat:
        generation = self._keeper.session.generation
        began = loop_time()
        if self._last is not None and (gap := self._last.at + LEAST_GAP - began) > 0:
            await asyncio.sleep(gap)
            began = loop_time()
        requests, patience = self._link.requests, self._link.config.deadlines.probe
        send: Callable[[], None] = self._link.ib.client.reqCurrentTime
        # What an earlier question is owed must not count for this one, which may be left before it is sent.
        is_owed, since = requests.take_over("currentTime"), began - self._asked_at
        if is_owed and since < patience / 2:
            patience, send = patience - since, _nothing
        elif not is_owed or since == math.inf:
            self._asked_at = began  # else the answer that comes may be the earlier one's, and as old
        try:
            told: Beat | GatewayRejected = await self._probe(
                "currentTime", "the server's time", send, patience, self._answered
            )
        except asyncio.CancelledError:
            self.hurry()  # somebody has to find out whether the answer comes
            raise
        except PacingExceeded:  # our own limits kept it here, which says nothing of the link
            raise
        except (RequestFailed, ConnectionFailure) as error:
            self._keeper.probed(answered=False, generation=generation, cause=str(error))
            raise
        if isinstance(told, GatewayRejected):
            raise told
        return told

    def _answered(self, pending: Pending, _: str, args: tuple[Any, ...]) -> None:
        """At once, for who asked may leave in this very turn of the loop; what cannot be read is an answer too."""
        try:
            pending.finish(self._note(*args))
        except GatewayRejected as error:
            pending.finish(error)

    def _on_time(self, epoch: int) -> None:
        """Also where who asked has left: a Gateway ignores who asks again at once."""
        pending, patience = self._link.requests.get("currentTime"), self._link.config.deadlines.probe
        if (pending is None or pending.future.done()) and loop_time() - self._asked_at < patience:
            with suppress(GatewayRejected):
                self._note(epoch)

    def _note(self, epoch: int) -> Beat:
        now, keeper = loop_time(), self._keeper
        seconds, self._asked_at = now - self._asked_at, -math.inf  # no other answer is due
        keeper.probed(answered=True, generation=keeper.session.generation)
        beat = Beat(at=now, received_at=self._link.clock.now(), server_time=instant(epoch), seconds=seconds)
        was_off, self._is_off = self._is_off, beat.off > CLOCK_LIMIT
        self._last, self._is_old = beat, False
        if self._is_off and not was_off:
            keeper.raise_alarm(
                "clock", f"{beat.skew}: no runner enters until they agree. Turn on network time", lasts=True
            )
        elif was_off and not self._is_off:
            keeper.end_alarm("clock", "this machine's clock and the Gateway's agree")
        return beat

    async def _probe(
        self,
        key: int | str,
        what: str,
        send: Callable[[], None],
        patience: float,
        heard: Heard = first_answer,
    ) -> Any:
        return await self._link.requests.ask(
            key, RequestKind.PROBE, what, deadline=patience, send=send, heard=heard
        )

    async def _beat_on(self) -> None:
        interval = self._link.config.heartbeat
        wait = interval
        while True:
            was_waked = await self._pause(wait)
            self._keeper.look_at_calendar()
            self._link.save_pacing()
            wait = interval
            generation = self._keeper.session.generation
            if (is_in_doubt := self._keeper.session.doubts_loss(loop_time())) and await self.ask_servers():
                self._keeper.servers_answered(generation)
            if self._keeper.session.may_probe and (was_waked or is_in_doubt or self._is_silent(interval)):
                wait = interval if await self._is_alive() else _AGAIN_AFTER
                if wait < interval:
                    self._wake.clear()
                    self.heard_at = -math.inf  # silence goes on until bytes come

    async def has_sign(self) -> bool:
        """Whether the servers are there: as `ask_servers`, but who asks within a second gets the same answer."""
        if self._sign is not None:
            generation, at = self._sign
            if generation == self._keeper.session.generation and loop_time() - at < LEAST_GAP:
                return True
        return await self.ask_servers()

    async def ask_servers(self) -> bool:
        """Ask what only the servers know, and tell the book of orders when it came back; whether it did.

        Whoever missed 1102 would wait for it for ever, and a Gateway that is cut off keeps orders without
        a word. That no Gateway answers the question from its own memory is unverified. An empty answer
        counts for nothing. Those who ask meanwhile get the same answer: one search a second is all that a
        Gateway permits.
        """
        return await self._link.shared("a sign of the servers", self._ask_for_sign)

    async def _ask_for_sign(self) -> bool:
        link, turn, generation = self._link, self._link.book.roll.begin(), self._keeper.session.generation

        def send() -> None:
            with link.wire.lane(Lane.PROBE):  # before the searches of the program itself
                link.ib.client.reqMatchingSymbols(key, "SPY")

        try:
            key = link.request_id()
            found = await self._probe(key, "a sign of the servers", send, link.config.deadlines.probe)
        except (RequestFailed, ConnectionFailure):
            return False
        if not found:
            return False
        link.book.roll.servers_answered(turn)
        self._sign = generation, loop_time()
        return True

    async def _is_alive(self) -> bool:
        try:
            await self.beat(self._link.config.deadlines.probe)
        except (RequestFailed, ConnectionFailure):
            return False
        return True

    def _is_silent(self, seconds: float) -> bool:
        return loop_time() - self.heard_at >= seconds

    async def _pause(self, seconds: float) -> bool:
        """Wait, looking at the clock now and then; true when somebody asked for haste."""
        due = loop_time() + seconds
        while (now := loop_time()) < due:
            glance = min(due, now + _GLANCE)
            self._due = glance, self._link.clock.now() + timedelta(seconds=glance - now)
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(glance):
                        await self._wake.wait()
                self._look()
            finally:
                self._due = None
            if self._wake.is_set():
                self._wake.clear()
                return True
        return False

    def _look(self) -> float:
        """A look that comes late tells that the loop did not run; while the machine sleeps, wall time alone goes on.

        It comes with each request and each of the Gateway's words: most are short. Returns the loop's time.
        """
        loop_now = loop_time()
        if self._due is not None:
            due, due_at = self._due
            now = self._link.clock.now()
            if now >= due_at or loop_now >= due:
                self._look_closer(loop_now - due, now, (now - due_at).total_seconds())
        return loop_now

    def _look_closer(self, by_loop: float, now: datetime, by_wall: float) -> None:
        late = max(by_loop, by_wall)
        if late < _BLOCKED:
            return
        self._due = None
        self._link.requests.ran_late(late)
        if by_wall - by_loop >= _BLOCKED:  # the ages of what is remembered lack so much
            self._link.cache.forget_kind(CacheKind.BARS)
        self._is_old = True
        self.hurry()
        self.blocked.append((now, late))
        if loop_time() - self._told_at < _TELLS_AGAIN:
            return
        self._told_at = loop_time()
        self._keeper.raise_alarm(
            "loop",
            f"this program did not run its event loop for about {late:.0f} s: nothing was read from the Gateway "
            f"meanwhile. {YIELD}",
        )

    def _heard(self, data: bytes) -> None:
        self.heard_at = self._look()
        if not self._link.ib.client.serverVersion():
            self._link.book.roll.greeted(data)
