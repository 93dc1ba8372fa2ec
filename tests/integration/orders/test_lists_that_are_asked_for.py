"""The venue's lists of orders: who asks for which, what is said when one does not come, and rows nobody can read."""

import asyncio
from datetime import timedelta

import attrs
import pytest

from ibkeel.errors import RequestFailed, RequestTimeout
from ibkeel.model import Bracket, OrderTicket
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock

RESTING = {"side": "BUY", "quantity": 1, "order_type": "LMT", "limit_price": 100}


def ticket(on, name="mine", **more):
    return OrderTicket(**{"contract": on.stock, "client_order_id": name, **RESTING, **more})


def alarms(on):
    return [event for event in on.told.of("AlarmRaised") if event.name.startswith("order ")]


def states(on, name):
    return [event.state for event in on.told.of("OrderChanged") if event.client_order_id == name]


def broken_off(payload):
    """The same orders, with something behind the first fields that the library does not expect."""
    fields = payload.split(b"\0")
    if fields[0] == b"5":
        fields[65] = b"many"
        return b"\0".join(fields[:90])
    return payload


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("open_orders", "the open orders"),
        ("all_open_orders", "all open orders"),
        ("completed_orders", "the completed orders"),
        ("executions", "the executions"),
    ],
)
async def test_a_list_that_does_not_come_is_named(stage, name, words):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request=name))

        with pytest.raises(RequestTimeout, match=rf"\b{words}\b"):
            await getattr(on.broker, name)()


async def test_who_asks_for_his_own_orders_and_who_asks_for_all_get_each_what_they_asked_for(stage):
    async with stage() as on:
        await on.broker.place(ticket(on))
        [ours] = on.gateway.venue.open_orders()
        theirs = attrs.evolve(ours, client_id=0, order_id=77, order_ref="theirs", transmit=True)
        on.gateway.venue.submit(theirs, ours.placed_at)
        asking = [on.broker.open_orders, on.broker.open_orders, on.broker.all_open_orders]

        found = await asyncio.gather(*(ask() for ask in (*asking, *reversed(asking))))

        names = [[row.client_order_id for row in rows] for rows in found]
        mine, every = ["mine"], ["mine", "theirs"]
        assert names == [mine, mine, every, every, mine, mine]


async def test_who_waits_for_a_list_waits_as_long_as_he_said_whoever_waits_beside_him(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="completed_orders"))
        began = virtual_clock().monotonic()

        async def asked(seconds):
            with pytest.raises(RequestTimeout):
                await on.broker.with_deadline(seconds).completed_orders()
            return round(virtual_clock().monotonic() - began)

        assert await asyncio.gather(*map(asked, (5, 10, 40))) == [5, 15, 55]


@pytest.mark.parametrize(
    ("marks", "name"),
    [
        ({"order_ref": "ref", "perm_id": 99}, "order ref"),
        ({"order_ref": "", "perm_id": 99}, "order 99"),
        ({"order_ref": "", "perm_id": 0}, "order 50"),
    ],
)
async def test_an_order_of_our_own_that_the_book_cannot_take_is_told_by_what_it_is_called(
    stage, monkeypatch, marks, name
):
    async with stage() as on:
        await on.broker.place(ticket(on))
        [ours] = on.gateway.venue.open_orders()
        other = attrs.evolve(ours, client_id=0, order_id=77, perm_id=7, order_ref="theirs")
        odd = attrs.evolve(ours, order_id=50, action="GIVE", **marks)
        # One with nothing wrong stands before it, as does one of somebody else.
        monkeypatch.setattr(on.gateway.venue, "open_orders", lambda *_: [other, ours, odd])

        rows = await on.broker.all_open_orders()

        assert [row.client_order_id for row in rows] == ["mine", "theirs"]
        [alarm] = alarms(on)
        assert alarm.name == name
        assert (
            "cannot be read, ValueError: the book of orders did not take it. It is of client id 1, and is left out"
            in alarm.message
        )


async def test_a_row_that_the_library_cannot_decode_is_called_by_its_first_fields(stage):
    def altered(payload):
        fields = payload.split(b"\0")
        if fields[0] == b"5" and b"theirs" in fields:
            fields[14] = b"many"
        return b"\0".join(fields)

    async with stage(altered=altered) as on:
        await on.broker.place(ticket(on, contract=on.option, limit_price="0.05"))
        [ours] = on.gateway.venue.open_orders()
        theirs = attrs.evolve(ours, client_id=0, order_id=77, order_ref="theirs", transmit=True)
        on.gateway.venue.submit(theirs, ours.placed_at)

        await on.broker.all_open_orders()

        [alarm] = alarms(on)
        con_id = (await on.broker.qualify(on.option)).contract.con_id
        assert alarm.name == f"order row {con_id} SPY OPT {on.option.expiry:%Y%m%d}"


async def test_what_a_person_is_told_of_a_lost_order_says_what_follows(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=2))

        await on.broker.place(Bracket(entry=ticket(on), stop_loss=90))
        await asyncio.sleep(50)

        [alarm] = alarms(on)
        assert alarm.message.endswith(
            "lost on the way and not at the venue: BUY 1 SPY LMT and 1 with it. What did not fill counts as cancelled, "
            "and nothing was sent again for it; to cancel it all the same asks the venue once more"
        )


async def test_what_a_person_is_told_of_an_order_of_unknown_fate_says_what_to_do(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        on.gateway.inject(faults.Unanswered(when_request="matching_symbols"))

        await on.broker.place(ticket(on))
        await asyncio.sleep(200)

        [alarm] = alarms(on)
        assert alarm.message.endswith(
            "Look for it in TWS or Client Portal, and cancel it there if it works and should not. Nothing is sent again "
            "for it, and the lists are read every 31 s until they tell"
        )


async def test_a_person_is_told_of_each_bracket_that_was_lost(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=4))

        brackets = [Bracket(entry=ticket(on, name), stop_loss=90) for name in ("one", "two")]
        await asyncio.gather(*(on.broker.place(each) for each in brackets))
        await asyncio.sleep(60)

        assert [alarm.name for alarm in alarms(on)] == ["order one", "order two"]


async def test_a_person_is_told_of_every_doubt_about_a_lost_order(stage, monkeypatch):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        on.gateway.inject(faults.Unanswered(when_request="matching_symbols"))
        await on.broker.place(ticket(on))
        tomorrow = virtual_clock().now() + timedelta(days=1)
        monkeypatch.setattr(on.broker._link.book.roll, "_now", lambda: tomorrow)

        await asyncio.sleep(900)

        *_, alarm = alarms(on)
        assert "BUY 1 SPY LMT (its servers gave no sign meanwhile" in alarm.message
        assert ") (it may have filled on a day that is over" in alarm.message


async def test_nobody_is_called_before_the_lists_were_read_three_times(stage):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        on.gateway.inject(faults.Unanswered(when_request="matching_symbols"))

        await on.broker.place(ticket(on))
        while not alarms(on):
            await asyncio.sleep(1)

        assert len(on.board.asked("all_open_orders")) == 3


async def test_who_minds_the_fates_of_orders_bears_a_name_and_ends_with_the_session(stage):
    def minding():
        return [task for task in asyncio.all_tasks() if task.get_name() == "ibkeel fates"]

    async with stage() as on:
        during = len(minding())
        await on.broker.disconnect()

        assert (during, minding()) == (1, [])


async def test_who_minds_the_fates_of_orders_says_what_is_not_done_while_it_is_broken(stage, monkeypatch):
    async def broken(*_):
        raise ZeroDivisionError

    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        monkeypatch.setattr(on.broker._lists, "executions", broken)

        await on.broker.place(ticket(on))
        await asyncio.sleep(30)

        assert " s nobody finds out what became of orders, then" in on.told.of("AlarmRaised")[0].message


async def test_what_ended_before_an_order_was_sent_is_another_of_its_name(stage, monkeypatch):
    async with stage() as on:
        await on.broker.place(ticket(on, "other"))
        [other] = on.gateway.venue.open_orders()
        before = virtual_clock().now() - timedelta(hours=1)
        ended = attrs.evolve(
            other, client_id=0, order_id=0, perm_id=99, order_ref="mine", status="Filled", filled=1, completed_at=before
        )  # fmt: skip
        monkeypatch.setattr(on.gateway.venue, "completed_orders", lambda *_: [ended])
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))

        await on.broker.place(ticket(on))
        await asyncio.sleep(60)

        assert on.board.asked("completed_orders")[0]["api_only"] is False
        assert states(on, "mine")[-1] == "cancelled"


async def test_a_preview_whose_answer_the_library_cannot_decode_is_no_order(stage):
    async with stage(altered=broken_off) as on:
        with pytest.raises(RequestFailed):
            await on.broker.preview(ticket(on))

        assert await on.broker.open_orders() == ()


async def test_of_another_account_nothing_is_heard_where_the_library_cannot_decode_it_either(stage):
    theirs = "DU7654321"
    async with stage(further_accounts={theirs: 5e4}, live_account="DU1234567", altered=broken_off) as on:
        await on.broker.place(ticket(on))
        [ours] = on.gateway.venue.open_orders()
        on.gateway.venue.submit(
            attrs.evolve(ours, account=theirs, order_id=77, order_ref="theirs", transmit=True), ours.placed_at
        )

        rows = await on.broker.all_open_orders()

        assert [row.client_order_id for row in rows] == ["mine"]
        assert " It counts as its first fields say. Look " in alarms(on)[0].message
