"""Circuit breakers: what a guarded call costs, and how many probes get through."""

import asyncio
import contextlib
import statistics
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from benchmarks.breaker_peers import THRESHOLD, Subject, subjects
from benchmarks.interleaved import in_turns, median_ratio, time_awaits, time_calls
from benchmarks.report import Bar, Report

__all__ = ["run"]

RESET = 0.02
TASKS = 20
THREADS = 8


class Fault(ConnectionError):
    """What the guarded service raises."""


def answer() -> int:
    return 1


async def answer_async() -> int:
    return 1


def run(*, quick: bool) -> Report:
    """Measure ours and the peers."""
    found, missing = subjects()
    rounds, number = (3, 5_000) if quick else (15, 50_000)
    sync = _sync_costs(found, rounds, number)
    with asyncio.Runner() as runner:
        awaited = _async_costs(found, rounds, number, runner)
        probes_tasks = {
            name: runner.run(_probes_of_tasks(subject))
            for name, subject in found.items()
            if subject.guard_async
        }
    trials = 20 if quick else 300
    probes_threads = {
        name: _worst([_probes_of_threads(subject) for _ in range(trials if name == "ibkeel" else 20)])
        for name, subject in found.items()
        if subject.guard
    }
    figures: dict[str, Any] = {
        "versions": {name: subject.version for name, subject in found.items() if subject.version},
        "missing": missing,
        "sync_ns": {name: statistics.median(values) for name, values in sync.items()},
        "async_ns": {name: statistics.median(values) for name, values in awaited.items()},
        "sync_ratio": _ratios(sync),
        "async_ratio": _ratios(awaited),
        "probes_tasks": probes_tasks,
        "probes_threads": probes_threads,
        "thread_trials": trials,
    }
    return Report(name="breaker", figures=figures, bars=_bars(figures))


def _bars(figures: dict[str, Any]) -> tuple[Bar, ...]:
    sync, awaited = figures["sync_ratio"], figures["async_ratio"]
    return (
        Bar(
            name="sync_ratio",
            value=sync["ibkeel"],
            op="<=",
            limit=8,
            strays=abs(sync["ibkeel"] - sync["ibkeel again"]),
        ),
        Bar(
            name="async_ratio",
            value=awaited["ibkeel"],
            op="<=",
            limit=5,
            strays=abs(awaited["ibkeel"] - awaited["ibkeel again"]),
        ),
        *(
            Bar(
                name=name,
                value=figures[name]["ibkeel"],
                op="==",
                limit=1,
                strays=abs(figures[name]["ibkeel"] - figures[name]["ibkeel again"]),
            )
            for name in ("probes_tasks", "probes_threads")
        ),
    )


def _ratios(measured: dict[str, list[float]]) -> dict[str, float]:
    return {
        name: median_ratio(values, measured["bare"]) for name, values in measured.items() if name != "bare"
    }


def _sync_costs(found: dict[str, Subject], rounds: int, number: int) -> dict[str, list[float]]:
    calls: dict[str, Callable[[], object]] = {"bare": answer}
    calls |= {name: subject.guard(RESET)(answer) for name, subject in found.items() if subject.guard}
    return in_turns({name: partial(time_calls, call, number) for name, call in calls.items()}, rounds)


def _async_costs(
    found: dict[str, Subject], rounds: int, number: int, runner: asyncio.Runner
) -> dict[str, list[float]]:
    calls: dict[str, Any] = {"bare": answer_async}
    calls |= {
        name: subject.guard_async(RESET)(answer_async)
        for name, subject in found.items()
        if subject.guard_async
    }
    return in_turns(
        {name: partial(_run_awaits, runner, call, number) for name, call in calls.items()},
        rounds,
    )


def _run_awaits(runner: asyncio.Runner, call: Callable[[], Awaitable[object]], number: int) -> float:
    return runner.run(time_awaits(call, number))


async def _probes_of_tasks(subject: Subject) -> int:
    """How many of 20 calls that arrive together, just after the reset time, are let through."""
    assert subject.guard_async is not None
    entered, may_end, is_down = 0, asyncio.Event(), True

    async def service() -> None:
        nonlocal entered
        if is_down:
            raise Fault
        entered += 1
        await may_end.wait()

    guarded = subject.guard_async(RESET)(service)
    for _ in range(THRESHOLD):
        await asyncio.gather(guarded(), return_exceptions=True)
    await asyncio.sleep(RESET * 2)
    is_down = False
    calls = [asyncio.ensure_future(guarded()) for _ in range(TASKS)]
    await asyncio.sleep(0.01)
    probes = entered
    may_end.set()
    await asyncio.gather(*calls, return_exceptions=True)
    return probes


def _probes_of_threads(subject: Subject) -> int:
    """How many of 8 threads that arrive together, just after the reset time, are let through."""
    assert subject.guard is not None
    door = _Door()

    def service() -> None:  # a plain function: aiobreaker takes no bound method
        door.service()

    guarded = subject.guard(RESET)(service)
    for _ in range(THRESHOLD):
        _quietly(guarded)
    time.sleep(RESET * 2)  # noqa: TID251 - most peers have no other clock
    door.is_down = False
    start = threading.Barrier(THREADS)

    def arrive() -> None:
        start.wait()
        _quietly(guarded)
        door.left()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=arrive) for _ in range(THREADS)]
    try:
        for thread in threads:
            thread.start()
        probes = door.count()
    finally:
        sys.setswitchinterval(before)
        door.may_end.set()
        for thread in threads:
            thread.join()
    return probes


class _Door:
    """A service that keeps whoever comes in, until everybody has come or been turned away."""

    def __init__(self) -> None:
        self.is_down = True
        self.may_end = threading.Event()
        self._changed = threading.Condition()
        self._entered = self._left = 0

    def service(self) -> None:
        if self.is_down:
            raise Fault
        with self._changed:
            self._entered += 1
            self._changed.notify_all()
        self.may_end.wait()

    def left(self) -> None:
        with self._changed:
            self._left += 1
            self._changed.notify_all()

    def count(self) -> int:
        """Those let in; a peer that holds a lock during the call makes the others wait, so not for ever."""
        with self._changed:
            self._changed.wait_for(lambda: self._entered + self._left >= THREADS, timeout=0.25)
            return self._entered


def _quietly(call: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):  # each library has its own rejection
        call()


def _worst(counts: list[int]) -> int:
    """The count that is furthest from one."""
    return max(counts, key=lambda number: abs(number - 1))
