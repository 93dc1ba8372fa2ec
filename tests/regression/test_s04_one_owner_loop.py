"""S4: a request from another loop than the socket's was silent for 60 s, then an empty list."""

import asyncio
import time

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


async def test_the_refusal_takes_less_than_ten_milliseconds_and_says_what_to_do(connected):
    async with connected() as (broker, _):

        async def elsewhere():
            began = time.perf_counter()
            with pytest.raises(WrongLoopError) as caught:
                await broker.quote(Stock("SPY"))
            return time.perf_counter() - began, str(caught.value)

        took, said = await asyncio.to_thread(asyncio.run, elsewhere())

    assert took < 0.010
    assert "connect a broker here with another client id" in said
