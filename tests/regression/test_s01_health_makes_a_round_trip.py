"""S1: the health check read a local cache, so a silent Gateway looked healthy."""

import asyncio

from ibkeel.model import Grade
from ibkeel.resilience import Deadlines


async def test_a_gateway_that_falls_silent_is_down_within_the_deadline(connected):
    async with connected(deadlines=Deadlines(probe=5.0)) as (broker, _):
        well = await broker.health()
        await asyncio.sleep(2)  # an answer younger than a second is shared
        broker.ib.client.conn.transport.pause_reading()
        began = asyncio.get_running_loop().time()
        sick = await broker.health()
        took = asyncio.get_running_loop().time() - began

        assert (well.grade, sick.grade) == (Grade.OK, Grade.DOWN)
        assert broker.ib.client.getAccounts() == ["DU1234567"]
        assert broker.is_connected
        assert 5.0 <= took < 6.0
        assert sick.round_trip is None
