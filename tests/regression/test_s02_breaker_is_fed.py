"""S2: the breaker was never fed by its main failure, and admitted everything while half-open."""

import asyncio

import pytest

from ibkeel.errors import CircuitOpen, RequestTimeout
from ibkeel.model import BarSpec, Stock
from ibkeel.resilience import BreakerPolicy, Deadlines
from ibkeel.sim import faults

FAILURES, OPEN_FOR = 3, 60.0
SPY, MINUTES = Stock("SPY"), BarSpec(duration="3600 S", size="1 min")
POLICY = BreakerPolicy(failures=FAILURES, open_seconds=OPEN_FOR, reconnect_at=50, stop_at=100)


class SeedBreaker:
    """A model of what was there: exceptions alone count, and one flag says whether calls pass."""

    def __init__(self, fetch):
        self._fetch = fetch
        self._failures, self._opened_at = 0, None

    async def bars(self):
        if self._opened_at is not None and now() - self._opened_at < OPEN_FOR:
            raise ConnectionError("open")
        try:
            return await self._fetch()
        except ConnectionError:
            self._failures += 1
            if self._failures >= FAILURES:
                self._opened_at = now()
            raise


def now():
    return asyncio.get_running_loop().time()


async def sent_while_failing(ask, sent):
    """Requests that leave when one service stays silent: of ten in a row, and of five at once later."""
    for _ in range(10):
        await asyncio.gather(ask(), return_exceptions=True)
    in_a_row = sent()
    await asyncio.sleep(OPEN_FOR)
    await asyncio.gather(*(ask() for _ in range(5)), return_exceptions=True)
    return in_a_row, sent() - in_a_row


def silent(gateway):
    gateway.inject(faults.Unanswered(when_request="historical_data", duration=1e6))
    return lambda: gateway.counters.requests["historical_data"]


async def test_time_outs_open_the_breaker_and_one_probe_passes_when_its_time_is_over(connected):
    async with connected(deadlines=Deadlines(history=5.0), breakers={"historical data": POLICY}) as (
        broker,
        gateway,
    ):
        sent = silent(gateway)
        days = iter(range(1, 100))  # questions that differ, so that nobody shares an answer

        async def ask():
            await broker.bars(SPY, BarSpec(duration=f"{next(days)} D", size="1 min"))

        assert await sent_while_failing(ask, sent) == (FAILURES, 1)
        with pytest.raises(CircuitOpen, match=RequestTimeout.__name__):
            await ask()


async def test_the_model_of_what_was_there_never_opened_and_let_everything_pass(connected):
    async with connected() as (broker, gateway):
        sent = silent(gateway)
        stock = (await broker.ib.reqContractDetailsAsync(broker_stock(broker)))[0].contract

        async def fetch():
            return await broker.ib.reqHistoricalDataAsync(
                stock, "", "1 D", "1 min", "TRADES", useRTH=True, timeout=5
            )

        in_a_row, at_once = await sent_while_failing(SeedBreaker(fetch).bars, sent)

        assert (in_a_row, at_once) == (10, 5)


def broker_stock(broker):
    """SPY as the library names it."""
    module = __import__(type(broker.ib).__module__.partition(".")[0])
    return module.Stock("SPY", "SMART", "USD")


async def test_a_success_closes_it_again_and_needs_no_order(connected):
    async with connected(deadlines=Deadlines(history=5.0), breakers={"historical data": POLICY}) as (
        broker,
        gateway,
    ):
        gateway.inject(faults.Unanswered(when_request="historical_data", duration=100.0))
        for _ in range(FAILURES):
            with pytest.raises(RequestTimeout):
                await broker.bars(SPY, MINUTES)
        assert (await broker.health()).check("service historical data") is not None
        await asyncio.sleep(120)

        assert len(await broker.bars(SPY, MINUTES)) > 0
        assert (await broker.health()).check("service historical data") is None
