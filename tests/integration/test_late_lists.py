"""Answers that bear no id: the end of one that was given up does not end the next."""

import asyncio

import pytest

from ibkeel.errors import NotConnected, OrderRefused, RequestTimeout
from ibkeel.model import OrderState, OrderTicket, Stock
from ibkeel.sim import faults
from ibkeel.sim.wire import frame

SPY = Stock("SPY")


def resting(**changes):
    fields = {"contract": SPY, "side": "BUY", "quantity": 1, "order_type": "LMT", "limit_price": "1"}
    return OrderTicket(**{**fields, **changes})


async def test_the_end_of_a_list_that_was_given_up_does_not_cut_the_next_one_short(stage):
    async with stage() as on:
        await on.broker.place(OrderTicket(contract=SPY, side="BUY", quantity=1))
        on.board.kept_back = {"position", "position_end"}
        with pytest.raises(RequestTimeout):
            await on.broker.with_deadline(1).positions()
        asking = asyncio.create_task(on.broker.positions())
        await asyncio.sleep(0.01)
        on.board.say("position_end")
        await asyncio.sleep(0.01)
        assert not asking.done()

        on.board.kept_back = set()
        [position] = await asking

        assert position.signed_quantity == 1


async def test_an_end_that_never_comes_costs_two_seconds_and_no_answer(stage):
    async with stage() as on:
        await on.broker.place(OrderTicket(contract=SPY, side="BUY", quantity=1))
        on.board.kept_back = {"position_end"}
        with pytest.raises(RequestTimeout):
            await on.broker.with_deadline(1).positions()
        on.board.kept_back = set()
        began = asyncio.get_running_loop().time()

        [position] = await on.broker.positions()

        assert position.signed_quantity == 1
        assert asyncio.get_running_loop().time() - began < 3


async def test_a_late_end_that_comes_between_two_questions_is_done_with(stage):
    async with stage() as on:
        on.board.kept_back = {"position_end"}
        with pytest.raises(RequestTimeout):
            await on.broker.with_deadline(1).positions()
        on.board.kept_back = set()
        on.board.say("position_end")
        await asyncio.sleep(0.1)

        assert await on.broker.positions() == ()


async def test_an_order_of_unknown_fate_is_not_changed(stage):
    async with stage() as on:
        placed = await on.broker.place(resting())
        on.board.kept_back = {"order_status", "open_order", "open_order_end", "completed_orders_end"}
        on.board.hang_up()
        await asyncio.sleep(3)
        report = next(row for row in on.broker._link.book.reports() if row.order_id == placed.order_id)
        assert report.state is OrderState.UNKNOWN
        sent = len(on.board.asked("place_order"))

        with pytest.raises((OrderRefused, NotConnected)):
            await on.broker.modify(placed.order_id, resting(limit_price="2"))

        assert len(on.board.asked("place_order")) == sent


async def test_an_entry_is_stopped_by_what_happens_while_its_contract_is_looked_up(stage):
    async with stage() as on:
        on.gateway.inject(faults.Slow(when_request="contract_details", delay=2.0))
        placing = asyncio.create_task(on.broker.place(resting()))
        await asyncio.sleep(1)
        on.gateway.broadcast(1100, "Connectivity between IB and TWS has been lost.")

        with pytest.raises(NotConnected, match="no new position"):
            await placing
        assert on.board.asked("place_order") == []


async def test_a_session_whose_ended_orders_cannot_be_read_is_good_all_the_same(stage):
    async with stage() as on:
        on.board.kept_back = {"completed_orders_end"}
        on.gateway.broadcast(1102, "Connectivity restored, data maintained.")
        await asyncio.sleep(20)

        assert on.told.of("SessionChanged")[-1].after == "ready"
        assert [event.name for event in on.told.of("AlarmRaised")] == ["ended orders"]


async def test_a_row_of_our_own_that_cannot_be_read_is_left_out_and_told(stage):
    async with stage() as on:
        placed = await on.broker.place(resting())
        on.board.kept_back = {"open_order_end"}
        write, seen = on.board._client.transport.write, []
        on.board._client.transport.write = lambda data: (seen.append(data), write(data))
        asking = asyncio.create_task(on.broker.all_open_orders())
        await asyncio.sleep(1)
        fields = next(data for data in seen if data[4:6] == b"5\0")[4:].split(b"\0")
        fields[1], fields[4], fields[5] = b"77", b"OPT", b"no day"
        write(frame(b"\0".join(fields)))
        on.board.say("open_order_end")

        assert [row.order_id for row in await asking] == [placed.order_id]
        [alarm] = on.told.of("AlarmRaised")
        assert "the book of orders did not take it" in alarm.message
