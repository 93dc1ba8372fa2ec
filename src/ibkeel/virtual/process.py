"""A whole process on virtual time: for programs that know nothing of it, and the servers beside them.

A program that calls `time.sleep` stops its own event loop, but not the Gateway. Whatever a server
does runs in the context in which it began to listen; so its callbacks can be told from the
program's, and run alone.
"""

import asyncio
import queue  # noqa: F401 - it takes the clock of its waits from `time`, and those are real: so before time is virtual
import threading
import time
import warnings
from asyncio import Runner, events, tasks
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from contextvars import Context, ContextVar, copy_context
from datetime import datetime
from heapq import heapify
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import attrs
from typing_extensions import override

from ibkeel.virtual.loop import VirtualLoop, another_loop
from ibkeel.virtual.run import ordered_clients, wall_clock

T = TypeVar("T")

_PATIENCE: Final = 0.05
_GLANCE: Final = 0.0002
_machine_sleep: Final[Callable[[float], None]] = time.sleep  # noqa: TID251 - threads take real time
machine_monotonic: Final[Callable[[], float]] = time.monotonic  # noqa: TID251 - the same
_IS_BYSTANDER: Final[ContextVar[bool]] = ContextVar("ibkeel_bystander", default=False)

_GRACE: Final = 60.0  # of virtual time, for what a program does at its end


def bystander_context() -> Context:
    """A copy of the current context; what begins in it goes on while the program's thread sleeps."""
    context = copy_context()
    context.run(_IS_BYSTANDER.set, True)
    return context


def pass_time(loop: VirtualLoop, seconds: float) -> None:
    """Let time pass for bystanders alone, whether the loop runs or not; what they send waits until the program reads it.

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
            timer._run()
    loop.pass_until(until)


@contextmanager
def _entered(loop: VirtualLoop) -> Iterator[None]:
    """Within the loop, between two steps of whatever task is calling."""
    running = events._get_running_loop()  # as an event loop does
    task = None if running is None else asyncio.current_task(loop)
    if task is not None:
        tasks._leave_task(loop, task)
    events._set_running_loop(loop)
    try:
        yield
    finally:
        events._set_running_loop(running)
        if task is not None:
            tasks._enter_task(loop, task)


def _run_ready(loop: VirtualLoop) -> None:
    ready: Any = loop._ready  # type: ignore[attr-defined]
    while (handle := next(filter(_is_bystanders, ready), None)) is not None:
        ready.remove(handle)
        handle._run()


def _next_timer(loop: VirtualLoop) -> asyncio.TimerHandle | None:
    timers: list[asyncio.TimerHandle] = loop._scheduled  # type: ignore[attr-defined]
    return min(filter(_is_bystanders, timers), default=None, key=asyncio.TimerHandle.when)


def _forget(loop: VirtualLoop, timer: asyncio.TimerHandle) -> None:
    """Take a timer off the loop's heap, and with it those that were cancelled."""
    timers: list[Any] = loop._scheduled  # type: ignore[attr-defined]
    for each in timers:
        each._scheduled = not (each is timer or each.cancelled())
    timers[:] = [each for each in timers if each._scheduled]
    heapify(timers)
    loop._timer_cancelled_count = 0  # type: ignore[attr-defined]


def _is_bystanders(handle: Any) -> bool:
    return not handle.cancelled() and handle._context.get(_IS_BYSTANDER, False)


@attrs.frozen(kw_only=True, eq=False)
class _Nap:
    thread: threading.Thread
    until: float
    is_over: threading.Event = attrs.field(factory=threading.Event)


@contextmanager
def _unreported_exits() -> Iterator[None]:
    """An interpreter says nothing of a thread that ends by SystemExit; neither shall the hooks of others, as pytest's."""
    report = threading.excepthook

    def report_others(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            report(args)

    threading.excepthook = report_others
    try:
        yield
    finally:
        threading.excepthook = report


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
        """Sleep in the calling thread, which ends by SystemExit with the program."""
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
        with _unreported_exits():
            for nap in tuple(self._naps.values()):
                nap.is_over.set()
                nap.thread.join(_PATIENCE)

    def _await(self, thread: threading.Thread) -> None:
        latest = machine_monotonic() + _PATIENCE
        while thread.is_alive() and thread not in self._naps and machine_monotonic() < latest:
            _machine_sleep(_GLANCE)


class TimeIsUp(KeyboardInterrupt):
    """The time that was given has passed; a program gets it as it would get Ctrl-C."""


class ProcessLoop(VirtualLoop):
    """The one loop of a process on virtual time; it is there until the process ends.

    `asyncio.run` closes the loop that it used; here the next one is the same again, and the time
    and the servers on it go on.

    Attributes:
        thread: Where it runs.
        at_last: Called in place of the second `TimeIsUp`, and of each later one; it may end the process.
            Should it return, the program gets one more.
    """

    another_loop = staticmethod(another_loop)

    def __init__(self, start: datetime, *, on_jump: Callable[[datetime], None] | None = None) -> None:
        self.thread = threading.current_thread()
        self._sleepers = Sleepers()
        self._default_executor: Executor | None
        super().__init__(start, on_jump=on_jump)
        self.over = self._end
        self.at_last: Callable[[], None] | None = None
        self._is_over = False

    def sleep(self, seconds: float) -> None:
        """Stands for `time.sleep`.

        In the loop's thread virtual time passes, and servers go on meanwhile. Another thread sleeps
        until virtual time has come so far; see `Sleepers`.

        Raises:
            ValueError: The time is below zero, as of `time.sleep`.
        """
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        if threading.current_thread() is self.thread:
            pass_time(self, seconds)
        else:
            self._sleepers.sleep(self.time(), seconds)

    @override
    def pass_until(self, time: float) -> None:
        while (due := self._sleepers.first()) is not None and due < time:
            super().pass_until(due)
            self._sleepers.wake(self.time())
        super().pass_until(time)

    @override
    def close(self) -> None:
        if not self.is_running():
            executor, self._default_executor = self._default_executor, None
            if executor is not None:
                executor.shutdown(wait=False)
            self._executor_shutdown_called = False
            self._asyncgens_shutdown_called = False

    def end(self) -> None:
        """Close it, and end the threads that sleep."""
        self._sleepers.end()
        super().close()

    def _end(self) -> BaseException:
        if self._is_over and self.at_last is not None:
            self.at_last()
        self._is_over = True
        self.ends_at = self.time() + _GRACE
        return TimeIsUp("the time that was given has passed")


_LOOPS: Final[list[ProcessLoop]] = []  # that hold the process; the last one counts
_slept_on: Final[WeakKeyDictionary[threading.Thread, ProcessLoop]] = WeakKeyDictionary()


def _sleep(seconds: float) -> None:
    """A thread stays with the loop on which it slept first: that lets it end."""
    thread = threading.current_thread()
    loop = _slept_on.get(thread, _LOOPS[-1] if _LOOPS else None)
    if loop is None:
        _machine_sleep(seconds)
        return
    if thread is not threading.main_thread():
        _slept_on[thread] = loop
    loop.sleep(seconds)


def _either(virtual: Callable[[VirtualLoop], T], machines: Callable[[], T]) -> Callable[[], T]:
    """What a module takes outlives the loop: it finds the one that holds the process, if any."""
    return lambda: virtual(_LOOPS[-1]) if _LOOPS else machines()


def _nanoseconds(loop: VirtualLoop) -> int:
    return round(loop.time() * 1e9)


@contextmanager
def _undeprecated() -> Iterator[None]:
    """Policies of loops still decide on Python 3.14, where each word about them warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


with _undeprecated():
    _Policy = asyncio.DefaultEventLoopPolicy
    _set_policy = asyncio.set_event_loop_policy


class _OneLoop(_Policy):
    """Whoever asks for a loop, or for a new one, gets the one there is."""

    @override
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        if threading.current_thread() is not _LOOPS[-1].thread:
            another_loop()
        return _LOOPS[-1]

    get_event_loop = new_event_loop


class _OneRunner(Runner):  # type: ignore[misc]
    """Runs on the one loop, whatever factory is given; a class, for programs that inherit from it or annotate with it."""

    def __init__(self, *, debug: bool | None = None, loop_factory: Any = None) -> None:
        super().__init__(debug=debug, loop_factory=None if _LOOPS else loop_factory)


_STAND_INS: Final[tuple[tuple[Any, str, object], ...]] = (
    (time, "sleep", _sleep),
    (time, "monotonic", _either(VirtualLoop.time, machine_monotonic)),
    (time, "monotonic_ns", _either(_nanoseconds, time.monotonic_ns)),
    (time, "perf_counter", _either(VirtualLoop.time, time.perf_counter)),
    (time, "perf_counter_ns", _either(_nanoseconds, time.perf_counter_ns)),
    (asyncio, "Runner", _OneRunner),
    (asyncio.runners, "Runner", _OneRunner),
    (asyncio, "set_event_loop_policy", lambda policy: _LOOPS or _set_policy(policy)),
    (asyncio.BaseEventLoop, "create_connection", another_loop),
)


@_undeprecated()
def _take_over(undo: ExitStack) -> None:
    """Let whoever asks for a clock or a loop get that of virtual time, until it is undone."""
    undo.callback(_undeprecated()(_set_policy), asyncio.get_event_loop_policy())
    _set_policy(_OneLoop())
    for holder, name, stand_in in _STAND_INS:
        undo.callback(setattr, holder, name, getattr(holder, name))
        setattr(holder, name, stand_in)


@contextmanager
def virtual_process(
    start: datetime, *, seconds: float | None = None, timezone: str | None = None
) -> Iterator[ProcessLoop]:
    """Put the whole process on virtual time, until the context ends.

    `time.sleep` lets virtual time pass; `time.time`, `datetime.now`, `time.monotonic` and
    `time.perf_counter` show it; `asyncio.run`, `asyncio.new_event_loop` and
    `asyncio.get_event_loop` give the one loop. Names that a module took from `time` before, as in
    `from time import sleep`, are the machine's still; those that it takes meanwhile are the machine's
    again afterwards, and virtual in the next such context.

    Args:
        start: Wall time at which it begins, aware, a whole second.
        seconds: How long it lasts: then `TimeIsUp` is raised in the program; None: for ever.
        timezone: Local time zone of the process; None leaves it as it is.

    Yields:
        The loop.

    Raises:
        ConfigurationError: `time-machine` is not installed.
    """
    shown = int(start.timestamp()) if timezone is None else start.astimezone(ZoneInfo(timezone))
    with wall_clock(start, travel=True, shown=shown) as move_to, ordered_clients(), ExitStack() as undo:
        loop = ProcessLoop(start, on_jump=move_to)
        _LOOPS.append(loop)
        undo.callback(_LOOPS.remove, loop)
        undo.callback(loop.end)
        loop.ends_at = seconds
        _take_over(undo)
        yield loop
