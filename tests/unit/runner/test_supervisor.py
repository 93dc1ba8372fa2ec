import asyncio
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace

import attrs
import pytest

from ibkeel.errors import OrderRejected, RequestTimeout
from ibkeel.journal import Intent, Journal
from ibkeel.model import Bracket, Direction, Option, OrderState, OrderTicket, Quote, Right, Side, Signal
from ibkeel.orders import RepricePolicy, build_bracket
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.feed import Feed
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.supervisor import Entered, Supervisor
from ibkeel.runner.tally import Failures, Tally
from ibkeel.telemetry import NullObserver
from ibkeel.testing import FakeBroker
from ibkeel.virtual import virtual_clock

CALL = Option("SPY", date(2026, 1, 16), 560, Right.CALL)
POLICY = RepricePolicy(lifetime=90, every=15, reach=1.0, collar=0.10)
SIGNAL = Signal(direction=Direction.UP, confidence=0.5)
DAY = date(2026, 1, 5)


class Stubborn(FakeBroker):
    """A venue that takes no change of an order and goes on as before."""

    changes = 0

    async def modify(self, order_id, order):
        self.changes += 1
        await asyncio.sleep(0)
        return next(row for row in await self.open_orders() if row.order_id == order_id)


class Racing(Stubborn):
    """One where an order always fills before its cancel arrives."""

    async def cancel(self, order_id):
        ended = await super().cancel(order_id)
        return attrs.evolve(ended, state=OrderState.FILLED, filled=ended.quantity)


class Silent(Stubborn):
    """One that does not say what became of a cancel."""

    async def cancel(self, order_id):
        raise RequestTimeout(f"the cancel of order {order_id} was not answered")


async def entered(tmp_path, kind=FakeBroker, policy=POLICY, rises=0.20, seconds=200):
    """An entry whose market has moved away from it, with its supervisor beside it."""
    clock = virtual_clock()
    start, cheap = clock.now(), {"bid": 4.0, "ask": 4.05}
    dear = {"bid": round(4.0 + rises, 2), "ask": round(4.05 + rises, 2)}
    broker = kind(
        quotes=[
            Quote(contract=CALL, at=start + timedelta(seconds=n), last=4.0, **(dear if n else cheap))
            for n in range(0, 600, 5)
        ],
        clock=clock,
    )
    await broker.connect()
    journal = Journal.open(tmp_path / "journal.sqlite")
    recorder, tally = Recorder(journal), Tally("t", ("SPY",))
    failures = Failures(recorder, tally, clock, NullObserver())
    desk = OrderDesk(
        broker, Feed(broker, recorder, tally, clock), recorder, tally, clock, NullObserver(), "t"
    )
    supervisor = Supervisor(broker, desk, failures, clock, policy)
    bracket = build_bracket(quote=await broker.quote(CALL), quantity=2)
    await asyncio.sleep(6)  # the price has gone when the order comes
    placed = await desk.enter("SPY", bracket, SIGNAL, DAY, "")
    supervisor.mind(placed, Entered(symbol="SPY", bracket=bracket, signal=SIGNAL, session=DAY))
    task = asyncio.create_task(supervisor.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    names = [entry.record.client_order_id for entry in journal.events(Intent)]
    journal.close()
    return SimpleNamespace(broker=broker, desk=desk, names=names, tally=tally, supervisor=supervisor)


def entries(rows):
    return [row for row in rows if row.side == "BUY"]


async def test_an_entry_follows_the_market_and_fills_as_one_order(tmp_path):
    world = await entered(tmp_path, seconds=30)

    (position,) = await world.broker.positions()
    (bought,) = [row for row in await world.broker.executions() if row.side == "BUY"]
    assert position.signed_quantity == 2
    assert bought.price == pytest.approx(4.25)
    assert len(world.names) == 1


async def test_beyond_its_collar_it_waits_and_is_withdrawn_in_time(tmp_path):
    world = await entered(tmp_path, rises=2.0)

    (ended,) = entries(await world.broker.completed_orders())
    assert ended.state is OrderState.CANCELLED
    assert ended.limit_price == Decimal("4.45")
    assert await world.broker.positions() == ()
    assert len(world.names) == 1


@pytest.mark.parametrize(("every", "lists", "quotes"), [(None, 0, 0), (15, 5, 5), (25, 3, 3)])
async def test_nothing_is_asked_before_something_is_due(tmp_path, every, lists, quotes):
    policy = RepricePolicy(lifetime=90, every=every, collar=0.0)

    world = await entered(tmp_path, policy=policy, rises=2.0, seconds=80)

    asked = [call.kind for call in world.broker.calls]
    assert asked.count("open_orders") == lists
    assert asked.count("quote") == 1 + quotes


async def test_when_the_sessions_entries_are_over_it_is_withdrawn(tmp_path):
    policy = attrs.evolve(POLICY, every=None, lifetime=None)

    async def opened():
        world = await entered(tmp_path, policy=policy, seconds=0)
        world.supervisor.ends_at = virtual_clock().now() + timedelta(seconds=30)
        return world

    world = await opened()
    await asyncio.sleep(29)
    await world.supervisor.look()
    before = len(entries(await world.broker.open_orders()))
    await asyncio.sleep(2)
    await world.supervisor.look()

    assert (before, entries(await world.broker.open_orders())) == (1, [])


async def test_where_the_venue_takes_no_change_another_order_takes_its_place(tmp_path):
    world = await entered(tmp_path, Stubborn, seconds=45)

    (ended,) = entries(
        [row for row in await world.broker.completed_orders() if row.state is OrderState.CANCELLED]
    )
    (position,) = await world.broker.positions()
    assert world.broker.changes == 2
    assert position.signed_quantity == 2
    assert len(world.names) == 2
    assert ended.client_order_id == world.names[0]


@pytest.mark.parametrize("kind", [Racing, Silent])
async def test_what_may_have_filled_is_not_replaced(tmp_path, kind):
    world = await entered(tmp_path, kind, seconds=80)

    assert len(world.names) == 1


async def test_a_change_that_is_refused_loudly_counts_too(tmp_path):
    class Loud(FakeBroker):
        async def modify(self, order_id, order):
            raise OrderRejected("Order being modified does not match original order", code=105)

    world = await entered(tmp_path, Loud, seconds=45)

    assert len(world.names) == 2
    assert [row.kind for row in world.tally.errors] == ["OrderRejected"] * 2


async def test_a_change_that_is_not_answered_is_told_and_makes_no_second_order(tmp_path):
    class Mute(FakeBroker):
        async def modify(self, order_id, order):
            raise RequestTimeout(f"the change of order {order_id} was not answered")

    world = await entered(tmp_path, Mute, seconds=80)

    assert len(world.names) == 1
    assert {row.kind for row in world.tally.errors} == {"RequestTimeout"}


async def test_an_entry_without_a_limit_has_no_price_to_follow_with(tmp_path):
    clock = virtual_clock()
    broker = FakeBroker(quotes=[Quote(contract=CALL, at=clock.now(), bid=4.0)], clock=clock)
    await broker.connect()
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        recorder, tally = Recorder(journal), Tally("t", ("SPY",))
        desk = OrderDesk(
            broker, Feed(broker, recorder, tally, clock), recorder, tally, clock, NullObserver(), "t"
        )
        supervisor = Supervisor(broker, desk, Failures(recorder, tally, clock, NullObserver()), clock, POLICY)
        ticket = OrderTicket(contract=CALL, side=Side.BUY, quantity=1, order_type="MKT")
        bracket = Bracket(entry=ticket, stop_loss="3")
        placed = await desk.enter("SPY", bracket, SIGNAL, DAY, "")
        supervisor.mind(placed, Entered(symbol="SPY", bracket=bracket, signal=SIGNAL, session=DAY))

        await asyncio.sleep(500)
        await supervisor.look()

        assert [row.order_type for row in entries(await broker.open_orders())] == ["MKT"]
        assert {call.kind for call in broker.calls}.isdisjoint({"modify", "cancel", "quote"})
        assert tally.errors == []
