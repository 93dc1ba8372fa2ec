"""A whole process on virtual time: for programs that know nothing of it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from typing_extensions import override

from ibkeel.errors import WrongLoopError
from ibkeel.virtual.bystanders import Sleepers, pass_time
from ibkeel.virtual.loop import VirtualLoop
from ibkeel.virtual.run import ordered_clients, wall_clock

_GRACE: Final = 60.0  # of virtual time, for what a program does at its end


class TimeIsUp(KeyboardInterrupt):
    """The time that was given has passed; a program gets it as it would get Ctrl-C."""


class ProcessLoop(VirtualLoop):
    """The one loop of a process on virtual time; it is there until the process ends.

    `asyncio.run` closes the loop that it used; here the next one is the same again, and the time
    and the servers on it go on.
    """

    stays_with_its_thread: Final = True
    """Whether a loop in a thread of its own is out of the question."""

    def __init__(self, start: datetime, *, on_jump: Callable[[datetime], None] | None = None) -> None:
        self._thread = threading.current_thread()
        self._sleepers = Sleepers()
        super().__init__(start, on_jump=on_jump)
        self.over = self._end

    def sleep(self, seconds: float) -> None:
        """Stands for `time.sleep`.

        In the loop's thread virtual time passes, and servers go on meanwhile. Another thread sleeps
        until virtual time has come so far; see `Sleepers`.

        Raises:
            ValueError: The time is below zero, as of `time.sleep`.
        """
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        if threading.current_thread() is self._thread:
            pass_time(self, seconds)
        else:
            self._sleepers.sleep(self.time(), seconds)

    @override
    def pass_until(self, time: float) -> None:
        while (due := self._sleepers.first()) is not None and due < time:
            super().pass_until(due)
            self._sleepers.wake(self.time())
        super().pass_until(time)

    def refuse_threads(self) -> None:
        """Raise unless the loop's own thread calls.

        Raises:
            WrongLoopError: It is another one.
        """
        if threading.current_thread() is not self._thread:
            raise WrongLoopError(
                "this thread wants an event loop of its own, but the process is on virtual time, which has one "
                "loop, in the main thread; use that, or rehearse against `ibkeel sim serve --speed FACTOR`"
            )

    @override
    def close(self) -> None:
        if not self.is_running():
            self._executor_shutdown_called = False
            self._asyncgens_shutdown_called = False

    def end(self) -> None:
        """Close it, and end the threads that sleep."""
        self._sleepers.end()
        super().close()

    def _end(self) -> BaseException:
        self.ends_at = self.time() + _GRACE
        return TimeIsUp("the time that was given has passed")


class _OneLoop(asyncio.DefaultEventLoopPolicy):
    """Whoever asks for a loop, or for a new one, gets the one there is."""

    def __init__(self, loop: ProcessLoop) -> None:
        super().__init__()
        self._one = loop

    @override
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        self._one.refuse_threads()
        return self._one

    @override
    def get_event_loop(self) -> asyncio.AbstractEventLoop:
        return self.new_event_loop()


@contextmanager
def virtual_process(
    start: datetime, *, seconds: float | None = None, zone: str | None = None
) -> Iterator[ProcessLoop]:
    """Put the whole process on virtual time, until the context ends.

    `time.sleep` lets virtual time pass; `time.time`, `datetime.now`, `time.monotonic` and
    `time.perf_counter` show it; `asyncio.run`, `asyncio.new_event_loop` and
    `asyncio.get_event_loop` give the one loop. Names that a module took from `time` before, as in
    `from time import sleep`, are the machine's still.

    Args:
        start: Wall time at which it begins, aware, a whole second.
        seconds: How long it lasts: then `TimeIsUp` is raised in the program; None: for ever.
        zone: Local time zone of the process; None leaves it as it is.

    Yields:
        The loop.

    Raises:
        ConfigurationError: `time-machine` is not installed.
    """
    shown = int(start.timestamp()) if zone is None else start.astimezone(ZoneInfo(zone))
    with wall_clock(start, travel=True, shown=shown) as move_to, ordered_clients(), ExitStack() as undo:
        loop = ProcessLoop(start, on_jump=move_to)
        undo.callback(loop.end)
        loop.ends_at = seconds
        for name, stand_in in _stand_ins(loop).items():
            undo.callback(setattr, time, name, getattr(time, name))
            setattr(time, name, stand_in)
        undo.callback(asyncio.set_event_loop_policy, asyncio.get_event_loop_policy())
        asyncio.set_event_loop_policy(_OneLoop(loop))
        yield loop


def _stand_ins(loop: ProcessLoop) -> dict[str, Callable[..., object]]:
    def nanoseconds() -> int:
        return round(loop.time() * 1e9)

    return {
        "sleep": loop.sleep,
        "monotonic": loop.time,
        "monotonic_ns": nanoseconds,
        "perf_counter": loop.time,
        "perf_counter_ns": nanoseconds,
    }
