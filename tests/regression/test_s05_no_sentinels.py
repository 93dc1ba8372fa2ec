"""S5: a time-out returned an empty frame, and a failed quote returned prices of 0.0."""

import pytest

from ibkeel.errors import QuoteUnavailable, RequestTimeout, UnknownContract
from ibkeel.model import BarSpec, Stock
from ibkeel.sim.settings import GatewaySettings, Latency

SILENT = GatewaySettings(latency=Latency(history=3600.0, first_tick=3600.0))


async def test_history_that_does_not_come_is_a_time_out_and_no_empty_list(connected):
    async with connected(settings=SILENT) as (broker, _):
        with pytest.raises(RequestTimeout):
            await broker.bars(Stock("SPY"), BarSpec())


async def test_a_quote_that_does_not_come_is_an_error_and_no_zero(connected):
    async with connected(settings=SILENT) as (broker, _):
        with pytest.raises(QuoteUnavailable):
            await broker.quote(Stock("SPY"))


async def test_a_quote_of_what_does_not_exist_is_an_error_and_no_zero(connected):
    async with connected() as (broker, _):
        with pytest.raises(UnknownContract):
            await broker.quote(Stock("NOSUCH"))
