"""Threads that sleep on virtual time, and what goes on meanwhile: servers, which in life are other processes.

A program that calls `time.sleep` stops its own event loop, but not the Gateway. Whatever a server
does runs in the context in which it began to listen; so its callbacks can be told from the
program's, and run alone.
"""

import asyncio
import threading
import time
from asyncio import events, tasks
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from heapq import heapify
from typing import Any, Final

import attrs

from ibkeel.virtual.loop import VirtualLoop

_PATIENCE: Final = 0.05
_GLANCE: Final = 0.0002
_machine_sleep: Final[Callable[[float], None]] = time.sleep  # noqa: TID251 - threads take real time
_machine_monotonic: Final[Callable[[], float]] = time.monotonic  # noqa: TID251 - the same
_IS_BYSTANDER: Final[ContextVar[bool]] = ContextVar("ibkeel_bystander", default=False)


def bystander_context() -> Context:
    """A copy of the current context; what begins in it goes on while the program's thread sleeps."""
    context = copy_context()
    context.run(_IS_BYSTANDER.set, True)
    return context


def pass_time(loop: VirtualLoop, seconds: float) -> None:
    """Let time pass for bystanders alone; what they send waits until the program reads it.

    Args:
        loop: Whose time, whether it runs or not.
        seconds: So much of it, zero or more.

    Raises:
        BaseException: What the loop raises at the end of its time.
    """
    until = loop.time() + seconds
    while True:
        with _entered(loop):
            _run_ready(loop)
        timer = _next_timer(loop)
        if timer is None or timer.when() > until:
            break
        loop.pass_until(timer.when())
        _forget(loop, timer)
        with _entered(loop):
            _run(timer)
    loop.pass_until(until)


@contextmanager
def _entered(loop: VirtualLoop) -> Iterator[None]:
    """Within the loop, between two steps of whatever task is calling."""
    running = events._get_running_loop()  # noqa: SLF001 - as an event loop does
    task = None if running is None else asyncio.current_task(loop)
    if task is not None:
        tasks._leave_task(loop, task)  # noqa: SLF001 - the same
    events._set_running_loop(loop)  # noqa: SLF001 - the same
    try:
        yield
    finally:
        events._set_running_loop(running)  # noqa: SLF001 - the same
        if task is not None:
            tasks._enter_task(loop, task)  # noqa: SLF001 - the same


def _run_ready(loop: VirtualLoop) -> None:
    ready: Any = loop._ready  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio has no other way
    while (handle := next(filter(_is_bystanders, ready), None)) is not None:
        ready.remove(handle)
        _run(handle)


def _next_timer(loop: VirtualLoop) -> asyncio.TimerHandle | None:
    timers: list[asyncio.TimerHandle] = loop._scheduled  # type: ignore[attr-defined]  # noqa: SLF001 - the same
    return min(filter(_is_bystanders, timers), default=None, key=asyncio.TimerHandle.when)


def _forget(loop: VirtualLoop, timer: asyncio.TimerHandle) -> None:
    """Take a timer off the loop's heap, and with it those that were cancelled."""
    timers: list[Any] = loop._scheduled  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio has no other way
    for each in timers:
        each._scheduled = not (each is timer or each.cancelled())  # noqa: SLF001 - the same
    timers[:] = [each for each in timers if each._scheduled]  # noqa: SLF001 - the same
    heapify(timers)
    loop._timer_cancelled_count = 0  # type: ignore[attr-defined]  # noqa: SLF001 - the same


def _is_bystanders(handle: Any) -> bool:
    return not handle.cancelled() and handle._context.get(_IS_BYSTANDER, False)  # noqa: SLF001 - the same


def _run(handle: Any) -> None:
    handle._run()  # noqa: SLF001 - asyncio has no other way


@attrs.frozen(kw_only=True, eq=False)
class _Nap:
    thread: threading.Thread
    until: float
    is_over: threading.Event = attrs.field(factory=threading.Event)


class Sleepers:
    """Who sleeps until when.

    A thread is woken when its instant has come, and time goes on once it sleeps again, has ended, or
    has kept itself busy for 50 ms of real time. Should no virtual time pass at all, because the loop's
    thread waits for this one, it wakes after as long as on a real clock.
    """

    def __init__(self) -> None:
        self._naps: dict[threading.Thread, _Nap] = {}
        self._is_ended = False

    def sleep(self, now: float, seconds: float) -> None:
        """Sleep in the calling thread.

        Raises:
            SystemExit: The program has ended, and this thread with it.
        """
        thread = threading.current_thread()
        nap = self._naps[thread] = _Nap(thread=thread, until=now + seconds)
        if not self._is_ended:
            nap.is_over.wait(seconds)
        if self._naps.get(thread) is nap:
            del self._naps[thread]
        if self._is_ended:
            raise SystemExit

    def first(self) -> float | None:
        """When the next one wakes; None: nobody sleeps."""
        return min((nap.until for nap in tuple(self._naps.values())), default=None)

    def wake(self, now: float) -> None:
        """Wake those whose instant has come, one after the other."""
        due = [nap for nap in tuple(self._naps.values()) if nap.until <= now]
        for nap in sorted(due, key=lambda each: each.until):
            self._naps.pop(nap.thread, None)
            nap.is_over.set()
            self._await(nap.thread)

    def end(self) -> None:
        """Let every thread end that sleeps now, or within a moment."""
        self._is_ended = True
        for nap in tuple(self._naps.values()):
            nap.is_over.set()
            nap.thread.join(_PATIENCE)

    def _await(self, thread: threading.Thread) -> None:
        latest = _machine_monotonic() + _PATIENCE
        while thread.is_alive() and thread not in self._naps and _machine_monotonic() < latest:
            _machine_sleep(_GLANCE)
