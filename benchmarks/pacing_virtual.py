"""Pacing on virtual time, as the receiver counts."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from benchmarks.arrivals import histories, history_bound, history_breaches, optimum, over_limit
from benchmarks.pacing_peers import LIMIT, Acquire, messages
from benchmarks.timer_count import timers_each_second
from ibkeel.guards import Pacer, gateway_rules
from ibkeel.resilience import Lane, Request
from ibkeel.virtual import run_virtual

__all__ = ["Ratio", "composite", "order_waits", "paced", "reserve_ratio", "timers_per_window"]

ORDER: Final = Request(kind="order", lane=Lane.OPENING)
CANCEL: Final = Request(kind="cancel", lane=Lane.CLOSING)
DATA: Final = Request(kind="definitions", lane=Lane.QUOTES)
ANSWER_SECONDS: Final = 2.0


@attrs.frozen(kw_only=True)
class Ratio:
    """How near to the optimum, and how many broke the limit."""

    ratio: float
    violations: int


def ratio_of(times: Sequence[float], arrivals: Sequence[float], limit: int = LIMIT) -> Ratio:
    """Judge what the receiver got."""
    took = times[-1] - arrivals[0]
    return Ratio(ratio=optimum(arrivals, limit, 1.0) / took, violations=over_limit(times, LIMIT, 1.0))


def paced(make: Callable[[], Acquire], arrivals: Sequence[float], *, in_real_time: bool = False) -> Ratio:
    """One limiter, one pattern of arrivals."""
    main = _received(make, arrivals)
    return ratio_of(asyncio.run(main) if in_real_time else run_virtual(main, travel=False), arrivals)


async def _received(make: Callable[[], Acquire], arrivals: Sequence[float]) -> list[float]:
    acquire, loop, times = make(), asyncio.get_running_loop(), list[float]()
    start = loop.time()

    async def send(at: float) -> None:
        await asyncio.sleep(start + at - loop.time())
        await acquire()
        times.append(loop.time() - start)

    async with asyncio.TaskGroup() as group:
        for at in arrivals:
            group.create_task(send(at))
    return times


def reserve_ratio(reserve: int, number: int) -> Ratio:
    """Data alone, while so many slots of each second are kept for orders."""
    pacer_of: Callable[[], Acquire] = lambda: _acquire(Pacer([messages(reserve)]))  # noqa: E731
    arrivals = [0.55] * number
    times = run_virtual(_received(pacer_of, arrivals), travel=False)
    return ratio_of(times, arrivals, LIMIT - reserve)


def _acquire(pacer: Pacer) -> Acquire:
    return lambda: pacer.acquire(DATA)


def composite() -> dict[str, Ratio]:
    """All rules of the Gateway together, for several mixes of historical requests."""
    return {name: run_virtual(_composite(requests), travel=False) for name, requests in histories().items()}


async def _composite(requests: Sequence[Request]) -> Ratio:
    pacer, loop = Pacer(gateway_rules()), asyncio.get_running_loop()
    received: list[tuple[float, Request]] = []

    async def fetch(request: Request) -> None:
        with await pacer.acquire(request):
            received.append((loop.time(), request))
            await asyncio.sleep(ANSWER_SECONDS)

    async with asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(fetch(request))
    breaches = history_breaches(received) + over_limit([at for at, _ in received], LIMIT, 1.0)
    return Ratio(ratio=history_bound(requests) / received[-1][0], violations=breaches)


def order_waits(backlog: int) -> dict[str, Any]:
    """How long orders wait behind so many requests for data: five at a time, then a window full."""
    return run_virtual(_order_waits(backlog), travel=False)


async def _order_waits(backlog: int) -> dict[str, Any]:
    pacer, loop = Pacer(gateway_rules()), asyncio.get_running_loop()
    times: list[float] = []

    def sent() -> None:
        times.append(loop.time())

    for _ in range(backlog):
        pacer.submit(DATA, sent)
    five, a_window = (ORDER,) * 5, (ORDER,) * (LIMIT - 1) + (CANCEL,)
    first = [await _orders(pacer, five, times, wait=1.03) for _ in range(30)]
    worst = [await _orders(pacer, a_window, times, wait=2.17) for _ in range(10)]
    still_queued = pacer.waiting(Lane.QUOTES)
    pacer.close()
    return {
        "first5": max(map(max, first)),
        "worst": max(map(max, worst)),
        "still_queued": still_queued,
        "violations": over_limit(times, LIMIT, 1.0),
    }


async def _orders(pacer: Pacer, orders: Sequence[Request], times: list[float], *, wait: float) -> list[float]:
    waits: list[float] = []
    loop = asyncio.get_running_loop()
    asked_at = loop.time()

    def sent() -> None:
        times.append(loop.time())
        waits.append(loop.time() - asked_at)

    for order in orders:
        pacer.submit(order, sent)
    await asyncio.sleep(wait)
    assert len(waits) == len(orders)
    return waits


def timers_per_window(backlog: int, seconds: int) -> dict[str, float]:
    """Timers that the loop is asked for each second at such a backlog.

    Once with a backlog that came at once, once behind grants that are spread over a second.
    """
    return {
        "at once": run_virtual(_timers(backlog, seconds, spread=False), travel=False),
        "after spread arrivals": run_virtual(_timers(backlog, seconds, spread=True), travel=False),
    }


async def _timers(backlog: int, seconds: int, *, spread: bool) -> float:
    pacer = Pacer(gateway_rules())
    if spread:
        for _ in range(LIMIT):
            pacer.submit(DATA, _nothing)
            await asyncio.sleep(1 / LIMIT)
    for _ in range(backlog):
        pacer.submit(DATA, _nothing)
    timers = await timers_each_second(seconds)
    pacer.close()
    return timers


def _nothing() -> None:
    pass
