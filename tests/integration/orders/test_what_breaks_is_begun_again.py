"""A fault of our own, and a row that nobody expected: what runs in the background goes on."""

import asyncio

import attrs
import pytest

from ibkeel.errors import GatewayRejected
from ibkeel.ibkr import IBKRBroker
from ibkeel.model import OrderTicket
from ibkeel.orders import protection_gaps
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock

RESTING = {"side": "BUY", "quantity": 1, "order_type": "LMT", "limit_price": 100}


def messages(told):
    return [event.message for event in told.of("AlarmRaised")]


def states(on, name):
    return [event.state for event in on.told.of("OrderChanged") if event.client_order_id == name]


def breaks(monkeypatch, thing, name):
    """Every call of a method raises what nobody expects; undone by `monkeypatch.undo()`."""

    async def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(thing, name, broken)


async def test_a_protector_that_met_an_unexpected_error_protects_again(crew, monkeypatch):
    async with crew() as on:
        await on.enter()
        breaks(monkeypatch, on.stage.broker, "positions")
        on.cancel_stop()
        await asyncio.sleep(100)
        while_broken = on.working()

        monkeypatch.undo()
        await asyncio.sleep(100)

        assert while_broken == []
        assert on.working() == [("STP", "SELL", 2)]
        assert "a fault in ibkeel, ZeroDivisionError" in messages(on.stage.told)[0]


async def test_who_minds_the_fates_of_orders_goes_on_after_an_unexpected_error(stage, monkeypatch):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        breaks(monkeypatch, on.broker._lists, "executions")
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        await asyncio.sleep(30)

        monkeypatch.undo()
        await asyncio.sleep(100)

        assert "nobody finds out what became of orders" in messages(on.told)[0]
        assert states(on, "mine")[-1] == "cancelled"


async def test_a_session_whose_comparison_broke_is_sought_anew(stage, monkeypatch):
    async with stage() as on:
        breaks(monkeypatch, on.broker._lists, "executions")
        on.board.hang_up()
        await asyncio.sleep(60)

        monkeypatch.undo()
        await asyncio.sleep(120)

        assert messages(on.told)[0].startswith("a fault in ibkeel, ZeroDivisionError")
        assert on.broker.is_connected
        assert (await on.broker.quote(on.stock)).bid


async def test_a_search_that_broke_goes_on(stage, monkeypatch):
    async with stage() as on:

        def broken():
            raise ZeroDivisionError

        monkeypatch.setattr(on.broker._keeper, "_jitter", broken)
        on.board.hang_up()
        await asyncio.sleep(60)

        monkeypatch.undo()
        await asyncio.sleep(120)

        assert on.broker.is_connected


@pytest.mark.parametrize("which", ["open_orders", "completed_orders"])
async def test_a_short_sale_of_somebody_else_is_a_sale(stage, monkeypatch, which):
    async with stage() as on:
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        [ours] = on.gateway.venue.open_orders()
        theirs = attrs.evolve(ours, client_id=0, order_id=77, perm_id=99, order_ref="theirs", action="SSHORT")
        monkeypatch.setattr(on.gateway.venue, which, lambda *_: [ours, theirs])

        rows = await getattr(on.broker, which.replace("open", "all_open"))()

        assert {row.client_order_id: row.side for row in rows} == {"mine": "BUY", "theirs": "SELL"}


@pytest.mark.parametrize("which", ["open_orders", "completed_orders"])
async def test_a_row_that_cannot_be_read_is_told_once_and_loses_no_other(stage, monkeypatch, which):
    async with stage() as on:
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        [ours] = on.gateway.venue.open_orders()
        theirs = attrs.evolve(ours, client_id=0, order_id=77, perm_id=99, order_ref="theirs", action="GIVE")
        monkeypatch.setattr(on.gateway.venue, which, lambda *_: [theirs, ours])
        read = getattr(on.broker, which.replace("open", "all_open"))

        rows = [await read(), await read()][-1]

        assert [row.client_order_id for row in rows] == ["mine"]
        [words] = messages(on.told)
        assert "'GIVE' is not a valid Side; valid: 'BUY', 'SELL'. It is of client id 0" in words


async def test_a_row_that_cannot_be_read_may_be_the_one_that_is_looked_for(stage, monkeypatch):
    async with stage() as on:
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="other", **RESTING))
        [other] = on.gateway.venue.open_orders()
        ended = attrs.evolve(other, perm_id=99, order_ref="?", action="GIVE")
        monkeypatch.setattr(on.gateway.venue, "completed_orders", lambda *_: [ended])
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))

        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        await asyncio.sleep(120)

        assert states(on, "mine") == ["sent"]
        assert "nobody knows what became of BUY 1 SPY LMT" in messages(on.told)[-1]


async def test_an_order_of_our_own_number_for_a_part_of_a_share_is_on_the_lists(stage, monkeypatch):
    async with stage(client_id=0) as on:
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        [ours] = on.gateway.venue.open_orders()
        half = attrs.evolve(ours, order_id=50, perm_id=5, order_ref="", quantity=0.5)
        monkeypatch.setattr(on.gateway.venue, "open_orders", lambda *_: [half, ours])

        rows = await on.broker.all_open_orders()

        assert [(row.order_id, row.quantity) for row in rows][-1] == (50, 0.5)


async def test_orders_by_hand_without_a_number_are_told_apart_for_client_0_too(stage, monkeypatch):
    async with stage(client_id=0) as on:
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        [ours] = on.gateway.venue.open_orders()
        by_hand = [
            attrs.evolve(ours, order_id=0, perm_id=perm_id, order_ref="", action=side, quantity=quantity)
            for perm_id, side, quantity in ((7, "SELL", 1), (8, "BUY", 3))
        ]
        monkeypatch.setattr(on.gateway.venue, "open_orders", lambda *_: [ours, *by_hand])

        rows = await on.broker.all_open_orders()

        told = [(row.perm_id, row.side, row.quantity) for row in rows]
        assert told == [(ours.perm_id, "BUY", 1), (7, "SELL", 1), (8, "BUY", 3)]
        assert messages(on.told) == []


def undecodable(payload):
    """What the library makes no order of: the row of a stop, or of somebody else's order, whose size is no number."""
    fields = payload.split(b"\0")
    if fields[0] == b"5" and (b"STP" in fields or b"theirs" in fields):
        fields[14] = b"many"
    return b"\0".join(fields)


@pytest.mark.parametrize("does_status_come", [True, False])
async def test_a_stop_whose_row_the_library_cannot_decode_is_told_of_and_not_taken_for_gone(
    crew, does_status_come
):
    async with crew() as on:
        await on.enter()
        await asyncio.sleep(30)
        on.stage.board.altered = undecodable
        on.stage.board.kept_back = set() if does_status_come else {"order_status"}
        await asyncio.sleep(400)

        [stop] = await on.stage.broker.open_orders()
        assert on.working() == [("STP", "SELL", 2)]
        assert (stop.state, on.stops_sent()) == ("acknowledged", [])
        [words] = messages(on.stage.told)
        assert "cannot be read, for the client library cannot decode it, ValueError" in words


@pytest.mark.parametrize("status", ["PreSubmitted", "Submitted", "?"])
async def test_a_stop_that_is_said_to_have_filled_beyond_its_size_works_and_gets_no_second_one(crew, status):
    async with crew() as on:
        await on.enter()
        [stop] = on.venue.open_orders()
        said = {"order_id": stop.order_id, "perm_id": stop.perm_id, "client_id": stop.client_id}

        on.stage.board.say("order_status", **said, status=status, filled=2147483647.0, average_fill_price=1.0)
        [told] = await on.stage.broker.open_orders()
        await asyncio.sleep(400)

        assert (told.filled, told.remaining, told.state.is_final) == (0.0, 2.0, False)
        assert (on.working(), on.stops_sent()) == ([("STP", "SELL", 2)], [])
        [words] = messages(on.stage.told)
        assert f"status {status} with 2.14748e+09 filled of 2 ordered" in words


async def test_a_status_row_that_breaks_off_loses_no_other_of_the_list(stage):
    def short(payload):
        return b"\0".join(payload.split(b"\0")[:7]) + b"\0" if payload.startswith(b"3\0") else payload

    async with stage() as on:
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        on.board.altered = short

        rows = await on.broker.all_open_orders()

        assert [row.client_order_id for row in rows] == ["mine"]


def broken_off(payload):
    """The same rows, with something behind the first fields that the library does not expect."""
    fields = payload.split(b"\0")
    if fields[0] == b"5" and (b"STP" in fields or b"theirs" in fields):
        fields[65] = b"many"
        return b"\0".join(fields[:90])
    return payload


@pytest.mark.parametrize("does_status_come", [True, False])
async def test_an_order_of_somebody_else_whose_row_breaks_off_counts(stage, does_status_come):
    async with stage(altered=broken_off) as on:
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        [ours] = on.gateway.venue.open_orders()
        theirs = attrs.evolve(ours, client_id=0, order_id=77, order_ref="theirs", quantity=3, transmit=True)
        on.gateway.venue.submit(theirs, ours.placed_at)
        on.board.kept_back = set() if does_status_come else {"order_status"}

        rows = [await on.broker.all_open_orders(), await on.broker.all_open_orders()][-1]

        mine, found = rows
        assert (mine.state, found.state) == ("working", "working" if does_status_come else "unknown")
        assert (found.client_id, found.client_order_id, found.order_id) == (0, "theirs", 77)
        assert (found.contract.con_id, found.side, found.quantity, found.limit_price) == (
            mine.contract.con_id, "BUY", 3, 100,
        )  # fmt: skip
        [words] = messages(on.told)
        assert "counts as its first fields say" in words


async def test_a_combo_whose_row_breaks_off_is_left_out_for_its_legs_are_not_known(stage):
    def as_combo(payload):
        fields = broken_off(payload).split(b"\0")
        if fields[0] == b"5" and b"theirs" in fields:
            fields[4] = b"BAG"
        return b"\0".join(fields)

    async with stage(altered=as_combo) as on:
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        [ours] = on.gateway.venue.open_orders()
        theirs = attrs.evolve(ours, client_id=0, order_id=77, order_ref="theirs", quantity=3, transmit=True)
        on.gateway.venue.submit(theirs, ours.placed_at)

        rows = await on.broker.all_open_orders()

        assert "theirs" not in [row.client_order_id for row in rows]
        assert "is left out: it counts neither as a stop nor beside" in messages(on.told)[0]


async def test_an_order_that_was_taken_for_gone_lives_when_a_row_that_breaks_off_names_it(stage, monkeypatch):
    async with stage(altered=broken_off) as on:
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="theirs", **RESTING))
        works = on.gateway.venue.open_orders()
        on.board.kept_back = {"order_status"}
        monkeypatch.setattr(on.gateway.venue, "open_orders", lambda *_: [])
        await on.broker.all_open_orders()
        await asyncio.sleep(120)
        gone = states(on, "theirs")[-1]
        monkeypatch.setattr(on.gateway.venue, "open_orders", lambda *_: works)

        await on.broker.all_open_orders()

        assert (gone, states(on, "theirs")[-1]) == ("cancelled", "unknown")


async def test_a_stop_of_ours_whose_row_breaks_off_after_a_restart_is_a_stop(crew):
    async with crew() as on:
        placed = await on.enter()
        await asyncio.sleep(30)
        await on.stage.broker.disconnect()
        on.stage.board.altered = broken_off
        after = IBKRBroker(on.stage.broker.config, clock=virtual_clock(), jitter=lambda: 0.0)

        async with after:
            [stop] = await after.all_open_orders()
            held = await after.positions()

            assert (stop.parent_id, stop.client_id) == (placed.order_id, after.client_id)
            assert protection_gaps(held, [stop]) == ()
            assert (await after.cancel(stop.order_id)).state == "cancelled"


async def test_a_row_that_the_library_cannot_decode_is_told_once_and_may_be_what_is_looked_for(stage):
    async with stage(altered=undecodable) as on:
        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="other", **RESTING))
        [other] = on.gateway.venue.open_orders()
        theirs = attrs.evolve(other, client_id=0, order_id=77, order_ref="theirs", transmit=True)
        on.gateway.venue.submit(theirs, other.placed_at)
        on.gateway.inject(faults.Unanswered(when_request="place_order", times=1))

        await on.broker.place(OrderTicket(contract=on.stock, client_order_id="mine", **RESTING))
        await asyncio.sleep(50)
        rows = await on.broker.all_open_orders()
        await asyncio.sleep(50)

        assert [row.client_order_id for row in rows] == ["other", "mine"]
        assert states(on, "mine") == ["sent"]
        first, *others = messages(on.told)
        assert "the client library cannot decode it" in first
        assert "nobody knows what became of BUY 1 SPY LMT" in others[0]


async def test_a_fill_that_the_library_cannot_decode_may_be_of_the_order_that_is_looked_for(stage):
    def altered(payload):
        return b"\0".join(payload.split(b"\0")[:8]) if payload.startswith(b"11\0") else payload

    async with stage(altered=altered) as on:
        on.board.kept_back = {"open_order", "order_status", "completed_order"}

        await on.broker.place(OrderTicket(contract=on.stock, side="BUY", quantity=1, client_order_id="mine"))
        await asyncio.sleep(400)

        assert states(on, "mine") == ["sent"]
        assert len(await on.broker.positions()) == 1


async def test_the_stop_of_a_position_whose_row_the_library_cannot_decode_stays(crew):
    def altered(payload):
        fields = payload.split(b"\0")
        if fields[0] == b"61":
            fields[-3] = b"many"
        return b"\0".join(fields)

    async with crew() as on:
        await on.enter()
        await asyncio.sleep(30)
        on.stage.board.altered = altered
        await asyncio.sleep(200)

        assert on.working() == [("STP", "SELL", 2)]
        with pytest.raises(GatewayRejected, match="cannot decode a row"):
            await on.stage.broker.positions()

        on.stage.board.altered = bytes
        assert len(await on.stage.broker.positions()) == 1


async def test_a_fill_that_the_library_cannot_decode_is_told_of(crew):
    def altered(payload):
        fields = payload.split(b"\0")
        return b"\0".join(fields[:8]) if fields[0] == b"11" else payload

    async with crew(altered=altered) as on:
        await on.enter()
        await asyncio.sleep(30)

        assert on.working() == [("STP", "SELL", 2)]
        assert ["the client library cannot decode it" in words for words in messages(on.stage.told)] == [True]
