"""Two accounts behind one login: what works in the other one is not of this one."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date

import attrs
import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.journal import Journal
from ibkeel.model import Bracket, Direction, OrderTicket, Signal, Stock
from ibkeel.orders import OrderLimits
from ibkeel.runner.crew import Safety, crew_of
from ibkeel.runner.flatten import flatten
from ibkeel.virtual import virtual_clock

OURS, THEIRS = "DU1234567", "DU7654321"
DAY, SPY = date(2026, 1, 5), Stock("SPY")
LENIENT = Safety(limits=OrderLimits(max_quote_age=None, live_only=False, max_spread=None, collar=None))


@pytest.fixture
def two_accounts(crew):
    """Opens a crew that trades one of two accounts and holds two options behind a stop."""

    @asynccontextmanager
    async def opened():
        async with crew(account=OURS, further_accounts={THEIRS: 1e5}, live_account=OURS) as on:
            await on.enter()
            yield on

    return opened


def also_works_elsewhere(on, **changes):
    """The other account holds the same behind the same stop, which another program sent."""
    [stop] = [row for row in on.venue.open_orders() if row.order_type == "STP"]
    copy = {"account": THEIRS, "client_id": 2, "order_ref": "theirs-1", "parent_id": 0, "order_id": 900}
    on.venue.submit(attrs.evolve(stop, **copy | changes, transmit=True), virtual_clock().now())


async def test_a_stop_of_another_account_protects_nothing_here(two_accounts):
    async with two_accounts() as on:
        also_works_elsewhere(on)
        on.cancel_stop()
        await asyncio.sleep(90)

        assert len(on.stops_sent()) == 1
        assert sorted(row.client_id for row in on.venue.open_orders()) == [1, 2]


async def test_a_stop_of_another_account_does_not_take_ours_away(two_accounts):
    async with two_accounts() as on:
        also_works_elsewhere(on)
        await asyncio.sleep(90)

        assert sorted(row.client_id for row in on.venue.open_orders()) == [1, 2]
        assert on.alarms() == []


async def test_an_exit_does_not_wait_for_orders_of_another_account(two_accounts):
    async with two_accounts() as on:
        also_works_elsewhere(on)
        broker = on.stage.broker

        held = await flatten(broker, on.desk, session=DAY, wait=30, reason="the close")

        assert held == ()
        assert on.venue.positions() == []


async def test_what_this_client_sent_for_another_account_is_neither_listed_nor_adopted(two_accounts):
    async with two_accounts() as on:
        also_works_elsewhere(on, client_id=1)
        await on.stage.broker.disconnect()
        config = IBKRConfig(orders="PAPER", port=4002, account=OURS)

        async with IBKRBroker(config, clock=virtual_clock(), observer=on.stage.told) as again:
            ours, everybodys = await again.open_orders(), await again.all_open_orders()
            on.venue.cancel(1, 900, virtual_clock().now())
            ended = await again.completed_orders()

        assert [row.order_type for row in ours] == [row.order_type for row in everybodys] == ["STP"]
        assert "theirs-1" not in [row.client_order_id for row in (*ours, *everybodys, *ended)]
        assert [event.name for event in on.stage.told.of("AlarmRaised")] == []


# Two bots, one in each account, that trade the same.


@pytest.fixture
def bots(stage, tmp_path):
    """Starts a bot in each of two accounts of one Gateway, both with the same run name and client ids of their own."""

    @asynccontextmanager
    async def opened():
        async with (
            stage(further_accounts={THEIRS: 50_000.0}, live_account=OURS, client_id=9) as on,
            AsyncExitStack() as stack,
        ):
            both, tasks = [], []
            for client_id, account in ((1, OURS), (2, THEIRS)):
                clock = virtual_clock()
                config = IBKRConfig(orders="PAPER", client_id=client_id, live_account=account)
                broker = IBKRBroker(config, clock=clock, observer=on.told, jitter=lambda: 0.0)
                await stack.enter_async_context(broker)
                book = stack.enter_context(Journal.open(tmp_path / account))
                crew = crew_of(
                    broker, book, run="r1", symbols=(), clock=clock, observer=on.told, safety=LENIENT
                )
                tasks.extend(asyncio.create_task(each) for each in crew.companions())
                both.append((broker, crew))
            await asyncio.sleep(1)
            yield on, *both
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return opened


async def enter(crew, quantity):
    entry = OrderTicket(contract=SPY, side="BUY", quantity=quantity)
    bracket = Bracket(entry=entry, stop_loss=300, take_profit=900)
    await crew.desk.enter("SPY", bracket, Signal(direction=Direction.UP, confidence=0.5), DAY, "")
    await asyncio.sleep(5)


def held(on):
    return {(each.account, each.quantity) for each in on.gateway.venue.positions()}


def working(on):
    return sorted((row.account, row.order_type, row.quantity) for row in on.gateway.venue.open_orders())


async def test_two_bots_in_two_accounts_mind_their_own_positions_and_stops(bots):
    async with bots() as (on, (_, crew), (_, other)):
        await enter(crew, 2)
        await enter(other, 5)
        await asyncio.sleep(600)

        assert held(on) == {(OURS, 2), (THEIRS, 5)}
        assert working(on) == [(OURS, "LMT", 2), (OURS, "STP", 2), (THEIRS, "LMT", 5), (THEIRS, "STP", 5)]
        assert on.told.of("AlarmRaised") == []


async def test_a_bot_that_goes_flat_leaves_the_same_contract_in_the_other_account(bots):
    async with bots() as (on, (broker, crew), (_, other)):
        await enter(crew, 2)
        await enter(other, 5)

        left = await flatten(broker, crew.desk, session=DAY, wait=30, reason="the close")
        await asyncio.sleep(120)

        assert left == ()
        assert held(on) == {(THEIRS, 5)}
        assert working(on) == [(THEIRS, "LMT", 5), (THEIRS, "STP", 5)]
        assert on.told.of("AlarmRaised") == []


async def test_a_stop_that_vanishes_is_replaced_in_its_own_account(bots):
    async with bots() as (on, (_, crew), (_, other)):
        await enter(crew, 2)
        await enter(other, 5)
        [stop] = [
            row for row in on.gateway.venue.open_orders() if (row.account, row.order_type) == (THEIRS, "STP")
        ]
        on.gateway.venue.cancel(2, stop.order_id, virtual_clock().now())
        await asyncio.sleep(120)

        assert (THEIRS, "STP", 5) in working(on)
        assert (OURS, "STP", 2) in working(on)
