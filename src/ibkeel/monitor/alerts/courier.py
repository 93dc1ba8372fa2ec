"""Takes messages to one channel, in order, from a thread of its own."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError
from ibkeel.resilience import Backoff

_CAPACITY: Final = 200
RETRIES: Final = Backoff(first=5.0, factor=2.0, cap=600.0, attempts=None)
"""How long to wait between two attempts."""


class DeliveryFailed(IbkeelError):
    """A channel did not take a message; the text never names its address."""


@attrs.frozen
class Message:
    """What is to be delivered.

    Args:
        number: Of the alert; 0 for a heartbeat.
        title: One line.
        text: The rest.
        severity: Such as `critical`.
    """

    number: int
    title: str
    text: str
    severity: str


@attrs.frozen
class Fate:
    """What became of a message at a channel.

    Args:
        number: Of the message.
        channel: Its name.
        attempts: How many were made.
        cause: Why it was not taken; empty when it was.
        is_final: Whether no further attempt is made.
    """

    number: int
    channel: str
    attempts: int
    cause: str = ""
    is_final: bool = False


class Channel(Protocol):
    """Where messages go."""

    @property
    def name(self) -> str:
        """Fit to be shown: never an address."""
        ...

    def deliver(self, message: Message) -> None:
        """Deliver, from a thread; may take its time.

        Raises:
            DeliveryFailed: It was not taken.
        """
        ...


class Rest(Protocol):
    """How a courier waits."""

    def until(self, event: threading.Event, seconds: float | None) -> None:
        """Wait for an event, but not longer than some seconds; None for as long as it takes."""
        ...


class RestByWaiting(Rest):
    """Waits by the machine's own time."""

    @override
    def until(self, event: threading.Event, seconds: float | None) -> None:
        """Wait."""
        event.wait(seconds)


@attrs.define
class _Load:
    message: Message
    posted_at: float
    attempts: int = 0


class Courier:
    """Delivers messages in the order in which they were posted, each once that is taken.

    A message that is refused is tried again until it is taken or too old; those behind it wait, so
    that order holds. Posting never waits: when too many wait, the oldest is given up.

    Args:
        channel: Where to.
        told: Told of each fate, in the courier's thread.
        clock: Measures the age of messages.
        give_up_after: Seconds for which a message is tried.
        retries: Waits between attempts.
        rest: How it waits.
        capacity: Messages that may wait, the one under way included; at least 2.
    """

    def __init__(
        self,
        channel: Channel,
        told: Callable[[Fate], None],
        clock: Clock,
        *,
        give_up_after: float = 86_400.0,
        retries: Backoff = RETRIES,
        rest: Rest | None = None,
        capacity: int = _CAPACITY,
    ) -> None:
        self._channel, self._told, self._clock = channel, told, clock
        self._give_up_after, self._retries, self._capacity = give_up_after, retries, capacity
        self._rest = rest or RestByWaiting()
        self._loads: deque[_Load] = deque()
        self._lock, self._news, self._stop = threading.Lock(), threading.Event(), threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._run, name=f"ibkeel courier {channel.name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def post(self, message: Message) -> None:
        """Have a message delivered; returns at once."""
        dropped: _Load | None = None
        with self._lock:
            if len(self._loads) >= self._capacity:
                dropped = self._loads[1]  # the first may be under way
                del self._loads[1]
            self._loads.append(_Load(message, self._clock.monotonic()))
            self._idle.clear()
        if dropped is not None:
            self._tell(dropped, "too many messages wait", is_final=True)
        self._news.set()

    def drain(self, seconds: float) -> bool:
        """Wait until nothing is left to deliver, but not longer; tells whether that came true."""
        return self._idle.wait(seconds)

    def close(self) -> None:
        """Stop; what is left is given up, and a delivery that is under way is not waited for."""
        self._stop.set()
        self._news.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            load = self._next()
            if load is None:
                self._rest.until(self._news, None)
                self._news.clear()
                continue
            pause = self._attempt(load)
            if pause is not None:
                self._rest.until(self._stop, pause)

    def _next(self) -> _Load | None:
        with self._lock:
            if not self._loads:
                self._idle.set()
                return None
            return self._loads[0]

    def _attempt(self, load: _Load) -> float | None:
        """Try once; the seconds to wait before the next attempt, or None when this one is done with."""
        load.attempts += 1
        try:
            self._channel.deliver(load.message)
        except DeliveryFailed as error:
            pause = self._retries.wait(load.attempts)
            is_old = self._clock.monotonic() - load.posted_at >= self._give_up_after
            is_final = pause is None or is_old
            self._done_with(load, is_over=is_final)
            self._tell(load, str(error), is_final=is_final)
            return None if is_final else pause
        self._done_with(load, is_over=True)
        self._tell(load, "")
        return None

    def _done_with(self, load: _Load, *, is_over: bool) -> None:
        with self._lock:
            if is_over and self._loads and self._loads[0] is load:
                self._loads.popleft()

    def _tell(self, load: _Load, cause: str, *, is_final: bool = False) -> None:
        self._told(Fate(load.message.number, self._channel.name, load.attempts, cause, is_final))
