"""Two accounts behind one login: what works in the other one is not of this one."""

import asyncio
from contextlib import asynccontextmanager
from datetime import date

import attrs
import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.runner.flatten import flatten
from ibkeel.sim.codec import REPLIES
from ibkeel.virtual import virtual_clock

OURS, THEIRS = "DU1234567", "DU7654321"
ACCOUNTS = f"{REPLIES['managed_accounts'].number}\0".encode()


def as_of_two_accounts(payload):
    """The login has both, and the other one's orders are those whose name begins so."""
    if payload.startswith(ACCOUNTS):
        return payload.replace(OURS.encode(), f"{OURS},{THEIRS}".encode())
    return payload.replace(OURS.encode(), THEIRS.encode()) if b"\0theirs" in payload else payload


@pytest.fixture
def two_accounts(crew):
    """Opens a crew that trades one of two accounts and holds two options behind a stop."""

    @asynccontextmanager
    async def opened():
        async with crew(account=OURS, live_account=OURS, altered=as_of_two_accounts) as on:
            await on.enter()
            yield on

    return opened


def also_works_elsewhere(on, **changes):
    """The other account holds the same behind the same stop, which another program sent."""
    [stop] = [row for row in on.venue.open_orders() if row.order_type == "STP"]
    copy = {"client_id": 2, "order_ref": "theirs-1", "parent_id": 0, "order_id": 900, "perm_id": 900}
    on.venue.submit(attrs.evolve(stop, **copy | changes, transmit=True), virtual_clock().now())


async def test_a_stop_of_another_account_protects_nothing_here(two_accounts):
    async with two_accounts() as on:
        also_works_elsewhere(on)
        on.cancel_stop()
        await asyncio.sleep(90)

        assert len(on.stops_sent()) == 1
        assert sorted(row.client_id for row in on.venue.open_orders()) == [1, 2]


async def test_a_stop_of_another_account_does_not_take_ours_away(two_accounts):
    async with two_accounts() as on:
        also_works_elsewhere(on)
        await asyncio.sleep(90)

        assert sorted(row.client_id for row in on.venue.open_orders()) == [1, 2]
        assert on.alarms() == []


async def test_an_exit_does_not_wait_for_orders_of_another_account(two_accounts):
    async with two_accounts() as on:
        also_works_elsewhere(on)
        broker = on.stage.broker

        held = await flatten(broker, on.desk, session=date(2026, 1, 5), wait=30, reason="the close")

        assert held == ()
        assert on.venue.positions() == []


async def test_what_this_client_sent_for_another_account_is_neither_listed_nor_adopted(two_accounts):
    async with two_accounts() as on:
        also_works_elsewhere(on, client_id=1)
        await on.stage.broker.disconnect()
        config = IBKRConfig(orders="PAPER", port=4002, account=OURS)

        async with IBKRBroker(config, clock=virtual_clock(), observer=on.stage.told) as again:
            ours, everybodys = await again.open_orders(), await again.all_open_orders()
            on.venue.cancel(1, 900, virtual_clock().now())
            ended = await again.completed_orders()

        assert [row.order_type for row in ours] == [row.order_type for row in everybodys] == ["STP"]
        assert "theirs-1" not in [row.client_order_id for row in (*ours, *everybodys, *ended)]
        assert [event.name for event in on.stage.told.of("AlarmRaised")] == []
