"""An adapter by itself finds out what became of its orders, or calls a person: nobody has to ask for it."""

import asyncio

from ibkeel.errors import RequestTimeout
from ibkeel.model import Bracket, OrderState, OrderTicket
from ibkeel.sim import faults

RESTING = {"side": "BUY", "quantity": 1, "order_type": "LMT", "limit_price": 100}
LISTS = ("executions", "open_orders", "all_open_orders", "completed_orders")


def alarms(on):
    return [event for event in on.told.of("AlarmRaised") if event.name.startswith("order ")]


def states(on, name):
    return [event.state for event in on.told.of("OrderChanged") if event.client_order_id == name]


def asked(on):
    return sum(len(on.board.asked(name)) for name in LISTS)


def ticket(on, name="mine", **more):
    return OrderTicket(contract=on.stock, client_order_id=name, **{**RESTING, **more})


async def test_an_order_that_never_arrived_ends_within_a_minute_and_a_person_is_told_once(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))

        placed = await on.broker.place(ticket(on))
        await asyncio.sleep(50)

        assert placed.state is OrderState.SENT
        assert states(on, "mine")[-1] == "cancelled"
        [alarm] = alarms(on)
        assert alarm.name == "order mine"
        assert "not at the venue: BUY 1 SPY LMT" in alarm.message


async def test_a_bracket_that_never_arrived_is_one_alarm(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=2))

        await on.broker.place(Bracket(entry=ticket(on), stop_loss=90))
        await asyncio.sleep(50)

        [alarm] = alarms(on)
        assert "LMT and 1 with it" in alarm.message


async def test_orders_that_the_venue_never_saw_end_after_a_restart_whose_ids_come_again(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        placing = asyncio.create_task(on.broker.place(ticket(on)))
        await asyncio.sleep(5)
        on.gateway.inject(faults.Restart(duration=30, rolls_back_ids=True))

        placed = await placing
        await asyncio.sleep(100)
        again = await on.broker.place(ticket(on, "again"))

        assert placed.state is OrderState.UNKNOWN
        assert states(on, "mine")[-1] == "cancelled"
        assert [alarm.name for alarm in alarms(on)] == ["order mine"]
        assert again.order_id > placed.order_id
        assert again.state is OrderState.WORKING


async def test_an_order_whose_answer_was_lost_is_found_and_nobody_is_told(stage):
    async with stage() as on:
        on.gateway.inject(faults.LostAcknowledgement(when_request="place_order", times=1))

        await on.broker.place(ticket(on))
        await asyncio.sleep(60)

        assert states(on, "mine")[-1] == "working"
        assert alarms(on) == []


async def test_while_the_lists_cannot_be_read_a_person_is_told_what_to_do(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        for name in LISTS:
            on.gateway.inject(faults.Unanswered(when_request=name))

        await on.broker.place(ticket(on))
        await asyncio.sleep(400)
        early = alarms(on)
        on.gateway.heal()
        await asyncio.sleep(200)

        [alarm] = early
        assert "nobody knows what became of BUY 1 SPY LMT" in alarm.message
        assert RequestTimeout.__name__ in alarm.message
        assert "TWS or Client Portal" in alarm.message
        assert states(on, "mine")[-1] == "cancelled"
        assert "not at the venue" in alarms(on)[-1].message


async def test_an_order_that_is_answered_in_time_costs_no_list(stage):
    async with stage() as on:
        await on.broker.qualify(on.stock)
        before = asked(on)

        await on.broker.place(ticket(on))
        await asyncio.sleep(100)

        assert asked(on) == before


async def test_a_broker_that_is_disconnected_and_connected_again_goes_on(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        await on.broker.place(ticket(on))
        await on.broker.disconnect()
        await asyncio.sleep(100)

        await on.broker.connect()
        await asyncio.sleep(60)

        assert states(on, "mine")[-1] == "cancelled"


async def test_what_contradicts_the_known_end_of_an_order_is_told_once(stage):
    async with stage() as on:
        placed = await on.broker.place(
            OrderTicket(contract=on.stock, client_order_id="mine", side="BUY", quantity=1)
        )
        status = {
            "order_id": placed.order_id, "status": "Cancelled", "filled": 1, "remaining": 0, "average_price": 400.0,
            "perm_id": 1, "parent_id": 0, "last_price": 400.0, "client_id": 1, "why_held": "", "market_cap_price": 0.0,
        }  # fmt: skip

        for _ in range(2):
            on.board.say("order_status", **status)
            await asyncio.sleep(1)

        [alarm] = alarms(on)
        assert alarm.message.startswith("the venue contradicts itself about BUY 1 SPY MKT: status Cancelled")
        assert "It counts as filled" in alarm.message
