import asyncio
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import PacingExceeded
from ibkeel.ibkr.pending import Lines
from ibkeel.telemetry import NullObserver
from ibkeel.virtual import run_virtual, virtual_clock


class Told:
    """Keeps what it was told."""

    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


def made(capacity, observer=None):
    return Lines(capacity, virtual_clock(), observer or NullObserver()), count(1).__next__


async def hold(lines, draw, seconds, subject="SPY"):
    async with lines.lease(subject, draw):
        await asyncio.sleep(seconds)


async def test_a_line_is_in_the_books_while_it_is_out():
    lines, draw = made(2)

    async with lines.lease("SPY", draw) as key:
        during = lines.open
    after = lines.open

    assert (key, during, after) == (1, {1: "SPY"}, {})


async def test_those_who_wait_get_lines_in_the_order_of_asking():
    lines, draw = made(1)
    got = []

    async def ask(name):
        async with lines.lease(name, draw):
            got.append(name)
            await asyncio.sleep(1)

    async with asyncio.TaskGroup() as group:
        for name in "abcde":
            group.create_task(ask(name))

    assert got == list("abcde")
    assert lines.most_open == 1


async def test_no_line_was_ever_out_before_the_first():
    lines, _ = made(1)

    assert (lines.open, lines.most_open) == ({}, 0)


@pytest.mark.parametrize(("patience", "seconds"), [({}, 60), ({"patience": 5.0}, 5)])
async def test_one_who_waits_too_long_is_told_who_holds_the_lines(patience, seconds):
    lines, draw = Lines(7, virtual_clock(), NullObserver(), **patience), count(1).__next__
    asked_at = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        for subject in ("SPY", "QQQ", "IWM", "DIA", "GLD", "TLT", "SPY"):
            group.create_task(hold(lines, draw, 100, subject))
        await asyncio.sleep(0)

        with pytest.raises(PacingExceeded) as refusal:
            await hold(lines, draw, 1, "XLF")

        waited = asyncio.get_running_loop().time() - asked_at
    assert round(waited) == seconds
    assert f"no market data line for XLF within {seconds} s: all 7 are out, for" in str(refusal.value)
    assert "for DIA, GLD, IWM, QQQ, SPY; close streams" in str(refusal.value)


async def test_a_reader_that_is_cancelled_gives_its_line_back():
    lines, draw = made(1)
    reader = asyncio.create_task(hold(lines, draw, 3600))
    await asyncio.sleep(1)

    reader.cancel()

    async with asyncio.timeout(1), lines.lease("QQQ", draw):
        assert list(lines.open.values()) == ["QQQ"]


async def test_one_who_waits_and_is_cancelled_takes_no_line():
    lines, draw = made(1)
    holder = asyncio.create_task(hold(lines, draw, 10))
    waiting = asyncio.create_task(hold(lines, draw, 10))
    await asyncio.sleep(1)

    waiting.cancel()
    await holder

    async with asyncio.timeout(1), lines.lease("QQQ", draw):
        assert lines.most_open == 1


async def test_a_line_comes_back_when_its_reader_fails():
    lines, draw = made(1)

    with pytest.raises(ZeroDivisionError):
        async with lines.lease("SPY", draw):
            raise ZeroDivisionError

    assert lines.open == {}


async def test_lines_of_an_earlier_loop_are_out_no_more_and_make_no_room_when_they_end():
    told = Told()
    lines, draw = made(1, told)

    async with lines.lease("old", draw):
        lines.begin()
        during = lines.open
    asking = [asyncio.create_task(hold(lines, draw, 10, name)) for name in ("new", "waits")]
    await asyncio.sleep(5)

    assert during == {}
    assert list(lines.open.values()) == ["new"]
    assert [(type(event).__name__, event.subject) for event in told.events] == [
        ("LineOpened", "old"),
        ("LineOpened", "new"),
    ]
    await asyncio.gather(*asking)


async def test_the_observer_hears_of_every_line():
    told = Told()
    lines, draw = made(2, told)

    await hold(lines, draw, 1)

    assert [(type(event).__name__, event.subject, event.open_lines) for event in told.events] == [
        ("LineOpened", "SPY", 1),
        ("LineClosed", "SPY", 0),
    ]


@given(
    st.integers(1, 5), st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5), st.booleans()), max_size=20)
)
def test_never_more_lines_are_out_than_there_are(capacity, readers):
    async def main():
        lines, draw = made(capacity)

        async def read(begin, seconds, *, gives_up):
            await asyncio.sleep(begin)
            try:
                async with asyncio.timeout(1 if gives_up else None):
                    await hold(lines, draw, seconds)
            except TimeoutError:
                assert gives_up
            assert len(lines.open) <= capacity

        async with asyncio.TaskGroup() as group:
            for begin, seconds, gives_up in readers:
                group.create_task(read(begin, seconds, gives_up=gives_up))
        return lines

    lines = run_virtual(main())

    assert lines.open == {}
    assert lines.most_open <= capacity
