"""S18: several processes wrote one log under neighbouring client ids, and nothing kept them apart."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from ibkeel.errors import AnotherProcess
from ibkeel.ibkr.process_lock import ProcessLock

HOLDER = """
import sys
from pathlib import Path
from ibkeel.ibkr.process_lock import ProcessLock

lock = ProcessLock("localhost", 4002, 7, Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.readline()
"""

FORKER = """
import os, sys
from pathlib import Path
from ibkeel.ibkr.process_lock import ProcessLock

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
def another_process(folder):
    """A process that holds the lock until it reads a line, or is killed."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.kill()
        holder.communicate(timeout=10)


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
