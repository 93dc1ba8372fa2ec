"""`ready`: what a program awaits after `NotConnected`; and what becomes of bars and alarms meanwhile."""

import asyncio

import attrs
import pytest

from ibkeel.errors import InvalidInput, NotConnected
from ibkeel.ibkr import IBKRBroker, IBKRConfig, SessionPolicy
from ibkeel.model import BarSpec, Stock
from ibkeel.sim import faults

SPY = Stock("SPY")
MINUTES = BarSpec(duration="3600 S", size="1 min")


def now():
    return asyncio.get_running_loop().time()


async def test_ready_is_no_wait_while_requests_are_taken_and_ends_when_they_are_again(stage):
    async with stage() as on:
        began = now()
        await on.broker.ready()
        assert now() == began

        on.gateway.inject(faults.Restart(duration=300.0))
        await asyncio.sleep(5)
        with pytest.raises(NotConnected, match=r"it is being sought; ready\(\) waits for it"):
            await on.broker.quote(SPY)
        await asyncio.gather(on.broker.ready(), on.broker.ready(within=3600))

        assert 300 <= now() - began <= 400
        assert (await on.broker.quote(SPY)).bid is not None


async def test_ready_waits_no_longer_than_it_may_and_says_how_the_session_is(stage):
    async with stage() as on:
        on.gateway.inject(faults.Restart(duration=300.0))
        await asyncio.sleep(5)
        began = now()

        with pytest.raises(NotConnected, match="reconnecting"):
            await on.broker.ready(within=20)

        assert now() - began == pytest.approx(20)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await on.broker.ready()


async def test_ready_waits_for_the_servers_behind_the_gateway_too(stage):
    async with stage() as on:
        on.gateway.inject(faults.UpstreamLost(duration=120.0, restores_as=1102))
        await asyncio.sleep(5)
        began = now()

        await on.broker.ready()

        assert 100 <= now() - began <= 140


async def test_ready_waits_for_no_session_that_nobody_seeks(stage):
    async with stage(reconnect=False) as on:
        on.gateway.inject(faults.Restart(duration=60.0))
        await asyncio.sleep(5)
        with pytest.raises(NotConnected):
            await on.broker.ready()
        await on.broker.disconnect()
        with pytest.raises(NotConnected):
            await on.broker.ready()


async def test_a_wait_ends_when_the_broker_is_disconnected(stage):
    async with stage() as on:
        on.gateway.inject(faults.Restart(duration=300.0))
        await asyncio.sleep(5)
        waiting = asyncio.create_task(on.broker.ready())
        await asyncio.sleep(5)
        await on.broker.disconnect()

        with pytest.raises(NotConnected):
            await waiting


@pytest.mark.parametrize("within", ["5", 0, -1, float("nan"), True])
async def test_a_wait_that_is_none_is_refused(within):
    with pytest.raises(InvalidInput, match="valid: seconds, above 0, or None"):
        await IBKRBroker(IBKRConfig()).ready(within)


async def test_who_gives_up_looking_for_a_session_says_so(stage):
    async with stage(session=SessionPolicy(give_up_after=120.0)) as on:
        on.gateway.inject(faults.Restart(duration=3600.0))
        await asyncio.sleep(5)
        with pytest.raises(NotConnected):
            await on.broker.ready()

        assert [event.message for event in on.told.of("AlarmRaised") if "gave up" in event.message]


async def test_bars_are_shared_for_a_second_and_kept_as_old_ones(stage):
    async with stage() as on:
        assert await on.broker.last_good_bars(SPY, MINUTES) is None
        fresh = await on.broker.bars(SPY, MINUTES)
        assert await on.broker.bars(SPY, MINUTES) is fresh
        await asyncio.sleep(30)
        old = await on.broker.last_good_bars(SPY, MINUTES)

        assert old.bars is fresh
        assert old.age == pytest.approx(30, abs=1)
        assert len(on.board.asked("historical_data")) == 1
        assert await on.broker.bars(SPY, MINUTES) != fresh
        assert len(on.board.asked("historical_data")) == 2
        assert await on.broker.last_good_bars(SPY, attrs.evolve(MINUTES, duration="7200 S")) is None

        await asyncio.sleep(901)
        assert await on.broker.last_good_bars(SPY, MINUTES) is None
