"""A kill switch asks until nothing can open or grow a position any more."""

import asyncio
from contextlib import asynccontextmanager
from datetime import date

import attrs
import pytest

from ibkeel.journal import Journal
from ibkeel.model import Direction, Signal
from ibkeel.orders import build_bracket
from ibkeel.runner import RunnerConfig
from ibkeel.runner.crew import crew_of
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)
SIGNAL = Signal(direction=Direction.UP, confidence=0.5)
PATIENT = RunnerConfig(symbols=("SPY",), entry_lifetime=1800.0, reprice_every=None)


@asynccontextmanager
async def everybody_on(on):
    """A crew at work, whose entries may wait for half an hour."""
    with Journal.in_memory() as journal:
        crew = crew_of(
            on.broker,
            journal,
            run="t",
            symbols=("SPY",),
            config=PATIENT,
            clock=virtual_clock(),
            observer=on.told,
        )
        tasks = [asyncio.create_task(companion) for companion in crew.companions()]
        await asyncio.sleep(2)
        try:
            yield crew
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def halt(crew):
    crew.halting.now("enough", virtual_clock().now())


@pytest.mark.parametrize("code", [161, 10147, 10148])
@pytest.mark.parametrize("below", [0.35, 3.0])
async def test_an_entry_whose_cancel_was_refused_is_cancelled_again(stage, code, below):
    async with stage() as on, everybody_on(on) as crew:
        quote = await on.broker.quote(on.option)
        low = attrs.evolve(quote, bid=round(quote.bid - below, 2), ask=round(quote.bid - below + 0.02, 2))
        await crew.desk.enter("SPY", build_bracket(quote=low, quantity=1), SIGNAL, DAY, "", quote=quote)
        await asyncio.sleep(3)
        refused = faults.AnsweredWith(when_request="cancel_order", code=code, text="not now", times=1)
        on.gateway.inject(refused)

        halt(crew)
        await asyncio.sleep(20)

        assert (on.gateway.venue.open_orders(), on.gateway.venue.positions()) == ([], [])
        assert len(on.board.asked("cancel_order")) == 2
        assert [f"error {code}" in row.message for row in crew.tally.errors] == [True]


async def test_an_entry_that_the_venue_will_not_cancel_is_asked_for_and_told_of_as_long_as_it_works(stage):
    async with stage() as on, everybody_on(on) as crew:
        quote = await on.broker.quote(on.option)
        low = attrs.evolve(quote, bid=round(quote.bid - 3, 2), ask=round(quote.bid - 2.98, 2))
        await crew.desk.enter("SPY", build_bracket(quote=low, quantity=1), SIGNAL, DAY, "", quote=quote)
        await asyncio.sleep(3)
        on.gateway.inject(faults.AnsweredWith(when_request="cancel_order", code=161, text="not now", times=6))

        halt(crew)
        await asyncio.sleep(60)

        assert on.gateway.venue.open_orders() == []
        assert (len(on.board.asked("cancel_order")), len(crew.tally.errors)) == (7, 6)


async def test_what_is_left_of_an_entry_that_filled_in_part_is_cancelled_and_what_filled_keeps_its_stop(
    stage,
):
    async with stage() as on, everybody_on(on) as crew:
        quote = await on.broker.quote(on.option)
        await crew.desk.enter("SPY", build_bracket(quote=quote, quantity=120), SIGNAL, DAY, "", quote=quote)
        await asyncio.sleep(1)
        (held,) = on.gateway.venue.positions()

        halt(crew)
        await asyncio.sleep(60)

        (later,) = on.gateway.venue.positions()
        stops = [row for row in on.gateway.venue.open_orders() if row.order_type == "STP"]
        assert 0 < held.quantity == later.quantity < 120
        assert [row.quantity - row.filled for row in stops] == [held.quantity]
        assert not [row for row in on.gateway.venue.open_orders() if row.action == "BUY"]


async def test_a_halt_asks_for_no_list_while_no_entry_works(stage):
    async with stage() as on, everybody_on(on) as crew:
        before = len(on.board.asked("open_orders"))

        halt(crew)
        await asyncio.sleep(60)

        assert len(on.board.asked("open_orders")) == before
