"""S15: streaming quotes were never cancelled, and snapshots that had ended were."""

import asyncio
from contextlib import aclosing

import pytest

from ibkeel.errors import UnknownContract
from ibkeel.ibkr.client import library
from ibkeel.model import Stock

SYMBOLS = ("SPY", "QQQ")


class SeedQuotes:
    """A model of what was there: a stream is left to itself, a snapshot is cancelled in the end."""

    def __init__(self, ib):
        self._ib = ib

    async def look_at(self, symbol):
        self._ib.reqMktData(await stock(self._ib, symbol))
        await asyncio.sleep(2)

    async def snapshot(self, symbol):
        ticker = self._ib.reqMktData(await stock(self._ib, symbol), snapshot=True)
        await asyncio.sleep(15)
        self._ib.cancelMktData(ticker.contract)


async def stock(ib, symbol):
    """It as the Gateway defines it."""
    (details,) = await ib.reqContractDetailsAsync(library.Stock(symbol, "SMART", "USD"))
    return details.contract


async def lines_left(look_at, gateway):
    """Lines that are in use at the Gateway after a look at some symbols."""
    for symbol in SYMBOLS:
        await look_at(symbol)
    await asyncio.sleep(60)
    return gateway.counters.open_lines


async def cancelled_in_vain(snapshot, gateway):
    """Cancels that the Gateway does not know what to do with, after a snapshot of some symbols."""
    for symbol in SYMBOLS:
        await snapshot(symbol)
    await asyncio.sleep(1)
    return gateway.counters.errors_sent[300]


async def test_every_line_that_was_opened_is_closed_once(connected):
    async with connected() as (broker, gateway):

        async def look_at(symbol):
            await broker.quote(Stock(symbol))
            async with aclosing(broker.stream_quotes(Stock(symbol))) as stream:
                await anext(stream)

        assert await lines_left(look_at, gateway) == 0
        requests = gateway.counters.requests
        assert requests["market_data"] == requests["cancel_market_data"] == 4
        assert broker.open_lines == {}


async def test_a_quote_is_cancelled_while_it_is_open_and_never_after(connected):
    async with connected() as (broker, gateway):

        async def snapshot(symbol):
            await broker.quote(Stock(symbol))

        assert await cancelled_in_vain(snapshot, gateway) == 0


async def test_the_model_of_what_was_there_left_its_streams_open(connected):
    async with connected() as (broker, gateway):
        seed = SeedQuotes(broker.ib)

        assert await lines_left(seed.look_at, gateway) == len(SYMBOLS)
        assert gateway.counters.requests["cancel_market_data"] == 0


async def test_the_model_of_what_was_there_cancelled_snapshots_that_had_ended(connected):
    async with connected() as (broker, gateway):
        seed = SeedQuotes(broker.ib)

        assert await cancelled_in_vain(seed.snapshot, gateway) == len(SYMBOLS)


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
