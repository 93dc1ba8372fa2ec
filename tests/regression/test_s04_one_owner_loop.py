"""S4: a request from another loop than the socket's was silent for 60 s, then an empty list."""

import asyncio

import pytest

from ibkeel.errors import WrongLoopError
from ibkeel.model import BarSpec, Stock


async def test_a_request_from_another_loop_is_refused_before_anything_is_sent(connected):
    async with connected() as (broker, gateway):
        asked = gateway.counters.messages

        with pytest.raises(WrongLoopError, match="run_coroutine_threadsafe"):
            await asyncio.to_thread(asyncio.run, broker.bars(Stock("SPY"), BarSpec()))

        await asyncio.sleep(1)
        assert gateway.counters.messages == asked
        assert len(await broker.bars(Stock("SPY"), BarSpec())) > 0
