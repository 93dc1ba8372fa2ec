"""Pacing in real time over loopback; another process counts."""

import asyncio
import json
import os
import sys
from functools import partial
from typing import Any, Final

from benchmarks.arrivals import over_limit
from benchmarks.environments import ROOT
from benchmarks.loopback_receiver import SIZE
from benchmarks.pacing_peers import LIMIT
from ibkeel.guards import Pacer, gateway_rules
from ibkeel.ibkr import IBKRConfig
from ibkeel.resilience import Lane, Request

__all__ = ["over_loopback"]

BACKLOG: Final = 5_000
BETWEEN_ORDERS: Final = 0.21
ORDER: Final = Request(kind="order", lane=Lane.OPENING)
DATA: Final = Request(kind="definitions", lane=Lane.QUOTES)


class Line:
    """A connection to the receiver, and what was written to it when."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self.written: list[float] = []
        self.orders: dict[int, float] = {}

    def write(self) -> int:
        number = len(self.written)
        self.written.append(self._loop.time())
        self._writer.write(number.to_bytes(SIZE))
        return number

    def write_order(self, asked_at: float) -> None:
        self.orders[self.write()] = asked_at


def over_loopback(*, seconds: float) -> dict[str, Any]:
    """Measure the jitter of sending, then send behind a backlog with a margin of twice as much.

    The margin is at least the adapter's own: jitter that was measured in a calm moment says little of
    the next.

    Args:
        seconds: How long to measure; a third of it is for the jitter.
    """
    return asyncio.run(_over_loopback(seconds))


async def _over_loopback(seconds: float) -> dict[str, Any]:
    free = await _run(Pacer(gateway_rules()), seconds / 3)
    jitter = free["jitter"]
    margin = max(2 * jitter, IBKRConfig().pacing_margin)
    held = await _run(Pacer(gateway_rules(), margin=margin), seconds)
    waits = sorted(held["order_waits"])
    return {
        "jitter_ms": jitter * 1e3,
        "margin_ms": margin * 1e3,
        "jitter_during_ms": held["jitter"] * 1e3,
        "violations_without_margin": over_limit(free["received"], LIMIT, 1.0),
        "violations": over_limit(held["received"], LIMIT, 1.0),
        "orders": len(waits),
        "order_wait_p50_ms": waits[len(waits) // 2] * 1e3,
        "order_wait_p99_ms": waits[-(-len(waits) * 99 // 100) - 1] * 1e3,
        "messages": len(held["received"]),
    }


async def _run(pacer: Pacer, seconds: float) -> dict[str, Any]:
    receiver = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.loopback_receiver",
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src")))},
        limit=2**26,
    )
    assert receiver.stdout is not None
    port = int(await receiver.stdout.readline())
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    line = Line(writer)
    await _send(pacer, line, seconds)
    writer.close()
    await writer.wait_closed()
    stamps = json.loads(await receiver.stdout.read())
    await receiver.wait()
    delays = [at - line.written[number] for number, at in stamps]
    return {
        "received": [at for _, at in stamps],
        "jitter": max(delays) - min(delays),
        "order_waits": [at - line.orders[number] for number, at in stamps if number in line.orders],
    }


async def _send(pacer: Pacer, line: Line, seconds: float) -> None:
    """Data that never ends, and an order now and then."""
    loop = asyncio.get_running_loop()
    for _ in range(BACKLOG):
        pacer.submit(DATA, line.write)
    end = loop.time() + seconds
    while loop.time() < end:
        await asyncio.sleep(BETWEEN_ORDERS)
        asked_at = loop.time()
        pacer.submit(ORDER, partial(line.write_order, asked_at))
    await asyncio.sleep(1.1)  # an order that had to wait is out by now
    pacer.close()
