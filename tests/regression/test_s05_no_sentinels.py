"""S5: a time-out returned an empty frame, and a failed quote returned prices of 0.0."""

import asyncio

import pytest

from ibkeel.errors import IbkeelError, QuoteUnavailable, RequestTimeout, UnknownContract
from ibkeel.ibkr.client import library
from ibkeel.model import BarSpec, Stock
from ibkeel.sim.settings import GatewaySettings, Latency

SILENT = GatewaySettings(latency=Latency(history=3600.0, first_tick=3600.0))
NOTHING = (0.0, 0.0, 0.0)


class SeedData:
    """A model of what was there: an answer always comes, and its numbers say nothing of whether."""

    def __init__(self, ib):
        self._ib = ib

    async def bars(self, symbol):
        stock = await known(self._ib, symbol)
        bars = await self._ib.reqHistoricalDataAsync(
            stock, "", "1 D", "1 min", "TRADES", useRTH=True, timeout=60
        )
        return list(bars)

    async def quote(self, symbol):
        ticker = self._ib.reqMktData(await known(self._ib, symbol), snapshot=True)
        await asyncio.sleep(15)
        return tuple(price if price > 0 else 0.0 for price in (ticker.bid, ticker.ask, ticker.last))


async def known(ib, symbol):
    """The stock as the Gateway defines it, or under an id that nothing has."""
    found = await ib.reqContractDetailsAsync(library.Stock(symbol, "SMART", "USD"))
    return found[0].contract if found else library.Stock(symbol, "SMART", "USD", conId=999_999_999)


async def told(asked):
    """What the caller of a request learns: the type of an error, or a value."""
    try:
        return await asked
    except IbkeelError as error:
        return type(error)


async def test_history_that_does_not_come_is_a_time_out_and_no_empty_list(connected):
    async with connected(settings=SILENT) as (broker, _):
        assert await told(broker.bars(Stock("SPY"), BarSpec())) is RequestTimeout


async def test_a_quote_that_does_not_come_is_an_error_and_no_zero(connected):
    async with connected(settings=SILENT) as (broker, _):
        assert await told(broker.quote(Stock("SPY"))) is QuoteUnavailable


async def test_a_quote_of_what_does_not_exist_is_an_error_and_no_zero(connected):
    async with connected() as (broker, _):
        with pytest.raises(UnknownContract):
            await broker.quote(Stock("NOSUCH"))


async def test_the_model_of_what_was_there_took_a_time_out_for_no_bars_and_silence_for_zero(connected):
    async with connected(settings=SILENT) as (broker, _):
        seed = SeedData(broker.ib)

        assert await told(seed.bars("SPY")) == []
        assert await told(seed.quote("SPY")) == NOTHING


async def test_the_model_of_what_was_there_priced_what_does_not_exist_at_zero(connected):
    async with connected() as (broker, _):
        assert await told(SeedData(broker.ib).quote("NOSUCH")) == NOTHING
