"""A simulated Gateway that outlives its clients: a process that takes one JSON command a line.

`open` begins a new book on a new port, `book` tells what is in it, `close` ends it.
"""

import asyncio
import json
import sys
from datetime import date

from fast_time import FastClock, FastLoop, instant, machine_seconds

from ibkeel.sim import GatewaySettings, Latency, SimulatedGateway
from ibkeel.sim.market import SeededMarket


class Locked:
    """A market whose options are sold at the bid: every entry fills at once."""

    def __init__(self, market):
        self._market = market

    def __getattr__(self, name):
        return getattr(self._market, name)

    def quote(self, contract, at):
        quote = self._market.quote(contract, at)
        return quote if contract.sec_type == "STK" else quote._replace(ask=quote.bid)


_MARKET = Locked(SeededMarket(seed=7, session_date=date(2026, 1, 5), symbols=("SPY",)))
_SETTINGS = GatewaySettings(
    latency=Latency(account=0.01, definitions=0.01, first_tick=0.01, history=0.01, orders=0.05, local=0.002),
    messages_per_second=100_000,
)


class Venue:
    """The Gateways that are open, by port."""

    def __init__(self):
        self._open = {}

    async def open(self, job):
        """Begin a book; the answer says where and when."""
        began, start = machine_seconds(), instant(job["start"])
        gateway = SimulatedGateway(market=_MARKET, clock=FastClock(began, start), settings=_SETTINGS)
        port = await gateway.start("127.0.0.1", 0)
        self._open[port] = gateway
        return {"port": port, "began": began, "start": job["start"]}

    async def book(self, job):
        """What the venue itself knows, with each order as it is now."""
        gateway = self._open[job["port"]]
        venue = gateway.venue
        return {
            "failures": gateway.counters.failures,
            "orders": [
                [row.order_ref, row.order_id, row.completed_status or row.status, row.filled]
                for row in (*venue.completed_orders(), *venue.open_orders())
            ],
            "fills": [[fill.exec_id, fill.order_ref, fill.quantity] for fill, _ in venue.executions()],
            "positions": [row.quantity for row in venue.positions() if row.quantity],
        }

    async def close(self, job):
        """End a book."""
        await self._open.pop(job["port"]).stop()
        return {}


async def main():
    """Serve until the commands end."""
    venue, loop = Venue(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        job = json.loads(line)
        answer = await getattr(venue, job["do"])(job)
        sys.stdout.write(json.dumps({"job": job["job"], **answer}) + "\n")
        sys.stdout.flush()


with asyncio.Runner(loop_factory=FastLoop) as runner:
    runner.run(main())
