"""An adapter by itself finds out what became of its orders, or calls a person: nobody has to ask for it."""

import asyncio
import math
from datetime import timedelta

import attrs
import pytest

from ibkeel.errors import RequestTimeout
from ibkeel.model import Bracket, OrderState, OrderTicket
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock

RESTING = {"side": "BUY", "quantity": 1, "order_type": "LMT", "limit_price": 100}
LISTS = ("executions", "open_orders", "all_open_orders", "completed_orders")


def alarms(on):
    return [event for event in on.told.of("AlarmRaised") if event.name.startswith("order ")]


def states(on, name):
    return [event.state for event in on.told.of("OrderChanged") if event.client_order_id == name]


def asked(on):
    return sum(len(on.board.asked(name)) for name in LISTS)


def ticket(on, name="mine", **more):
    return OrderTicket(**{"contract": on.stock, "client_order_id": name, **RESTING, **more})


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


async def test_a_lost_order_is_known_again_however_its_strike_was_written(stage):
    async with stage() as on:
        contract = attrs.evolve(on.option, strike=int(on.option.strike))
        on.gateway.inject(faults.LostAcknowledgement(when_request="place_order", times=1))
        placing = asyncio.create_task(on.broker.place(ticket(on, contract=contract, limit_price="0.05")))
        while not (there := on.gateway.venue.open_orders()):
            await asyncio.sleep(0.01)
        on.gateway.venue.cancel(1, there[0].order_id, virtual_clock().now())

        await placing
        await asyncio.sleep(60)

        assert states(on, "mine")[-1] == "cancelled"
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


async def test_on_the_link_after_one_that_was_lost_orders_are_looked_for_too(stage):
    async with stage() as on:
        await on.broker.place(ticket(on, "other"))
        on.board.hang_up()
        await asyncio.sleep(60)
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))

        await on.broker.place(ticket(on))
        await asyncio.sleep(50)

        assert states(on, "mine")[-1] == "cancelled"
        assert [alarm.name for alarm in alarms(on)] == ["order mine"]


async def test_where_the_servers_give_no_sign_a_person_hears_that_an_order_may_come_later(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        on.gateway.inject(faults.Unanswered(when_request="matching_symbols"))

        await on.broker.place(ticket(on))
        await asyncio.sleep(200)

        [alarm] = alarms(on)
        assert "nobody knows what became of BUY 1 SPY LMT" in alarm.message
        assert "its servers gave no sign meanwhile" in alarm.message
        assert states(on, "mine")[-1] == "sent"


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


@pytest.mark.parametrize(
    ("is_closing", "state"),
    [(False, "unknown"), (True, "cancelled")],
    ids=["an entry", "an exit, for positions tell the rest"],
)
async def test_what_ended_on_a_day_that_is_over_is_for_a_person_to_find_out(
    stage, monkeypatch, is_closing, state
):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        await on.broker.place(ticket(on, is_closing=is_closing))
        tomorrow = virtual_clock().now() + timedelta(days=1)
        monkeypatch.setattr(on.broker._link.book.roll, "_now", lambda: tomorrow)

        await asyncio.sleep(100)

        assert states(on, "mine")[-1] == state
        assert await on.broker.open_orders() == ()
        [alarm] = alarms(on)
        assert (
            "it may have filled on a day that is over, of which nothing is listed: compare" in alarm.message
        )


async def test_an_entry_that_was_lost_over_a_night_keeps_nothing_shut(stage):
    async with stage() as on:
        placed = await on.broker.place(ticket(on))
        await on.broker.disconnect()
        await asyncio.sleep(timedelta(days=1).total_seconds())
        await on.broker.connect()
        await asyncio.sleep(100)
        asked = len(on.board.asked("all_open_orders"))

        await asyncio.sleep(600)

        assert len(on.board.asked("all_open_orders")) == asked
        assert await on.broker.all_open_orders() == ()
        assert states(on, "mine")[-1] == "unknown"
        [alarm] = alarms(on)
        assert (
            "lost on the way and not at the venue: BUY 1 SPY LMT (it may have filled on a day"
            in alarm.message
        )
        rows = {row.name: row for row in (await on.broker.health()).checks}
        assert "nobody knows" not in rows["order path"].evidence
        await on.broker.cancel(placed.order_id)
        assert on.board.asked("cancel_order")
        assert await on.broker.all_open_orders() == ()


async def test_an_entry_of_a_day_that_is_over_lives_when_the_venue_speaks_of_it(stage, monkeypatch):
    async with stage() as on:
        placed = await on.broker.place(ticket(on))
        works = on.gateway.venue.open_orders()
        tomorrow = virtual_clock().now() + timedelta(days=1)
        monkeypatch.setattr(on.gateway.venue, "open_orders", lambda *_: [])
        on.board.hang_up()
        monkeypatch.setattr(on.broker._link.book.roll, "_now", lambda: tomorrow)
        await asyncio.sleep(100)
        gone = await on.broker.open_orders()
        monkeypatch.setattr(on.gateway.venue, "open_orders", lambda *_: works)

        [row] = await on.broker.open_orders()

        assert gone == ()
        assert (row.order_id, row.state) == (placed.order_id, OrderState.WORKING)


async def test_of_a_lost_order_a_person_hears_what_had_filled_and_a_cancel_asks_the_venue(stage, monkeypatch):
    async with stage() as on:
        placed = await on.broker.place(ticket(on, quantity=5))
        on.board.say(
            "order_status", order_id=placed.order_id, status="Submitted", filled=2, remaining=3, average_price=100.0,
            perm_id=1, parent_id=0, last_price=100.0, client_id=1, why_held="", market_cap_price=0.0,
        )  # fmt: skip
        monkeypatch.setattr(on.gateway.venue, "open_orders", lambda *_: [])
        on.board.hang_up()
        await asyncio.sleep(120)
        monkeypatch.undo()
        taken_for = states(on, "mine")[-1]

        await on.broker.cancel(placed.order_id)

        assert taken_for == "cancelled"
        assert (
            "BUY 5 SPY LMT, of which 2 filled. What did not fill counts as cancelled" in alarms(on)[0].message
        )
        assert on.gateway.venue.open_orders() == []


async def test_an_order_of_which_the_venue_says_only_that_it_was_sent_is_a_matter_for_a_person(
    stage, monkeypatch
):
    async with stage() as on:
        placed = await on.broker.place(ticket(on))
        on.gateway.inject(faults.Unanswered(when_request="cancel_order", times=1))
        rows = [attrs.evolve(row, status="PendingSubmit") for row in on.gateway.venue.open_orders()]
        monkeypatch.setattr(on.gateway.venue, "open_orders", lambda *_: rows)

        with pytest.raises(RequestTimeout):
            await on.broker.cancel(placed.order_id)
        await asyncio.sleep(100)

        assert states(on, "mine")[-1] == "sent"
        words = "nobody knows what became of BUY 1 SPY LMT: the venue was asked, and its lists do not tell"
        assert words in alarms(on)[0].message


async def test_an_order_that_was_answered_by_a_notice_alone_is_looked_for(stage):
    async with stage() as on:
        on.board.kept_back = {"order_status", "open_order"}
        placing = asyncio.create_task(on.broker.place(ticket(on)))
        await asyncio.sleep(1)
        order_id = on.broker._link.book.highest_id()
        on.board.say("error", request_id=order_id, code=399, text="Order Message:\nheld", advanced_reject="")
        placed = await placing
        on.board.kept_back = set()

        await asyncio.sleep(30)

        assert (placed.state, states(on, "mine")[-1]) == (OrderState.SENT, "working")


async def test_of_a_loss_that_somebody_elses_look_proves_a_person_hears_too(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        await on.broker.place(ticket(on))

        await asyncio.sleep(30.5)  # half a second before the adapter itself looks again
        await on.broker.all_open_orders()
        await on.broker.executions()
        await on.broker.completed_orders()
        state = states(on, "mine")[-1]
        await asyncio.sleep(30)

        assert state == "cancelled"
        [alarm] = alarms(on)
        assert alarm.message.startswith("lost on the way")


async def test_a_change_that_is_not_answered_says_nothing_of_a_cancel_that_is_under_way(stage):
    async with stage() as on:
        placed = await on.broker.place(ticket(on))
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        change = asyncio.create_task(on.broker.modify(placed.order_id, ticket(on, limit_price=101)))
        await asyncio.sleep(9.5)
        on.gateway.inject(faults.Slow(when_request="cancel_order", delay=5.0, times=1))

        ended, late = await asyncio.gather(on.broker.cancel(placed.order_id), change, return_exceptions=True)

        assert (ended.state, type(late)) == (OrderState.CANCELLED, RequestTimeout)
        assert "unknown" not in states(on, "mine")


async def test_a_cancelled_order_is_cancelled_though_nobody_says_how_much_filled(stage):
    async with stage() as on:
        placed = await on.broker.place(ticket(on))

        on.board.say(
            "order_status", order_id=placed.order_id, status="Cancelled", filled=math.nan, remaining=math.nan,
            average_price=0.0, perm_id=1, parent_id=0, last_price=0.0, client_id=1, why_held="", market_cap_price=0.0,
        )  # fmt: skip
        await asyncio.sleep(1)

        assert states(on, "mine")[-1] == "cancelled"


@pytest.mark.parametrize("quantity", [2, 4])
async def test_an_order_that_filled_as_it_was_changed_while_the_link_went_is_filled(stage, quantity):
    async with stage() as on:
        placed = await on.broker.place(ticket(on, quantity=3))
        on.board.kept_back = {"open_order", "order_status", "execution", "commission_report"}
        change = ticket(on, quantity=quantity, limit_price=10_000)
        changing = asyncio.create_task(on.broker.modify(placed.order_id, change))
        await asyncio.sleep(5)

        on.board.hang_up()
        on.board.kept_back = set()
        await asyncio.gather(changing, return_exceptions=True)
        await asyncio.sleep(200)

        [venue] = [row for row in on.gateway.venue.completed_orders() if row.order_id == placed.order_id]
        assert (venue.status, venue.filled) == ("Filled", quantity)
        told = on.told.of("OrderChanged")[-1]
        assert (told.client_order_id, told.state, told.filled) == ("mine", "filled", quantity)
        assert await on.broker.open_orders() == ()
        assert alarms(on) == []


async def test_an_order_that_its_group_cut_and_that_filled_while_the_link_was_gone_is_filled(stage):
    async with stage() as on:
        rests = ticket(on, contract=on.option, quantity=100, limit_price="0.05", oca_group="g")
        placed = await on.broker.place(rests)
        on.board.kept_back = {"open_order", "order_status", "execution", "commission_report"}
        venue, now = on.gateway.venue, virtual_clock().now()
        [mine] = venue.open_orders()
        dearer = {"limit_price": 9.0, "tif": "IOC"}
        venue.submit(attrs.evolve(mine, client_id=9, order_id=1, order_ref="", **dearer), now)
        [cut] = venue.open_orders()
        venue.submit(attrs.evolve(cut, limit_price=9.0), now)
        await asyncio.sleep(600)

        on.board.hang_up()
        on.board.kept_back = set()
        await asyncio.sleep(200)

        [ended] = [row for row in venue.completed_orders() if row.order_id == placed.order_id]
        assert (ended.status, ended.filled) == ("Filled", cut.quantity)
        assert cut.quantity < rests.quantity
        told = on.told.of("OrderChanged")[-1]
        assert (told.client_order_id, told.state, told.filled) == ("mine", "filled", cut.quantity)
        assert alarms(on) == []
