"""Everything that watches a bot, set up and put together: board, metrics, event log and alerts."""

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError, ConnectionFailure, RequestFailed
from ibkeel.model import Health, checks
from ibkeel.monitor.alerts import Alerter, AlertsConfig
from ibkeel.monitor.alerts.courier import AppriseChannel
from ibkeel.monitor.board import Board
from ibkeel.monitor.metrics import Metrics
from ibkeel.telemetry import AlarmEnded, AlarmRaised, Event, Observer, OrderFilled, RunBegan, event_line
from ibkeel.validators import between, optional

_CAPACITY: Final = 20_000
_OWNER_ONLY: Final = 0o600
_PAUSE: Final = 0.2
_PARTING: Final = 5.0
_HIGHEST_PORT: Final = 65535
_between: Final = partial(between, error=ConfigurationError, names_class=False)


class EventLog(Observer):
    """Writes events to a file; one that is slow or full loses events, never time.

    What is told waits in memory, up to 20,000 events; beyond that, and while the file cannot be
    written, the oldest are dropped and counted.

    Args:
        path: The file; it is appended to, and readable for its owner only.
        megabytes: Size at which it is put aside, as one with `.1` behind its name.
        failed: Told, in the writer's thread, why the file cannot be written, once for each trouble; nothing but an
            empty text once it can.
    """

    def __init__(
        self, path: Path, megabytes: float = 50.0, failed: Callable[[str], None] = lambda _: None
    ) -> None:
        self._path, self._most, self._failed = path, int(megabytes * 1e6), failed
        self._waiting: deque[Event] = deque(maxlen=_CAPACITY)
        self._told = self._taken = 0
        self._trouble = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ibkeel event log", daemon=True)
        self.unwritable = 0
        """Events that were lost because the file could not be written."""

    @property
    def overrun(self) -> int:
        """Events that were lost because the writer did not keep up."""
        return max(0, self._told - self._taken - len(self._waiting))

    @override
    def on_event(self, event: Event) -> None:
        self._told += 1
        self._waiting.append(event)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and stop; a disk that hangs is not waited for."""
        self._stop.set()
        self._thread.join(_PARTING)

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Write what waits; for the writer's thread, and for tests without one."""
        batch: list[Event] = []
        with contextlib.suppress(IndexError):
            while len(batch) < _CAPACITY:
                batch.append(self._waiting.popleft())
        if not batch:
            return
        self._taken += len(batch)
        try:
            self._write(batch)
        except OSError as error:
            self.unwritable += len(batch)
            self._tell(error.strerror or type(error).__name__)
        else:
            self._tell("")

    def _write(self, batch: Sequence[Event]) -> None:
        text = "".join(f"{event_line(event)}\n" for event in batch)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _OWNER_ONLY)
        # What a broken path's name brings along, half a character, is written as JSON escapes it.
        with os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
            size = stream.tell()
        if size > self._most:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._failed(trouble)


@attrs.frozen(kw_only=True)
class TelemetryConfig:
    """Where a bot shows how it is.

    Args:
        metrics_port: Where Prometheus finds the metrics; None serves none.
        metrics_host: Address to listen on; anybody who can reach it may read them.
        metrics_names: Further names under which they are scraped, such as that of a proxy.
        log: File of events as lines of JSON; empty for none.
        log_megabytes: Size at which that file is put aside, as one with `.1` behind its name.
        health_interval: Seconds between two looks at every tier of health.
        sample_interval: Seconds between two looks at the limits.
    """

    metrics_port: int | None = attrs.field(default=None, validator=optional(_between(0, _HIGHEST_PORT)))
    metrics_host: str = attrs.field(default="127.0.0.1", validator=checks.host)
    metrics_names: tuple[str, ...] = ()
    log: str = ""
    log_megabytes: float = attrs.field(default=50.0, validator=_between(0.001, 10_000))
    health_interval: float = attrs.field(default=30.0, validator=_between(1, 3600))
    sample_interval: float = attrs.field(default=5.0, validator=_between(0.1, 3600))


def unmet(telemetry: TelemetryConfig, alerts: AlertsConfig) -> tuple[str, ...]:
    """What a `Monitor` of these settings would refuse: an extra that is missing, an address that is none."""
    found: list[str] = []
    try:
        if telemetry.metrics_port is not None:
            Metrics(Board()).registry()
    except ConfigurationError as error:
        found.append(f"telemetry.metrics_port: {error}")
    try:
        for place, address in enumerate((*alerts.urls, *alerts.escalation_urls), 1):
            AppriseChannel(place, address)
    except ConfigurationError as error:
        found.append(f"alerts.urls: {str(error).removeprefix('alerts.urls: ')}")
    return tuple(found)


class Examined(Protocol):
    """A broker that can be looked at."""

    async def health(self) -> Health:
        """Look at every tier, and tell the observer."""
        ...

    def sample_pacing(self) -> None:
        """Tell the observer of the limits."""
        ...


@asynccontextmanager
async def _beside(
    *coroutines: Coroutine[Any, Any, None], ended: Callable[[asyncio.Task[None]], None]
) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Monitor(Observer):
    """The observer of a bot that runs for days: hears every event and hands it to each sink.

    Args:
        telemetry: Where the bot shows how it is.
        alerts: Whom it tells.
        clock: Wall time.
        also: Others who are told of every event.

    Raises:
        ConfigurationError: An extra is missing, or an address is none.
    """

    def __init__(
        self, telemetry: TelemetryConfig, alerts: AlertsConfig, clock: Clock, *also: Observer
    ) -> None:
        self._telemetry, self._clock = telemetry, clock
        self._made_at, self._has_begun = clock.now(), False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed: set[str] = set()
        self.board = Board()
        """What is to be seen."""
        self.metrics = Metrics(self.board)
        """What is to be counted."""
        self.metrics_port: int | None = None
        """Where the metrics are served; None when they are not."""
        self._log = (
            EventLog(Path(telemetry.log), telemetry.log_megabytes, self._log_failed)
            if telemetry.log
            else None
        )
        is_alerting = alerts.is_used or alerts.heartbeat_url is not None
        self.alerter = Alerter(alerts, clock, self.on_event) if is_alerting else None
        """Who tells people; None when nobody is to be told."""
        log = () if self._log is None else (self._log,)
        people = () if self.alerter is None else (self.alerter,)
        self._sinks: tuple[Observer, ...] = (self.board, self.metrics, *log, *also, *people)

    def also(self, observer: Observer) -> None:
        """Tell somebody else of every event too.

        Args:
            observer: Told after those that were named before.
        """
        self._sinks = (*self._sinks, observer)

    @override
    def on_event(self, event: Event) -> None:
        """Hand an event to each sink; one that fails is named in an alarm, and harms nobody else.

        Fills of earlier runs are shown, and no news.
        """
        self._has_begun |= isinstance(event, RunBegan)
        is_old = isinstance(event, OrderFilled) and event.at < self._made_at and not self._has_begun
        for sink in self._sinks:
            if is_old and sink in {self.metrics, self.alerter}:
                continue
            try:
                sink.on_event(event)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whoever watches must not stop who trades
                self._sink_failed(sink, error)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator["Monitor"]:
        """Serve the metrics, write the log and tell people, within the block.

        Raises:
            ConfigurationError: The metrics' port is taken, or an extra is missing.
        """
        self._loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            if self._log is not None:
                stack.enter_context(self._log)
            told = self._telemetry
            if told.metrics_port is not None:
                serving = self.metrics.served(told.metrics_port, told.metrics_host, told.metrics_names)
                self.metrics_port = stack.enter_context(serving)
            if self.alerter is not None:
                await stack.enter_async_context(self.alerter)
                await stack.enter_async_context(_beside(self.alerter.run(), ended=self._ended))
            yield self

    @asynccontextmanager
    async def examining(self, broker: Examined) -> AsyncIterator[None]:
        """Look at a broker's health and limits now and then, within the block.

        Args:
            broker: It tells its observer, which should be this monitor.
        """
        async with _beside(self._examine(broker), self._sample(broker), ended=self._ended):
            yield

    async def _examine(self, broker: Examined) -> None:
        while True:
            with contextlib.suppress(ConnectionFailure, RequestFailed):
                await broker.health()
            await asyncio.sleep(self._telemetry.health_interval)

    async def _sample(self, broker: Examined) -> None:
        while True:
            broker.sample_pacing()
            await asyncio.sleep(self._telemetry.sample_interval)

    def _log_failed(self, trouble: str) -> None:
        """From the writer's thread."""
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it was closed since
                self._loop.call_soon_threadsafe(self._alarm, trouble)

    def _sink_failed(self, sink: Observer, error: BaseException) -> None:
        name = type(sink).__name__
        if name not in self._failed:
            self._failed.add(name)
            self._tell(name, f"{type(error).__name__}: {error}; what it shows is not whole, trading goes on")

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            words = f"a task of the monitor ended in {type(error).__name__}: {error}; trading goes on"
            self._tell("monitor", f"{words}. Restart the bot when it suits, and report this")

    def _tell(self, name: str, message: str) -> None:
        self.on_event(AlarmRaised(at=self._clock.now(), name=name, message=message))

    def _alarm(self, trouble: str) -> None:
        now, name, words = self._clock.now(), "event log", "events are lost until it can, trading goes on"
        message = f"its file cannot be written: {trouble}; {words}. Make room, or choose another file"
        self.on_event(
            AlarmRaised(at=now, name=name, message=message, lasts=True)
            if trouble
            else AlarmEnded(at=now, name=name, message="its file can be written again")
        )
