"""S18: several processes wrote one log under neighbouring client ids, and nothing kept them apart."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from datetime import date

import pytest

from ibkeel.errors import AnotherProcess
from ibkeel.locks import ProcessLock
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.system import SystemClock

HOLDER = """
import sys
from pathlib import Path
from ibkeel.locks import ProcessLock

lock = ProcessLock("localhost", 4002, 7, Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.readline()
"""

SEED = """
import asyncio, sys
from pathlib import Path
from ibkeel.ibkr.client import library


async def start(log, port, client_id):
    ib, refused = library.IB(), asyncio.Event()
    ib.errorEvent += lambda _, code, *words: code == 326 and refused.set()
    connecting = asyncio.ensure_future(ib.client.connectAsync("127.0.0.1", port, client_id, timeout=10))
    waiting = asyncio.ensure_future(refused.wait())
    await asyncio.wait({connecting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if refused.is_set():
        connecting.cancel()
        return await start(log, port, client_id + 1)
    waiting.cancel()
    with log.open("a") as lines:
        print("client id", client_id, file=lines)
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


asyncio.run(start(Path(sys.argv[1]) / "bot.log", int(sys.argv[2]), 7))
"""
"""A model of what was there: an id that is in use is raised by one, and the log is whoever's."""

FORKER = """
import os, sys
from pathlib import Path
from ibkeel.locks import ProcessLock

lock = ProcessLock("localhost", 4002, 7, Path(sys.argv[1]))
lock.acquire()
child = os.fork()
if child == 0:
    lock.release()
    os._exit(0)
os.waitpid(child, 0)
ProcessLock("localhost", 4002, 7, Path(sys.argv[1])).acquire()
"""


@contextmanager
def started(program, *arguments):
    """A process that runs a program, until it reads a line, or is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


@contextmanager
def another_process(folder):
    """A process that holds the lock until it reads a line, or is killed."""
    with started(HOLDER, folder) as holder:
        assert holder.stdout.readline() == "held\n"
        yield holder


def running_at_once(program, *arguments):
    """How many of two processes run, when a program is started twice with the same settings."""
    with ExitStack() as stack:
        said = [stack.enter_context(started(program, *arguments)).stdout.readline() for _ in range(2)]
    return said.count("held\n")


def test_of_a_program_that_is_started_twice_one_runs(tmp_path):
    assert running_at_once(HOLDER, tmp_path) == 1


def test_the_model_of_what_was_there_ran_twice_under_neighbouring_ids_and_wrote_one_log(tmp_path):
    async def main():
        gateway = SimulatedGateway(market=SeededMarket(7, date(2026, 1, 5)), clock=SystemClock())
        async with gateway.listening() as port:
            return await asyncio.to_thread(running_at_once, SEED, tmp_path, port)

    assert asyncio.run(main()) == 2
    assert (tmp_path / "bot.log").read_text().splitlines() == ["client id 7", "client id 8"]


def test_a_second_process_is_refused_until_the_first_was_killed(tmp_path):
    ours = ProcessLock("127.0.0.1", 4002, 7, tmp_path)

    with another_process(tmp_path) as holder:
        with pytest.raises(AnotherProcess, match=f"by process {holder.pid}") as caught:
            ours.acquire()
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=10)
        ours.acquire()

    assert caught.value.pid == holder.pid
    assert ours.is_held
    ours.release()


def test_a_process_that_ends_without_a_word_gives_the_client_id_back(tmp_path):
    ours = ProcessLock("127.0.0.1", 4002, 7, tmp_path)

    with another_process(tmp_path) as holder:
        holder.communicate("\n", timeout=10)
        ours.acquire()

    assert holder.returncode == 0
    ours.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform does not fork")
def test_a_forked_child_does_not_end_the_lock_of_its_parent(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", FORKER, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert "AnotherProcess: client id 7" in ran.stderr
