"""A Gateway whose day runs faster than the machine's, followed by a bot."""

import asyncio
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from ibkeel.cli.live import _same_pace, clock_of
from ibkeel.clock import OffsetClock
from ibkeel.errors import ConfigurationError
from ibkeel.virtual import run_virtual, virtual_clock

START = datetime(2026, 1, 5, 16, tzinfo=UTC)


@attrs.frozen
class Served:
    """Tells the time as a Gateway does: to the second."""

    clock: OffsetClock

    async def server_time(self):
        await asyncio.sleep(0.02)
        return self.clock.now().replace(microsecond=0)


def looked(speed, late):
    async def main():
        clock = virtual_clock()
        theirs = OffsetClock(clock, START + timedelta(seconds=late), speed=speed)
        await _same_pace(Served(theirs), OffsetClock(clock, START))

    run_virtual(main())


@pytest.mark.parametrize("late", [0.0, 0.5, 0.99])
def test_one_that_runs_as_ours_is_followed(late):
    looked(1.0, late)


@pytest.mark.parametrize("speed", [0.1, 2.0, 5.0, 60.0])
@pytest.mark.parametrize("late", [0.0, 0.5, 0.99])
def test_one_that_runs_faster_or_slower_is_refused_and_the_remedy_named(speed, late):
    with pytest.raises(ConfigurationError, match="serve with --speed 1"):
        looked(speed, late)


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(minutes=-3)])
def test_a_bot_goes_by_the_machines_clock_also_after_that_was_set(off, set_clock):
    async def main():
        clock = clock_of(set_clock, None, follow=False)
        set_clock.off = off
        return clock.now() - set_clock.now(), clock.monotonic() - set_clock.monotonic()

    assert run_virtual(main(), start=START) == (timedelta(0), 0.0)


def test_a_clock_that_follows_a_gateway_is_not_set_with_the_machines(set_clock):
    async def main():
        clock = clock_of(set_clock, START, follow=True)
        set_clock.off = timedelta(hours=1)
        await asyncio.sleep(5)
        return (clock.now() - START).total_seconds()

    assert run_virtual(main(), start=START + timedelta(days=300)) == pytest.approx(5.0)
