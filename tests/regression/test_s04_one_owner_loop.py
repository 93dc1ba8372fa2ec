"""S4: a request from another loop than the socket's was silent for 60 s, then an empty list."""

import asyncio
import time
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import WrongLoopError
from ibkeel.ibkr.client import library
from ibkeel.model import BarSpec, Stock
from ibkeel.sim import GatewaySettings, Latency, SimulatedGateway
from ibkeel.sim.market import SeededMarket

AT_ONCE = GatewaySettings(
    latency=Latency(account=0, definitions=0, first_tick=0, history=0, orders=0, local=0)
)


class MorningClock:
    """The machine's clock, but it began at eleven on a trading day."""

    def __init__(self):
        self._began = time.perf_counter()

    def monotonic(self):
        return time.perf_counter() - self._began

    def now(self):
        return datetime(2026, 1, 5, 16, tzinfo=UTC) + timedelta(seconds=self.monotonic())


class SeedSocket:
    """A model of what was there: connected on a loop that then stands still, asked from any other."""

    def __init__(self, port):
        self._port = port
        self._owner = asyncio.new_event_loop()
        self.ib = library.IB()

    def connect(self):
        asyncio.set_event_loop(self._owner)
        self._owner.run_until_complete(self.ib.connectAsync("127.0.0.1", self._port, timeout=5))
        self._owner.run_until_complete(asyncio.sleep(0.05))  # what follows a connection is read

    async def bars(self):
        spy = library.Stock("SPY", "SMART", "USD")
        bars = await self.ib.reqHistoricalDataAsync(
            spy, "", "3600 S", "1 min", "TRADES", useRTH=True, timeout=0.3
        )
        return list(bars)

    def read_what_waits(self):
        asyncio.set_event_loop(self._owner)
        before = self.ib.client.connectionStats().numBytesRecv
        self._owner.run_until_complete(asyncio.sleep(0.05))
        return self.ib.client.connectionStats().numBytesRecv - before

    def close(self):
        self.ib.disconnect()
        self._owner.run_until_complete(asyncio.sleep(0))
        self._owner.close()


@attrs.frozen
class Outcome:
    """What became of a request, as its caller and as the Gateway saw it."""

    told: object
    sent: int


async def outcome(ask, gateway):
    before = gateway.counters.requests["historical_data"]
    try:
        told = await ask()
    except WrongLoopError as error:
        told = type(error)
    await asyncio.sleep(0.05)
    return Outcome(told, gateway.counters.requests["historical_data"] - before)


async def test_a_request_from_another_loop_is_refused_before_anything_is_sent(connected):
    async with connected() as (broker, gateway):
        asked = gateway.counters.messages

        def ask_elsewhere():
            return asyncio.to_thread(asyncio.run, broker.bars(Stock("SPY"), BarSpec()))

        assert await outcome(ask_elsewhere, gateway) == Outcome(WrongLoopError, sent=0)
        await asyncio.sleep(1)
        assert gateway.counters.messages == asked
        assert len(await broker.bars(Stock("SPY"), BarSpec())) > 0


def test_the_model_of_what_was_there_had_its_answer_and_nobody_read_it():
    async def main():
        gateway = SimulatedGateway(
            market=SeededMarket(7, date(2026, 1, 5)), clock=MorningClock(), settings=AT_ONCE
        )
        async with gateway.listening() as port:
            seed = SeedSocket(port)
            await asyncio.to_thread(seed.connect)

            assert await outcome(seed.bars, gateway) == Outcome([], sent=1)
            assert seed.ib.isConnected()
            assert await asyncio.to_thread(seed.read_what_waits) > 1000
            await asyncio.to_thread(seed.close)

    asyncio.run(main())


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
