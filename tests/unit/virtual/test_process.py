"""A program that knows nothing of virtual time finds it everywhere."""

import asyncio
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from ibkeel.errors import WrongLoopError
from ibkeel.virtual import (
    DEFAULT_START,
    TimeIsUp,
    VirtualLoop,
    bystander_context,
    run_virtual,
    virtual_process,
)
from ibkeel.virtual.process import pass_time

IMPORTS_MEANWHILE = """
from ibkeel.virtual import DEFAULT_START, virtual_process

with virtual_process(DEFAULT_START):
    import queue

    try:
        queue.Queue().get(timeout=0.01)
    except queue.Empty:
        print("empty")
"""

# As Python 3.14 warns, and earlier ones do here; what warns fails.
DEPRECATES = """
import asyncio, warnings

policies = asyncio.DefaultEventLoopPolicy, asyncio.get_event_loop_policy, asyncio.set_event_loop_policy
names = "DefaultEventLoopPolicy", "get_event_loop_policy", "set_event_loop_policy"
for name in names:
    delattr(asyncio, name)

def deprecated(name):
    if name not in names:
        raise AttributeError(name)
    warnings.warn(name + " is deprecated", DeprecationWarning, stacklevel=2)
    return policies[names.index(name)]

asyncio.__getattr__ = deprecated
"""
DEPRECATED = """
import asyncio
from ibkeel.virtual import DEFAULT_START, virtual_process

with virtual_process(DEFAULT_START) as loop:
    asyncio.run(asyncio.sleep(60))
    print(round(loop.time()))
"""


def test_that_policies_of_loops_are_deprecated_is_no_news_to_a_users_suite():
    program = DEPRECATED if sys.version_info >= (3, 14) else DEPRECATES + DEPRECATED
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (done.stdout, done.stderr) == ("60\n", "")


def test_a_wait_with_a_limit_on_a_queue_ends_wherever_the_program_imported_it():
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS_MEANWHILE], check=False, capture_output=True, text=True, timeout=30
    )

    assert done.stdout == "empty\n"


def test_what_a_program_took_from_time_is_the_machines_afterwards_and_virtual_the_next_time():
    with virtual_process(DEFAULT_START):
        sleep, monotonic, ticks = time.sleep, time.monotonic, time.perf_counter_ns

    assert abs(monotonic() - time.monotonic()) < 10
    with pytest.raises(ValueError, match="non-negative"):
        sleep(-1)
    assert ticks() != ticks()
    with virtual_process(DEFAULT_START) as loop:
        sleep(60)
        assert loop.time() == monotonic() == pytest.approx(60)


def test_sleep_takes_no_time_and_every_clock_shows_it():
    with virtual_process(DEFAULT_START):
        time.sleep(3600)
        wall = datetime.now(UTC) - DEFAULT_START

        assert wall.total_seconds() == pytest.approx(3600, abs=0.001)
        assert time.monotonic() == pytest.approx(3600, abs=0.001)
        assert time.perf_counter_ns() == pytest.approx(3600e9, abs=1e6)
        assert time.time() - DEFAULT_START.timestamp() == pytest.approx(3600, abs=0.001)


def test_the_machines_time_is_back_afterwards():
    before = time.sleep, time.monotonic, asyncio.get_event_loop_policy()

    with virtual_process(DEFAULT_START):
        assert time.sleep is not before[0]

    assert (time.sleep, time.monotonic, asyncio.get_event_loop_policy()) == before
    assert datetime.now(UTC) > DEFAULT_START


def test_loops_that_a_program_makes_and_closes_are_one_loop_whose_time_goes_on():
    with virtual_process(DEFAULT_START) as loop:
        asyncio.run(asyncio.sleep(60))
        own = asyncio.new_event_loop()
        own.run_until_complete(asyncio.sleep(60))
        own.run_until_complete(asyncio.to_thread(int))
        own.close()
        asyncio.run(asyncio.sleep(60))

        assert own is loop
        assert loop.time() == pytest.approx(180, abs=0.001)


def test_each_of_several_runs_may_work_in_threads():
    with virtual_process(DEFAULT_START):
        worked = [asyncio.run(asyncio.to_thread(int)) for _ in range(2)]

    assert worked == [0, 0]


def loop_for_ever():
    while True:
        time.sleep(7)


def test_a_program_that_loops_for_ever_ends_when_its_time_is_up():
    with virtual_process(DEFAULT_START, seconds=100) as loop:
        with pytest.raises(TimeIsUp):
            loop_for_ever()

        assert loop.time() == pytest.approx(100, abs=0.001)


def test_a_loop_that_waits_for_nothing_ends_when_its_time_is_up():
    with virtual_process(DEFAULT_START, seconds=100) as loop, pytest.raises(TimeIsUp):
        loop.run_forever()


def test_a_program_may_tidy_up_after_its_time():
    done = []

    with virtual_process(DEFAULT_START, seconds=100):
        with pytest.raises(TimeIsUp):
            time.sleep(200)
        time.sleep(5)
        done.append("tidied")

    assert done == ["tidied"]


def test_who_goes_on_after_the_last_minute_is_no_longer_asked():
    told = []

    with virtual_process(DEFAULT_START, seconds=100) as loop:
        loop.at_last = lambda: told.append(round(loop.time()))
        for _ in range(3):
            with pytest.raises(TimeIsUp):
                loop_for_ever()

    assert told == [160, 220]


def test_the_local_time_zone_can_be_chosen():
    with virtual_process(DEFAULT_START, timezone="Asia/Tokyo"):
        time.sleep(60)

        assert datetime.now().astimezone().tzname() == "JST"
        assert datetime.now().hour == 23  # noqa: DTZ005 - what a script does


def test_threads_that_sleep_keep_step_with_the_loop():
    woken = []

    def beat():
        for _ in range(5):
            time.sleep(60)
            woken.append(round(time.monotonic()))

    with virtual_process(DEFAULT_START):
        thread = threading.Thread(target=beat)
        thread.start()
        while not woken:
            time.sleep(30)
        time.sleep(600)
        thread.join()

    assert [after - before for before, after in pairwise(woken)] == [60] * 4


def test_a_thread_that_is_waited_for_wakes_after_as_long_as_on_a_real_clock():
    with virtual_process(DEFAULT_START) as loop:
        thread = threading.Thread(target=time.sleep, args=(0.01,))
        thread.start()
        thread.join()

        assert loop.time() == 0.0


def test_a_thread_that_sleeps_for_ever_does_not_outlive_the_program():
    def beat():
        while True:
            time.sleep(30)

    thread = threading.Thread(target=beat)
    with virtual_process(DEFAULT_START):
        thread.start()
        time.sleep(60)
    thread.join(5)

    assert not thread.is_alive()


def test_a_thread_that_wants_a_loop_of_its_own_is_refused():
    refused = []

    def want():
        try:
            asyncio.new_event_loop()
        except WrongLoopError as error:
            refused.append(str(error))

    with virtual_process(DEFAULT_START):
        thread = threading.Thread(target=want)
        thread.start()
        thread.join()

    assert "sim serve --speed" in refused[0]


class Clockwork(asyncio.Protocol):
    """A server that says something every ten seconds."""

    def connection_made(self, transport):
        self._transport = transport
        self._say()

    def _say(self):
        loop = asyncio.get_running_loop()
        self._transport.write(f"{round(loop.time())} ".encode())
        loop.call_later(10, self._say)


class Reader(asyncio.Protocol):
    def __init__(self):
        self.heard = []

    def data_received(self, data):
        self.heard.append((round(asyncio.get_running_loop().time()), data.decode()))


def connected(loop):
    reader = Reader()

    async def connect():
        await loop.create_connection(lambda: reader, "127.0.0.1", 1)
        await asyncio.sleep(1)

    listening = loop.create_task(loop.create_server(Clockwork, "127.0.0.1", 1), context=bystander_context())
    loop.run_until_complete(listening)
    loop.run_until_complete(connect())
    return reader


def test_a_server_goes_on_while_the_program_sleeps_and_is_heard_afterwards():
    with virtual_process(DEFAULT_START) as loop:
        reader = connected(loop)

        time.sleep(35)
        heard_asleep = list(reader.heard)
        loop.run_until_complete(asyncio.sleep(1))

    assert heard_asleep == [(0, "0 ")]
    assert reader.heard[1:] == [(36, "10 "), (36, "20 "), (36, "30 ")]


def test_a_server_goes_on_while_a_task_blocks_its_loop():
    async def block():
        time.sleep(25)  # noqa: ASYNC251 - the mistake that is rehearsed
        await asyncio.sleep(0)
        return asyncio.current_task() is not None

    with virtual_process(DEFAULT_START) as loop:
        reader = connected(loop)

        assert loop.run_until_complete(block())

    assert [text for _, text in reader.heard] == ["0 ", "10 ", "20 "]


def test_the_programs_own_timers_wait_until_it_has_slept():
    ran = []
    loop = VirtualLoop(DEFAULT_START)
    loop.call_later(1, ran.append, "own")

    pass_time(loop, 60)

    assert ran == []
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert ran == ["own"]


def test_a_negative_sleep_is_refused_as_by_the_machine():
    with virtual_process(DEFAULT_START), pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)


def set_policy():
    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
    asyncio.run(asyncio.sleep(60))


def give_a_factory():
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(asyncio.sleep(60))


def inherit_a_runner():
    class Loud(asyncio.Runner):
        pass

    def wait_in(runner: asyncio.Runner | None) -> None:
        runner.run(asyncio.sleep(60))

    with Loud(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert isinstance(runner, asyncio.Runner)
        wait_in(runner)


@pytest.mark.parametrize("program", [set_policy, give_a_factory, inherit_a_runner])
def test_a_program_that_chooses_its_kind_of_loop_gets_the_one_there_is(program):
    with virtual_process(DEFAULT_START) as loop:
        program()
        assert round(loop.time()) == 60

    assert not isinstance(asyncio.run(running_loop()), VirtualLoop)


async def running_loop():
    return asyncio.get_running_loop()


@pytest.mark.filterwarnings("ignore:'asyncio:DeprecationWarning")
def test_what_a_module_took_from_asyncio_meanwhile_chooses_again_afterwards():
    class Chosen(asyncio.SelectorEventLoop):
        pass

    with virtual_process(DEFAULT_START):
        runner, set_policy = asyncio.Runner, asyncio.set_event_loop_policy

    before = asyncio.get_event_loop_policy()
    with runner(loop_factory=Chosen) as running:
        assert isinstance(running.get_loop(), Chosen)
    set_policy(chosen := asyncio.DefaultEventLoopPolicy())
    assert asyncio.get_event_loop_policy() is chosen
    set_policy(before)


@pytest.mark.parametrize("is_virtual", [False, True])
def test_a_loop_that_was_made_before_reaches_no_gateway_of_the_machine(is_virtual):
    """Where a library asks the running loop for a connection, and where it asks that of the process."""
    loop = asyncio.SelectorEventLoop()

    async def connect(asked):
        await asked.create_connection(Reader, "127.0.0.1", 4002)

    try:
        with (
            virtual_process(DEFAULT_START) as process,
            pytest.raises(WrongLoopError, match=r"which has one loop.*asyncio\.run"),
        ):
            loop.run_until_complete(connect(process if is_virtual else loop))
    finally:
        loop.close()


def test_a_virtual_loop_within_a_process_on_virtual_time_has_its_own_time():
    async def nap():
        await asyncio.sleep(3600)
        return datetime.now(UTC)

    with virtual_process(DEFAULT_START):
        assert run_virtual(nap(), start=DEFAULT_START.replace(year=2025)).year == 2025
        assert datetime.now(UTC) == DEFAULT_START
