"""An entry that follows the market, by the bytes that the client sent and by the venue's own book."""

import asyncio
from decimal import Decimal

import attrs

from ibkeel.model import Direction, Signal
from ibkeel.orders import RepricePolicy, build_bracket
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.supervisor import Entered, Supervisor
from ibkeel.runner.tally import Failures, Tally
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock

SIGNAL = Signal(direction=Direction.UP, confidence=0.5)
POLICY = RepricePolicy(lifetime=90, every=5, reach=1.0, collar=0.5)


async def follow(on, *, below=Decimal("0.30"), seconds=30, policy=POLICY, fault=None):
    """Enter below the market and let a supervisor look after it; what became of it."""
    clock, tally = virtual_clock(), Tally("t", ("SPY",))
    failures = Failures(Recorder(on.journal), tally, clock, on.stage.told)
    supervisor = Supervisor(on.stage.broker, on.desk, failures, clock, policy)
    quote = await on.stage.broker.quote(on.stage.option)
    usual = build_bracket(quote=quote, quantity=2, stop_fraction=0.5)
    entry = attrs.evolve(usual.entry, limit_price=usual.entry.limit_price - below)
    bracket, day = attrs.evolve(usual, entry=entry), clock.now().date()
    placed = await on.desk.enter("SPY", bracket, SIGNAL, day, "")
    supervisor.mind(placed, Entered(symbol="SPY", bracket=bracket, signal=SIGNAL, session=day))
    if fault:
        on.stage.gateway.inject(fault)
    task = asyncio.create_task(supervisor.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return placed, tally


async def test_the_parent_of_a_bracket_is_changed_in_place_and_fills_once(crew):
    async with crew() as on:
        placed, tally = await follow(on)
        sent = [row for row in on.stage.board.asked("place_order") if row["action"] == "BUY"]
        (position,) = on.venue.positions()

        assert {row["order_id"] for row in sent} == {placed.order_id}
        assert len(sent) >= 2
        assert position.quantity == 2
        assert on.working() == [("STP", "SELL", 2)]
        assert tally.errors == []


async def test_what_stays_out_of_reach_is_withdrawn_with_its_children(crew):
    async with crew() as on:
        await follow(on, seconds=110, policy=attrs.evolve(POLICY, collar=0.0))

        assert on.venue.positions() == []
        assert on.venue.open_orders() == []


async def test_a_change_that_nobody_answers_makes_no_second_order(crew):
    async with crew() as on:
        lost = faults.Unanswered(when_request="place_order", times=1)
        placed, tally = await follow(on, seconds=110, fault=lost)
        sent = [row for row in on.stage.board.asked("place_order") if row["action"] == "BUY"]

        assert {row["order_id"] for row in sent} == {placed.order_id}
        assert sum(row.quantity for row in on.venue.positions()) in {0, 2}
        assert "RequestTimeout" in {row.kind for row in tally.errors}
