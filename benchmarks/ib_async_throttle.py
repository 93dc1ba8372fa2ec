"""Drives the throttle inside ib_async on virtual time; prints what left, and when, as JSON."""

import asyncio
import json
import sys
from typing import Any

from benchmarks.arrivals import burst, steady
from benchmarks.timer_count import timers_each_second
from ibkeel.virtual import run_virtual


class Recorder:
    """Stands where the connection to the Gateway would be."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, str]] = []
        self.done_after = 0
        self.done = asyncio.Event()

    def sendMsg(self, message: bytes) -> None:  # noqa: N802 - the client's own name
        self.sent.append((asyncio.get_running_loop().time(), message[4:].decode()))
        if len(self.sent) == self.done_after:
            self.done.set()


def throttle(limit: int) -> tuple[Any, Recorder]:
    """The library's client, unmodified but for its public limit."""
    from ib_async.client import Client
    from ib_async.wrapper import Wrapper

    client = Client(Wrapper(None))
    client.MaxRequests = limit
    recorder = Recorder()
    client.conn = recorder
    return client, recorder


async def send_at(arrivals: list[float], limit: int) -> list[float]:
    """When each message left."""
    client, recorder = throttle(limit)
    recorder.done_after = len(arrivals)
    loop = asyncio.get_running_loop()
    for place, at in enumerate(arrivals):
        if at > loop.time():
            await asyncio.sleep(at - loop.time())
        client.sendMsg(f"{place}\0")
    await recorder.done.wait()
    return [at for at, _ in recorder.sent]


async def order_wait(backlog: int, limit: int) -> float:
    """How long an order waits behind so many requests."""
    client, recorder = throttle(limit)
    recorder.done_after = backlog + 1
    for place in range(backlog):
        client.sendMsg(f"{place}\0")
    asked_at = asyncio.get_running_loop().time()
    client.sendMsg("order\0")
    await recorder.done.wait()
    return recorder.sent[-1][0] - asked_at


async def timers(backlog: int, limit: int, seconds: int) -> float:
    """Timers set each second at such a backlog."""
    client, _ = throttle(limit)
    for place in range(backlog):
        client.sendMsg(f"{place}\0")
    return await timers_each_second(seconds)


def main() -> None:
    """Run what the first argument asks for."""
    asked = json.loads(sys.argv[1])
    limit, backlog = asked["limit"], asked["backlog"]
    result = {
        "burst": run_virtual(send_at(burst(asked["burst"]), limit), travel=False),
        "arrivals": run_virtual(send_at(steady(asked["arrivals"], 100.0), limit), travel=False),
        "order_wait": run_virtual(order_wait(asked["queued"], limit), travel=False),
        "timers_per_window": run_virtual(timers(backlog, limit, 3), travel=False),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
