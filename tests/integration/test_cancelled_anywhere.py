"""A call that is given up at any moment leaves nothing behind: no line, no request, no task, no session."""

import asyncio
from contextlib import aclosing, suppress

import attrs
import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import BarSpec, Bracket, OrderTicket, Stock
from ibkeel.sim import SimulatedGateway
from ibkeel.virtual import virtual_clock

SPY, QQQ = Stock("SPY"), Stock("QQQ")
FAR = OrderTicket(contract=SPY, side="BUY", quantity=1, order_type="LMT", limit_price="1")
MINUTES = BarSpec(duration="3600 S", size="1 min")
TURNS = range(40)
AT_THE_GATEWAY = 0.5  # seconds: whatever was on its way has arrived


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


def others():
    """Names of the tasks of the adapter that run now."""
    return sorted(
        task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith(("ibkeel", "stream of"))
    )


class WithItsAnswer:
    """Awaits a coroutine, and cancels its task in the turn of the loop that ends its n-th wait."""

    def __init__(self, work, number):
        self.work, self.number = work.__await__(), number
        self.waits = 0

    def __await__(self):
        cancel = asyncio.current_task().cancel
        send, given = self.work.send, None
        while True:
            try:
                waited = send(given)
            except StopIteration as end:
                return end.value
            self.waits += 1
            if self.waits == self.number:
                # The task adds its own waking later, so this comes before it.
                waited.add_done_callback(lambda _: cancel()) if waited else cancel()
            try:
                send, given = self.work.send, (yield waited)
            except asyncio.CancelledError as error:
                send, given = self.work.throw, error


async def a_quote(broker):
    await broker.quote(SPY)


async def two_quotes(broker):
    await broker.quotes([SPY, QQQ])


async def some_bars(broker):
    await broker.bars(SPY, MINUTES)


async def a_chain(broker):
    await broker.option_chain(SPY)


async def balances(broker):
    await broker.account()


async def holdings(broker):
    await broker.positions()


async def a_stream(broker):
    async with aclosing(broker.stream_quotes(SPY)) as quotes:
        async for _ in quotes:
            pass


async def health(broker):
    await broker.health()


async def lists(broker):
    await broker.all_open_orders()
    await broker.completed_orders()
    await broker.executions()


async def profit_and_loss(broker):
    await broker.pnl()


async def a_preview(broker):
    await broker.preview(FAR)


async def an_order_from_first_to_last(broker):
    placed = await broker.place(FAR)
    await broker.modify(placed.order_id, attrs.evolve(FAR, quantity=2))
    await broker.cancel(placed.order_id)


async def a_bracket(broker):
    placed = await broker.place(Bracket(entry=FAR, stop_loss="0.5", take_profit="600"))
    await broker.cancel(placed.order_id)


async def events_of_orders(broker):
    async with aclosing(broker.order_events()) as events:
        async for _ in events:
            pass


CALLS = [
    a_quote,
    two_quotes,
    some_bars,
    a_chain,
    balances,
    holdings,
    a_stream,
    health,
    lists,
    profit_and_loss,
    a_preview,
    an_order_from_first_to_last,
    a_bracket,
    events_of_orders,
]


def left_behind(on):
    """What a call may not leave."""
    link, counters = on.broker._link, on.gateway.counters
    return {
        "lines": dict(on.broker.open_lines),
        "requests": len(link.requests),
        "questions": len(link._answers),
        "waiting": link.wire.waiting(),
        "open at the gateway": counters.open_lines,
        "locked": [name for name, lock in link._answers._turns.items() if lock.locked()],
        "tasks": [name for name in others() if name not in {"ibkeel pulse", "ibkeel fates"}],
    }


NOTHING = {
    "lines": {},
    "requests": 0,
    "questions": 0,
    "waiting": (),
    "open at the gateway": 0,
    "locked": [],
    "tasks": [],
}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
@pytest.mark.parametrize("pause", [0.0, 0.01, 0.1])
async def test_a_call_that_is_cancelled_at_any_turn_leaves_nothing(stage, call, pause):
    loop, complaints = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    async with stage() as on:
        for number in TURNS:
            task = asyncio.create_task(call(on.broker))
            await asyncio.sleep(pause)
            await turns(number)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await asyncio.sleep(AT_THE_GATEWAY)

            assert left_behind(on) == NOTHING, number
        assert (await on.broker.quote(QQQ)).bid is not None
        assert on.gateway.counters.errors_sent[300] == 0
    await asyncio.sleep(AT_THE_GATEWAY)
    assert complaints == []


@pytest.mark.parametrize("pause", [0.0, 0.002, 0.01, 0.02, 0.05])
async def test_a_connect_that_is_cancelled_at_any_turn_leaves_no_session(market, pause):
    loop, complaints = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    await asyncio.sleep(600)
    gateway = SimulatedGateway(market=market, clock=virtual_clock())
    async with gateway.listening("127.0.0.1", 4002):
        for number in TURNS:
            broker = IBKRBroker(IBKRConfig(), clock=virtual_clock(), jitter=lambda: 0.0)
            task = asyncio.create_task(broker.connect())
            await asyncio.sleep(pause)
            await turns(number)
            was_done = task.done()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            if was_done:
                await broker.disconnect()
            await asyncio.sleep(AT_THE_GATEWAY)

            assert (others(), gateway.client_ids, broker.is_connected) == ([], (), False), number
            await broker.connect()
            assert (await broker.quote(SPY)).bid is not None
            await broker.disconnect()
            await asyncio.sleep(AT_THE_GATEWAY)
            assert (others(), gateway.client_ids) == ([], ()), number
    assert complaints == []


@pytest.mark.parametrize("was_connected", [False, True])
async def test_a_connect_that_is_cancelled_with_its_answer_leaves_no_session(market, was_connected):
    await asyncio.sleep(600)
    gateway = SimulatedGateway(market=market, clock=virtual_clock())
    was_cut_short, number = True, 0
    async with gateway.listening("127.0.0.1", 4002):
        while was_cut_short:
            broker = IBKRBroker(IBKRConfig(), clock=virtual_clock(), jitter=lambda: 0.0)
            if was_connected:
                await broker.connect()
                await broker.disconnect()
            number += 1
            connecting = WithItsAnswer(broker.connect(), number)

            with suppress(asyncio.CancelledError):
                await (task := asyncio.ensure_future(connecting))

            was_cut_short = task.cancelled()
            await asyncio.sleep(AT_THE_GATEWAY)
            if was_cut_short:
                assert (others(), gateway.client_ids, broker.is_connected) == ([], (), False), number
            await broker.disconnect()
    assert number > 2


@pytest.mark.parametrize("patience", range(5))
async def test_a_disconnect_that_is_given_up_at_any_turn_of_a_connect_leaves_no_session(market, patience):
    await asyncio.sleep(600)
    gateway = SimulatedGateway(market=market, clock=virtual_clock())
    async with gateway.listening("127.0.0.1", 4002):
        for number in TURNS:
            broker = IBKRBroker(IBKRConfig(), clock=virtual_clock(), jitter=lambda: 0.0)
            opening = asyncio.create_task(broker.connect())
            await turns(number)
            leaving = asyncio.create_task(broker.disconnect())
            await turns(patience)

            leaving.cancel()

            await asyncio.gather(opening, leaving, return_exceptions=True)
            await asyncio.sleep(AT_THE_GATEWAY)
            assert broker.is_connected or (others(), gateway.client_ids) == ([], ()), number
            await broker.disconnect()
            await asyncio.sleep(AT_THE_GATEWAY)
            assert (others(), gateway.client_ids) == ([], ()), number


async def test_an_order_that_is_given_up_at_any_turn_is_in_the_books_or_was_never_sent(stage):
    async with stage() as on:
        await on.broker.qualify(SPY)  # else each is given up while its contract is looked up
        for number in TURNS:
            before = len(on.board.asked("place_order"))
            name = f"order-{number}"
            ticket = OrderTicket(
                contract=SPY, side="BUY", quantity=1, order_type="LMT", limit_price="1", client_order_id=name
            )
            task = asyncio.create_task(on.broker.place(ticket))
            await turns(number)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await asyncio.sleep(AT_THE_GATEWAY)

            sent = len(on.board.asked("place_order")) - before
            works = await on.broker.open_orders()
            assert [row.client_order_id for row in works] == [name] * sent
            assert left_behind(on) == NOTHING
            for row in works:
                await on.broker.cancel(row.order_id)
        assert {order["order_ref"] for order in on.board.asked("place_order")} > {"order-39"}


async def test_a_bracket_that_is_given_up_at_any_turn_is_withdrawn_all_the_same_when_a_child_is_refused(
    stage,
):
    async with stage() as on:
        refused = Bracket(entry=FAR, stop_loss="0.5001", take_profit="600")
        await on.broker.qualify(SPY)
        for number in TURNS:
            task = asyncio.create_task(on.broker.place(refused))
            await turns(number)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await asyncio.sleep(AT_THE_GATEWAY)

            assert await on.broker.open_orders() == (), number
            assert on.gateway.venue.open_orders() == []
            assert left_behind(on) == NOTHING
        assert on.board.asked("place_order")
