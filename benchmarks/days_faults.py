"""The simulator's faults of what happens to the Gateway."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.days_plan import Event, What
from ibkeel.sim import Fault, faults

__all__ = ["faults_of", "longest"]

_REJECTION: Final = "Order rejected - reason:the campaign says so"
_REQUESTS: Final = (
    "positions",
    "all_open_orders",
    "open_orders",
    "place_order",
    "cancel_order",
    "executions",
)


def _upstream(event: Event) -> tuple[Fault, ...]:
    code = 1101 if event.number % 2 else 1102
    return (faults.UpstreamLost(duration=event.lasts, restores_as=code),)


def _restart(event: Event) -> tuple[Fault, ...]:
    if event.number % 3 == 0:
        return (faults.Restart(duration=event.lasts, rolls_back_ids=True),)
    return (faults.Restart(duration=event.lasts, ids_begin_at=1 if event.number % 2 else None),)


_MADE: Final[Mapping[What, Callable[[Event], tuple[Fault, ...]]]] = {
    What.SILENT_STORE: _upstream,
    What.HALF_OPEN: lambda on: (faults.HalfOpen(duration=on.lasts),),
    What.UPSTREAM_LOST: _upstream,
    What.NIGHTLY_RESTART: _restart,
    What.CRASH: lambda on: (faults.Crash(duration=on.lasts),),
    What.RESET: lambda _: (faults.ConnectionLost(),),
    What.SLOW: lambda on: (faults.Slow(delay=0.5 + on.number % 8, duration=on.lasts),),
    What.UNANSWERED: lambda on: (
        faults.Unanswered(
            when_request=_REQUESTS[on.number % len(_REQUESTS)], times=1 + on.number % 4, duration=on.lasts
        ),
    ),
    What.REJECTED: lambda on: (
        faults.AnsweredWith(
            when_request="place_order", times=1 + on.number % 3, code=201, text=_REJECTION, duration=on.lasts
        ),
    ),
    What.SILENT_STREAMS: lambda on: (faults.SilentStreams(duration=on.lasts),),
    What.DELAYED: lambda on: (faults.Delayed(delay=0.2 + 0.3 * (on.number % 10), duration=on.lasts),),
}


def faults_of(event: Event) -> tuple[Fault, ...]:
    """What is to be injected; empty for what does not happen to the Gateway."""
    return _MADE[event.what](event) if event.what in _MADE else ()


def longest(event: Event) -> float:
    """Seconds after which it is over for certain."""
    return event.lasts + (30.0 if event.what in {What.NIGHTLY_RESTART, What.CRASH} else 0.0)
