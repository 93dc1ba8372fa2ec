"""The verifier against the simulated Gateway: a position of ours is never naked for long, and never sold twice."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.model import Bracket, Combo, ComboLeg, Direction, OrderState, OrderTicket, Signal
from ibkeel.orders import ExitCause, ProtectionPolicy, build_bracket, plan_exit
from ibkeel.runner import Session
from ibkeel.runner.flatten import flatten
from ibkeel.runner.memory import remember
from ibkeel.sim import faults
from ibkeel.sim.values import ContractPattern
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)


async def test_a_filled_bracket_is_left_alone(crew):
    async with crew() as on:
        await on.enter()
        await asyncio.sleep(120)

        assert on.working() == [("STP", "SELL", 2)]
        assert on.stops_sent() == []
        assert on.alarms() == []


async def test_a_stop_that_vanished_is_replaced_at_its_own_price_under_its_own_purpose(crew):
    async with crew() as on:
        await on.enter()
        [before] = on.venue.open_orders()

        on.cancel_stop()
        await asyncio.sleep(90)

        [after] = on.venue.open_orders()
        assert (after.order_type, after.action, after.quantity) == ("STP", "SELL", 2)
        assert after.stop_price == before.stop_price
        [ticket] = on.stops_sent()
        assert ticket.client_order_id == after.order_ref
        assert on.alarms() == []


@pytest.mark.parametrize("is_known_from_the_journal", [False, True])
async def test_a_stop_that_was_moved_comes_back_where_it_stood(crew, is_known_from_the_journal):
    async with crew() as on:
        await on.enter()
        stop = next(row for row in await on.stage.broker.open_orders() if row.order_type == "STP")
        locked_in = stop.stop_price + Decimal("0.30")
        ticket = OrderTicket(
            contract=stop.contract,
            side=stop.side,
            quantity=2,
            order_type="STP",
            stop_price=locked_in,
            client_order_id=stop.client_order_id,
            is_closing=True,
        )
        await on.desk.change(stop, ticket)
        await asyncio.sleep(20)
        if is_known_from_the_journal:
            now = virtual_clock().now()
            opens, closes = now - timedelta(hours=1), now + timedelta(hours=4)
            today = Session(day=DAY, opens_at=opens, closes_at=closes)
            on.desk.restore(remember(on.journal, today).orders)

        on.cancel_stop()
        await asyncio.sleep(90)

        [again] = on.venue.open_orders()
        assert (again.order_type, again.quantity, again.stop_price) == ("STP", 2, float(locked_in))
        assert [ticket.stop_price for ticket in on.stops_sent()] == [locked_in]


async def test_a_cancel_that_is_told_is_mended_within_seconds(crew):
    async with crew() as on:
        placed = await on.enter()

        await on.stage.broker.cancel(placed.children[-1].order_id)
        await asyncio.sleep(5)

        assert on.working() == [("STP", "SELL", 2)]


async def test_a_take_profit_gives_way_when_the_stop_is_gone(crew):
    async with crew() as on:
        await on.enter(take_profit_fraction=0.8)

        on.cancel_stop()
        await asyncio.sleep(90)

        assert on.working() == [("STP", "SELL", 2)]


async def test_a_stop_that_is_slow_to_show_is_not_doubled(crew):
    async with crew() as on:
        await on.enter()
        on.stage.gateway.inject(faults.LostAcknowledgement(when_request="place_order", times=1))

        on.cancel_stop()
        await asyncio.sleep(200)

        assert on.working() == [("STP", "SELL", 2)]
        assert len(on.stops_sent()) == 1


async def test_a_stop_that_never_arrives_raises_an_alarm_within_the_deadline(crew):
    async with crew() as on:
        await on.enter()
        on.stage.gateway.inject(faults.Unanswered(when_request="place_order"))

        on.cancel_stop()
        await asyncio.sleep(180)

        [alarm] = [event for event in on.alarms() if event.name.startswith("protection")]
        assert "naked" in alarm.message
        assert on.working() == []


async def test_the_cancel_of_a_stop_that_the_venue_does_not_know_is_asked_for_once(crew):
    async with crew() as on:
        await on.enter()
        on.stage.gateway.inject(faults.Unanswered(when_request="place_order", times=1))
        await on.stage.broker.cancel(on.venue.open_orders()[0].order_id)
        await asyncio.sleep(5)
        [lost] = on.stops_sent()
        on.stage.board.hang_up()
        before = len(on.stage.board.asked("cancel_order"))
        await asyncio.sleep(90)

        assert on.working() == [("STP", "SELL", 2)]
        assert on.stops_sent()[-1].client_order_id != lost.client_order_id
        assert len(on.stage.board.asked("cancel_order")) - before == 1


async def test_a_refused_exit_gets_its_stop_back(crew):
    async with crew() as on:
        await on.enter()
        # Nothing that closes is taken: the exit is refused after its stop was withdrawn.
        on.stage.gateway.inject(
            faults.AnsweredWith(
                when_request="place_order", code=201, text="Order rejected - reason:", times=1
            )
        )

        held = await flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason="test")
        await asyncio.sleep(30)

        assert [row.signed_quantity for row in held] == [2]
        assert on.working() == [("STP", "SELL", 2)]


async def test_an_exit_is_not_joined_by_a_stop_while_it_works(crew):
    async with crew() as on:
        await on.enter()
        on.cancel_stop()
        [position] = await on.stage.broker.positions()
        orders = await on.stage.broker.all_open_orders()
        stop = [row for row in orders if row.order_type == "STP"]
        await on.desk.leave(
            lambda name: (
                plan_exit(position, stop and [], limit_price=Decimal(900), client_order_id=name).ticket
            ),
            ExitCause.MANUAL,
            DAY,
            "far away",
        )
        await asyncio.sleep(100)

        assert on.working() == [("LMT", "SELL", 2)]
        assert any("naked" in alarm.message for alarm in on.alarms())


@pytest.mark.parametrize("lag", [3, 13])
async def test_a_stop_stays_while_its_position_does_not_show_yet(crew, lag, monkeypatch):
    async with crew() as on:
        entry = OrderTicket(contract=on.stage.stock, side="BUY", quantity=2)
        signal = Signal(direction=Direction.UP, confidence=0.5)
        positions, shows_at = on.venue.positions, asyncio.get_running_loop().time() + lag
        monkeypatch.setattr(
            on.venue,
            "positions",
            lambda: positions() if asyncio.get_running_loop().time() >= shows_at else [],
        )
        await on.desk.enter("SPY", Bracket(entry=entry, stop_loss=300), signal, DAY, "")
        await asyncio.sleep(60)

        assert on.working() == [("STP", "SELL", 2)]
        assert len(on.stage.board.asked("cancel_order")) == 0
        assert on.alarms() == []


async def test_a_stop_that_was_taken_for_one_too_many_comes_back_within_seconds(crew, monkeypatch):
    async with crew() as on:
        await on.enter()
        await asyncio.sleep(60)
        positions = on.venue.positions
        monkeypatch.setattr(on.venue, "positions", list)
        await on.protector.check()
        gone = on.working()
        await asyncio.sleep(5)
        monkeypatch.setattr(on.venue, "positions", positions)
        await asyncio.sleep(10)

        assert gone == []
        assert on.working() == [("STP", "SELL", 2)]


async def test_after_a_reconnect_a_naked_position_is_armed_again(crew):
    async with crew() as on:
        await on.enter()
        on.stage.board.hang_up()
        on.cancel_stop()

        await asyncio.sleep(120)

        assert on.working() == [("STP", "SELL", 2)]
        assert len(on.stops_sent()) == 1


async def test_of_two_stops_the_second_is_withdrawn(crew):
    async with crew() as on:
        await on.enter()
        [position] = await on.stage.broker.positions()
        await on.desk.leave(
            lambda name: attrs.evolve(
                plan_exit(position, (), client_order_id=name).ticket,
                order_type="STP",
                stop_price=Decimal("0.5"),
            ),
            ExitCause.MANUAL,
            DAY,
            "one too many",
        )
        await asyncio.sleep(60)

        assert on.working() == [("STP", "SELL", 2)]


async def test_a_position_that_is_not_ours_is_not_touched(crew):
    async with crew() as on:
        quote = await on.stage.broker.quote(on.stage.option)
        entry = build_bracket(quote=quote, quantity=1).entry
        await on.stage.broker.place(entry)
        await asyncio.sleep(120)

        assert on.working() == []
        assert on.stops_sent() == []
        assert [row.state for row in await on.stage.broker.completed_orders()] == [OrderState.FILLED]


async def test_an_exit_counts_orders_of_other_clients(crew):
    async with crew() as on:
        await on.enter()
        [stop] = on.venue.open_orders()
        theirs = attrs.evolve(
            stop,
            client_id=9,
            order_id=1,
            parent_id=0,
            order_type="LMT",
            limit_price=900.0,
            stop_price=None,
            order_ref="",
            transmit=True,
        )
        on.venue.submit(theirs, virtual_clock().now())

        held = await flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason="test")

        assert [row.signed_quantity for row in held] == [2]
        assert "of others" in held[0].reason
        assert sorted(on.working()) == [("LMT", "SELL", 2), ("STP", "SELL", 2)]


async def test_a_combo_of_somebody_else_that_would_sell_a_leg_leaves_no_room_for_a_stop_of_it(crew):
    async with crew() as on:
        await on.enter()
        [stop] = on.venue.open_orders()
        calls = ContractPattern(
            symbol="SPY", sec_type="OPT", right="C", expiry=f"{on.stage.option.expiry:%Y%m%d}"
        )
        others = [row for row in on.stage.gateway.market.find(calls) if row.con_id != stop.contract.con_id]
        numbers = ((stop.contract.con_id, "SELL"), (others[0].con_id, "BUY"))
        legs = [ComboLeg(con_id=number, side=side) for number, side in numbers]
        away = {"order_type": "LMT", "limit_price": -99, "client_order_id": "theirs"}
        await on.stage.broker.place(OrderTicket(contract=Combo("SPY", legs), side="BUY", quantity=2, **away))
        await asyncio.sleep(3)

        on.cancel_stop()
        await asyncio.sleep(60)

        assert on.working() == [("LMT", "BUY", 2)]
        assert [alarm.message.split(":")[0] for alarm in on.alarms()] == ["naked"]


async def test_a_stop_is_asked_for_in_the_wanted_time_in_force(crew):
    async with crew(policy=ProtectionPolicy(tifs=("GTC",)), settings=None) as on:
        await on.enter()
        await asyncio.sleep(60)

        [stop] = on.venue.open_orders()
        assert (stop.order_type, stop.tif, stop.quantity) == ("STP", "GTC", 2)


async def test_a_day_order_with_children_for_longer_is_taken_and_the_children_stay(crew):
    async with crew(settings=None) as on:
        quote = await on.stage.broker.quote(on.stage.option)
        bracket = attrs.evolve(build_bracket(quote=quote, quantity=2), exit_tif="GTC")
        await on.desk.enter("SPY", bracket, Signal(direction=Direction.UP, confidence=0.5), DAY, "")
        await asyncio.sleep(60)

        works = [(row.order_type, row.tif) for row in on.venue.open_orders()]
        [seen] = await on.stage.broker.open_orders()
        entry = next(row for row in on.venue.completed_orders() if row.action == "BUY")
        assert (works, seen.tif, entry.tif) == ([("STP", "GTC")], "GTC", "DAY")


async def test_a_contract_whose_class_is_left_open_is_closed_with_its_children(crew):
    async with crew() as on:
        await on.enter()
        [position] = await on.stage.broker.positions()
        named = attrs.evolve(position.contract, trading_class="")
        assert named != position.contract

        held = await flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason="test", contracts=(named,))

        assert held == ()
        assert on.working() == []
        assert await on.stage.broker.positions() == ()
