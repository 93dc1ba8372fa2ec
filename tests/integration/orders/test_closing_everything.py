"""What `ibkeel flatten` says and does when cancels, reads and names do not go as planned."""

import asyncio

import attrs
import pytest

from ibkeel.errors import RequestTimeout
from ibkeel.ibkr.client import library
from ibkeel.model import Bracket, Combo, ComboLeg, Direction, OrderTicket, Signal
from ibkeel.orders import build_bracket
from ibkeel.runner.closing import Handover
from ibkeel.runner.flatten import cancel_entries, close_everything, flatten
from ibkeel.sim import faults
from ibkeel.sim.values import ContractPattern
from ibkeel.virtual import virtual_clock

from .conftest import DAY

REFUSED = {"when_request": "place_order", "code": 201, "text": "Order rejected - reason:"}


async def rest(on, stop=90, limit=100, **changes):
    """An entry that works and does not fill; its name."""
    ticket = OrderTicket(
        contract=on.stage.stock, side="BUY", quantity=2, order_type="LMT", limit_price=limit, **changes
    )
    bracket = Bracket(entry=ticket, stop_loss=stop)
    placed = await on.desk.enter("SPY", bracket, Signal(direction=Direction.UP), DAY, "")
    await asyncio.sleep(3)
    return placed.client_order_id


async def close(on, wait=5):
    return await close_everything(on.stage.broker, on.desk, session=DAY, wait=wait)


async def test_what_the_desk_knows_without_its_class_is_not_called_flat_while_it_is_held(crew):
    async with crew() as on:
        number = (await on.stage.broker.qualify(on.stage.option)).contract.con_id
        named = attrs.evolve(on.stage.option, trading_class="", con_id=number)
        quote = attrs.evolve(await on.stage.broker.quote(named), contract=named)
        bracket = build_bracket(quote=quote, quantity=2)
        await on.desk.enter("SPY", bracket, Signal(direction=Direction.UP), DAY, "")
        await asyncio.sleep(10)
        on.stage.gateway.inject(faults.AnsweredWith(times=1, **REFUSED))

        refused, done = await close(on), await close(on)

        assert ([row.quantity for row in refused.left], refused.untouched) == ([2], ())
        assert not refused.is_flat
        assert (len(done.closed), done.is_flat, on.venue.positions()) == (1, True, [])


async def test_an_entry_whose_cancel_is_not_answered_keeps_nothing_from_being_closed(crew):
    async with crew() as on:
        await on.enter()
        name = await rest(on)
        on.stage.gateway.inject(faults.Unanswered(when_request="cancel_order", times=1))

        done = await close(on)

        assert (done.cancelled, len(done.closed), done.is_flat) == ((name,), 1, True)
        assert (on.working(), on.venue.positions()) == ([], [])


async def test_an_entry_that_may_still_work_is_not_called_flat(crew):
    async with crew() as on:
        name = await rest(on)
        on.stage.gateway.inject(faults.Unanswered(when_request="cancel_order"))

        done = await close(on)

        [words] = done.uncancelled
        assert words.startswith(f"{name}: the cancel of order")
        assert (done.cancelled, done.is_flat) == ((), False)


async def test_of_two_entries_the_one_that_is_not_answered_holds_up_no_other(crew):
    async with crew() as on:
        first, second = await rest(on), await rest(on)
        on.stage.gateway.inject(faults.Unanswered(when_request="cancel_order", times=1))

        tried = {row.client_order_id: error for row, error in await cancel_entries(on.stage.broker, on.desk)}

        assert list(tried) == [first, second]
        assert isinstance(tried[first], RequestTimeout)
        assert tried[second] is None


async def test_positions_that_are_not_answered_once_are_asked_for_again(crew):
    async with crew() as on:
        await on.enter()
        on.stage.gateway.inject(faults.Unanswered(when_request="positions", skip=2, times=1))

        done = await close(on, wait=15)

        assert (len(done.closed), done.is_flat) == (1, True)


async def test_the_stop_of_what_cannot_be_read_stays(crew):
    async with crew() as on:
        await on.enter()
        before = on.working()
        on.stage.gateway.inject(faults.Unanswered(when_request="positions"))

        with pytest.raises(RequestTimeout, match="positions"):
            await flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason="")

        assert [row for row in before if row[0] == "STP"]
        assert on.working() == before


async def test_what_is_held_is_asked_for_again_once_its_stop_is_gone(crew):
    async with crew() as on:
        await on.enter()
        on.stage.gateway.inject(faults.Unanswered(when_request="positions", skip=1, times=1))

        held = await flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason="")

        assert (held, on.working(), on.venue.positions()) == ((), [], [])


async def test_what_is_left_behind_too_small_a_stop_is_said_to_be(crew):
    async with crew() as on:
        await on.enter()
        [stop] = on.venue.open_orders()
        theirs = attrs.evolve(
            stop, client_id=9, order_id=1, parent_id=0, order_ref="", quantity=1, transmit=True
        )
        on.venue.submit(theirs, virtual_clock().now())
        on.stage.gateway.inject(faults.AnsweredWith(times=1, **REFUSED))

        [held] = await flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason="test")

        assert held.reason.endswith("no stop worked for 1 of it")


async def test_the_stop_of_an_entry_that_has_not_filled_protects_nothing(crew):
    async with crew() as on:
        bought = Bracket(entry=OrderTicket(contract=on.stage.stock, side="BUY", quantity=2), stop_loss=300)
        await on.desk.enter("SPY", bought, Signal(direction=Direction.UP), DAY, "")
        await asyncio.sleep(10)
        name = await rest(on, limit=310, stop=290)
        stop = next(row for row in on.venue.open_orders() if row.stop_price == 300)
        on.venue.cancel(stop.client_id, stop.order_id, virtual_clock().now())
        lines = []

        await Handover(on.stage.broker, on.desk, lines.append).end()

        assert lines == [
            "left open: +2 SPY, WITHOUT A STOP at the venue",
            f"left open: BUY 2 SPY LMT 310.0 ({name}), working, DAY",
            f"left open: SELL 2 SPY STP 290.0 ({name}-1), waits for its entry, DAY",
        ]


async def sold_by_hand(on, **changes):
    """A call spread that the desk knows nothing of, sold with its wing bought first; and an order for its end."""
    option, broker = on.stage.option, on.stage.broker
    calls = ContractPattern(symbol="SPY", sec_type="OPT", right="C", expiry=f"{option.expiry:%Y%m%d}")
    near, far = [row for row in on.stage.gateway.market.find(calls) if row.strike >= float(option.strike)][:2]
    sides = ((far, "BUY"), (near, "SELL"))
    spread = Combo("SPY", [ComboLeg(con_id=row.con_id, side=side) for row, side in sides])
    await broker.place(OrderTicket(contract=spread, side="BUY", quantity=2))
    await asyncio.sleep(5)
    out = {"side": "SELL", "order_type": "LMT", "limit_price": 1, "is_closing": True, **changes}
    await broker.place(OrderTicket(contract=spread, quantity=2, **out))
    await asyncio.sleep(5)
    return [near.local_symbol, far.local_symbol]


async def test_everything_is_a_combo_that_would_sell_what_is_closed_once_more(crew):
    async with crew() as on:
        await sold_by_hand(on)
        assert len(on.working()) == 1

        done = await close_everything(on.stage.broker, on.desk, session=DAY, wait=30, everything=True)

        assert done.is_flat
        assert (on.working(), on.venue.positions()) == ([], [])


async def test_what_is_owed_is_bought_back_before_its_cover_is_sold(crew):
    async with crew() as on:
        legs = await sold_by_hand(on)

        await close_everything(on.stage.broker, on.desk, session=DAY, wait=30, everything=True)

        fills = [fill for fill, _ in on.venue.executions()][-2:]
        assert [(fill.contract.local_symbol, fill.side) for fill in fills] == [
            *zip(legs, ("BOT", "SLD"), strict=True)
        ]


async def test_a_combo_of_somebody_else_leaves_its_legs_no_room(crew):
    async with crew() as on:
        await sold_by_hand(on)
        [theirs] = on.venue.open_orders()
        now = virtual_clock().now()
        on.venue.cancel(theirs.client_id, theirs.order_id, now)
        on.venue.submit(attrs.evolve(theirs, client_id=9, order_id=1, order_ref="", transmit=True), now)

        done = await close_everything(on.stage.broker, on.desk, session=DAY, wait=5, everything=True)

        assert [row.quantity for row in done.left] == [-2, 2]
        assert all("another exit could pass zero" in row.reason for row in done.left)


async def test_everything_is_an_order_of_this_client_id_for_what_nobody_holds(crew):
    async with crew() as on:
        resting = OrderTicket(
            contract=on.stage.stock, side="BUY", quantity=2, order_type="LMT", limit_price=100
        )
        placed = await on.stage.broker.place(Bracket(entry=resting, stop_loss=90))
        await asyncio.sleep(3)

        done = await close_everything(on.stage.broker, on.desk, session=DAY, wait=5, everything=True)

        assert (done.cancelled, done.is_flat, on.working()) == ((placed.client_order_id,), True, [])


async def test_such_an_order_that_the_venue_will_not_cancel_is_told(crew):
    async with crew() as on:
        resting = OrderTicket(
            contract=on.stage.stock, side="BUY", quantity=2, order_type="LMT", limit_price=100
        )
        placed = await on.stage.broker.place(resting)
        await asyncio.sleep(3)
        on.stage.gateway.inject(faults.Unanswered(when_request="cancel_order"))

        done = await close_everything(on.stage.broker, on.desk, session=DAY, wait=5, everything=True)

        [words] = done.uncancelled
        assert words.startswith(f"{placed.client_order_id}: the cancel of order")
        assert not done.is_flat


async def test_each_order_without_a_name_is_told_by_its_number(crew):
    async with crew() as on:
        ib = on.stage.broker.ib
        for price in (100, 101):
            order = library.LimitOrder("BUY", 1, price)
            ib.placeOrder(library.Stock("SPY", "SMART", "USD"), order)
        await asyncio.sleep(3)
        numbers = sorted(row.order_id for row in await on.stage.broker.open_orders())

        done = await close_everything(on.stage.broker, on.desk, session=DAY, wait=5, everything=True)

        assert sorted(done.cancelled) == [f"order {number}" for number in numbers]
        assert on.working() == []


async def test_everything_is_a_stop_whose_entry_was_sold_by_hand(crew):
    async with crew() as on:
        entry = OrderTicket(contract=on.stage.option, side="BUY", quantity=2)
        placed = await on.stage.broker.place(Bracket(entry=entry, stop_loss=0.5, take_profit=50))
        await asyncio.sleep(5)
        by_hand = {"client_id": 9, "order_id": 1, "parent_id": 0, "order_ref": "", "oca_group": ""}
        market = {"order_type": "MKT", "limit_price": None, "stop_price": None, "transmit": True}
        child = on.venue.open_orders()[0]
        on.venue.submit(attrs.evolve(child, **by_hand, **market), virtual_clock().now())
        await asyncio.sleep(5)
        assert (len(on.working()), on.venue.positions()) == (2, [])

        done = await close_everything(on.stage.broker, on.desk, session=DAY, wait=5, everything=True)

        assert done.cancelled == tuple(f"{placed.client_order_id}-{number}" for number in (1, 2))
        assert (done.is_flat, on.working()) == (True, [])


async def test_everything_is_an_order_that_adds_to_what_others_leave_no_room_to_close(crew):
    async with crew() as on:
        option, broker = on.stage.option, on.stage.broker
        await broker.place(OrderTicket(contract=option, side="BUY", quantity=2))
        more = OrderTicket(contract=option, side="BUY", quantity=3, order_type="LMT", limit_price=0.5)
        placed = await broker.place(more)
        await asyncio.sleep(5)
        [row] = on.venue.open_orders()
        sale = {"action": "SELL", "quantity": 2, "limit_price": 99.0, "order_ref": "", "transmit": True}
        on.venue.submit(attrs.evolve(row, client_id=9, order_id=1, **sale), virtual_clock().now())
        await asyncio.sleep(5)

        done = await close_everything(broker, on.desk, session=DAY, wait=5, everything=True)

        assert (done.cancelled, [row.quantity for row in done.left]) == ((placed.client_order_id,), [2])
        assert on.working() == [("LMT", "SELL", 2)]
