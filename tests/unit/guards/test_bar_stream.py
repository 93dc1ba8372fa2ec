"""A stream of bars: none twice, none left out, none before it is over, whatever the clocks say."""

import asyncio
import gc
import itertools
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel import BarSpec, Stock
from ibkeel.errors import InvalidInput, NoData, RequestTimeout
from ibkeel.guards.bar_stream import bar_stream
from ibkeel.model import Bar, Bars
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")
OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
MINUTES = BarSpec(duration="600 S", size="1 min")
START = OPEN + timedelta(minutes=5, seconds=30)


class Venue:
    """Minutes in which something traded; the last one grows, as a Gateway's does."""

    def __init__(self, minutes=range(390), late=0.0, skew=0.0):
        self.minutes, self.late, self.skew = minutes, late, skew
        self.questions = []
        self.trouble = None

    def now(self):
        return virtual_clock().now() + timedelta(seconds=self.skew)

    async def bars(self, spec):
        self.questions.append((asyncio.get_running_loop().time(), spec.duration))
        if self.late:
            await asyncio.sleep(self.late)
        if self.trouble:
            raise self.trouble
        now = self.now()
        first = now - timedelta(seconds=spec.duration_seconds)
        rows = [self.bar(minute, now) for minute in self.minutes]
        rows = [bar for bar in rows if bar and bar.at + timedelta(minutes=1) > first]
        if not rows:
            raise NoData("none")
        return Bars.from_rows(rows, contract=SPY, spec=spec)

    @staticmethod
    def bar(minute, now):
        at = OPEN + timedelta(minutes=minute)
        if at > now:
            return None
        seconds = min(60.0, (now - at).total_seconds())
        return Bar(at=at, open=100.0, high=101.0, low=99.0, close=100.0, volume=1 + seconds)

    def stream(self, spec=MINUTES):
        return bar_stream(self.bars, spec, virtual_clock())


def played(main, start=START):
    return run_virtual(main(), start=start)


async def taken(stream, number):
    return [await anext(stream) for _ in range(number)]


def minutes_of(bars):
    return [int((bar.at - OPEN).total_seconds()) // 60 for bar in bars]


@pytest.mark.parametrize("skew", [0.0, -40.0, 40.0, 9e6, -30.0 * 60])
@pytest.mark.parametrize("late", [0.0, 7.0])
def test_each_bar_comes_once_whole_and_soon_after_its_end(skew, late):
    async def main():
        venue = Venue(minutes=range(-60, 200_000) if skew > 1e6 else range(-60, 60), late=late, skew=skew)
        if skew > 1e6:  # only those around the venue's own time, for speed
            middle = int(((venue.now() - OPEN).total_seconds()) // 60)
            venue.minutes = range(middle - 20, middle + 60)
        async with aclosing(venue.stream()) as stream:
            return [(await anext(stream), venue.now()) for _ in range(25)]

    told = played(main)

    numbers = minutes_of([bar for bar, _ in told])
    assert numbers == list(range(numbers[0], numbers[0] + 25))
    assert all(bar.volume == 61 for bar, _ in told)
    assert all(now - bar.at >= timedelta(minutes=1) for bar, now in told)
    # A question each minute: a bar is at most a minute old, with the answer's delay, and three seconds where clocks agree.
    most = 63 + late if not skew else 122 + late
    assert all((now - bar.at).total_seconds() <= most for bar, now in told[-10:])


@pytest.mark.parametrize("size", ["20 mins", "30 mins", "1 hour", "2 hours"])
@pytest.mark.parametrize("begins", [0, 30])
def test_long_bars_come_as_they_close_whether_they_begin_with_the_hour_or_the_session(size, begins):
    first = OPEN + timedelta(minutes=begins)

    async def main():
        clock, heard = virtual_clock(), []
        length = timedelta(seconds=spec.size_seconds)

        async def bars(spec):
            rows = [
                Bar(at=first + number * length, open=1.0, high=1.0, low=1.0, close=1.0, volume=1.0)
                for number in range((clock.now() - first) // length + 1)
            ]
            return Bars.from_rows(rows, contract=SPY, spec=spec)

        async with aclosing(bar_stream(bars, spec, clock)) as stream:
            while len(heard) < 3:
                bar = await anext(stream)
                heard.append(clock.now() - bar.at - length)
        return heard

    spec = BarSpec(duration="1 D", size=size)

    assert all(timedelta(0) <= late < timedelta(seconds=3) for late in played(main, first))


def test_where_nothing_trades_the_last_bar_comes_all_the_same_and_then_none():
    async def main():
        venue = Venue(minutes=[0, 1, 2, 8, 9])
        async with aclosing(venue.stream()) as stream:
            found = await taken(stream, 5)
            ended = venue.now()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(400):
                    await anext(stream)
            venue.minutes = [9, 20]
            found += await taken(stream, 1)
        return found, ended

    found, ended = played(main)

    assert minutes_of(found) == [0, 1, 2, 8, 9, 20]
    assert found[4].volume == 61
    assert ended <= OPEN + timedelta(minutes=11, seconds=5)


def test_a_time_limit_on_a_wait_loses_nothing():
    async def main():
        venue, found = Venue(late=3.0), []
        async with aclosing(venue.stream()) as stream:
            while len(found) < 20:
                with suppress(TimeoutError):
                    async with asyncio.timeout(5.0):
                        found.append(await anext(stream))
        return found

    assert minutes_of(played(main)) == list(range(20))


@pytest.mark.parametrize("limit", [0.0, 0.5, 2.9])
def test_whoever_waits_for_less_than_an_answer_takes_gets_all_bars_by_as_many_questions(limit):
    async def main():
        venue, found = Venue(late=3.0), []
        async with aclosing(venue.stream()) as stream:
            while len(found) < 12:
                with suppress(TimeoutError):
                    async with asyncio.timeout(limit):
                        found.append(await anext(stream))
                await asyncio.sleep(0.1)
        return found, venue.questions

    found, questions = played(main)

    assert minutes_of(found) == list(range(12))
    assert all(bar.volume == 61 for bar in found)
    assert len(questions) == 8  # six bars by the first


@pytest.mark.parametrize("trouble", [None, RequestTimeout("late")])
@pytest.mark.parametrize("pause", [1.0, 10.0])
def test_a_stream_that_is_closed_leaves_no_question_behind(trouble, pause):
    async def main():
        venue, heard = Venue(late=3.0), []
        venue.trouble = trouble
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
        async with aclosing(venue.stream()) as stream:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 1)
            await asyncio.sleep(pause)
        del stream
        gc.collect()
        return heard, asyncio.all_tasks() - {asyncio.current_task()}

    assert played(main) == ([], set())


def test_a_question_that_failed_while_nobody_waited_is_told_to_whoever_waits_next():
    async def main():
        venue = Venue(late=3.0)
        venue.trouble = RequestTimeout("late")
        async with aclosing(venue.stream()) as stream:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 1)
            await asyncio.sleep(600)
            with pytest.raises(RequestTimeout):
                await anext(stream)
        return len(venue.questions)

    assert played(main) == 1


def test_a_reader_that_was_away_gets_what_it_missed():
    async def main():
        venue = Venue()
        async with aclosing(venue.stream()) as stream:
            found = await taken(stream, 6)
            await asyncio.sleep(3600)
            found += await taken(stream, 70)
        return found, venue.questions

    found, questions = played(main)

    assert minutes_of(found) == list(range(76))
    asked = {int(duration.removesuffix(" S")) for _, duration in questions}
    assert min(asked) == 600
    assert 3600 < max(asked) < 4000


@pytest.mark.parametrize(("size", "farthest"), [("1 secs", 1796), ("5 secs", 3584), ("30 secs", 28_709)])
@pytest.mark.parametrize("too_long", [2, 86_400, 9e7])
def test_a_reader_of_short_bars_that_was_away_for_longer_than_a_question_reaches_is_told_so(
    size, farthest, too_long
):
    async def main(away):
        venue, length = Venue(), BarSpec(duration="1800 S", size=size).size_seconds
        spec = BarSpec(duration=f"{max(60, length)} S", size=size)
        async with aclosing(venue.stream(spec)) as stream:
            await anext(stream)
            await asyncio.sleep(away)
            await anext(stream)
        return venue.questions[-1][1]

    assert played(lambda: main(farthest)) in {"1800 S", "3600 S", "28800 S"}
    with pytest.raises(NoData, match=f"bars of {size} were not read for .* begin a new stream"):
        played(lambda: main(farthest + too_long))


@pytest.mark.parametrize("size", ["1 min", "30 mins", "8 hours", "1 day"])
@pytest.mark.parametrize("away", [3600, 86_400, 4e6, 4e7])
def test_a_reader_of_longer_bars_may_be_away_for_any_time(size, away):
    async def main():
        venue = Venue(minutes=[0, 1, 2])
        spec = BarSpec(duration="86400 S" if size != "1 day" else "1 D", size=size)
        async with aclosing(venue.stream(spec)) as stream:
            await anext(stream)
            await anext(stream)
            venue.minutes = range(9)
            await asyncio.sleep(away)
            return minutes_of([await anext(stream)])

    assert played(main) == [2]


@pytest.mark.parametrize(
    ("size", "least"), [("5 secs", 15), ("15 secs", 15), ("1 min", 60), ("1 hour", 1800)]
)
def test_nobody_is_asked_more_often_than_the_gateway_allows(size, least):
    async def main():
        venue = Venue(minutes=[0])
        spec = BarSpec(duration="14400 S" if least > 15 else "1800 S", size=size)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4 * least), aclosing(venue.stream(spec)) as stream:
                await taken(stream, 2)
        return venue.questions

    questions = played(main)

    times = [at for at, _ in questions][1:]
    assert all(later - earlier == pytest.approx(least) for earlier, later in itertools.pairwise(times))
    assert len(times) >= 3


@pytest.mark.parametrize("error", [RequestTimeout("late"), NoData("none")])
def test_a_question_that_fails_ends_the_stream_in_its_error(error):
    async def main():
        venue = Venue()
        async with aclosing(venue.stream()) as stream:
            await taken(stream, 5)
            venue.trouble = error
            for _ in range(2):
                with pytest.raises(type(error)):
                    await anext(stream)
        return len(venue.questions)

    assert played(main) == 2


@pytest.mark.parametrize("spec", [BarSpec(end=OPEN), "1 min", None])
def test_what_is_no_span_up_to_now_is_refused_before_anything_is_asked(spec):
    async def main():
        venue = Venue()
        with pytest.raises(InvalidInput):
            await anext(venue.stream(spec))
        return venue.questions

    assert played(main) == []


@given(
    st.lists(st.booleans(), min_size=30, max_size=30),
    st.floats(-3600, 3600),
    st.floats(0, 20),
    st.lists(st.floats(0, 300), min_size=8, max_size=8),
)
def test_whatever_trades_and_whoever_dawdles_bars_are_whole_and_in_order(trades, skew, late, pauses):
    async def main():
        minutes = [minute for minute, is_traded in enumerate(trades) if is_traded]
        venue, found = Venue(minutes=[-100, *minutes], late=late, skew=skew), []
        venue.minutes = [minute + int(skew // 60) for minute in venue.minutes]
        spec = BarSpec(duration="14400 S", size="1 min")
        async with aclosing(venue.stream(spec)) as stream:
            for pause in pauses:
                await asyncio.sleep(pause)
                try:
                    async with asyncio.timeout(600):
                        found.append(await anext(stream))
                except TimeoutError:
                    break
        return found, venue.minutes

    found, minutes = played(main)

    numbers = minutes_of(found)
    assert numbers == sorted(minutes)[: len(numbers)]
    assert all(bar.volume == 61 for bar in found)


class Sleeper:
    """A machine whose wall clock goes on while it sleeps and its loop does not, as with the lid closed."""

    def __init__(self, venue):
        self.venue = venue

    def monotonic(self):
        return virtual_clock().monotonic()

    def now(self):
        return self.venue.now()


def test_a_machine_that_slept_leaves_no_bar_out():
    async def main():
        venue = Venue()
        async with aclosing(bar_stream(venue.bars, MINUTES, Sleeper(venue))) as stream:
            found = await taken(stream, 6)
            venue.skew = 3600.0
            return minutes_of([*found, *await taken(stream, 64)])

    assert played(main) == list(range(70))
