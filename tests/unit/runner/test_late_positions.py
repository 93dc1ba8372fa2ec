"""The account's list shows what an entry opened only seconds after its fill: the session's end waits for it."""

import asyncio

import pytest

from ibkeel.errors import NotConnected
from ibkeel.testing import FakeBroker
from ibkeel.virtual import virtual_clock

FLATTEN_AT = 3600 - 308.0


def lags(fake, seconds):
    """From now on the venue lists what a purchase opened so much later."""
    listed = fake.positions

    async def positions(account=None):
        now, rows = virtual_clock().now(), await listed(account)
        fills = await FakeBroker.executions(fake)
        fresh = [
            row.contract for row in fills if row.side == "BUY" and (now - row.at).total_seconds() < seconds
        ]
        return tuple(row for row in rows if row.contract not in fresh)

    fake.positions = positions


@pytest.mark.parametrize("lag", [0.0, 8.0])
@pytest.mark.parametrize("since", [1.0, 6.0])
def test_what_filled_right_before_the_session_ends_is_closed_with_it(held_day, lag, since):
    async def beside(fake, _):
        await asyncio.sleep(3590)
        return await FakeBroker.positions(fake), await fake.open_orders()

    day = held_day(
        config={
            "interval": FLATTEN_AT - since,
            "entries_stop_before_close": 0.0,
            "flatten_before_close": 3600 - FLATTEN_AT,
        },
        prepare=lambda fake: lags(fake, lag),
        beside=beside,
    )

    assert [row.purpose for row in day.intents] == ["entry", "exit"]
    assert day.found == ((), ())
    assert day.report.held == ()


@pytest.mark.parametrize("left", [7, 9, 14, 20])
@pytest.mark.parametrize("kind", ["positions", "place", "cancel"])
def test_a_gateway_that_comes_back_seconds_before_the_close_is_used(held_day, left, kind):
    def prepare(fake):
        loop = asyncio.get_running_loop()
        loop.call_later(2990, fake.fail, kind, NotConnected("no session; nothing was sent"))
        loop.call_later(3600 - left, fake.heal, kind)

    async def beside(fake, _):
        await asyncio.sleep(3599.9)
        return await FakeBroker.positions(fake)

    day = held_day(prepare=prepare, beside=beside)

    assert day.found == ()
    assert day.report.held == ()


def test_right_before_the_close_no_exit_is_begun_that_could_come_after_it(held_day):
    def prepare(fake):
        loop = asyncio.get_running_loop()
        loop.call_later(2990, fake.fail, "positions", NotConnected("no session"))
        loop.call_later(3598, fake.heal, "positions")

    day = held_day(prepare=prepare)

    assert [row.purpose for row in day.intents] == ["entry"]
    assert [row.is_leaving for row in day.report.held] == [False]
