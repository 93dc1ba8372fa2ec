"""The fill of a combo: told as a whole and by its legs, held as its legs alone."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.journal import FillSeen, Journal
from ibkeel.model import ClientOrderId, Combo, ComboLeg, ConId, OrderState, OrderTicket, Position
from ibkeel.runner.desk import OrderDesk, OwnOrder
from ibkeel.runner.feed import Feed
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Tally
from ibkeel.runner.watch import Watch
from ibkeel.sim.values import ContractPattern
from ibkeel.telemetry import OrderFilled
from ibkeel.virtual import virtual_clock

NAME = ClientOrderId("t-1-SPY-entry")


class Told:
    """Keeps what it is told."""

    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


def vertical(on):
    """A call bought, and the next one above it sold."""
    calls = ContractPattern(symbol="SPY", sec_type="OPT", right="C", expiry=f"{on.option.expiry:%Y%m%d}")
    listed = [each for each in on.gateway.market.find(calls) if each.strike >= float(on.option.strike)][:2]
    sides = zip(listed, ("BUY", "SELL"), strict=True)
    return Combo("SPY", [ComboLeg(con_id=ConId(each.con_id), side=side) for each, side in sides])


def watched(on, combo):
    """A runner's watch that owns the order."""
    clock, tally, told, journal = virtual_clock(), Tally("t", ("SPY",)), Told(), Journal.in_memory()
    recorder = Recorder(journal)
    desk = OrderDesk(on.broker, Feed(on.broker, recorder, tally, clock), recorder, tally, clock, told, "t")
    placed_at = datetime(2026, 1, 5, 14, tzinfo=UTC)
    desk.restore(
        {NAME: OwnOrder(contract=combo, is_entry=True, state=OrderState.WORKING, placed_at=placed_at)}
    )

    return Watch(on.broker, desk, recorder, tally, clock, told, health=on.broker.health), told, journal


async def test_a_filled_combo_is_one_order_of_one_and_two_positions(stage):
    async with stage() as on:
        combo = vertical(on)
        watch, told, journal = watched(on, combo)
        ticket = OrderTicket(contract=combo, side="BUY", quantity=1, client_order_id=NAME)
        placement = await on.broker.place(ticket)
        await asyncio.sleep(5)
        await watch.catch_up()
        [report] = [row for row in await on.broker.completed_orders() if row.perm_id]
        positions, fills = await on.broker.positions(), await on.broker.executions()

    assert placement.client_order_id == NAME
    assert (report.state, report.filled) == (OrderState.FILLED, 1.0)
    assert sorted(row.signed_quantity for row in positions if isinstance(row, Position)) == [-1.0, 1.0]
    assert [fill.is_of_combo for fill in fills] == [True, False, False]
    heard = [event for event in told.events if isinstance(event, OrderFilled)]
    assert [event.is_leg for event in heard] == [False, True, True]
    by_adapter = {(row.exec_id, row.is_leg) for row in on.told.events if isinstance(row, OrderFilled)}
    assert by_adapter == {(row.exec_id, row.is_leg) for row in heard}
    with journal:
        assert len(list(journal.events(FillSeen))) == 3


async def test_the_legs_of_a_combo_that_ended_before_a_restart_are_legs(stage):
    async with stage() as on:
        await on.broker.place(OrderTicket(contract=vertical(on), side="BUY", quantity=1))
        await asyncio.sleep(5)
        await on.broker.disconnect()
        told = Told()
        async with IBKRBroker(IBKRConfig(orders="PAPER"), clock=virtual_clock(), observer=told) as broker:
            await broker.executions()

    heard = {(row.exec_id, row.is_leg): None for row in told.events if isinstance(row, OrderFilled)}
    assert [is_leg for _, is_leg in heard] == [False, True, True]
    told_of = Counter(row.exec_id for row in told.events if isinstance(row, OrderFilled))
    assert set(told_of.values()) == {2}  # when it was heard of, and with what it cost
