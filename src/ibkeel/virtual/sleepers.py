"""Threads that sleep on virtual time while another thread runs the loop."""

import threading
import time
from collections.abc import Callable
from typing import Final

import attrs

__all__ = ["Sleepers"]

_PATIENCE: Final = 0.05
_GLANCE: Final = 0.0002
_machine_sleep: Final[Callable[[float], None]] = time.sleep  # noqa: TID251 - threads take real time
_machine_monotonic: Final[Callable[[], float]] = time.monotonic  # noqa: TID251 - the same


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
