"""Async tests run on virtual time; tests that need recorded data say so with a marker."""

import gc
import inspect
import os
import signal
import sys
from datetime import timedelta

import pytest
from hypothesis import Phase, settings

from ibkeel.virtual import run_virtual, virtual_clock

PHASES = tuple(
    phase for phase in Phase if phase is not Phase.explain
)  # it is slow where failing is what is tested
settings.register_profile(
    "default", deadline=None, derandomize=True, phases=PHASES
)  # the same examples for everybody
settings.register_profile("nightly", deadline=None, max_examples=2000)
settings.load_profile("default")


@pytest.fixture(scope="session", autouse=True)
def _folders_of_their_own(tmp_path_factory):
    """Locks of client ids, and state that no test puts elsewhere, are kept in folders of the tests, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IBKEEL_LOCKS", str(tmp_path_factory.mktemp("locks")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_proxy_to_this_machine_and_no_width_of_its_terminal():
    """Behind a proxy, what a test serves on loopback would be asked for there, and never come."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("no_proxy", "NO_PROXY"):
            patch.setenv(name, ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost"))))
        patch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _interrupts_arrive():
    """A shell without job control starts what goes to the background deaf to Ctrl-C, and all that this starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _bytecode_of_what_is_started(tmp_path_factory):
    """Where no bytecode is to be written beside the code, the processes of the tests share it elsewhere.

    Each of them would compile the whole package for itself, which takes longer than what most are started for.
    """
    with pytest.MonkeyPatch.context() as patch:
        if sys.dont_write_bytecode:
            own = tmp_path_factory.getbasetemp()
            shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            patch.setenv("PYTHONPYCACHEPREFIX", str(shared / "bytecode"))
        yield


class SetClock:
    """Goes with virtual time, but for `off`: somebody set it, or the machine slept and only wall time went on."""

    off = timedelta(0)

    def now(self):
        return virtual_clock().now() + self.off

    def monotonic(self):
        return virtual_clock().monotonic()


@pytest.fixture
def set_clock():
    """A machine's clock that somebody sets."""
    return SetClock()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """A coroutine function is a test like any other."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    run_virtual(pyfuncitem.obj(**arguments))
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Decided before any fixture reads the data, and in one place."""
    if item.get_closest_marker("data") is None or os.environ.get("IBKEEL_DATA"):
        return
    if os.environ.get("IBKEEL_DATA_REQUIRED"):
        pytest.fail("IBKEEL_DATA names no folder, and IBKEEL_DATA_REQUIRED says that it must")
    pytest.skip("IBKEEL_DATA names no folder of recorded data")


def pytest_terminal_summary(terminalreporter):
    """One line for the tests that were left out for want of data, and one a reason for others."""
    reasons = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, number in reasons.items():
        terminalreporter.write_line(f"{number} skipped: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What thousands of tests bring along at collection is all kept, and need not be searched for garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
