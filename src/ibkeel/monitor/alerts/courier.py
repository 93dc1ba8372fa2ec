"""Takes messages to one channel, in order, from a thread of its own: apprise's services, or a dead man's switch."""

import http.client
import logging
import re
import threading
import urllib.error
import urllib.request
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError, IbkeelError
from ibkeel.resilience import Backoff
from ibkeel.telemetry.redaction import printable

_CAPACITY: Final = 200
_RETRIES: Final = Backoff(first=5.0, factor=2.0, cap=600.0, attempts=None)
"""How long to wait between two attempts."""

_STUBBORN: Final = 5  # refusals after which a message may be the trouble, and not its channel
_TIMEOUT: Final = 20.0
# They write addresses, which are secrets, into their own logs.
_TALKATIVE: Final = ("apprise", "requests", "urllib3")
_ANSWER: Final = re.compile(r"error=(\d{3})\b")


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
        event.wait(seconds)


@attrs.define(eq=False)
class _Load:
    message: Message
    posted_at: float
    attempts: int = 0


class Courier:
    """Delivers messages in the order in which they were posted, each once that is taken.

    A message that is refused is tried again until it is taken or too old; those behind it wait, so
    that order holds, unless it is refused time and again and one of them is not. Posting never waits:
    when too many wait, the oldest is given up.

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
        retries: Backoff = _RETRIES,
        rest: Rest | None = None,
        capacity: int = _CAPACITY,
    ) -> None:
        self._channel, self._told, self._clock = channel, told, clock
        self._give_up_after, self._retries, self._capacity = give_up_after, retries, capacity
        self._rest = rest or RestByWaiting()
        self._loads: deque[_Load] = deque()
        self._under_way: _Load | None = None
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
                _, *later = self._loads  # the first may be under way, too
                dropped = next((load for load in later if load is not self._under_way), later[0])
                self._loads.remove(dropped)
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
            if pause is None:
                continue
            is_stubborn = load.attempts >= _STUBBORN
            if is_stubborn:
                self._news.clear()
                self._pass(load)
            self._rest.until(self._news if is_stubborn else self._stop, pause)

    def _pass(self, stubborn: _Load) -> None:
        """Try those behind one that is refused time and again, until one of them is refused, too."""
        while not self._stop.is_set():
            with self._lock:
                others = [load for load in self._loads if load is not stubborn]
            if not others or self._attempt(min(others, key=lambda load: load.attempts)) is not None:
                return

    def _next(self) -> _Load | None:
        with self._lock:
            if not self._loads:
                self._idle.set()
                return None
            return self._loads[0]

    def _attempt(self, load: _Load) -> float | None:
        """Try once; the seconds to wait before the next attempt, or None when this one is done with."""
        load.attempts += 1
        self._under_way = load
        cause = self._refusal(load.message)
        pause = None if cause is None else self._retries.wait(load.attempts)
        if self._clock.monotonic() - load.posted_at >= self._give_up_after:
            pause = None
        with self._lock:
            self._under_way = None
            if pause is None and load in self._loads:  # it may have been given up meanwhile
                self._loads.remove(load)
        self._tell(load, cause or "", is_final=cause is not None and pause is None)
        return pause

    def _refusal(self, message: Message) -> str | None:
        """Why the channel did not take it; None when it did."""
        try:
            self._channel.deliver(message)
        except DeliveryFailed as error:
            return str(error)
        except BaseException as error:  # noqa: BLE001 - it would end the thread, and every later message with it
            return f"the channel raised {type(error).__name__}"  # what is not ours may name the address
        return None

    def _tell(self, load: _Load, cause: str, *, is_final: bool = False) -> None:
        self._told(Fate(load.message.number, self._channel.name, load.attempts, cause, is_final))


class _Said(logging.Handler):
    """Keeps the last words of one service; they may name the address, and nobody else hears them."""

    words = ""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.words = record.getMessage()

    @property
    def cause(self) -> str:
        """What they come to, without the address."""
        answer = _ANSWER.search(self.words)
        if answer is not None:
            return f"the service answered {answer[1]}"
        if "connection error" in self.words.lower():
            return "no connection, or a login that was refused"
        return "the service did not take it"


class AppriseChannel(Channel):
    """One address in apprise's form.

    Args:
        place: Its place in the configuration, 1 or more; with its kind the channel's name.
        address: The address; a secret.

    Raises:
        ConfigurationError: apprise is not installed, or does not know such an address.
    """

    def __init__(self, place: int, address: str) -> None:
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._said = _Said()
        log = logging.Logger("a service", logging.WARNING)  # noqa: LOG001 - nobody else can hear it
        log.addHandler(self._said)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a hundred services some import what is deprecated
            try:
                import apprise
            except ImportError:
                raise ConfigurationError("alerts need apprise; install 'ibkeel[alerts]'") from None
            # In our own thread, without a time of its own: the process would not end before those of a pool do.
            asset = apprise.AppriseAsset(async_mode=False)
            asset._service_timeout = 0.0  # noqa: SLF001 - older releases do not take it as an argument
            self._apprise: Any = apprise.Apprise(asset=asset)
            is_known = self._apprise.add(address)
        if not is_known:
            raise ConfigurationError(
                f"alerts.urls: apprise does not know the address number {place}; see its list of services"
            )
        self._kinds = {
            "info": apprise.NotifyType.INFO,
            "warning": apprise.NotifyType.WARNING,
            "critical": apprise.NotifyType.FAILURE,
        }
        for service in self._apprise:
            service.logger = log
            if service.overflow_mode == apprise.OverflowMode.UPSTREAM:  # which refuses what is too long
                service.overflow_mode = apprise.OverflowMode.SPLIT
            # One that is slow to say that it took a message would be sent it again and again.
            service.socket_read_timeout = max(service.socket_read_timeout, _TIMEOUT)
        self._name = f"{place} ({str(self._apprise[0].service_name).lower()})"

    @property
    @override
    def name(self) -> str:
        return self._name

    @override
    def deliver(self, message: Message) -> None:
        self._said.words = ""
        try:
            was_taken = self._apprise.notify(
                body="\n".join(map(printable, message.text.splitlines())),
                title=printable(message.title),
                notify_type=self._kinds[message.severity],
                body_format="text",  # or mails and Telegram read it as markup, and the latter refuses a `<`
            )
        except Exception as error:  # noqa: BLE001 - a hundred services, and what they raise is not ours
            # Its text may name the address.
            raise DeliveryFailed(f"apprise raised {type(error).__name__}") from None
        if not was_taken:
            raise DeliveryFailed(self._said.cause)


class WebAddress(Channel):
    """An address that is asked for: a dead man's switch, which alarms when it is not.

    Args:
        address: Of the web; a secret.
        timeout: Seconds that one attempt may take.
    """

    def __init__(self, address: str, timeout: float = _TIMEOUT) -> None:
        self._address, self._timeout = address, timeout

    @property
    @override
    def name(self) -> str:
        return "heartbeat"

    @override
    def deliver(self, message: Message) -> None:
        request = urllib.request.Request(self._address, headers={"User-Agent": "ibkeel"})  # noqa: S310 - the configuration takes only http and https
        try:
            with urllib.request.urlopen(request, timeout=self._timeout):  # noqa: S310 - the same
                return
        except urllib.error.HTTPError as error:  # whatever is not 2xx
            with error:
                raise DeliveryFailed(f"the address answered {error.code}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DeliveryFailed(f"the address could not be reached: {type(error).__name__}") from None
