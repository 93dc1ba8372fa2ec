"""The machine's clock is set while orders work: ages are reckoned by a clock that nobody sets."""

import asyncio
from datetime import date, timedelta

import pytest

from ibkeel.model import Bracket, Direction, OrderTicket, Signal
from ibkeel.orders import RepricePolicy
from ibkeel.runner import Supervisor
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)
HOUR = timedelta(hours=1)


class SetClock:
    """Goes with virtual time, but for `off`, by which somebody has set it."""

    def __init__(self):
        self.off = timedelta(0)

    def now(self):
        return virtual_clock().now() + self.off

    def monotonic(self):
        return virtual_clock().monotonic()


async def test_a_clock_that_is_set_back_keeps_no_position_without_its_stop(crew):
    clock = SetClock()
    async with crew(clock=clock) as on:
        await on.enter()
        clock.off = -HOUR

        on.cancel_stop()
        await asyncio.sleep(75)

        assert on.working() == [("STP", "SELL", 2)]
        assert on.alarms() == []


@pytest.mark.parametrize("off", [-HOUR, HOUR])
async def test_an_entry_has_its_time_whatever_the_clock_is_set_to(crew, off):
    clock = SetClock()
    async with crew(clock=clock) as on:
        supervisor = Supervisor(on.stage.broker, on.desk, None, clock, RepricePolicy(lifetime=90, every=None))
        task = asyncio.create_task(supervisor.run())
        entry = OrderTicket(
            contract=on.stage.stock, side="BUY", quantity=2, order_type="LMT", limit_price=100
        )
        signal = Signal(direction=Direction.UP, confidence=0.5)
        await on.desk.enter("SPY", Bracket(entry=entry, stop_loss=90), signal, DAY, "")
        clock.off = off

        await asyncio.sleep(80)
        early = len(on.working())
        await asyncio.sleep(20)
        late = len(on.working())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert (early, late) == (2, 0)
