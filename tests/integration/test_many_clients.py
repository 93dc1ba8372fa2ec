"""Several programs at one Gateway: what one of them has used up, another waits for."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from ibkeel.errors import PacingExceeded
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.virtual import virtual_clock


async def test_ten_programs_that_read_their_balances_at_one_instant_all_have_them(stage):
    async with stage() as on, AsyncExitStack() as stack:
        brokers = [on.broker]
        for client_id in range(2, 11):
            config = IBKRConfig(orders="PAPER", client_id=client_id)
            broker = IBKRBroker(config, clock=virtual_clock(), observer=on.told, jitter=lambda: 0.0)
            brokers.append(await stack.enter_async_context(broker))

        for _ in range(5):
            read = await asyncio.gather(*(broker.account() for broker in brokers))
            await asyncio.sleep(60)

        assert {values.net_liquidation for values in read} == {read[0].net_liquidation}


async def test_balances_that_others_keep_from_us_break_neither_the_session_nor_the_service(stage):
    theirs = IBKRConfig(orders="PAPER", client_id=2)
    async with stage() as on, IBKRBroker(theirs, clock=virtual_clock(), jitter=lambda: 0.0) as other:
        for number in (9001, 9002):
            other.ib.client.reqAccountSummary(number, "All", "NetLiquidation")
        await asyncio.sleep(1)
        for _ in range(12):
            with pytest.raises(PacingExceeded, match="keep theirs open"):
                await on.broker.account()
            await asyncio.sleep(20)

        assert on.told.of("ConnectionLost") == on.told.of("AlarmRaised") == []
        assert len(on.told.of("Connected")) == 1


async def test_who_never_gets_his_balances_waits_for_them_once_and_not_in_each_cycle(stage):
    theirs = IBKRConfig(orders="PAPER", client_id=2)
    async with stage() as on, IBKRBroker(theirs, clock=virtual_clock(), jitter=lambda: 0.0) as other:
        loop, waited = asyncio.get_running_loop(), []
        for number in (9001, 9002):
            other.ib.client.reqAccountSummary(number, "All", "NetLiquidation")
        await asyncio.sleep(1)
        for _ in range(3):
            began = loop.time()
            with pytest.raises(PacingExceeded):
                await on.broker.account()
            waited.append(loop.time() - began)
            await asyncio.sleep(60)
        other.ib.client.cancelAccountSummary(9001)
        await asyncio.sleep(1)

        assert (await on.broker.account()).net_liquidation
        assert waited[0] == pytest.approx(10.0, abs=1.0)
        assert max(waited[1:]) < 3.0
