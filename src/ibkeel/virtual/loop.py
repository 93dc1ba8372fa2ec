"""An event loop whose clock jumps: when nothing is ready, it is the next timer's time."""

import asyncio
import selectors
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableSet
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Final, TypeVar

from typing_extensions import override

from ibkeel.errors import InvalidInput, Stalled, WrongLoopError
from ibkeel.virtual.network import MemoryNetwork, MemoryServer

T = TypeVar("T")

_MODULES: Final = ("ib_insync.wrapper", "ib_async.wrapper")

# The clock lands strictly after a timer: the clients' own throttle compares with `>`, and a clock
# that lands exactly on a deadline would spin for ever.
_PAST_TIMER: Final = 1e-6
_FARTHEST: Final = 4e9  # seconds, over a century: beyond, a float cannot be so little past a timer
_TURNS_WITHOUT_TIME: Final = 5_000_000
_TURNS_UNSEEN: Final = 50  # that a busy loop goes on before it looks at files; an idle one always looks


def another_loop(*_: object, **__: object) -> Any:
    """Refuse a loop beside the one of virtual time: it would reach a real Gateway.

    Raises:
        WrongLoopError: Always.
    """
    raise WrongLoopError(
        "an event loop of its own is out of the question: the process is on virtual time, which has one loop, in the "
        "main thread; use that, as asyncio.run and IBKRBroker do, or rehearse against `ibkeel sim serve --speed FACTOR`"
    )


class VirtualClock:
    """A `Clock` that reads a loop's own time, so that both move together.

    Args:
        loop: The loop whose `time()` is monotonic seconds.
        start: Wall time at loop time 0, aware.

    Raises:
        InvalidInput: `start` has no time zone.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime) -> None:
        if getattr(start, "tzinfo", None) is None:
            raise InvalidInput(f"virtual time cannot start at {start!r}: it has no time zone")
        self._loop = loop
        self.start = start.astimezone(UTC)
        self._shown = (0.0, self.start)  # asked for far more often than time passes

    def monotonic(self) -> float:
        """Seconds since the loop was made."""
        return self._loop.time()

    def now(self) -> datetime:
        """Wall time, aware, in UTC, to the microsecond."""
        time, shown = self._loop.time(), self._shown
        if shown[0] != time:
            self._shown = shown = time, self.start + timedelta(seconds=time)
        return shown[1]


class _JumpingSelector(selectors.BaseSelector):
    """Wraps the real selector; where that would wait, it moves the loop's clock instead."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._inner, self._loop = selectors.DefaultSelector(), loop
        self._turns = 0

    @override
    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    @override
    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    @override
    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        is_busy = timeout == 0
        ready = [] if is_busy and self._turns % _TURNS_UNSEEN else self._inner.select(0)
        if ready or is_busy:
            self._loop._pass_due_timer()
            self._count_turn()
            return ready
        if self._loop._in_threads:
            return self._inner.select(None)
        self._turns = 1
        self._loop._jump()
        return []

    def _count_turn(self) -> None:
        self._turns += 1
        if self._turns > _TURNS_WITHOUT_TIME:
            self._turns = 0
            raise self._loop._stalled(f"{_TURNS_WITHOUT_TIME:,} turns of the loop went by and no time passed")

    @override
    def close(self) -> None:
        self._inner.close()

    @override
    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time, with a network of its own.

    `time()` starts at 0 and jumps to the next timer when nothing is ready. Connections and
    servers live in memory; an address where nobody listens refuses. Work in threads
    (`run_in_executor`, `asyncio.to_thread`) is waited for in real time, and no virtual time
    passes meanwhile.

    Args:
        start: Wall time at loop time 0, aware.
        on_jump: Told the new wall time after each jump.

    Attributes:
        ends_at: Time beyond which the loop does not jump; None: there is no end.
        over: Makes what is raised instead.
        jumps: So many there were.
    """

    def __init__(self, start: datetime, *, on_jump: Callable[[datetime], None] | None = None) -> None:
        self._now = 0.0
        self._in_threads = 0
        self.ends_at: float | None = None
        self.over: Callable[[], BaseException] = KeyboardInterrupt
        self.jumps = 0
        self._on_jump = on_jump
        super().__init__(_JumpingSelector(self))
        self.network = MemoryNetwork()
        try:
            self.clock = VirtualClock(self, start)
        except InvalidInput:
            self.close()
            raise

    @override
    def time(self) -> float:
        return self._now

    def _jump(self) -> None:
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if not scheduled and self.ends_at is None:
            raise self._stalled("every task waits and no timer is set")
        self.jumps += 1
        self.pass_until(scheduled[0].when() + _PAST_TIMER if scheduled else inf)

    def pass_until(self, time: float) -> None:
        """Let time pass, and run nothing.

        Raises:
            BaseException: What `over` makes, at the end of time.
            Stalled: It is more than a century away.
        """
        if self.ends_at is not None and time > self.ends_at:
            self._move_to(max(self._now, self.ends_at))
            raise self.over()
        if time > _FARTHEST:
            raise self._stalled("every task waits, and what comes next is more than a century away")
        self._move_to(max(self._now + _PAST_TIMER, time))

    def _pass_due_timer(self) -> None:
        """Without a jump too, a timer finds the clock past it: a jump to another may have landed on it."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if scheduled and scheduled[0].when() <= self._now < scheduled[0].when() + _PAST_TIMER:
            self._move_to(scheduled[0].when() + _PAST_TIMER)

    def _move_to(self, now: float) -> None:
        self._now = now
        if self._on_jump is not None:
            self._on_jump(self.clock.now())

    def _stalled(self, why: str) -> Stalled:
        waiting = sorted(f"{task.get_name()} in {_where(task)}" for task in asyncio.all_tasks(self))
        names = [each.name for each in threading.enumerate() if each is not threading.current_thread()]
        threads = [name for name in names if not name.startswith("asyncio_")]  # those are of its own executor
        others = f"; not waited for: {', '.join(threads)} (only asyncio.to_thread is)" if threads else ""
        return Stalled(
            f"at virtual second {self._now:.3f}: {why}; waiting: {', '.join(waiting) or 'no task'}{others}"
        )

    @override
    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Run a function in a thread; time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    @override
    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        self._in_threads += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._in_threads -= 1

    def _thread_done(self, _: object) -> None:
        self._in_threads -= 1

    @override
    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **_: object
    ) -> tuple[asyncio.Transport, Any]:
        """Connect to a server on this loop's own network."""
        if asyncio.get_running_loop() is not self:
            another_loop()
        order_sets()  # a client library may have been imported since the loop started
        await asyncio.sleep(0)
        protocol = protocol_factory()
        return self.network.connect(self, protocol, host, port), protocol

    @override
    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **_: object
    ) -> MemoryServer:
        """Listen on this loop's own network; port 0 takes a free one."""
        name = next(iter(host), None) if isinstance(host, Iterable) and not isinstance(host, str) else host
        return self.network.listen(protocol_factory, name, port)


def _where(task: "asyncio.Task[Any]") -> str:
    frames = task.get_stack(limit=1)
    if not frames:
        return repr(task.get_coro())
    frame = frames[0]
    return f"{frame.f_code.co_qualname}, line {frame.f_lineno}"


class OrderedSet(MutableSet[T]):
    """A set that iterates in the order of insertion, so that a bot runs twice alike.

    `ib_insync` and `ib_async` keep the tickers that changed in a `set`. Its members hash by address, so the order in
    which a bot sees them differs from run to run, whatever PYTHONHASHSEED says. While virtual time runs, the
    libraries' `wrapper` module finds this one under the name `set`; the libraries themselves are not touched.
    """

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items: dict[T, None] = dict.fromkeys(items)

    @override
    def __contains__(self, item: object) -> bool:
        return item in self._items

    @override
    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    @override
    def __len__(self) -> int:
        return len(self._items)

    @override
    def add(self, value: T) -> None:
        self._items[value] = None

    @override
    def discard(self, value: T) -> None:
        self._items.pop(value, None)

    def copy(self) -> "OrderedSet[T]":
        """Another set with the same members in the same order."""
        return OrderedSet(self)

    def update(self, *others: Iterable[T]) -> None:
        """Add the members of others, in their order."""
        for other in others:
            for item in other:
                self.add(item)

    @override
    def __repr__(self) -> str:
        return f"OrderedSet({list(self)!r})"


def order_sets() -> None:
    """Give every client library that is loaded by now an ordered `set`."""
    for module in _wrappers():
        module.set = OrderedSet


def restore_sets() -> None:
    """Give the libraries the built-in `set` back."""
    for module in _wrappers():
        vars(module).pop("set", None)


def _wrappers() -> list[Any]:
    return [sys.modules[name] for name in _MODULES if name in sys.modules]
