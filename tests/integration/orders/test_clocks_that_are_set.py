"""The machine's clock is set while orders work: ages are reckoned by a clock that nobody sets."""

import asyncio
from datetime import date, timedelta

import pytest

from ibkeel.journal import Journal
from ibkeel.model import Bracket, Direction, Grade, OrderState, OrderTicket, Signal
from ibkeel.orders import RepricePolicy
from ibkeel.runner.crew import crew_of
from ibkeel.runner.memory import OwnOrder
from ibkeel.runner.supervisor import Supervisor
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)
HOUR = timedelta(hours=1)


async def test_a_clock_that_is_set_back_keeps_no_position_without_its_stop(crew, set_clock):
    async with crew(clock=set_clock) as on:
        await on.enter()
        set_clock.off = -HOUR

        on.cancel_stop()
        await asyncio.sleep(75)

        assert on.working() == [("STP", "SELL", 2)]
        assert on.alarms() == []


@pytest.mark.parametrize("off", [-HOUR, HOUR])
async def test_an_entry_has_its_time_whatever_the_clock_is_set_to(crew, off, set_clock):
    async with crew(clock=set_clock) as on:
        supervisor = Supervisor(
            on.stage.broker, on.desk, None, set_clock, RepricePolicy(lifetime=90, every=None)
        )
        task = asyncio.create_task(supervisor.run())
        entry = OrderTicket(
            contract=on.stage.stock, side="BUY", quantity=2, order_type="LMT", limit_price=100
        )
        signal = Signal(direction=Direction.UP, confidence=0.5)
        await on.desk.enter("SPY", Bracket(entry=entry, stop_loss=90), signal, DAY, "")
        set_clock.off = off

        await asyncio.sleep(80)
        early = len(on.working())
        await asyncio.sleep(20)
        late = len(on.working())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert (early, late) == (2, 0)


async def test_a_clock_that_is_off_keeps_no_order_of_before_in_doubt(stage):
    async with stage() as on:
        clock = virtual_clock()
        lost = OwnOrder(
            contract=on.option,
            is_entry=True,
            state=OrderState.UNKNOWN,
            placed_at=clock.now() - timedelta(minutes=5),
            is_restored=True,
        )
        with Journal.in_memory() as journal:
            crew = crew_of(on.broker, journal, run="t", symbols=("SPY",), clock=clock, observer=on.told)
            crew.desk.restore({"mine": lost})
            on.gateway.inject(faults.ClockSkew(seconds=3600.0, duration=600.0))
            for _ in range(2):
                await asyncio.sleep(31)
                await crew.watch.catch_up()

            assert (await on.broker.health()).check("clock").grade is Grade.DOWN
            assert crew.desk.state_of("mine") is OrderState.CANCELLED
