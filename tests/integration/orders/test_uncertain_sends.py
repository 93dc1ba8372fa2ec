"""Orders whose fate is not known: nothing is sent twice, and nothing is declared dead on a guess."""

import asyncio
from datetime import date, timedelta

import attrs
import pytest

from ibkeel.errors import RequestTimeout
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.journal import FillSeen, OrderSettled, OrderUpdate, highest_order_id
from ibkeel.model import Bracket, Direction, OrderState, OrderTicket, Signal
from ibkeel.runner import Session
from ibkeel.runner.memory import remember
from ibkeel.sim import faults
from ibkeel.sim.wire import split
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)
PORT = 4002
RESTING = {"side": "BUY", "quantity": 1, "order_type": "LMT", "limit_price": 100}


def resting(on, **more):
    return OrderTicket(contract=on.stage.stock, **{**RESTING, **more})


async def read_all_lists(broker):
    await broker.open_orders()
    await broker.executions()
    await broker.completed_orders()


async def state_of(on, name):
    reports = {row.client_order_id: row for row in await on.stage.broker.open_orders()}
    return reports[name].state if name in reports else None


async def test_an_order_that_never_arrived_is_known_to_be_gone_once_that_is_provable(crew):
    async with crew() as on:
        on.stage.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        placed = await on.stage.broker.place(resting(on, client_order_id="mine"))

        await read_all_lists(on.stage.broker)
        early = await state_of(on, "mine")
        await asyncio.sleep(31)
        await read_all_lists(on.stage.broker)

        assert placed.state is OrderState.SENT
        assert early is OrderState.SENT
        assert await state_of(on, "mine") is None
        [told] = [event for event in on.stage.told.of("OrderChanged") if event.state == "cancelled"]
        assert "not at the venue" in told.reason


async def test_an_order_that_a_cancel_does_not_find_is_no_less_gone(crew):
    async with crew() as on:
        on.stage.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        placed = await on.stage.broker.place(resting(on, client_order_id="mine"))
        for _ in range(4):
            await read_all_lists(on.stage.broker)
            told = await on.stage.broker.cancel(placed.order_id)
            await asyncio.sleep(12)

        assert told.state is OrderState.CANCELLED
        assert "not at the venue" in told.reason


async def test_nothing_is_proved_while_the_gateway_is_cut_off(crew):
    async with crew() as on:
        await on.stage.broker.qualify(on.stage.stock)
        on.stage.gateway.inject(faults.UpstreamLost(duration=600))
        await asyncio.sleep(1)
        ticket = resting(on, client_order_id="mine", is_closing=True)
        await on.stage.broker.place(ticket)  # the Gateway keeps it, and sends it later
        for _ in range(10):
            await read_all_lists(on.stage.broker)
            await asyncio.sleep(40)

        assert await state_of(on, "mine") is OrderState.SENT
        await asyncio.sleep(300)
        assert await state_of(on, "mine") is OrderState.WORKING


async def test_an_order_that_the_list_lacks_is_looked_for_on_the_others(crew):
    async with crew() as on:
        placed = await on.stage.broker.place(resting(on))
        on.venue.cancel(1, placed.order_id, virtual_clock().now())  # and nobody is told

        assert await on.stage.broker.open_orders() == ()
        [ended] = await on.stage.broker.completed_orders()
        assert ended.state is OrderState.CANCELLED


async def test_orders_of_other_clients_are_listed_apart_and_never_mixed_with_ours(crew):
    async with crew() as on:
        placed = await on.stage.broker.place(resting(on))
        [ours] = on.venue.open_orders()
        theirs = attrs.evolve(ours, client_id=0, action="SELL", limit_price=900.0, order_ref="")
        on.venue.submit(theirs, virtual_clock().now())

        mine = await on.stage.broker.open_orders()
        everybody = await on.stage.broker.all_open_orders()

        assert theirs.order_id == ours.order_id == placed.order_id
        assert [(row.client_id, row.side) for row in mine] == [(1, "BUY")]
        assert [(row.client_id, row.side, row.state) for row in everybody] == [
            (1, "BUY", OrderState.WORKING),
            (0, "SELL", OrderState.WORKING),
        ]
        assert (await on.stage.broker.open_orders())[0].side == "BUY"


async def test_of_two_live_orders_of_one_intent_the_second_is_cancelled_loudly(crew):
    async with crew() as on:
        placed = await on.enter()
        [stop] = on.venue.open_orders()
        again = attrs.evolve(stop, order_id=stop.order_id + 50, parent_id=0, transmit=True)
        on.venue.submit(again, virtual_clock().now())

        await on.watch.catch_up()

        [left] = on.venue.open_orders()
        assert left.order_id == stop.order_id == placed.children[-1].order_id
        assert any("more than one order" in alarm.message for alarm in on.alarms())


async def test_an_id_that_the_journal_knows_is_never_used_again(crew):
    async with crew() as on:
        on.stage.broker.use_order_ids_above(5000)

        placed = await on.stage.broker.place(resting(on))
        on.stage.board.hang_up()
        await asyncio.sleep(30)
        later = await on.stage.broker.place(resting(on))

        assert placed.order_id > 5000
        assert later.order_id > placed.order_id


async def test_a_new_process_uses_no_id_again_that_a_gateway_hands_out_after_a_roll_back(crew):
    async with crew() as on:
        placed = await on.enter()
        known = highest_order_id(on.journal, 1)
        await on.stage.broker.disconnect()
        on.stage.gateway.inject(faults.Restart(duration=5, rolls_back_ids=True))
        await asyncio.sleep(10)
        config = IBKRConfig(orders="PAPER", port=PORT)

        async with IBKRBroker(config, clock=virtual_clock()) as later:
            later.use_order_ids_above(known)
            again = await later.place(resting(on))

        assert known >= placed.children[-1].order_id
        assert again.order_id > known
        numbers = [row.order_id for row in (*on.venue.completed_orders(), *on.venue.open_orders())]
        assert len(set(numbers)) == len(numbers) == 3


async def test_the_journal_tells_the_highest_id_of_a_client(crew):
    async with crew() as on:
        placed = await on.enter()

        assert highest_order_id(on.journal, 1) == placed.children[-1].order_id
        # A fill does not say whose it was, so it counts for every client.
        assert highest_order_id(on.journal, 2) == placed.order_id


async def test_a_lost_order_of_an_earlier_run_is_settled_by_two_readings_and_stays_so(crew):
    async with crew() as on:
        on.stage.gateway.inject(faults.Unanswered(when_request="place_order"))
        await on.enter()
        on.stage.gateway.heal()
        now = virtual_clock().now()
        today = Session(day=now.date(), opens_at=now - timedelta(hours=1), closes_at=now + timedelta(hours=4))

        restored = remember(on.journal, today)
        on.desk.restore(restored.orders)
        before = on.desk.unknown_orders
        await on.watch.catch_up()
        await asyncio.sleep(11)
        await on.watch.catch_up()

        assert before == 2
        assert on.desk.unknown_orders == 0
        settled = [entry.record for entry in on.journal.events(OrderSettled)]
        assert [row.state for row in settled] == [OrderState.CANCELLED] * 2
        again = remember(on.journal, today)
        assert {row.state for row in again.orders.values()} == {OrderState.CANCELLED}


@pytest.mark.parametrize("is_given_up", [False, True])
async def test_an_order_of_which_no_byte_left_does_not_stay_unknown(crew, is_given_up):
    async with crew() as on:
        on.stage.gateway.inject(faults.Unanswered(when_request="contract_details", times=1))
        entry = OrderTicket(contract=on.stage.stock, side="BUY", quantity=2)
        signal = Signal(direction=Direction.UP, confidence=0.5)
        task = asyncio.create_task(on.desk.enter("SPY", Bracket(entry=entry, stop_loss=300), signal, DAY, ""))
        await asyncio.sleep(5)
        if is_given_up:
            task.cancel()
        [failure] = await asyncio.gather(task, return_exceptions=True)
        unknown = on.desk.unknown_orders
        await asyncio.sleep(11)
        await on.watch.catch_up()
        await asyncio.sleep(11)
        await on.watch.catch_up()

        assert isinstance(failure, asyncio.CancelledError if is_given_up else RequestTimeout)
        assert unknown == (2 if is_given_up else 0)
        assert on.desk.unknown_orders == 0
        assert not on.desk.knows_nothing_of(on.stage.stock)
        assert on.stage.board.asked("place_order") == []
        assert on.alarms() == []


async def test_fills_that_came_while_nobody_listened_are_journaled(crew):
    async with crew() as on:
        on.stage.board.kept_back = {"execution", "order_status", "open_order", "commission_report"}
        await on.enter()
        assert list(on.journal.events(FillSeen)) == []
        on.stage.board.kept_back = set()

        await on.watch.catch_up()

        [fill] = [entry.record.execution for entry in on.journal.events(FillSeen)]
        assert fill.quantity == 2
        states = [entry.record.report.state for entry in on.journal.events(OrderUpdate)]
        assert OrderState.FILLED in states


@pytest.mark.parametrize("who", ["we", "somebody else"])
async def test_a_bracket_keeps_its_stop_when_its_entry_filled_in_part_and_its_cancel_is_told_first(
    stage, who
):
    def is_news_of_orders(payload):
        number, request_id = split(payload)[:2]
        return number in {"3", "5", "59"} or (number, request_id) == ("11", "-1")

    async with stage() as on:
        on.board.times = lambda payload: 0 if is_news_of_orders(payload) else 1
        entry = OrderTicket(
            contract=on.option,
            side="BUY",
            quantity=100,
            order_type="LMT",
            limit_price=9,
            client_order_id="mine",
        )
        placing = asyncio.create_task(on.broker.place(Bracket(entry=entry, stop_loss=1, take_profit=20)))
        while not on.gateway.venue.positions():
            await asyncio.sleep(0.01)
        mine, profit = [sent["order_id"] for sent in on.board.asked("place_order")][:2]
        on.gateway.venue.cancel(1, profit, virtual_clock().now())
        if who == "somebody else":
            on.gateway.venue.cancel(1, mine, virtual_clock().now())
            on.board.say("error", request_id=mine, code=202, text="Order Canceled - reason:")
        on.board.say("error", request_id=profit, code=201, text="Order rejected - reason:no")

        placed = await placing

        [held] = on.gateway.venue.positions()
        works = [(row.order_type, row.quantity) for row in on.gateway.venue.open_orders()]
        assert 0 < held.quantity < 100
        assert works == [("STP", held.quantity)]
        assert placed.state is OrderState.CANCELLED
        assert on.broker._link.book.report(placed.order_id).filled == held.quantity


async def test_an_entry_of_an_earlier_day_of_which_nobody_knows_keeps_nothing_waiting(crew, set_clock):
    """No list tells of it any more; what is held tells whether it filled, as after a restart."""
    async with crew(clock=set_clock) as on:
        on.stage.gateway.inject(faults.Unanswered(when_request="place_order", times=2))
        await on.enter()
        on.desk.begin_session()
        of_today = on.desk.unknown_orders

        set_clock.off = timedelta(days=1)
        on.desk.begin_session()
        for report in await on.stage.broker.open_orders():
            on.watch.listed(report)

        assert (of_today, on.desk.unknown_orders) == (2, 1)  # the lists prove that there is no stop
