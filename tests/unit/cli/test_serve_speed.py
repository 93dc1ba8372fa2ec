"""A day that is served faster than real time."""

from datetime import UTC, datetime, timedelta

import pytest

from ibkeel.clock import OffsetClock
from ibkeel.ibkr.library import library
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

IB, Stock = library.IB, library.Stock
MARKET = SeededMarket(7)
[SESSION] = MARKET.sessions(MARKET.session_date, MARKET.session_date)
START = datetime(2026, 1, 5, tzinfo=UTC)


def test_a_clock_runs_so_many_times_faster_from_the_time_it_shows():
    async def main():
        import asyncio

        clock = OffsetClock(virtual_clock(), START, speed=60.0)
        await asyncio.sleep(2)
        before = clock.now()
        clock.show(START)
        await asyncio.sleep(1)
        return before - START, clock.now() - START

    first, second = run_virtual(main())
    assert abs(first - timedelta(minutes=2)) < timedelta(milliseconds=1)
    assert abs(second - timedelta(minutes=1)) < timedelta(milliseconds=1)


@pytest.mark.parametrize("speed", [0.5, 1.0, 60.0])
def test_a_client_sees_as_many_changes_of_the_market_as_its_day_has_seconds(speed):
    async def main():
        import asyncio

        clock = OffsetClock(virtual_clock(), SESSION.opens_at + timedelta(hours=1), speed=speed)
        gateway = SimulatedGateway(market=MARKET, clock=clock, speed=speed)
        async with gateway.listening("127.0.0.1", 4002):
            ib = IB()
            await ib.connectAsync("127.0.0.1", 4002, clientId=1)
            [spy] = await ib.qualifyContractsAsync(Stock("SPY", "SMART", "USD"))
            ticker, seen = ib.reqMktData(spy), []
            ticker.updateEvent += seen.append
            await asyncio.sleep(10)
            seen.clear()
            began = await ib.reqCurrentTimeAsync()
            await asyncio.sleep(20)
            passed = await ib.reqCurrentTimeAsync() - began
            ib.disconnect()
            return passed.total_seconds(), len(seen)

    passed, changes = run_virtual(main())

    assert passed == pytest.approx(20 * speed, abs=2)
    assert changes == pytest.approx(20 * speed, rel=0.02, abs=2)
