"""Plays one bot through one scenario on virtual time, and keeps its diary."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Protocol

import attrs

from bad_days.diary import OLD_PRICE, Diary, Mark, Minute, Orders, Seen, judged
from ibkeel.sim import FaultSeen, Scenario, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

__all__ = ["Bot", "Trouble", "played"]

PORT: Final = 4902
START: Final = datetime(2026, 1, 5, 14, 40, tzinfo=UTC)
"""Ten minutes after the opening in New York."""
MARKET: Final = SeededMarket(7, date(2026, 1, 5))
MINUTE: Final = 60.0
QUESTION_AT: Final = 20.0
"""Seconds into each minute at which a round begins."""
ORDERS: Final = ((2, "first"), (11, "second"), (13, "third"))
"""From which minute on the bot wants which order."""


class Bot(Protocol):
    """Somebody who asks for a price and bars each minute, and now and then wants an order."""

    name: str
    ticks: list[float]
    confirmed: set[str]
    unknown: set[str]
    ids: list[int]
    alarms: tuple[tuple[float, str], ...]

    async def begin(self) -> None:
        """Connect."""

    async def round(self) -> Seen:
        """One minute's question."""
        ...

    async def order(self, name: str) -> bool:
        """Try to place it; false: it is wanted still."""
        ...

    async def end(self) -> None:
        """Disconnect."""


@attrs.frozen(kw_only=True)
class Trouble:
    """One fault, as the Gateway knows it.

    Args:
        kind: Of the fault.
        began: Seconds since the Gateway first listened.
        ended: Likewise; None: it lasted to the end.
    """

    kind: str
    began: float
    ended: float | None


@attrs.define
class _Round:
    began: float
    ended: float | None = None
    seen: Seen | None = None


class _Course:
    """The minutes of one bot, from the first second that the Gateway listens."""

    def __init__(self, bot: Bot, minutes: int) -> None:
        self.bot, self.minutes = bot, minutes
        self.rounds: dict[int, _Round] = {}
        self.due: list[str] = []
        self.wanted = list(ORDERS)
        self.on_old_price = 0
        self.ended_at: float | None = None

    async def run(self) -> None:
        """Let it live for so many minutes."""
        task = asyncio.create_task(self._live())
        await asyncio.wait({task}, timeout=self.minutes * MINUTE)
        if task.done():
            self.ended_at = _now()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _live(self) -> None:
        await self.bot.begin()
        await asyncio.sleep(QUESTION_AT - _now())
        while True:
            minute = int(_now() // MINUTE)
            this = self.rounds[minute] = _Round(_now())
            this.seen = await self.bot.round()
            this.ended = _now()
            while self.wanted and self.wanted[0][0] <= minute:
                self.due.append(self.wanted.pop(0)[1])
            if not this.seen.error and self.due:
                self.on_old_price += this.seen.age > OLD_PRICE
                if await self.bot.order(self.due[0]):
                    self.due.pop(0)
            await asyncio.sleep(MINUTE - (_now() - QUESTION_AT) % MINUTE)

    def diary(self) -> tuple[Minute, ...]:
        """What each minute was worth."""
        return tuple(self._minute(number) for number in range(self.minutes))

    def _minute(self, number: int) -> Minute:
        this = self.rounds.get(number)
        if this is not None and this.seen is not None and this.ended is not None:
            return judged(this.seen, this.ended - this.began)
        if self.ended_at is not None and self.ended_at < (number + 1) * MINUTE:
            return Minute(mark=Mark.ENDED)
        return Minute(mark=Mark.STUCK, word="no answer")


def played(
    scenario: Scenario, make: Callable[[int], Bot], *, minutes: int
) -> tuple[Diary, tuple[Trouble, ...]]:
    """One bot's course through a scenario, and what the Gateway knows of it.

    Args:
        scenario: What goes wrong.
        make: Makes the bot, given the Gateway's port.
        minutes: How long it lives.
    """
    logging.disable(logging.CRITICAL)  # the client library writes an account of every misfortune
    try:
        return run_virtual(_played(scenario, make, minutes), start=START)
    finally:
        logging.disable(logging.NOTSET)


async def _played(
    scenario: Scenario, make: Callable[[int], Bot], minutes: int
) -> tuple[Diary, tuple[Trouble, ...]]:
    clock = virtual_clock()
    gateway = SimulatedGateway(market=MARKET, clock=clock, scenario=scenario)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with gateway.listening("127.0.0.1", PORT):
        bot = make(PORT)
        course = _Course(bot, minutes)
        await course.run()
        began = clock.now() - timedelta(seconds=_now())
        troubles = tuple(_troubles(gateway.faults_seen, scenario, began))
        refs = [order.order_ref for order in _orders(gateway)]
        broken = gateway.counters.pacing_violations + sum(gateway.counters.violations.values())
        await bot.end()
    return _diary(course, troubles, refs, broken), troubles


def _diary(course: _Course, troubles: tuple[Trouble, ...], refs: list[str], broken: int) -> Diary:
    bot, minutes = course.bot, course.diary()
    seconds = course.minutes * MINUTE
    recovered = _recovered(minutes, troubles)
    gaps = [later - earlier for earlier, later in pairwise((*bot.ticks, seconds))]
    return Diary(
        bot=bot.name,
        minutes=minutes,
        orders=_fates(course, refs),
        alarms=tuple(message for _, message in bot.alarms),
        broken_limits=broken,
        noticed_after=_noticed(course, minutes, troubles),
        recovered_after=recovered,
        is_lost_for_good=bool(troubles) and recovered is None and _over(troubles) is not None,
        had_trouble=bool(troubles),
        silent_for=max(gaps, default=seconds),
    )


def _troubles(seen: Iterable[FaultSeen], scenario: Scenario, began: datetime) -> Iterable[Trouble]:
    """What struck; a fault of requests lasts as long as its window, whoever asks in it."""
    windows = {
        fault.kind: None if fault.duration is None else (fault.after or 0.0) + fault.duration
        for fault in scenario.faults
        if fault.strikes_requests and fault.limit is None
    }
    for fault in seen:
        ended = None if fault.ended_at is None else (fault.ended_at - began).total_seconds()
        yield Trouble(
            kind=fault.kind,
            began=(fault.at - began).total_seconds(),
            ended=windows.get(fault.kind, ended),
        )


def _orders(gateway: SimulatedGateway) -> list[Any]:
    return [*gateway.venue.open_orders(), *gateway.venue.completed_orders()]


def _fates(course: _Course, refs: list[str]) -> Orders:
    bot = course.bot
    names = [name for _, name in ORDERS]
    there = set(refs)
    return Orders(
        wanted=len(names),
        at_venue=len(refs),
        doubled=len(refs) - len(there),
        believed=len(bot.confirmed - there),
        unknown=len(bot.unknown),
        missed=len(there - bot.confirmed - bot.unknown),
        on_old_price=course.on_old_price,
        shared_ids=len(bot.ids) - len(set(bot.ids)),
    )


def _noticed(course: _Course, minutes: tuple[Minute, ...], troubles: tuple[Trouble, ...]) -> float | None:
    if not troubles:
        return None
    first = troubles[0].began
    told = [
        this.ended
        for number, this in course.rounds.items()
        if this.ended is not None and number < len(minutes) and minutes[number].mark is Mark.TOLD
    ]
    known = [at for at in (*told, *getattr(course.bot, "warned", ())) if at >= first]
    return min(known) - first if known else None


def _over(troubles: tuple[Trouble, ...]) -> float | None:
    """When the last fault ended; None: there was none, or one lasted."""
    ends = [trouble.ended for trouble in troubles]
    return None if None in ends else max((end for end in ends if end is not None), default=None)


def _recovered(minutes: tuple[Minute, ...], troubles: tuple[Trouble, ...]) -> float | None:
    """Seconds from the end of the last fault to the first round from which on all were served."""
    over = _over(troubles)
    if over is None:
        return None
    first = next(
        (number for number in reversed(range(len(minutes))) if minutes[number].mark is not Mark.SERVED), -1
    )
    if first + 1 == len(minutes):
        return None
    return max(0.0, (first + 1) * MINUTE + QUESTION_AT - over)


def _now() -> float:
    return asyncio.get_running_loop().time()
