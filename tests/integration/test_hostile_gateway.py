"""A Gateway that breaks off, repeats itself, mixes up the order or talks nonsense: no call hangs, nothing is left."""

import asyncio
import gc
from contextlib import aclosing

import pytest

from ibkeel.errors import IbkeelError
from ibkeel.model import BarSpec, OrderTicket, Stock
from ibkeel.resilience import Deadlines
from ibkeel.sim import faults

SPY, QQQ = Stock("SPY"), Stock("QQQ")
FAR = OrderTicket(contract=SPY, side="BUY", quantity=1, order_type="LMT", limit_price="1")
DEADLINES = Deadlines(quote=15.0, history=10.0, definitions=10.0, account=10.0, orders=10.0, probe=5.0)


async def a_quote(broker):
    return await broker.quote(SPY)


async def some_bars(broker):
    return await broker.bars(SPY, BarSpec())


async def a_chain(broker):
    return await broker.option_chain(SPY)


async def holdings(broker):
    return await broker.positions()


async def balances(broker):
    return await broker.account()


async def an_order(broker):
    return await broker.place(FAR)


async def orders(broker):
    return await broker.open_orders()


async def a_stream(broker):
    async with aclosing(broker.stream_quotes(QQQ)) as quotes:
        return await anext(quotes)


CALLS = {
    a_quote: "market_data",
    some_bars: "historical_data",
    a_chain: "contract_details",
    holdings: "positions",
    balances: "account_summary",
    an_order: "place_order",
    orders: "open_orders",
    a_stream: "market_data",
}
NASTY = {
    "breaks off": lambda name: faults.Truncated(when_request=name, times=1),
    "talks nonsense": lambda name: faults.Garbage(when_request=name, times=1),
    "sends no frames": lambda name: faults.Garbage(framed=False, when_request=name, times=1),
    "mixes up the order": lambda name: faults.Reordered(duration=20.0),
    "says everything twice": lambda name: faults.Duplicated(duration=20.0),
    "says nothing": lambda name: faults.Unanswered(when_request=name, times=1),
    "is slow": lambda name: faults.Slow(when_request=name, delay=12.0, times=1),
    "closes the socket": lambda name: faults.Crash(when_request=name, duration=1.0),
    "changes its port": lambda name: faults.PortReset(when_request=name, times=1),
    "loses its servers": lambda name: faults.UpstreamLost(when_request=name, duration=5.0, restores_as=1101),
    "goes silent": lambda name: faults.HalfOpen(when_request=name, duration=30.0),
}


@pytest.mark.parametrize("how", NASTY)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
async def test_every_call_ends_in_a_value_or_a_typed_error_and_the_session_comes_back(stage, call, how):
    loop, complaints = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    async with stage(deadlines=DEADLINES) as on:
        on.gateway.inject(NASTY[how](CALLS[call]))
        async with asyncio.timeout(120):
            outcomes = await asyncio.gather(*(call(on.broker) for _ in range(2)), return_exceptions=True)
        await asyncio.sleep(400)

        assert [
            each for each in outcomes if isinstance(each, Exception) and not isinstance(each, IbkeelError)
        ] == []
        assert (await on.broker.quote(QQQ)).bid is not None
        assert len(await on.broker.bars(QQQ, BarSpec())) > 0
        assert on.broker.open_lines == {}
        assert len(on.broker._link.requests) == 0
        assert on.broker._link.wire.waiting() == ()
        working = {order.order_id for order in on.gateway.venue.open_orders()}
        assert working <= {report.order_id for report in await on.broker.open_orders()}
    await asyncio.sleep(1)
    gc.collect()
    assert [context["message"] for context in complaints if "never retrieved" in context["message"]] == []


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
async def test_a_connection_that_is_cut_after_any_message_of_an_answer_ends_the_call(stage, call):
    for number in range(1, 6):
        async with stage(deadlines=DEADLINES) as on:
            passed = on.board.times
            seen = []

            def cut(payload, seen=seen, on=on, passed=passed, number=number):
                seen.append(payload)
                if len(seen) == number:
                    on.board.hang_up()
                return passed(payload)

            on.board.times = cut
            async with asyncio.timeout(60):
                outcome = (await asyncio.gather(call(on.broker), return_exceptions=True))[0]
            on.board.times = passed
            await asyncio.sleep(60)

            assert not isinstance(outcome, Exception) or isinstance(outcome, IbkeelError)
            assert (await on.broker.quote(QQQ)).bid is not None
            assert on.broker.open_lines == {}
