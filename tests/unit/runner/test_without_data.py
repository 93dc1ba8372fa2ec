"""A bot whose data are lost: nothing is entered, and what is held is looked after."""

import asyncio

import pytest

from ibkeel.errors import NoData, OrderRefused, RequestTimeout
from ibkeel.journal import CycleDone, Journal, Purpose
from ibkeel.model import ExitPolicy, OrderState, Quote, Stock
from ibkeel.virtual import virtual_clock


def outcomes(world):
    with Journal.open(world.journal) as journal:
        return [entry.record.outcome for entry in journal.events(CycleDone)]


@pytest.mark.parametrize(
    "error", [NoData("no bars"), RequestTimeout("no answer in 60 s")], ids=lambda error: type(error).__name__
)
def test_without_bars_nothing_is_entered(held_day, error):
    world = held_day(prepare=lambda fake: fake.fail("bars", error, subject=Stock("SPY")))

    assert world.intents == []
    assert set(outcomes(world)) == {"failed", "skipped"}


def test_without_a_price_of_the_underlying_nothing_is_entered(held_day):
    async def no_price(contract):
        return Quote(contract=contract, at=virtual_clock().now(), volume=500.0)

    world = held_day(prepare=lambda fake: setattr(fake, "quote", no_price))

    assert world.intents == []
    assert outcomes(world)[0] == "refused"


def test_when_nobody_can_say_whether_a_stop_works_the_report_says_so(held_day):
    async def beside(fake, _):
        await asyncio.sleep(2000)
        fake.fail("place", OrderRefused("no"))
        fake.fail("all_open_orders", RequestTimeout("no answer"))

    world = held_day(beside=beside, exits=ExitPolicy())

    [left] = world.report.held
    assert "nobody knows whether a stop works" in str(left)


def test_what_is_held_when_data_are_lost_keeps_its_stop_and_leaves_before_the_close(held_day):
    stops = []

    async def beside(fake, _):
        await asyncio.sleep(100)
        for kind in ("bars", "quote", "option_chain"):
            fake.fail(kind, RequestTimeout("no answer"))
        await asyncio.sleep(2000)
        stops.extend(row for row in await fake.open_orders() if row.order_type == "STP")

    world = held_day(beside=beside, exits=ExitPolicy())

    assert [row.purpose for row in world.intents] == [Purpose.ENTRY, Purpose.EXIT]
    assert [row.state for row in stops] == [OrderState.ACKNOWLEDGED]
    assert "failed" in outcomes(world)
    assert world.report.held == ()
