"""A take profit never outlives its position, nor is it larger, whoever closed that and wherever."""

import asyncio
from datetime import date

import attrs
import pytest

from ibkeel.model import Bracket, Direction, OrderTicket, Signal
from ibkeel.runner.flatten import flatten
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)
PROFIT, STOP = "LMT", "STP"


def person(on, **terms):
    """Somebody at another screen sends an order for what the bot holds."""
    stop = next(row for row in on.venue.open_orders() if row.order_type == STOP)
    theirs = attrs.evolve(
        stop, **({"client_id": 9, "order_id": 1, "parent_id": 0, "oca_group": "", "order_ref": ""} | terms)
    )
    on.venue.submit(theirs, virtual_clock().now())


def sell_by_hand(on, quantity):
    person(on, order_type="MKT", stop_price=0.0, quantity=quantity)


def quantities(on):
    return [row.quantity for row in on.venue.positions()]


async def until(condition, seconds):
    for _ in range(seconds):
        if condition():
            return
        await asyncio.sleep(1)


async def test_a_bracket_with_a_take_profit_is_left_alone(crew):
    async with crew() as on:
        await on.enter(take_profit_fraction=0.8)
        await asyncio.sleep(120)

        assert on.working() == [(PROFIT, "SELL", 2), (STOP, "SELL", 2)]
        assert on.alarms() == []


async def test_when_somebody_sells_all_the_take_profit_goes_and_a_person_hears_why(crew):
    async with crew() as on:
        await on.enter(take_profit_fraction=0.1, stop_fraction=0.5)
        sell_by_hand(on, 2)
        await asyncio.sleep(60)
        works = on.working()
        await asyncio.sleep(20_000)

        assert works == []
        assert quantities(on) == []
        [alarm] = on.alarms()
        assert "0 SPY" in alarm.message
        assert "was cancelled" in alarm.message


async def test_when_somebody_sells_half_the_take_profit_is_cut_and_closes_the_other_half(crew):
    async with crew() as on:
        await on.enter(take_profit_fraction=0.1, stop_fraction=0.5)
        sell_by_hand(on, 1)
        await asyncio.sleep(60)
        works = on.working()
        await until(lambda: not on.venue.positions(), 20_000)
        await asyncio.sleep(60)

        assert works == [(PROFIT, "SELL", 1), (STOP, "SELL", 1)]
        assert (quantities(on), on.working()) == ([], [])
        [alarm] = on.alarms()
        assert "cut from 2 to 1" in alarm.message


async def test_when_somebody_buys_more_a_stop_comes_for_it_and_the_take_profit_stays(crew):
    async with crew() as on:
        await on.enter(take_profit_fraction=0.8)
        person(on, action="BUY", order_type="MKT", stop_price=0.0, quantity=1)
        await asyncio.sleep(120)

        assert quantities(on) == [3]
        assert on.working() == [(PROFIT, "SELL", 2), (STOP, "SELL", 2), (STOP, "SELL", 1)]
        assert on.alarms() == []


@pytest.mark.parametrize("lag", [3, 13])
async def test_a_take_profit_stays_while_its_position_does_not_show_yet(crew, lag, monkeypatch):
    async with crew() as on:
        positions, shows_at = on.venue.positions, asyncio.get_running_loop().time() + lag
        monkeypatch.setattr(
            on.venue,
            "positions",
            lambda: positions() if asyncio.get_running_loop().time() >= shows_at else [],
        )
        await on.enter(take_profit_fraction=0.8)
        await asyncio.sleep(60)

        assert on.working() == [(PROFIT, "SELL", 2), (STOP, "SELL", 2)]
        assert on.alarms() == []


async def test_the_children_of_an_entry_that_waits_stay(crew):
    async with crew() as on:
        entry = OrderTicket(
            contract=on.stage.option, side="BUY", quantity=2, order_type="LMT", limit_price="0.05"
        )
        bracket = Bracket(entry=entry, stop_loss="0.01", take_profit=900)
        await on.desk.enter("SPY", bracket, Signal(direction=Direction.UP, confidence=0.5), DAY, "")
        await asyncio.sleep(120)

        assert on.working() == [(PROFIT, "BUY", 2), (PROFIT, "SELL", 2), (STOP, "SELL", 2)]


async def test_while_positions_cannot_be_read_nothing_is_cancelled(crew):
    async with crew() as on:
        await on.enter(take_profit_fraction=0.8)
        await asyncio.sleep(20)
        on.stage.gateway.inject(faults.Unanswered(when_request="positions"))
        sell_by_hand(on, 2)
        await asyncio.sleep(60)

        assert on.working() == [(PROFIT, "SELL", 2), (STOP, "SELL", 2)]


async def test_a_stop_that_goes_with_its_take_profit_comes_back_for_what_is_held(crew):
    async with crew() as on:
        await on.enter(take_profit_fraction=0.8)
        sell_by_hand(on, 1)
        await asyncio.sleep(60)
        for row in on.venue.open_orders():  # a venue may end a group when one of it is cancelled
            on.venue.cancel(row.client_id, row.order_id, virtual_clock().now())
        await asyncio.sleep(90)

        assert on.working() == [(STOP, "SELL", 1)]
        assert quantities(on) == [1]


async def test_the_take_profit_of_somebody_else_is_not_touched_and_told_of(crew):
    async with crew() as on:
        await on.enter()
        person(on, action="BUY", order_type="MKT", stop_price=0.0)
        person(on, order_id=2, parent_id=1, order_type="LMT", limit_price=900.0, stop_price=None)
        person(on, order_id=3, order_type="MKT", stop_price=0.0, quantity=4)
        await asyncio.sleep(90)

        assert (on.working(), quantities(on)) == ([(PROFIT, "SELL", 2)], [])
        [alarm] = on.alarms()
        assert "take profits for 2; it could not be mended" in alarm.message


async def test_a_take_profit_that_cannot_be_cancelled_is_told_of_in_time(crew):
    async with crew() as on:
        await on.enter(take_profit_fraction=0.8)
        on.stage.gateway.inject(faults.Unanswered(when_request="cancel_order"))
        sell_by_hand(on, 2)
        await asyncio.sleep(90)

        assert (PROFIT, "SELL", 2) in on.working()
        assert any("could not be mended" in alarm.message for alarm in on.alarms())


async def test_a_short_that_no_entry_of_ours_opened_gets_no_stop_and_is_told_of(crew):
    async with crew() as on:
        await on.enter()
        sell_by_hand(on, 4)
        await asyncio.sleep(300)

        assert (on.working(), quantities(on)) == ([], [-2])
        assert on.stops_sent() == []
        assert any(
            "naked" in row.message and "no entry of ours opened it" in row.message for row in on.alarms()
        )


async def test_closing_withdraws_both_children_and_sells_once(crew):
    async with crew() as on:
        await on.enter(take_profit_fraction=0.8)

        held = await flatten(on.stage.broker, on.desk, session=DAY, wait=30, reason="test")
        await asyncio.sleep(60)

        assert (held, on.working(), quantities(on)) == ((), [], [])
        assert on.alarms() == []
