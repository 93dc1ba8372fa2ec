"""Run a coroutine on virtual time."""

import asyncio
from asyncio import Runner  # by its name, which `virtual_process` gives to another
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.virtual.loop import VirtualLoop, order_sets, restore_sets

T = TypeVar("T")

DEFAULT_START: Final = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
"""A Monday, 09:30 in New York."""


def run_virtual(
    main: Coroutine[Any, Any, T],
    *,
    start: datetime = DEFAULT_START,
    travel: bool = True,
    debug: bool | None = None,
) -> T:
    """Run a coroutine on a loop whose clock jumps; a day takes a second.

    Connections and servers made on the loop live in memory, so an unmodified `ib_insync` or
    `ib_async` connects, throttles and times out as it would on the real clock. `time.time()` and
    `datetime.now()` travel along, in every thread; `time.sleep()` does not, it really sleeps.
    Two runs of the same program are equal: for that, the client libraries see an ordered `set`
    where they keep changed tickers by address (see `ibkeel.virtual.loop.OrderedSet`).

    Args:
        main: What to run.
        start: Wall time at which it starts, aware.
        travel: Whether the process's wall clock travels along; needs `time-machine`, which comes
            with the extras `[bot]` and `[testing]`.
        debug: asyncio's debug mode.

    Returns:
        What `main` returns.

    Raises:
        InvalidInput: `main` is no coroutine, or a loop runs in this thread already.
        Stalled: Every task waits for another, and nothing can ever happen again.
        ConfigurationError: `travel` was asked for and `time-machine` is not installed.

    Examples:
        >>> import asyncio
        >>> async def nap() -> float:
        ...     await asyncio.sleep(3600)
        ...     return round(asyncio.get_running_loop().time())
        >>> run_virtual(nap())
        3600
    """
    if not asyncio.iscoroutine(main):
        raise InvalidInput(
            f"run_virtual runs a coroutine, such as main() of an `async def main`, and got {main!r}"
        )
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the public one raises
        main.close()
        raise InvalidInput(
            "run_virtual makes a loop of its own, and here one runs already; call it from plain code, or use await"
        )
    try:
        with (
            wall_clock(start, travel=travel) as move_to,
            ordered_clients(),
            Runner(loop_factory=lambda: _current(VirtualLoop(start, on_jump=move_to)), debug=debug) as runner,
        ):
            return runner.run(main)
    finally:
        main.close()
        asyncio.set_event_loop(None)


def _current(loop: VirtualLoop) -> VirtualLoop:
    """The client libraries ask for the thread's loop, not for the one that runs."""
    asyncio.set_event_loop(loop)
    return loop


def virtual_clock() -> Clock:
    """The clock of the virtual loop that runs now.

    Raises:
        InvalidInput: No loop runs, or none that is virtual.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError as error:
        raise InvalidInput("no loop runs here, so there is no virtual clock; use run_virtual") from error
    if not isinstance(loop, VirtualLoop):
        raise InvalidInput(f"the running loop is {loop!r}, which has no virtual clock; use run_virtual")
    return loop.clock


@contextmanager
def ordered_clients() -> Iterator[None]:
    """Let the client libraries that are loaded see ordered sets."""
    order_sets()
    try:
        yield
    finally:
        restore_sets()


@contextmanager
def wall_clock(
    start: datetime, *, travel: bool, shown: datetime | int | None = None
) -> Iterator[Callable[[datetime], None] | None]:
    """Let the wall clock begin at an instant and, unless it stands, travel; yields what moves it on.

    `shown` is the same instant, in the time zone that the process gets; as a number it leaves that alone.
    """
    if not travel:
        yield None
        return
    try:
        import time_machine
    except ImportError:
        raise ConfigurationError(
            "virtual wall time needs the package time-machine; "
            "install 'ibkeel[testing]' or 'ibkeel[bot]', or pass travel=False"
        ) from None
    with time_machine.travel(start if shown is None else shown, tick=False) as traveller:
        reached = start

        def move_to(now: datetime) -> None:
            # To shift costs a tenth of what it costs to move: that sets the process's time zone too.
            nonlocal reached
            traveller.shift(now - reached)
            reached = now

        yield move_to
