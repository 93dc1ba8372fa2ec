"""Bars as they close, out of questions for bars."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from typing import Final

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import InvalidInput, NoData
from ibkeel.guards.tasks import AsyncStream, Held, cut_short
from ibkeel.model import Bar, Bars, BarSpec
from ibkeel.validators import expect

# Nobody is asked the same more often: the Gateway takes identical questions for history 15 s apart.
_LEAST_STEP: Final = 15
# Longer bars may begin with the clock's hour or with the session, on the half: both are on this grid.
_GRID: Final = 1800
# Between the end of a bar and the question for it. Unverified: how late a Gateway's history is.
_SETTLES: Final = 2.0
_DAY: Final = 86_400
# A unit of a span, its seconds, and how many of it a Gateway takes.
_UNITS: Final = (("S", 1, _DAY), ("D", _DAY, 365), ("Y", 365 * _DAY, math.inf))
# Longest span of so short bars, in seconds. Source: TWS API, "Historical Bars", the stricter of two tables.
_LONGEST: Final = {1: 1800, 5: 3600, 10: 14_400, 15: 14_400, 30: 28_800}


def bar_stream(
    ask: Callable[[BarSpec], Awaitable[Bars]], spec: BarSpec, clock: Clock
) -> AsyncGenerator[Bar, None]:
    """Bars of a span that are over, then each as it closes: what `Streams.stream_bars` promises.

    A bar is over when a later one has begun, or when it was seen for as long as it lasts: no wall clock
    judges that, for the Gateway's may be another. The clock says when to ask, and how far back after a sleep.

    Args:
        ask: Answers with bars up to now, past any cache.
        spec: Which bars, and how far back the first ones lie.
        clock: Wall time.

    Raises:
        InvalidInput: When the first is asked for: `spec` is no `BarSpec`, or has an end.
        NoData: Nobody read for longer than one question reaches back.
    """
    return AsyncStream(lambda: _closing(ask, spec, clock))


async def _closing(ask: Callable[[BarSpec], Awaitable[Bars]], spec: BarSpec, clock: Clock) -> Held[Bar]:
    expect(spec, BarSpec)
    if spec.end is not None:
        raise InvalidInput(f"a stream of bars goes on from now: BarSpec.end is {spec.end}, leave it out")
    feed = _Feed(ask, spec, clock)
    try:
        yield feed.following
    finally:
        if pending := cut_short(feed.asked):
            await asyncio.wait(pending)


class _Feed:
    """What the answers say, in the order in which they came; times are the loop's, in seconds."""

    def __init__(self, ask: Callable[[BarSpec], Awaitable[Bars]], spec: BarSpec, clock: Clock) -> None:
        self._ask, self._spec, self._clock = ask, spec, clock
        self.asked: asyncio.Task[None] | None = None
        self._step = max(math.gcd(spec.size_seconds, _GRID), _LEAST_STEP)
        self._closed: deque[Bar] = deque()
        self._due = -math.inf
        self._told: datetime | None = None
        self._last: datetime | None = None
        self._last_seen, self._answered = math.inf, 0.0
        self._answered_at: datetime | None = None

    async def following(self) -> Bar:
        """The next bar. What is there is not waited for: a limit of 0 would end that wait."""
        while not self._closed:
            if self.asked is None:
                if (rest := self._due - asyncio.get_running_loop().time()) > 0:
                    await asyncio.sleep(rest)
                self.asked = asyncio.create_task(self._get())
                self.asked.add_done_callback(lambda task: task.cancelled() or task.exception())
            # A wait that ends leaves the question: the next has its answer.
            if not self.asked.done():
                await asyncio.wait([self.asked])
            done, self.asked = self.asked, None
            done.result()
        return self._closed.popleft()

    async def _get(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        bars = await self._ask(self._question(began, self._clock.now()))
        now = self._clock.now()
        self._take(bars, began, loop.time(), now)
        until_the_next = self._step - now.timestamp() % self._step + _SETTLES
        self._due = loop.time() + until_the_next

    def _question(self, now: float, now_at: datetime) -> BarSpec:
        """As far back as was asked for, or to the last answer and three bars before it, if that is longer."""
        if self._answered_at is None:
            return self._spec
        # A loop's time stands still while the machine sleeps.
        away = max(now - self._answered, (now_at - self._answered_at).total_seconds())
        span = math.ceil(away) + 3 * self._spec.size_seconds
        if span <= self._spec.duration_seconds:
            return self._spec
        longest = _LONGEST.get(self._spec.size_seconds, math.inf)
        if span > longest:
            raise NoData(
                f"bars of {self._spec.size} were not read for {away:.0f} s, and one question reaches {longest} s back: "
                "begin a new stream, and ask bars() for those between"
            )
        unit, size, _ = next(each for each in _UNITS if span <= each[1] * each[2])
        return attrs.evolve(self._spec, duration=f"{math.ceil(span / size)} {unit}")

    def _take(self, bars: Bars, asked: float, answered: float, answered_at: datetime) -> None:
        """Enter an answer."""
        last = bars[-1].at
        is_over = last == self._last and asked - self._last_seen >= self._spec.size_seconds
        if last != self._last:
            self._last, self._last_seen = last, answered
        self._answered, self._answered_at = answered, answered_at
        for bar in bars if is_over else bars[:-1]:
            if self._told is None or bar.at > self._told:
                self._closed.append(bar)
                self._told = bar.at
