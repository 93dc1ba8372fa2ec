"""Telemetry: what an event costs, heard or not, and whether a sink that hangs is felt."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.adapter import HISTORY, SPEC, START, STOCK, canned_broker, measure_asked, recorded_answers
from benchmarks.canned_gateway import Answer, CannedGateway
from benchmarks.interleaved import time_calls
from benchmarks.report import Bar, Report
from benchmarks.soak import soaked
from benchmarks.soak_monitored import Quiet
from benchmarks.telemetry_stuck import order_delays
from ibkeel.ibkr.pending import Pending
from ibkeel.ibkr.requests import Requests
from ibkeel.ibkr.services import Services
from ibkeel.monitor import Alerter, AlertsConfig, Board, EventLog, Metrics
from ibkeel.resilience import Deadlines, RequestKind
from ibkeel.system import SystemClock
from ibkeel.telemetry import (
    Event,
    LineClosed,
    LineOpened,
    LoggingObserver,
    NullObserver,
    Observer,
    Observers,
    RequestEnded,
    RequestSent,
)
from ibkeel.virtual import run_virtual

__all__ = ["run"]

_AT: Final = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
_SETTLED: Final = 1  # hours, and one: after which all that is kept up to a limit should have reached it


@attrs.frozen(kw_only=True)
class Sizes:
    """How much is measured."""

    rounds: int = 15
    calls: int = 200_000
    events: int = 4_000
    requests: int = 60
    orders: int = 400
    hours: int = 24


QUICK: Final = Sizes(rounds=3, calls=5_000, events=300, requests=4, orders=20, hours=3)


def run(*, quick: bool) -> Report:
    """Measure, in CPU time but for the delay of orders."""
    sizes = QUICK if quick else Sizes()
    noop = _noop(sizes)
    with tempfile.TemporaryDirectory() as folder:
        full = asyncio.run(_full(sizes, Path(folder)))
        answers = run_virtual(recorded_answers(), start=START, travel=False)
        share = run_virtual(_share(answers, sizes, Path(folder)), start=START, travel=False)
    delays = order_delays(sizes.orders)
    days = [soaked("monitored", sizes.hours) for _ in range(2)]
    growth = [day["blocks"][-1] / day["blocks"][_SETTLED] - 1 for day in days]
    stuck = delays["stuck_p99_ms"] - delays["unwatched_p99_ms"]
    again = delays["stuck_again_p99_ms"] - delays["unwatched_p99_ms"]
    events_us = full["full_event_us"] * share["events_per_request"]
    figures: dict[str, Any] = {
        **noop,
        **full,
        **share,
        "events_of_a_request_share": events_us / share["request_us"]["unheard"],
        "order_ms": delays,
        "hours": sizes.hours,
        "memory_growth": growth,
        "soak_cpu_s": [day["cpu_s"] for day in days],
    }
    calls, futures = noop["noop_event_calls"], full["full_event_futures"]
    bars = (
        _bar("noop_event_calls", calls["told"], calls["told again"], 12),
        _bar("full_event_futures", futures["all sinks"], futures["all sinks again"], 4),
        _bar("memory_growth", max(growth), min(growth), 0.01),
        _bar("stuck_sink_order_delay_ms", max(stuck, again, 0.0), max(min(stuck, again), 0.0), 5),
    )
    return Report(name="telemetry", figures=figures, bars=bars)


def _bar(name: str, value: float, again: float, limit: float) -> Bar:
    return Bar(name=name, value=value, op="<=", limit=limit, strays=abs(value - again))


# An event that nobody hears.


class _Straight:
    """Where messages wait: nowhere."""

    def sent_by(self, send: Callable[[], object]) -> None:
        """Send."""
        send()


def _nothing() -> None:
    pass


def _noop(sizes: Sizes) -> dict[str, Any]:
    """The adapter's own telling of a sent request, when nobody listens, in calls of an empty function."""
    loop, clock, nobody = asyncio.new_event_loop(), SystemClock(), NullObserver()
    services = Services(
        {}, Deadlines(), clock=clock, observer=nobody, jitter=lambda: 0.0, on_escalation=lambda *_: None
    )
    requests = Requests(clock, nobody, _Straight(), services, patience=60.0)
    pending = Pending(key=1, kind=RequestKind.QUOTE, what="the quote of SPY", future=loop.create_future())
    tell = partial(requests._tell_sent, pending, 0.0)  # noqa: SLF001 - what is called at each request
    made = partial(_tell_anyway, nobody)
    subjects = {"bare": _nothing, "told": tell, "told again": tell, "made anyway": made}
    rounds: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(sizes.rounds + 1):
        for name, subject in subjects.items():
            value = time_calls(subject, sizes.calls)
            if turn:
                rounds[name].append(value)
    loop.close()
    calls = {
        name: statistics.median(a / b for a, b in zip(rounds[name], rounds["bare"], strict=True))
        for name in ("told", "told again", "made anyway")
    }
    return {"bare_call_ns": statistics.median(rounds["bare"]), "noop_event_calls": calls}


def _tell_anyway(observer: Observer) -> None:
    """As no hot path does it: the event is made though nobody hears it."""
    observer.on_event(_ended())


def _ended() -> RequestEnded:
    return RequestEnded(
        at=_AT, kind="quote", subject="the quote of SPY", seconds=0.2, wire_seconds=0.15, reply_seconds=0.05
    )


# An event that everything hears.

_MADE: Final[tuple[Callable[[], Event], ...]] = (
    lambda: LineOpened(at=_AT, subject="SPY", open_lines=3),
    lambda: RequestSent(at=_AT, kind="quote", subject="the quote of SPY"),
    _ended,
    lambda: LineClosed(at=_AT, subject="SPY", open_lines=2),
)


class _Sinks:
    """Board, metrics, alerts, the log and a file of JSON lines, which is written in place of its thread."""

    def __init__(self, folder: Path, name: str) -> None:
        self.board = Board()
        self.metrics = Metrics(self.board)
        self.log = EventLog(folder / f"{name}.jsonl")
        alerts = AlertsConfig(urls=("json://quiet",), least="info")
        self.alerter = Alerter(alerts, SystemClock(), self.board.on_event, channels=[Quiet()])
        self.observer = Observers((self.board, self.metrics, LoggingObserver(), self.log, self.alerter))


async def _full(sizes: Sizes, folder: Path) -> dict[str, Any]:
    """The events of a quote, made, heard by every sink and written to a file, for each."""
    subjects = {
        "all sinks": partial(_heard, _Sinks(folder, "a"), _MADE),
        "all sinks again": partial(_heard, _Sinks(folder, "b"), _MADE),
        "all sinks, RequestEnded alone": partial(_heard, _Sinks(folder, "c"), (_ended,)),
        "board alone": partial(_heard_by, Board()),
        "metrics alone": partial(_heard_by, Metrics(Board())),
        "nobody, but made": partial(_heard_by, NullObserver()),
    }
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    futures: list[float] = []
    for turn in range(sizes.rounds + 1):
        for name, subject in subjects.items():
            value = subject(sizes.events)
            if turn:
                seconds[name].append(value)
        value = await _future_seconds(sizes.events)
        if turn:
            futures.append(value)
    return {
        "future_us": statistics.median(futures) * 1e6,
        "full_event_us": statistics.median(seconds["all sinks"]) * 1e6,
        "full_event_futures": {
            name: statistics.median(a / b for a, b in zip(values, futures, strict=True))
            for name, values in seconds.items()
        },
    }


def _heard(sinks: _Sinks, made: Sequence[Callable[[], Event]], number: int) -> float:
    """CPU seconds of one event."""
    rounds = number // len(made)
    began = time.process_time()
    for _ in range(rounds):
        for make in made:
            sinks.observer.on_event(make())
    sinks.log.flush()
    return (time.process_time() - began) / (rounds * len(made))


def _heard_by(observer: Observer, number: int) -> float:
    rounds = number // len(_MADE)
    began = time.process_time()
    for _ in range(rounds):
        for make in _MADE:
            observer.on_event(make())
    return (time.process_time() - began) / (rounds * len(_MADE))


async def _future_seconds(number: int) -> float:
    loop = asyncio.get_running_loop()
    began = time.process_time()
    for _ in range(number):
        future: asyncio.Future[None] = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future
    return (time.process_time() - began) / number


# A request of 60 bars, heard and unheard.


class _Counting(Observer):
    def __init__(self) -> None:
        self.events = 0

    def on_event(self, event: Event) -> None:
        self.events += 1


async def _share(answers: dict[str, list[Answer]], sizes: Sizes, folder: Path) -> dict[str, Any]:
    gateway = CannedGateway(answers)
    server = await asyncio.get_running_loop().create_server(gateway, "127.0.0.1", 4002)
    sinks, counting = _Sinks(folder, "d"), _Counting()
    observers: dict[str, Observer] = {
        "unheard": NullObserver(),
        "unheard again": NullObserver(),
        "heard": sinks.observer,
        "counted": counting,
    }
    costs: dict[str, list[float]] = {name: [] for name in observers}
    async with AsyncExitStack() as stack:
        brokers = {
            name: await stack.enter_async_context(canned_broker(place, observer))
            for place, (name, observer) in enumerate(observers.items(), 1)
        }
        for broker in brokers.values():
            await broker.qualify(STOCK)
        asked_before, told_before = gateway.requests[HISTORY], counting.events
        for turn in range(sizes.rounds + 1):
            for name, broker in brokers.items():
                total, in_gateway = await measure_asked(
                    gateway, partial(broker.bars, STOCK, SPEC), sizes.requests
                )
                sinks.log.flush()
                if turn:
                    costs[name].append(total - in_gateway)
        asked = (gateway.requests[HISTORY] - asked_before) / len(brokers)
        told = counting.events - told_before
    server.close()
    request = {name: statistics.median(values) * 1e6 for name, values in costs.items()}
    return {"events_per_request": told / asked, "request_us": request}
