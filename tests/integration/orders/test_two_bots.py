"""Two bots of one account live beside each other, each with a client id and a journal of its own."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta

import attrs
import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.journal import Intent, Journal, OrderUpdate, RunStarted
from ibkeel.model import Bracket, Direction, OrderReport, OrderState, OrderTicket, Signal, Stock
from ibkeel.orders import EntryIntent, OrderLimits
from ibkeel.runner import Runner, RunnerConfig, Session
from ibkeel.runner.crew import Safety, crew_of
from ibkeel.runner.flatten import flatten
from ibkeel.runner.memory import remember
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.strategy import Needs
from ibkeel.virtual import run_virtual, virtual_clock

DAY = date(2026, 1, 5)
SPY, QQQ = Stock("SPY"), Stock("QQQ")
UP = Signal(direction=Direction.UP, confidence=0.5)
OLD = "ibk-20260105-r1-0001"  # as both were named before names had a mark of their bot
LENIENT = Safety(limits=OrderLimits(max_quote_age=None, live_only=False, max_spread=None, collar=None))
RESTING = {"order_type": "LMT", "limit_price": 100}


@attrs.frozen
class Bot:
    """A broker, a journal and a crew."""

    broker: IBKRBroker
    journal: Journal
    crew: object

    async def enter(self, contract, stop, profit=None, **more):
        entry = OrderTicket(contract=contract, side="BUY", quantity=2, **more)
        bracket = Bracket(entry=entry, stop_loss=stop, take_profit=profit)
        return await self.crew.desk.enter(contract.symbol, bracket, UP, DAY, "")

    def states(self):
        return [row.state for row in remembered(self.journal).values()]


def remembered(journal):
    now = virtual_clock().now()
    hours = Session(day=DAY, opens_at=now - timedelta(hours=5), closes_at=now + timedelta(hours=5))
    return remember(journal, hours).orders


@pytest.fixture
def bots(stage, tmp_path):
    """Gives a way to start bots, of the same run name, on the Gateway of a stage."""

    @asynccontextmanager
    async def opened():
        async with stage(client_id=9) as on, AsyncExitStack() as stack:
            tasks = []

            async def start(client_id, journal, *, ids_above=0):
                clock = virtual_clock()
                config = IBKRConfig(orders="PAPER", client_id=client_id)
                broker = IBKRBroker(config, clock=clock, observer=on.told, jitter=lambda: 0.0)
                await stack.enter_async_context(broker)
                broker.use_order_ids_above(ids_above)
                book = stack.enter_context(Journal.open(tmp_path / journal))
                crew = crew_of(
                    broker, book, run="r1", symbols=(), clock=clock, observer=on.told, safety=LENIENT
                )
                orders = remembered(book)
                crew.desk.restore(orders)
                crew.watch.restore((), is_behind=bool(orders))
                tasks.extend(asyncio.create_task(each) for each in crew.companions())
                await asyncio.sleep(0.1)
                return Bot(broker, book, crew)

            yield on, start
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return opened


def working(on):
    return sorted(
        (row.client_id, row.contract.symbol, row.order_type) for row in on.gateway.venue.open_orders()
    )


def cancels(on):
    return on.board.asked("cancel_order")


@pytest.mark.parametrize("ids_above", [0, 500])
async def test_neither_of_two_bots_touches_the_stop_of_the_other_nor_its_own(bots, ids_above):
    async with bots() as (on, start):
        one, other = await start(1, "one"), await start(2, "other", ids_above=ids_above)
        await one.enter(SPY, 300)
        await other.enter(QQQ, 200)
        await asyncio.sleep(5)

        for bot in (one, other):
            await bot.crew.watch.catch_up()
        await asyncio.sleep(60)

        assert working(on) == [(1, "SPY", "STP"), (2, "QQQ", "STP")]
        assert cancels(on) == []
        assert on.told.of("AlarmRaised") == []
        assert {row.client_id for bot in (one, other) for row in await bot.broker.open_orders()} == {1, 2}


async def test_what_ended_for_one_bot_has_not_ended_for_the_other(bots):
    async with bots() as (_, start):
        one, other = await start(1, "one"), await start(2, "other", ids_above=500)
        resting = await one.enter(SPY, 90, **RESTING)
        await other.enter(QQQ, 200)
        await asyncio.sleep(5)

        await one.crew.watch.catch_up()

        known = dict(one.crew.desk.alive)
        assert known[resting.client_order_id].state is OrderState.WORKING
        assert OrderState.FILLED not in one.states()
        assert one.crew.tally.fills == 0


async def test_two_bots_that_trade_the_same_keep_one_stop_for_each_position(bots):
    async with bots() as (on, start):
        one, other = await start(1, "one"), await start(2, "other")
        await one.enter(SPY, 300)
        await other.enter(SPY, 300)
        await asyncio.sleep(120)

        assert working(on) == [(1, "SPY", "STP"), (2, "SPY", "STP")]
        assert on.told.of("AlarmRaised") == []


async def test_of_two_bots_that_see_one_stop_too_many_one_gives_way(bots):
    async with bots() as (on, start):
        one, other = await start(1, "one"), await start(2, "other")
        await one.enter(SPY, 300)
        await other.enter(SPY, 300)
        await asyncio.sleep(10)
        sold = OrderTicket(contract=SPY, side="SELL", quantity=2, is_closing=True)
        await on.broker.place(sold)  # of another client, so that neither bot gives its stop back
        await asyncio.sleep(120)

        assert working(on) == [(1, "SPY", "STP")]
        assert len(cancels(on)) == 1


async def leave(bot, *, after=0.0):
    await asyncio.sleep(after)
    return await flatten(bot.broker, bot.crew.desk, session=DAY, wait=30, reason="the close")


def sold(on, client_id):
    fills = [fill for fill, _ in on.gateway.venue.executions() if fill.side == "SLD"]
    return sum(fill.quantity for fill in fills if fill.client_id == client_id)


@pytest.mark.parametrize("profit", [None, 9000])
async def test_two_bots_that_leave_the_same_contract_at_one_instant_sell_what_is_held_and_no_more(
    bots, profit
):
    async with bots() as (on, start):
        both = await start(1, "one"), await start(2, "other")
        for bot in both:
            await bot.enter(SPY, 300, profit)
        await asyncio.sleep(10)

        held = await asyncio.gather(*map(leave, both))

        assert held == [(), ()]
        assert (sold(on, 1), sold(on, 2)) == (2.0, 2.0)
        assert working(on) == on.gateway.venue.positions() == []


@pytest.mark.parametrize("profit", [None, 9000])
@pytest.mark.parametrize("after", [step / 20 for step in range(3, 10)])
async def test_a_bot_that_has_no_stop_left_does_not_sell_what_another_is_selling(bots, after, profit):
    async with bots() as (on, start):
        one, other = await start(1, "one"), await start(2, "other")
        await one.enter(SPY, 300, profit)
        await other.enter(SPY, 300, profit)
        await asyncio.sleep(10)
        await on.broker.place(OrderTicket(contract=SPY, side="SELL", quantity=2, is_closing=True))
        await asyncio.sleep(120)  # one of the two has given its stop up

        await asyncio.gather(leave(one), leave(other, after=after), leave(one, after=after))

        assert sold(on, 1) + sold(on, 2) == 2.0
        assert working(on) == on.gateway.venue.positions() == []


async def test_a_bot_leaves_beside_the_bracket_of_another_which_keeps_stop_and_take_profit(bots):
    async with bots() as (on, start):
        one, other = await start(1, "one"), await start(2, "other")
        await one.enter(SPY, 300, 9000)
        await other.enter(SPY, 300, 9000)
        await asyncio.sleep(10)

        await leave(one)
        await asyncio.sleep(60)

        assert (sold(on, 1), sold(on, 2)) == (2.0, 0)
        assert working(on) == [(2, "SPY", "LMT"), (2, "SPY", "STP")]


@pytest.mark.parametrize("after", [step / 20 for step in range(69, 76)])
async def test_an_exit_counts_what_fills_while_it_looks(bots, after):
    async with bots() as (on, start):
        bot = await start(1, "one")
        await bot.enter(SPY, 300)
        resting = await on.broker.place(
            OrderTicket(
                contract=SPY, side="SELL", quantity=1, order_type="LMT", limit_price=900, is_closing=True
            )
        )
        await asyncio.sleep(10)

        leaving = asyncio.create_task(leave(bot))
        await asyncio.sleep(after)
        venue = on.gateway.venue
        [order] = [
            row for row in venue.open_orders() if row.order_id == resting.order_id and row.client_id == 9
        ]
        now = virtual_clock().now()
        venue.submit(attrs.evolve(order, limit_price=1.0, transmit=True), now)
        venue.advance(now)
        await leaving

        assert sold(on, 9) == 1.0
        assert sold(on, 1) <= 1.0


async def test_a_bot_whose_journal_was_lost_names_no_order_as_it_did_before(bots):
    async with bots() as (on, start):
        before = await start(1, "one")
        first = await before.enter(SPY, 300)
        await asyncio.sleep(5)
        await before.broker.disconnect()

        again = await start(1, "another")
        second = await again.enter(QQQ, 200)
        await asyncio.sleep(5)
        await again.crew.watch.catch_up()

        assert first.client_order_id != second.client_order_id
        assert working(on) == [(1, "QQQ", "STP"), (1, "SPY", "STP")]


async def test_under_another_client_id_a_bot_knows_its_orders_and_leaves_them(bots):
    async with bots() as (on, start):
        before = await start(1, "one")
        await before.enter(SPY, 300)
        await asyncio.sleep(5)
        await before.broker.disconnect()
        before.journal.close()

        again = await start(2, "one")
        await again.enter(QQQ, 200)  # its orders bear the same numbers
        await on.broker.place(OrderTicket(contract=SPY, side="SELL", quantity=2, is_closing=True))
        await asyncio.sleep(120)

        assert cancels(on) == []
        assert {row.kind for row in again.crew.tally.errors} == {
            "OrderRefused"
        }  # the alarm; nothing was tried
        assert working(on) == [(1, "SPY", "STP"), (2, "QQQ", "STP")]
        closed, told = on.told.of("AlarmRaised")
        assert closed.message.endswith("Cannot operate on a closed database.")  # of the bot before
        assert "oversized" in told.message
        assert again.crew.desk.unknown_orders == 0


async def traded_by_an_earlier_version(bot, contract, stop, **more):
    """Journals and places what had the same name in each bot."""
    clock, heard = virtual_clock(), []

    async def listen():
        async for event in bot.broker.order_events():
            heard.append(event)  # noqa: PERF401 - it is cancelled, and keeps what it heard

    entry = OrderTicket(contract=contract, side="BUY", quantity=2, client_order_id=OLD, **more)
    order = Bracket(entry=entry, stop_loss=stop)
    intent = EntryIntent(
        client_order_id=OLD, symbol=contract.symbol, at=clock.now(), signal=UP, bracket=order
    )
    began = RunStarted(at=clock.now(), run="r1", session=DAY, mode="PAPER", strategy="s")
    bot.journal.record_all([began, Intent.of(intent)])
    listening = asyncio.create_task(listen())
    await bot.broker.place(order)
    await asyncio.sleep(5)
    listening.cancel()
    reports = [event for event in heard if isinstance(event, OrderReport)]
    bot.journal.record_all([OrderUpdate(at=row.at, report=row) for row in reports])
    return reports


@pytest.mark.parametrize("is_poisoned", [False, True])
async def test_orders_that_two_bots_named_alike_before_an_upgrade_are_told_apart(bots, is_poisoned):
    async with bots() as (on, start):
        one, other = await start(1, "one"), await start(2, "other")
        await traded_by_an_earlier_version(one, SPY, 90, **RESTING)
        theirs = await traded_by_an_earlier_version(other, QQQ, 200)
        if is_poisoned:  # the earlier version took the other's end for its own
            ended = attrs.evolve(theirs[-1], client_id=0, order_id=0, state=OrderState.FILLED)
            one.journal.record(OrderUpdate(at=ended.at, report=attrs.evolve(ended, client_order_id=OLD)))
        paths = one.journal.path, other.journal.path
        for bot in (one, other):
            await bot.broker.disconnect()
            bot.journal.close()

        one, other = [await start(number, path) for number, path in enumerate(paths, 1)]
        for bot in (one, other):
            await bot.crew.watch.catch_up()
        known = dict(one.crew.desk.alive)
        held = await other.enter(QQQ, 200)
        await asyncio.sleep(20)

        assert known[OLD].state is OrderState.WORKING
        assert one.crew.desk.unknown_orders == other.crew.desk.unknown_orders == 0
        assert OLD not in dict(other.crew.desk.alive)
        assert held.client_order_id != OLD
        assert (2, "QQQ", "STP") in working(on)
        assert cancels(on) == []


@attrs.frozen
class Once:
    """Wants a call of its symbol, once."""

    said: list = attrs.field(factory=list)
    name: str = "once"

    def needs(self):
        return Needs()

    def decide(self, _):
        if self.said:
            return Signal(direction=Direction.NONE)
        self.said.append(True)
        return UP


def test_two_whole_runs_of_one_name_trade_a_day_beside_each_other(tmp_path):
    market, held = SeededMarket(7, DAY), []
    opens_at = market.sessions(DAY, DAY)[0].opens_at

    async def trade(client_id, symbol):
        clock, config = virtual_clock(), RunnerConfig(symbols=(symbol,), interval=300.0)
        address = IBKRConfig(orders="PAPER", client_id=client_id)
        async with IBKRBroker(address, clock=clock, jitter=lambda: 0.0) as broker:
            with Journal.open(tmp_path / symbol) as journal:
                runner = Runner(broker, Once(), config, journal, clock=clock, mode="PAPER", run="r1")
                running = asyncio.create_task(runner.run(sessions=1))
                await asyncio.sleep(1200)
                held.append((client_id, runner.report().fills, len(runner.report().errors)))
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                return [entry.record.client_order_id for entry in journal.events(Intent)]

    async def main():
        gateway = SimulatedGateway(market=market, clock=virtual_clock())
        async with gateway.listening("127.0.0.1", 4002):
            names = await asyncio.gather(trade(1, "SPY"), trade(2, "QQQ"))
        return names, gateway.venue

    (one, other), venue = run_virtual(main(), start=opens_at - timedelta(minutes=5))

    assert len(one) == len(other) == 1  # an entry each, and no stop was ever replaced
    assert one != other
    assert sorted(held) == [(1, 1, 0), (2, 1, 0)]
    assert sorted((row.client_id, row.order_type) for row in venue.open_orders()) == [(1, "STP"), (2, "STP")]
