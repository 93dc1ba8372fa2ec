"""An entry fills while the bot is dead, and the bot comes back after that session's close."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.journal import FillSeen, Journal
from ibkeel.model import Direction, OrderState, Signal
from ibkeel.orders import GapKind, build_bracket
from ibkeel.runner import Runner, RunnerConfig, Session
from ibkeel.runner.closing import Handover
from ibkeel.runner.crew import crew_of
from ibkeel.runner.flatten import close_everything
from ibkeel.runner.memory import remember
from ibkeel.runner.own_orders import is_lost
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.strategy import Needs
from ibkeel.virtual import run_virtual, virtual_clock

DAY = date(2026, 1, 5)
UP = Signal(direction=Direction.UP, confidence=0.5)
# From the close of a session on its successor counts.
NEXT = Session(
    day=date(2026, 1, 6),
    opens_at=datetime(2026, 1, 6, 14, 30, tzinfo=UTC),
    closes_at=datetime(2026, 1, 6, 21, 0, tzinfo=UTC),
)


@attrs.frozen(kw_only=True)
class Revived:
    """A stage, and the journal and the crew of a bot that has come back."""

    stage: object
    broker: IBKRBroker
    journal: Journal
    crew: object

    @property
    def venue(self):
        return self.stage.gateway.venue

    async def catch_up(self):
        await self.crew.watch.reconcile(await self.broker.all_open_orders())

    async def close(self):
        return await close_everything(self.broker, self.crew.desk, session=NEXT.day, wait=10)

    async def announced(self):
        told = []
        await Handover(self.broker, self.crew.desk, told.append).begin()
        return told

    def alarms(self):
        return [event for event in self.stage.told.events if type(event).__name__ == "AlarmRaised"]


@asynccontextmanager
async def life(on, journal, run):
    """A connection and a crew, until the process is killed."""
    clock = virtual_clock()
    config = IBKRConfig(orders="PAPER", client_id=1)
    async with IBKRBroker(config, clock=clock, observer=on.told, jitter=lambda: 0.0) as broker:
        yield crew_of(broker, journal, run=run, symbols=("SPY",), clock=clock, observer=on.told), broker


async def enter(on, journal, *, is_heard):
    """Send an entry below the market, and die a few seconds later; with it or without hearing of it."""
    async with life(on, journal, "r1") as (crew, broker):
        listening = asyncio.create_task(crew.watch.run() if is_heard else asyncio.sleep(0))
        await asyncio.sleep(1)
        quote = await broker.quote(on.option)
        low = attrs.evolve(quote, bid=quote.bid - 0.35, ask=quote.bid - 0.30)
        await crew.desk.enter("SPY", build_bracket(quote=low, quantity=1), UP, DAY, "", quote=quote)
        await asyncio.sleep(3)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def end_the_session(venue, *, does_fill, does_end):
    while does_fill and not venue.positions():
        await asyncio.sleep(5)
    for row in venue.open_orders() if does_end else ():
        venue.cancel(row.client_id, row.order_id, virtual_clock().now())
    await asyncio.sleep(30)


@pytest.fixture
def revived(stage):
    """A bot that has come back after the close of the session in which another sent an entry and was killed."""

    @asynccontextmanager
    async def opened(*, is_heard=True, does_fill=True, does_end=True, later=0):
        async with stage(client_id=9) as on:
            with Journal.in_memory() as journal:
                await enter(on, journal, is_heard=is_heard)
                await end_the_session(on.gateway.venue, does_fill=does_fill, does_end=does_end)
                await asyncio.sleep(later)
                async with life(on, journal, "r2") as (crew, broker):
                    memory = remember(journal, NEXT)
                    crew.desk.restore(memory.orders)
                    crew.watch.restore(memory.fills, is_behind=bool(memory.orders))
                    yield Revived(stage=on, broker=broker, journal=journal, crew=crew)

    return opened


@pytest.mark.parametrize("later", [0, 24 * 3600])
@pytest.mark.parametrize("is_heard", [False, True])
async def test_what_an_entry_has_bought_meanwhile_is_protected_and_closed(revived, is_heard, later):
    async with revived(is_heard=is_heard, later=later) as on:
        await on.catch_up()
        said = await on.announced()
        gaps = await on.crew.protector.check()
        done = await on.close()

        assert said == [f"taken over: +1 {on.stage.option}, WITHOUT A STOP at the venue"]
        assert [gap.kind for gap in gaps] == [GapKind.NAKED]
        assert ([row[:3] for row in done.closed], done.untouched, done.is_flat) == (["+1 "], (), True)
        assert on.venue.positions() == []


@pytest.mark.parametrize("is_heard", [False, True])
async def test_an_entry_that_ended_unfilled_unheard_keeps_nothing_waiting_and_alarms_nobody(
    revived, is_heard
):
    async with revived(is_heard=is_heard, does_fill=False, later=24 * 3600) as on:
        for _ in range(4):
            await on.catch_up()
            await asyncio.sleep(30)

        assert on.crew.desk.unknown_orders == 0
        assert not [name for name, order in on.crew.desk.alive if is_lost(order, is_known=False)]
        assert await on.crew.protector.check() == ()
        assert (await on.close()).is_flat
        assert on.alarms() == []


@pytest.mark.parametrize("is_heard", [False, True])
async def test_an_entry_that_works_after_all_is_looked_after_again(revived, is_heard):
    async with revived(is_heard=is_heard, does_fill=False, does_end=False) as on:
        looking = asyncio.create_task(on.crew.supervisor.run())
        await asyncio.sleep(60)
        unasked = len(on.venue.open_orders())
        on.crew.supervisor.ends_at = virtual_clock().now()
        await on.catch_up()
        await asyncio.sleep(30)
        looking.cancel()

        assert unasked == 2
        assert on.venue.open_orders() == []


async def test_a_fill_that_is_listed_late_is_journaled_once(revived):
    async with revived(is_heard=True) as on:
        await on.catch_up()
        again = remember(on.journal, NEXT)
        on.crew.watch.restore(again.fills, is_behind=True)
        await on.catch_up()

        assert [order.state for order in again.orders.values() if order.is_entry] == [OrderState.FILLED]
        assert on.journal.count(FillSeen) == 1


@attrs.frozen
class Buyer:
    """Wants a call whenever it is asked."""

    name: str = "buyer"

    def needs(self):
        return Needs()

    def decide(self, _):
        return UP


async def lasted(journal, seconds):
    """A whole run that ends after some seconds."""
    clock = virtual_clock()
    address = IBKRConfig(orders="PAPER", client_id=1)
    async with IBKRBroker(address, clock=clock, jitter=lambda: 0.0) as broker:
        runner = Runner(broker, Buyer(), RunnerConfig(symbols=("SPY",)), journal, clock=clock, mode="PAPER")
        running = asyncio.create_task(runner.run())
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_a_stop_that_fills_while_the_bot_is_away_is_journaled_by_a_run_that_begins_after_the_close():
    market = SeededMarket(7, DAY)
    [hours] = market.sessions(DAY, DAY)

    async def main():
        gateway = SimulatedGateway(market=market, clock=virtual_clock())
        async with gateway.listening("127.0.0.1", 4002):
            with Journal.in_memory() as journal:
                await lasted(journal, 500)
                [stop] = gateway.venue.open_orders()
                gateway.venue.submit(
                    attrs.evolve(stop, stop_price=stop.stop_price * 5, transmit=True), hours.opens_at
                )
                await asyncio.sleep((hours.closes_at - hours.opens_at).total_seconds())
                await lasted(journal, 60)
                kept = [entry.record.execution.exec_id for entry in journal.events(FillSeen)]
        return gateway.venue, kept

    venue, kept = run_virtual(main(), start=hours.opens_at - timedelta(minutes=5))

    assert venue.positions() == []
    assert kept == [fill.exec_id for fill, _ in venue.executions()]
    assert len(kept) > 1
