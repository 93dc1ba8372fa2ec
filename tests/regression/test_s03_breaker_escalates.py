"""S3: a breaker that tried again on the same dead socket could never heal."""

import asyncio

from ibkeel.errors import IbkeelError
from ibkeel.model import BarSpec, Stock
from ibkeel.resilience import BreakerPolicy, Deadlines
from ibkeel.sim import faults

SPY, MINUTES = Stock("SPY"), BarSpec(duration="3600 S", size="1 min")
HOUR = 3600.0


class Told:
    """Keeps what it was told."""

    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)

    def of(self, name):
        return [event for event in self.events if type(event).__name__ == name]


class SeedBreaker:
    """A model of what was there: after three failures it skips two cycles, then tries the same socket."""

    def __init__(self, fetch):
        self._fetch = fetch
        self._failures = self._skip = 0

    async def bars(self):
        if self._skip:
            self._skip -= 1
            return None
        rows = await self._fetch()
        self._failures = 0 if rows else self._failures + 1
        if self._failures >= 3:
            self._failures, self._skip = 0, 2
        return rows or None


async def cycles_until_bars(ask):
    """How many cycles of a minute go by until bars come again; None when none come within the hour."""
    for number in range(60):
        if await ask():
            return number
        await asyncio.sleep(60)
    return None


def stop_reading(ib):
    """The socket stays open, and nothing that the Gateway says arrives."""
    ib.client.conn.transport.pause_reading()


async def test_a_dead_socket_is_replaced(connected):
    async with connected(deadlines=Deadlines(history=5.0)) as (broker, _):
        await broker.bars(SPY, MINUTES)
        await asyncio.sleep(5)  # bars that are a second old are shared
        stop_reading(broker.ib)

        async def ask():
            try:
                return len(await broker.bars(SPY, MINUTES))
            except IbkeelError:
                return None

        assert await cycles_until_bars(ask) in {1, 2}


async def test_the_model_of_what_was_there_never_healed(connected):
    async with connected(heartbeat=10 * HOUR) as (broker, _):
        module = __import__(type(broker.ib).__module__.partition(".")[0])
        (details,) = await broker.ib.reqContractDetailsAsync(module.Stock("SPY", "SMART", "USD"))
        stop_reading(broker.ib)

        def fetch():
            return broker.ib.reqHistoricalDataAsync(
                details.contract, "", "3600 S", "1 min", "TRADES", useRTH=True, timeout=5
            )

        assert await cycles_until_bars(SeedBreaker(fetch).bars) is None
        broker.ib.client.conn.transport.resume_reading()


async def test_a_service_that_stays_silent_is_tried_again_then_on_a_new_connection_then_told_to_a_person(
    connected,
):
    told = Told()
    policy = BreakerPolicy(failures=2, open_seconds=30.0, reconnect_at=2, stop_at=4)
    async with connected(
        observer=told, deadlines=Deadlines(history=5.0), breakers={"historical data": policy}
    ) as (broker, gateway):
        gateway.inject(faults.Unanswered(when_request="historical_data", duration=3 * HOUR))

        async def ask():
            try:
                return len(await broker.bars(SPY, MINUTES))
            except IbkeelError:
                return None

        assert await cycles_until_bars(ask) is None
        steps = [
            type(event).__name__
            for event in told.events
            if (type(event).__name__ == "ServiceChanged" and event.after == "open" and event.cause)
            or type(event).__name__ in {"ConnectionLost", "AlarmRaised"}
        ]
        assert steps[:5] == [
            "ServiceChanged",  # wait, and try again
            "ServiceChanged",  # a new connection
            "ConnectionLost",
            "ServiceChanged",  # another one
            "ConnectionLost",
        ]
        (alarm,) = told.of("AlarmRaised")
        assert alarm.name == "service historical data"
        assert gateway.counters.connections == 3
