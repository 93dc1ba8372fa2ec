import asyncio
from contextlib import aclosing
from decimal import Decimal
from itertools import pairwise

import attrs
import numpy as np
import pytest

from ibkeel.errors import (
    InvalidInput,
    NotConnected,
    OrderRefused,
    OrderRejected,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import (
    Bracket,
    Combo,
    ComboLeg,
    Execution,
    Grade,
    Index,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    Stock,
)
from ibkeel.resilience import Deadlines
from ibkeel.sim import faults
from ibkeel.sim.settings import GatewaySettings, Latency
from ibkeel.virtual import virtual_clock

SPY = Stock("SPY")
FAR = OrderTicket(contract=SPY, side="BUY", quantity=5, order_type="LMT", limit_price="100")
SLOW = GatewaySettings(latency=Latency(orders=3600.0))


def buy(contract=SPY, quantity=1, **changes):
    return OrderTicket(contract=contract, side="BUY", quantity=quantity, **changes)


def bracket(quote, *, price, stop="0.80", profit="1.50", quantity=2):
    """A bracket around a price; the fractions are of that price, to the cent."""
    price = Decimal(str(price)).quantize(Decimal("0.01"))
    entry = buy(quote.contract, quantity, order_type="LMT", limit_price=price)
    cents = Decimal("0.01")
    return Bracket(
        entry=entry,
        stop_loss=(price * Decimal(stop)).quantize(cents),
        take_profit=(price * Decimal(profit)).quantize(cents),
    )


@pytest.mark.smoke
async def test_a_bracket_on_the_wire_is_a_stop_and_a_limit_under_one_parent(stage):
    async with stage() as on:
        wanted = bracket(await on.broker.quote(on.option), price=0.5)

        placement = await on.broker.place(wanted)

        entry, profit, stop = on.board.asked("place_order")
        assert [order["order_type"] for order in (entry, profit, stop)] == ["LMT", "LMT", "STP"]
        assert [order["action"] for order in (entry, profit, stop)] == ["BUY", "SELL", "SELL"]
        assert [order["transmit"] for order in (entry, profit, stop)] == [False, False, True]
        assert [order["parent_id"] for order in (entry, profit, stop)] == [
            0,
            entry["order_id"],
            entry["order_id"],
        ]
        assert (stop["stop_price"], stop["limit_price"]) == (float(wanted.stop_loss), None)
        assert (profit["limit_price"], profit["stop_price"]) == (float(wanted.take_profit), None)
        assert {order["quantity"] for order in (entry, profit, stop)} == {2.0}
        assert {order["account"] for order in (entry, profit, stop)} == {"DU1234567"}
        names = [order["order_ref"] for order in (entry, profit, stop)]
        assert names == [each.client_order_id for each in placement.family()]
        assert len(set(names)) == 3


async def test_a_stop_limit_child_is_one_on_the_wire(stage):
    async with stage() as on:
        wanted = bracket(await on.broker.quote(on.option), price=0.5)
        await on.broker.place(attrs.evolve(wanted, stop_limit="0.35", take_profit=None))

        _, stop = on.board.asked("place_order")
        assert (stop["order_type"], stop["stop_price"], stop["limit_price"]) == ("STP LMT", 0.4, 0.35)


async def test_a_bracket_fills_and_its_profit_cancels_its_stop(stage):
    async with stage() as on:
        quote = await on.broker.quote(on.option)
        placement = await on.broker.place(bracket(quote, price=quote.ask + 0.05, profit="1.01", stop="0.50"))
        profit, stop = (child.order_id for child in placement.children)
        async with asyncio.timeout(6 * 3600), aclosing(on.broker.order_events()) as events:
            async for event in events:
                if isinstance(event, OrderReport) and event.order_id == stop and event.state.is_final:
                    break

        fills = {fill.order_id: fill for fill in await on.broker.executions()}
        assert event.state is OrderState.CANCELLED
        assert set(fills) == {placement.order_id, profit}
        assert all(fill.commission is not None for fill in fills.values())
        assert await on.broker.positions() == ()


@pytest.mark.parametrize("refused", ["stop_loss", "take_profit"])
async def test_a_bracket_whose_child_is_refused_leaves_nothing_at_work(stage, refused):
    async with stage() as on:
        wanted = bracket(await on.broker.quote(on.option), price=0.5)
        wanted = attrs.evolve(wanted, **{refused: getattr(wanted, refused) + Decimal("0.003")})

        with pytest.raises(
            OrderRejected, match=r"error 110.*the rest of its bracket was withdrawn"
        ) as failure:
            await on.broker.place(wanted)
        await asyncio.sleep(5)

        assert failure.value.code == 110
        assert await on.broker.open_orders() == ()
        assert on.gateway.venue.open_orders() == []


@pytest.mark.parametrize(
    ("changes", "code"), [({"limit_price": Decimal("0.503")}, 110), ({"quantity": 1_000_000}, 201)]
)
async def test_a_bracket_whose_entry_is_refused_says_so_and_leaves_nothing_unknown(stage, changes, code):
    async with stage() as on:
        wanted = bracket(await on.broker.quote(on.option), price=0.5)
        wanted = attrs.evolve(wanted, entry=attrs.evolve(wanted.entry, **changes))

        with pytest.raises(
            OrderRejected, match=f"error {code}.*the rest of its bracket was withdrawn"
        ) as failure:
            await on.broker.place(wanted)

        assert failure.value.code == code
        assert await on.broker.open_orders() == ()
        assert (await on.broker.health()).grade is Grade.OK


async def test_an_entry_that_filled_before_its_bracket_could_be_withdrawn_keeps_its_stop(stage):
    async with stage() as on:
        quote = await on.broker.quote(on.option)
        wanted = bracket(quote, price=quote.ask + 0.05)

        placement = await on.broker.place(
            attrs.evolve(wanted, take_profit=wanted.take_profit + Decimal("0.003"))
        )

        profit, stop = placement.children
        assert (placement.state, profit.state) == (OrderState.FILLED, OrderState.REJECTED)
        assert [row.order_id for row in await on.broker.open_orders()] == [stop.order_id]
        assert [row.signed_quantity for row in await on.broker.positions()] == [2]


async def test_an_order_that_is_refused_says_why_and_with_which_code(stage):
    async with stage() as on:
        with pytest.raises(OrderRejected, match=r"error 201.*nothing works at the venue") as failure:
            await on.broker.place(buy(quantity=1_000_000))

        assert failure.value.code == 201
        assert await on.broker.open_orders() == ()


async def test_a_price_off_the_tick_is_refused_by_the_venue(stage):
    async with stage() as on:
        with pytest.raises(OrderRejected, match="error 110"):
            await on.broker.place(attrs.evolve(FAR, limit_price="100.001"))


@pytest.mark.parametrize("quantity", [0, -1, -100])
async def test_a_quantity_below_one_never_leaves(stage, quantity):
    async with stage() as on:
        with pytest.raises(InvalidInput, match="whole number above 0"):
            await on.broker.place(buy(quantity=quantity))

        assert on.gateway.counters.requests["place_order"] == 0


@pytest.mark.parametrize("order", [None, "BUY 1 SPY", SPY, [FAR]])
async def test_what_is_no_order_never_leaves(stage, order):
    async with stage() as on:
        with pytest.raises(InvalidInput, match="is no OrderTicket or Bracket"):
            await on.broker.place(order)

        assert on.gateway.counters.requests["place_order"] == 0


async def test_an_order_for_an_unknown_contract_never_leaves(stage):
    async with stage() as on:
        with pytest.raises(UnknownContract):
            await on.broker.place(buy(Stock("NOSUCH")))
        with pytest.raises(InvalidInput):
            await on.broker.place(buy(Index("VIX")))

        assert on.gateway.counters.requests["place_order"] == 0


async def test_a_dry_run_sends_no_order_and_no_cancel(stage):
    async with stage(orders="DRY_RUN") as on:
        quote = await on.broker.quote(on.option)
        placement = await on.broker.place(bracket(quote, price=quote.ask))
        single = await on.broker.place(FAR)
        for call in (on.broker.modify(1, FAR), on.broker.cancel(1)):
            with pytest.raises(InvalidInput, match="no order 1"):
                await call

        assert (placement.state, placement.order_id, single.order_id) == (OrderState.INTENT, None, None)
        assert [child.was_sent for child in placement.children] == [False, False]
        assert on.gateway.counters.requests["place_order"] == 0
        assert on.gateway.counters.requests["cancel_order"] == 0
        assert [event.was_sent for event in on.told.of("OrderPlaced")] == [False, False]


async def test_a_dry_run_touches_no_order_that_an_earlier_run_left(stage):
    async with stage() as on:
        left = await on.broker.place(FAR)
        await on.broker.disconnect()

        async with IBKRBroker(IBKRConfig(), clock=virtual_clock()) as rehearsing:
            (found,) = await rehearsing.open_orders()
            for call in (rehearsing.modify(left.order_id, FAR), rehearsing.cancel(left.order_id)):
                with pytest.raises(OrderRefused, match="orders is DRY_RUN"):
                    await call

        assert found.client_order_id == left.client_order_id

        assert on.gateway.counters.requests["place_order"] == 1
        assert on.gateway.counters.requests["cancel_order"] == 0


async def test_a_change_keeps_what_makes_the_order_the_same(stage):
    async with stage() as on:
        placement = await on.broker.place(FAR)
        others = [
            attrs.evolve(FAR, side="SELL"),
            attrs.evolve(FAR, contract=Stock("QQQ")),
            attrs.evolve(FAR, order_type=OrderType.MKT, limit_price=None),
        ]

        for other in others:
            with pytest.raises(InvalidInput, match="a change keeps contract, side and type"):
                await on.broker.modify(placement.order_id, other)

        assert on.gateway.counters.requests["place_order"] == 1


async def test_a_change_is_told_and_leaves_one_order(stage):
    async with stage() as on:
        placement = await on.broker.place(FAR)

        report = await on.broker.modify(placement.order_id, attrs.evolve(FAR, limit_price="101", quantity=7))

        (found,) = await on.broker.open_orders()
        assert (report.limit_price, report.quantity) == (found.limit_price, found.quantity) == (101, 7)
        assert report.client_order_id == placement.client_order_id


async def test_a_refused_change_leaves_the_order_as_it_was(stage):
    async with stage() as on:
        placement = await on.broker.place(FAR)

        with pytest.raises(OrderRejected, match=r"error 110.* it is working, LMT 100") as refused:
            await on.broker.modify(placement.order_id, attrs.evolve(FAR, limit_price="100.001"))
        (report,) = await on.broker.open_orders()
        changed = await on.broker.modify(placement.order_id, attrs.evolve(FAR, limit_price="101"))

        assert refused.value.code == 110
        assert report.state is OrderState.WORKING
        assert "110" in report.reason
        assert report.limit_price == 100
        assert (changed.limit_price, changed.reason) == (101, "")


async def test_an_order_that_ended_is_neither_changed_nor_cancelled_again(stage):
    async with stage() as on:
        placement = await on.broker.place(FAR)
        first = await on.broker.cancel(placement.order_id)
        second = await on.broker.cancel(placement.order_id)
        with pytest.raises(OrderRefused, match="only a working order"):
            await on.broker.modify(placement.order_id, FAR)

        assert first.state is second.state is OrderState.CANCELLED
        assert on.gateway.counters.requests["cancel_order"] == 1


async def test_an_order_is_named_by_a_whole_number_and_by_nothing_that_equals_one(stage):
    async with stage() as on:
        placed = await on.broker.place(FAR)
        for wrong in (float(placed.order_id), str(placed.order_id), True, None, [], Decimal(placed.order_id)):
            with pytest.raises(InvalidInput, match="order_id is"):
                await on.broker.cancel(wrong)
            with pytest.raises(InvalidInput, match="order_id is"):
                await on.broker.modify(wrong, FAR)
        for wrong in (float("inf"), float("nan"), 100.0, "100", -1):
            with pytest.raises(InvalidInput, match="highest is"):
                on.broker.use_order_ids_above(wrong)
        sent = len(on.board.asked("cancel_order")) + len(on.board.asked("place_order"))
        cancelled = await on.broker.cancel(np.int64(placed.order_id))

    assert sent == 1
    assert cancelled.state is OrderState.CANCELLED


@pytest.mark.parametrize("answer", [False, True])
async def test_an_order_whose_last_look_answers_and_does_not_raise_does_not_leave(stage, answer):
    async with stage() as on:
        with pytest.raises(InvalidInput, match="raises to hold the order back"):
            await on.broker.place(FAR, may_leave=lambda: answer)

        assert on.board.asked("place_order") == []


async def test_an_order_that_nobody_knows_cannot_be_cancelled(stage):
    async with stage() as on:
        placement = await on.broker.place(FAR)

        with pytest.raises(InvalidInput, match=f"no order 999 .* the last are: {placement.order_id}"):
            await on.broker.cancel(999)


async def test_a_cancel_that_is_not_answered_says_that_nobody_knows(stage):
    async with stage() as on:
        placement = await on.broker.place(FAR)
        on.board.kept_back = {"order_status", "open_order", "error"}

        with pytest.raises(RequestTimeout, match="was not answered within 3 s; its state is unknown"):
            await on.broker.with_deadline(3).cancel(placement.order_id)


async def test_an_order_whose_cancel_was_lost_is_found_working_and_can_be_cancelled_again(stage):
    async with stage() as on:
        placement = await on.broker.place(FAR)
        on.gateway.inject(faults.Unanswered(when_request="cancel_order", times=1))
        with pytest.raises(RequestTimeout):
            await on.broker.with_deadline(3).cancel(placement.order_id)

        await asyncio.sleep(60)
        (found,) = await on.broker.open_orders()
        fate = await on.broker.cancel(placement.order_id)

        assert found.state is OrderState.WORKING
        assert fate.state is OrderState.CANCELLED


async def test_an_order_that_is_not_answered_is_placed_as_sent_and_not_lost(stage):
    async with stage(settings=SLOW, deadlines=Deadlines(orders=4.0)) as on:
        began = asyncio.get_running_loop().time()
        placement = await on.broker.place(FAR)
        waited = asyncio.get_running_loop().time() - began

        assert (placement.state, placement.was_sent) == (OrderState.SENT, True)
        assert 4.0 <= waited < 4.5
        assert [row.order_id for row in await on.broker.open_orders()] == [placement.order_id]


async def test_a_cancel_waits_for_its_own_answer_though_the_order_was_unknown(stage):
    async with stage() as on:
        placement = await on.broker.place(FAR)
        on.board.say("error", request_id=placement.order_id, code=77777, text="nobody knows", at_millis=0)
        await asyncio.sleep(0.1)
        before = on.told.of("OrderChanged")[-1].state

        fate = await on.broker.cancel(placement.order_id)

        assert before == "unknown"
        assert fate.state is OrderState.CANCELLED


async def test_a_code_that_client_libraries_take_for_death_kills_nothing(stage):
    async with stage() as on:
        placement = await on.broker.place(FAR)
        for code in (399, 10311, 10349, 2109):
            on.board.say("error", request_id=placement.order_id, code=code, text="told", at_millis=0)
        await asyncio.sleep(0.1)

        (found,) = await on.broker.open_orders()
        assert found.state is OrderState.WORKING


async def test_events_tell_an_order_from_sent_to_filled_with_its_fill(stage):
    async with stage() as on, aclosing(on.broker.order_events()) as events:
        placement = await on.broker.place(buy(quantity=3))
        told = [await anext(events)]
        while not (isinstance(told[-1], Execution) and told[-1].commission is not None):
            told.append(await anext(events))

        states = [event.state for event in told if isinstance(event, OrderReport)]
        assert states[0] is OrderState.SENT
        assert states[-1] is OrderState.FILLED
        assert {event.order_id for event in told} == {placement.order_id}
        assert all(
            attrs.evolve(one, at=two.at) != two for one, two in pairwise(told) if type(one) is type(two)
        )


async def test_a_stream_that_is_read_after_the_session_ended_tells_first_what_came_before(stage):
    async with stage() as on, aclosing(on.broker.order_events()) as events:
        await on.broker.place(FAR)
        on.board.hang_up()
        while on.broker.is_connected:
            await asyncio.sleep(0.01)
        told = []
        with pytest.raises(NotConnected) as ended:
            await _collect(events, told)

    assert [told[0].state, told[-1].state] == [OrderState.SENT, OrderState.UNKNOWN]
    assert str(ended.value).startswith("the stream of order events ended: ")


async def _collect(events, told):
    async for event in events:
        told.append(event)


async def test_the_report_of_a_fill_has_its_average_price(stage):
    async with stage() as on, aclosing(on.broker.order_events()) as events:
        placement = await on.broker.place(buy(quantity=3))
        while (report := await anext(events)).order_id != placement.order_id or not report.filled:
            pass
        (fill,) = await on.broker.executions()

    assert isinstance(report, OrderReport)
    assert report.average_fill_price == fill.price


async def test_a_position_carries_its_contract_and_its_price_per_share(stage):
    async with stage() as on:
        await on.broker.place(buy(on.option, 2))

        (held,) = await on.broker.positions()
        (fill,) = await on.broker.executions()
        assert (held.contract, held.signed_quantity) == (on.option, 2)
        assert held.average_price == pytest.approx(fill.price + fill.commission / 200, abs=1e-4)


async def test_completed_orders_are_those_that_ended(stage):
    async with stage() as on:
        filled = await on.broker.place(buy())
        cancelled = await on.broker.place(FAR)
        await on.broker.cancel(cancelled.order_id)
        resting = await on.broker.place(FAR)

        ended = await on.broker.completed_orders()
        assert {row.client_order_id: row.state for row in ended} == {
            filled.client_order_id: OrderState.FILLED,
            cancelled.client_order_id: OrderState.CANCELLED,
        }
        assert resting.client_order_id not in {row.client_order_id for row in ended}
        assert {row["api_only"] for row in on.board.asked("completed_orders")} == {
            False
        }  # those made by hand too


async def test_a_name_of_ours_goes_to_the_venue_and_comes_back(stage):
    async with stage() as on:
        placement = await on.broker.place(attrs.evolve(FAR, client_order_id="mine-1"))

        (found,) = await on.broker.open_orders()
        assert placement.client_order_id == found.client_order_id == "mine-1"
        assert on.board.asked("place_order")[0]["order_ref"] == "mine-1"


@pytest.mark.parametrize("is_closing", [False, True])
async def test_of_two_orders_of_one_name_at_the_same_time_one_goes(stage, is_closing):
    async with stage() as on:
        named = attrs.evolve(FAR, client_order_id="mine-1", is_closing=is_closing)

        both = await asyncio.gather(*[on.broker.place(named) for _ in range(2)], return_exceptions=True)

        [placed, refused] = sorted(both, key=lambda row: isinstance(row, OrderRefused))
        assert str(placed.order_id) in str(refused)
        assert isinstance(refused, OrderRefused)
        assert len(on.board.asked("place_order")) == 1


async def test_a_name_whose_orders_fate_is_unknown_is_not_free(stage):
    async with stage(settings=SLOW) as on:
        named = attrs.evolve(FAR, client_order_id="mine-1")
        await on.broker.with_deadline(1).place(named)

        with pytest.raises(OrderRefused, match="mine-1"):
            await on.broker.place(named)

        assert len(on.board.asked("place_order")) == 1


async def test_a_new_process_does_not_send_again_what_works_under_the_same_name(stage):
    async with stage() as on:
        named = attrs.evolve(FAR, client_order_id="mine-1")
        await on.broker.place(named)
        await on.broker.disconnect()

        async with IBKRBroker(IBKRConfig(orders="PAPER"), clock=virtual_clock()) as broker:
            with pytest.raises(OrderRefused, match="'mine-1' and is working"):
                await broker.place(named)

            assert len(on.board.asked("contract_details")) == 1  # of the first process
            assert len(on.board.asked("place_order")) == 1


async def test_orders_of_another_client_are_not_ours(stage):
    async with stage(client_id=7) as on, IBKRBroker(IBKRConfig(client_id=8), clock=virtual_clock()) as other:
        await on.broker.place(FAR)
        await on.broker.place(buy())

        assert len(await on.broker.open_orders()) == 1
        assert await other.open_orders() == ()
        assert await other.executions() == ()


async def test_a_change_of_a_combo_is_told(stage):
    async with stage() as on:
        near = (await on.broker.qualify(on.option)).contract
        far = (await on.broker.qualify(attrs.evolve(on.option, strike=on.option.strike + 1))).contract
        legs = ComboLeg(con_id=near.con_id, side="BUY"), ComboLeg(con_id=far.con_id, side="SELL")
        ticket = OrderTicket(
            contract=Combo("SPY", legs), side="BUY", quantity=1, order_type="LMT", limit_price="0.01"
        )
        placed = await on.broker.place(ticket)

        changed = await on.broker.modify(placed.order_id, attrs.evolve(ticket, limit_price="0.02"))

        assert (changed.state, changed.limit_price) == (OrderState.WORKING, Decimal("0.02"))
