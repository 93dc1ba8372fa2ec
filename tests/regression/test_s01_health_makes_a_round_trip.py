"""S1: the health check read a local cache, so a silent Gateway looked healthy."""

import asyncio

from ibkeel.model import Grade
from ibkeel.resilience import Deadlines


class SeedHealth:
    """A model of what was there: whoever knows its accounts is well."""

    def __init__(self, ib):
        self._ib = ib

    async def is_well(self):
        return self._ib.isConnected() and bool(self._ib.managedAccounts())


async def before_and_after_silence(is_well, ib):
    """What a health check says of a Gateway that answers, and of the same when it no longer does."""
    before = await is_well()
    await asyncio.sleep(2)  # an answer younger than a second is shared
    ib.client.conn.transport.pause_reading()
    return before, await is_well()


async def test_a_gateway_that_falls_silent_is_down_within_the_deadline(connected):
    async with connected(deadlines=Deadlines(probe=5.0)) as (broker, _):
        reports, took = [], []

        async def is_well():
            began = asyncio.get_running_loop().time()
            reports.append(await broker.health())
            took.append(asyncio.get_running_loop().time() - began)
            return reports[-1].grade is Grade.OK

        assert await before_and_after_silence(is_well, broker.ib) == (True, False)
        assert broker.ib.client.getAccounts() == ["DU1234567"]
        assert broker.is_connected
        assert 5.0 <= took[-1] < 6.0
        assert (reports[-1].grade, reports[-1].round_trip) == (Grade.DOWN, None)


async def test_the_model_of_what_was_there_found_a_silent_gateway_well(connected):
    async with connected(heartbeat=36_000.0) as (broker, gateway):
        asked = gateway.counters.messages

        assert await before_and_after_silence(SeedHealth(broker.ib).is_well, broker.ib) == (True, True)
        await asyncio.sleep(600)
        assert await SeedHealth(broker.ib).is_well()
        assert gateway.counters.messages == asked
        broker.ib.client.conn.transport.resume_reading()
