"""S15: streaming quotes were never cancelled, and snapshots that had ended were."""

import asyncio
from contextlib import aclosing

import pytest

from ibkeel.errors import UnknownContract
from ibkeel.model import Stock


async def test_every_line_that_was_opened_is_closed_once(connected):
    async with connected() as (broker, gateway):
        for symbol in ("SPY", "QQQ"):
            await broker.quote(Stock(symbol))
            async with aclosing(broker.stream_quotes(Stock(symbol))) as stream:
                await anext(stream)
        await asyncio.sleep(1)

        requests = gateway.counters.requests
        assert requests["market_data"] == requests["cancel_market_data"] == 4
        assert gateway.counters.open_lines == 0
        assert broker.open_lines == {}


async def test_what_the_gateway_ended_itself_is_not_cancelled(connected):
    async with connected() as (broker, gateway):
        with pytest.raises(UnknownContract):
            await broker.quote(Stock("NOSUCH"))
        await asyncio.sleep(1)

        assert gateway.counters.requests["cancel_market_data"] == 0
        assert gateway.counters.errors_sent[300] == 0


async def test_a_few_lines_serve_for_ever(connected):
    async with connected(market_data_lines=3) as (broker, gateway):
        for _ in range(20):
            await broker.quote(Stock("SPY"))
        await asyncio.sleep(1)

        assert gateway.counters.max_open_lines <= 3
        assert gateway.counters.errors_sent[101] == 0
