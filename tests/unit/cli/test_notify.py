import asyncio
import os
import signal
import socket
import subprocess
import sys

import pytest

from ibkeel.cli.notify import Notifier, supervised

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no AF_UNIX on this system")


@pytest.fixture
def manager(tmp_path):
    """The socket at which a service manager listens."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.setblocking(False)
        yield receiver


def heard(receiver):
    messages = []
    while True:
        try:
            messages.append(receiver.recv(4096).decode())
        except BlockingIOError:
            return messages


def environment(manager, **more):
    return {"NOTIFY_SOCKET": manager.getsockname(), **more}


def test_readiness_comes_with_one_line_of_status(manager):
    notifier = Notifier.of(environment(manager), pid=7)

    notifier.ready("connected to 127.0.0.1:4002;\norders: PAPER")

    assert heard(manager) == ["READY=1\nSTATUS=connected to 127.0.0.1:4002; orders: PAPER"]


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's own")
def test_an_abstract_socket_is_reached():
    name = f"ibkeel-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.setblocking(False)

        Notifier.of({"NOTIFY_SOCKET": f"@{name}"}, pid=7).stopping()

        assert heard(receiver) == ["STOPPING=1"]


async def test_the_watchdog_is_fed_three_times_in_its_period_until_the_end(manager):
    notifier = Notifier.of(environment(manager, WATCHDOG_USEC="30000000", WATCHDOG_PID="7"), pid=7)

    async with supervised(notifier):
        await asyncio.sleep(59)
    await asyncio.sleep(300)

    assert heard(manager) == ["WATCHDOG=1"] * 6 + ["STOPPING=1"]


@pytest.mark.parametrize(
    "more",
    [{}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}],
)
async def test_a_watchdog_that_is_not_ours_is_not_fed(manager, more):
    async with supervised(Notifier.of(environment(manager, **more), pid=7)):
        await asyncio.sleep(600)

    assert heard(manager) == ["STOPPING=1"]


async def test_the_end_is_told_when_the_bot_fails(manager):
    with pytest.raises(ValueError, match="no good"):
        async with supervised(Notifier.of(environment(manager), pid=7)):
            raise ValueError("no good")

    assert heard(manager) == ["STOPPING=1"]


@pytest.mark.parametrize("address", ["", "vsock:2:9999", "/nowhere/notify", "/" + "x" * 200])
def test_nobody_to_tell_stops_nothing(address):
    Notifier(address=address).ready("connected")


def test_a_manager_that_does_not_read_stops_nothing(manager):
    notifier = Notifier.of(environment(manager), pid=7)

    for _ in range(2_000):
        notifier.alive()

    assert set(heard(manager)) == {"WATCHDOG=1"}


SCRIPT = """
import asyncio
from ibkeel.cli.notify import interrupted_by_sigterm

async def wait():
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print("closed", flush=True)

interrupted_by_sigterm()
try:
    asyncio.run(wait())
except KeyboardInterrupt:
    raise SystemExit(130)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without a word")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_sigterm_and_a_terminal_that_goes_away_end_a_process_in_order(name):
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"

    process.send_signal(getattr(signal, name))
    said, _ = process.communicate(timeout=10)

    assert (said, process.returncode) == ("closed\n", 130)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without a word")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_a_script_put_in_the_background_ends_in_order_too(number):
    command = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, SCRIPT]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"

        process.send_signal(number)
        said, _ = process.communicate(timeout=10)
    finally:
        process.kill()

    assert (said, process.returncode) == ("closed\n", 130)


UNDER_NOHUP = """
import signal
from ibkeel.cli.notify import interrupted_by_sigterm

interrupted_by_sigterm()
signal.raise_signal(signal.SIGHUP)
print("lives")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_process_under_nohup_outlives_its_terminal():
    command = ["sh", "-c", 'trap "" HUP; exec "$0" -c "$1"', sys.executable, UNDER_NOHUP]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == "lives\n"


TOLD_TWICE = """
import asyncio, os, signal
from ibkeel.cli.notify import interrupted_by_sigterm

first, second = signal.{first}, signal.{second}
interrupted_by_sigterm()

async def main():
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM, signal.SIGHUP}})
        os.kill(os.getpid(), first)
        if {at_once}:
            os.kill(os.getpid(), second)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {{signal.SIGTERM, signal.SIGHUP}})
        await asyncio.Event().wait()
    finally:
        if not {at_once}:
            os.kill(os.getpid(), second)
        await asyncio.sleep(0)
        print("in order")

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("ended")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("first", "second"), [("SIGHUP", "SIGHUP"), ("SIGTERM", "SIGHUP"), ("SIGHUP", "SIGTERM")]
)
def test_the_end_of_a_session_that_is_told_twice_breaks_off_nothing(first, second, at_once):
    """As that of a login session, by SIGTERM and SIGHUP, and that of a terminal whose shell passes it on."""
    script = TOLD_TWICE.format(first=first, second=second, at_once=at_once)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "in order\nended\n"
