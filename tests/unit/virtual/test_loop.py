"""The jumping loop: time, threads, deadlocks."""

import asyncio
import math
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from ibkeel.errors import InvalidInput, Stalled
from ibkeel.virtual import DEFAULT_START, VirtualLoop, run_virtual, virtual_clock


def test_a_day_of_sleep_takes_no_time():
    began = time.perf_counter()

    async def main():
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    slept = run_virtual(main())

    assert slept == pytest.approx(86_400, abs=1e-3)
    assert time.perf_counter() - began < 5


async def test_the_wall_clock_travels_along():
    await asyncio.sleep(90)

    assert abs(datetime.now(UTC) - DEFAULT_START - timedelta(seconds=90)) < timedelta(milliseconds=1)
    assert virtual_clock().now() == datetime.now(UTC)
    assert time.time() == pytest.approx(datetime.now(UTC).timestamp())


async def test_a_real_socket_may_be_read_and_written_at_once():
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    one, other = socket.socketpair()
    with one, other:
        loop.add_reader(one, heard.set)
        loop.add_writer(one, lambda: (one.send(b"x"), loop.remove_writer(one)))
        other.send(b"y")

        await asyncio.wait_for(heard.wait(), 10)
        loop.remove_reader(one)

        assert (one.recv(1), other.recv(1)) == (b"y", b"x")


def test_the_wall_clock_comes_back():
    async def main():
        await asyncio.sleep(1)

    run_virtual(main(), start=datetime(1999, 1, 1, tzinfo=UTC))

    assert datetime.now(UTC).year > 2020


def test_without_travel_the_wall_clock_stays():
    async def main():
        await asyncio.sleep(1)
        return datetime.now(UTC), virtual_clock().now()

    wall, virtual = run_virtual(main(), start=datetime(1999, 1, 1, tzinfo=UTC), travel=False)

    assert wall.year > 2020
    assert virtual.year == 1999


async def test_the_clock_lands_strictly_after_a_timer():
    loop = asyncio.get_running_loop()
    due = loop.time() + 1
    landed = loop.create_future()
    loop.call_at(due, lambda: landed.set_result(loop.time()))

    assert await landed > due


async def test_timers_fire_in_order():
    loop, seen = asyncio.get_running_loop(), []
    for delay in (3, 1, 2):
        loop.call_later(delay, seen.append, delay)

    await asyncio.sleep(4)

    assert seen == [1, 2, 3]


def test_a_deadlock_is_an_error_that_says_who_waits():
    async def waits_for_nobody():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stalled, match=r"every task waits .*waits_for_nobody, line \d+"):
        run_virtual(waits_for_nobody())


def test_a_deadlock_names_the_threads_that_might_have_ended_it():
    is_over = threading.Event()
    thread = threading.Thread(target=is_over.wait, name="courier")

    async def main():
        thread.start()
        await asyncio.Event().wait()

    try:
        with pytest.raises(Stalled, match=r"not waited for: .*courier.* \(only asyncio\.to_thread is\)"):
            run_virtual(main())
    finally:
        is_over.set()
        thread.join()


@pytest.mark.parametrize("seconds", [math.inf, 1e12])
def test_a_sleep_without_end_is_a_deadlock_once_nothing_else_is_to_come(seconds):
    async def main():
        await asyncio.sleep(1)
        await asyncio.sleep(seconds)

    with pytest.raises(Stalled, match="a century"):
        run_virtual(main())


async def wait_a_minute():
    await asyncio.sleep(60)


@pytest.mark.parametrize("given", [wait_a_minute, None, 3.0])
def test_what_is_no_coroutine_is_refused_with_what_would_be(given):
    with pytest.raises(InvalidInput, match=r"runs a coroutine, such as main\(\)"):
        run_virtual(given)


def test_a_run_within_a_run_is_refused_and_the_outer_one_goes_on():
    async def main():
        with pytest.raises(InvalidInput, match="here one runs already"):
            run_virtual(wait_a_minute())
        await wait_a_minute()
        return asyncio.get_event_loop().time()

    assert run_virtual(main()) == pytest.approx(60)


def test_a_deadlock_with_a_deadline_is_a_timeout():
    async def main():
        async with asyncio.timeout(30):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        run_virtual(main())


def test_a_spinning_task_is_an_error(monkeypatch):
    monkeypatch.setattr("ibkeel.virtual.loop._TURNS_WITHOUT_TIME", 100)

    async def spins():
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Stalled, match="no time passed"):
        run_virtual(spins())


async def test_no_virtual_time_passes_while_a_thread_works():
    loop = asyncio.get_running_loop()
    before = loop.time()

    async with asyncio.timeout(0.5):
        result = await asyncio.to_thread(lambda: sum(range(2_000_000)))

    assert result == 1_999_999_000_000
    assert loop.time() == before


def test_naive_starts_are_refused():
    async def main():
        pass

    with pytest.raises(InvalidInput, match="no time zone"):
        run_virtual(main(), start=datetime(2026, 1, 1))


def test_the_clock_is_only_there_on_a_virtual_loop():
    async def main():
        return virtual_clock()

    with pytest.raises(InvalidInput, match="use run_virtual"):
        asyncio.run(main())


def test_there_is_no_virtual_clock_where_no_loop_runs():
    with pytest.raises(InvalidInput, match="no loop runs here"):
        virtual_clock()


async def test_the_loop_counts_its_jumps():
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)

    await asyncio.sleep(1)
    await asyncio.sleep(1)

    assert loop.jumps == 2
    assert loop.clock.monotonic() == loop.time()


def test_a_timer_that_a_jump_to_another_lands_on_finds_the_clock_past_it():
    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(2)
        sent_at, turns, passed = loop.time(), 0, loop.create_future()

        def throttle():
            nonlocal turns
            turns += 1
            if loop.time() - sent_at > 1.0:
                passed.set_result(turns)
            elif turns > 100:
                passed.set_exception(AssertionError("the clock stands on the timer"))
            else:
                loop.call_at(sent_at + 1.0, throttle)

        loop.call_at(sent_at + 1.0, throttle)
        loop.call_at(3.0, lambda: None)  # the jump past it lands just on the other
        return await passed

    assert run_virtual(main()) <= 2


@pytest.mark.parametrize("start", [datetime(2026, 1, 5).date(), "2026-01-05"])
def test_it_does_not_start_at_a_day_or_a_text(start):
    with pytest.raises(InvalidInput, match="no time zone"):
        run_virtual(asyncio.sleep(0), start=start)
