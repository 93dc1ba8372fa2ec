import asyncio
from contextlib import aclosing

import pytest

from ibkeel.sim.settings import GatewaySettings, Latency


async def seconds(request):
    began = asyncio.get_running_loop().time()
    answer = await request
    return answer, asyncio.get_running_loop().time() - began


async def test_in_the_documented_profile_bid_and_ask_come_after_a_second(stage):
    async with stage(settings=GatewaySettings(latency=Latency.documented())) as on:
        _, definitions = await seconds(on.broker.qualify(on.stock))
        quote, quoted = await seconds(on.broker.quote(on.option))

    assert definitions == pytest.approx(0.25, abs=1e-3)
    assert quoted == pytest.approx(1.0, abs=1e-3)
    assert None not in {quote.bid, quote.ask, quote.greeks, quote.open_interest}


async def test_the_first_tick_comes_before_the_book(stage):
    documented = GatewaySettings(latency=Latency.documented())
    async with stage(settings=documented) as on, aclosing(on.broker.stream_quotes(on.stock)) as stream:
        first, waited = await seconds(anext(stream))
        while (second := await anext(stream)).bid is None:
            pass

    assert waited == pytest.approx(0.25, abs=1e-3)
    assert (first.bid, first.ask) == (None, None)
    assert first.last is not None
    assert second.bid < second.ask


async def test_in_the_measured_profile_everything_comes_with_the_first_tick(stage):
    async with stage(settings=GatewaySettings(latency=Latency.measured())) as on:
        quote, waited = await seconds(on.broker.quote(on.option))

    assert waited == pytest.approx(0.235, abs=1e-3)
    assert None not in {quote.bid, quote.ask, quote.greeks}
