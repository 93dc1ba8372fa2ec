"""What somebody else holds of a contract that the bot has left is not the bot's; where it may be, it is protected."""

import asyncio
from datetime import date, datetime, time, timedelta

import attrs
import pytest

from ibkeel.model import Direction, Signal
from ibkeel.model.checks import NEW_YORK
from ibkeel.orders import build_bracket
from ibkeel.runner.closing import Handover
from ibkeel.runner.flatten import close_everything, flatten
from ibkeel.runner.memory import remember
from ibkeel.runner.schedule import Session
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)


def others(on, row, **terms):
    """Somebody at another screen sends an order made of one of ours."""
    theirs = {"client_id": 9, "parent_id": 0, "oca_group": "", "order_ref": "", "filled": 0}
    on.venue.submit(
        attrs.evolve(row, **(theirs | {"order_type": "MKT", "stop_price": 0.0} | terms)),
        virtual_clock().now(),
    )


async def held_by_others(on):
    """The bot enters and leaves; then somebody buys one of the same. The bot's stop, for orders like it."""
    await on.enter(take_profit_fraction=0.8)
    stop = next(row for row in on.venue.open_orders() if row.order_type == "STP")
    await flatten(on.stage.broker, on.desk, session=DAY, wait=30, reason="")
    await asyncio.sleep(30)
    assert (on.venue.positions(), on.working()) == ([], [])
    others(on, stop, order_id=1, action="BUY", quantity=1)
    await asyncio.sleep(60)
    return stop


async def test_what_somebody_buys_after_the_bot_left_is_left_alone(crew):
    async with crew() as on:
        await held_by_others(on)

        [held] = await flatten(on.stage.broker, on.desk, session=DAY, wait=30, reason="")

        assert [row.quantity for row in on.venue.positions()] == [1]
        assert (on.working(), on.alarms()) == ([], [])
        left = await Handover(on.stage.broker, on.desk, None).end()
        assert left == "no position that the bot may have opened, and no order of it"
        assert (held.is_ours, held.reason) == (False, "this run did not open it")


async def test_a_person_may_close_it_all_the_same(crew):
    async with crew() as on:
        await held_by_others(on)

        spared = await close_everything(on.stage.broker, on.desk, session=DAY, wait=30)
        closed = await close_everything(on.stage.broker, on.desk, session=DAY, wait=30, everything=True)

        assert (spared.closed, len(spared.untouched)) == ((), 1)
        assert (len(closed.closed), closed.untouched, on.venue.positions()) == (1, (), [])


async def test_when_the_bot_enters_again_nobody_can_tell_and_all_is_protected(crew):
    async with crew() as on:
        await held_by_others(on)

        await on.enter(take_profit_fraction=0.8)
        await asyncio.sleep(60)

        assert sum(size for kind, _, size in on.working() if kind == "STP") == 3


@pytest.mark.parametrize("day", [DAY, date(2026, 1, 6)])
async def test_the_run_that_takes_over_knows_that_the_bot_had_left(crew, day):
    opens = datetime.combine(day, time(9, 30), NEW_YORK)
    async with crew() as on:
        await held_by_others(on)
        [position] = await on.stage.broker.positions()

        session = Session(day=day, opens_at=opens, closes_at=opens + timedelta(hours=6.5))
        on.desk.restore(remember(on.journal, session).orders)

        assert not on.desk.may_own(position)


async def test_what_is_left_of_it_is_the_bots_though_somebody_sold_as_much(crew):
    async with crew() as on:
        await on.enter(take_profit_fraction=0.8)
        stop = next(row for row in on.venue.open_orders() if row.order_type == "STP")
        others(on, stop, order_id=1, quantity=2)
        others(on, stop, order_id=2, action="BUY", quantity=1)
        await asyncio.sleep(60)

        assert [size for kind, _, size in on.working() if kind == "STP"] == [1]


async def test_what_an_exit_sold_too_much_is_the_bots(crew):
    """An entry and its exit filled, and then there is less than nothing: not what a person would do."""
    async with crew() as on:
        stop = await held_by_others(on)
        others(on, stop, order_id=2, action="SELL", quantity=3)
        await asyncio.sleep(120)

        assert "no entry of ours opened it" in on.alarms()[-1].message


async def test_a_desk_that_works_for_months_keeps_only_what_may_still_matter(crew, set_clock):
    async with crew(clock=set_clock) as on:
        await held_by_others(on)
        on.desk.begin_session()
        assert on.desk.contracts == (on.stage.option,)

        set_clock.off = timedelta(days=15)
        on.desk.begin_session()

        assert (on.desk.contracts, on.desk.alive) == ((), ())


async def test_whoever_holds_what_the_bot_left_may_have_a_stop_for_it(crew):
    async with crew() as on:
        stop = await held_by_others(on)
        others(on, stop, order_id=2, action="SELL", quantity=1, order_type="STP", stop_price=stop.stop_price)
        await asyncio.sleep(120)

        assert on.working() == [("STP", "SELL", 1)]
        assert on.alarms() == []


@pytest.mark.parametrize("left_open", [{"trading_class": ""}, {"exchange": "CBOE"}])
async def test_what_was_ordered_with_its_class_left_open_or_at_an_exchange_is_the_bots(crew, left_open):
    next_day = datetime(2026, 1, 6, 9, 30, tzinfo=NEW_YORK)
    async with crew() as on:
        quote = await on.stage.broker.quote(on.stage.option)
        quote = attrs.evolve(quote, contract=attrs.evolve(quote.contract, **left_open, con_id=None))
        up = Signal(direction=Direction.UP, confidence=0.5)
        await on.desk.enter("SPY", build_bracket(quote=quote, quantity=2), up, DAY, "")
        await asyncio.sleep(10)
        on.cancel_stop()
        await asyncio.sleep(90)
        assert on.working() == [("STP", "SELL", 2)]

        later = Session(day=next_day.date(), opens_at=next_day, closes_at=next_day + timedelta(hours=6.5))
        known = remember(on.journal, later).orders
        assert {row.client_order_id for row in await on.stage.broker.open_orders()} <= known.keys()
        held = await flatten(on.stage.broker, on.desk, session=DAY, wait=30, reason="")
        assert (held, on.venue.positions()) == ((), [])


async def test_what_the_bot_buys_after_it_sold_what_others_had_bought_too_is_the_bots(crew):
    """All of an account's position is sold with the bot's; as many sold more as are bought again say nothing of these."""
    async with crew() as on:
        await on.enter(take_profit_fraction=0.8)
        others(on, on.venue.open_orders()[-1], order_id=1, action="BUY")
        await asyncio.sleep(30)
        await flatten(on.stage.broker, on.desk, session=DAY, wait=30, reason="")
        await asyncio.sleep(30)
        assert on.venue.positions() == []

        await on.enter(take_profit_fraction=0.8)
        on.cancel_stop()
        await asyncio.sleep(90)
        assert [size for kind, _, size in on.working() if kind == "STP"] == [2]

        on.cancel_stop()
        held = await flatten(on.stage.broker, on.desk, session=DAY, wait=30, reason="")
        assert (held, on.venue.positions()) == ((), [])
