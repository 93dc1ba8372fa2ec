"""A message of another kind that names a request of ours ends nothing and spoils nothing."""

import asyncio

import pytest

from ibkeel.model import BarSpec, OrderTicket

STRANGE = {
    "account_summary": {"account": "DU1234567", "tag": "NetLiquidation", "value": "1", "currency": "USD"},
    "tick_size": {"type": 0, "size": 5},
    "tick_snapshot_end": {},
}


@pytest.mark.parametrize("name", STRANGE)
async def test_every_request_gets_its_own_answer_all_the_same(stage, name):
    async with stage() as on:
        calls = (
            on.broker.bars(on.stock, BarSpec()),
            on.broker.option_chain(on.stock),
            on.broker.account(),
            on.broker.preview(OrderTicket(contract=on.stock, side="BUY", quantity=1)),
        )
        tasks = [asyncio.ensure_future(call) for call in calls]
        for _ in range(20):
            await asyncio.sleep(0.02)
            for request_id in range(1, 30):
                on.board.say(name, request_id=request_id, **STRANGE[name])
        bars, chain, account, preview = await asyncio.gather(*tasks)

        assert len(bars) > 0
        assert chain.classes
        assert account.net_liquidation is not None
        assert preview.initial_margin is not None
