"""One login with two accounts, over the wire: each session knows its own, and shares the Gateway."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from ibkeel.errors import OrderRejected
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Bracket, OrderTicket
from ibkeel.virtual import virtual_clock

OURS, THEIRS = "DU1234567", "DU7654321"


@pytest.fixture
def two_accounts(stage):
    """Opens a session in the first of two accounts, and gives a way to open more."""

    @asynccontextmanager
    async def opened(**config):
        async with stage(further_accounts={THEIRS: 5_000.0}, live_account=OURS, **config) as on:
            yield on, on.broker, lambda **given: session(on, **given)

    def session(on, **given):
        given = {"orders": "PAPER", "client_id": 2, "account": THEIRS, **given}
        return IBKRBroker(IBKRConfig(**given), clock=virtual_clock(), observer=on.told)

    return opened


def bought(contract, quantity, **more):
    return OrderTicket(contract=contract, side="BUY", quantity=quantity, **more)


async def filled(broker, contract, quantity):
    await broker.place(bought(contract, quantity))
    await asyncio.sleep(3)


def sizes(rows):
    return [(row.account, row.signed_quantity) for row in rows]


@pytest.mark.parametrize("key", ["account", "live_account"])
async def test_two_sessions_share_a_gateway_and_each_reads_its_own_account(two_accounts, key):
    async with two_accounts() as (on, one, session), session(**{"account": None, key: THEIRS}) as other:
        await filled(one, on.option, 2)
        await filled(other, on.stock, 3)
        values, theirs = await one.account(), await other.account()
        profit, their_profit = await one.pnl(), await other.pnl()

        assert sizes(await one.positions()) == sizes(await other.positions(OURS)) == [(OURS, 2)]
        assert sizes(await other.positions()) == sizes(await one.positions(THEIRS)) == [(THEIRS, 3)]
        assert float(values.net_liquidation - profit.unrealized) == pytest.approx(100_000, abs=50)
        assert float(theirs.net_liquidation - their_profit.unrealized) == pytest.approx(5_000, abs=50)
        assert profit.unrealized != their_profit.unrealized
        assert (await one.pnl(THEIRS)).account == THEIRS
        assert [fill.account for fill in await one.executions()] == [OURS]
        assert [fill.account for fill in await other.executions()] == [THEIRS]
        assert [row.quantity for row in await one.completed_orders()] == [2]
        assert [row.quantity for row in await other.completed_orders()] == [3]


async def test_profit_is_told_while_another_program_watches_the_other_account(two_accounts):
    async with two_accounts() as (_, one, session), session() as other:
        other.ib.client.reqAccountUpdates(True, THEIRS)
        await asyncio.sleep(1)
        one.ib.client.reqAccountUpdates(True, OURS)
        await asyncio.sleep(1)

        assert (await one.pnl()).account == OURS
        assert (await other.pnl()).account == THEIRS


async def test_fills_of_the_same_client_id_in_another_account_are_not_ours(two_accounts):
    async with two_accounts() as (on, one, session):
        await filled(one, on.stock, 5)
        await one.disconnect()
        async with session(client_id=1) as other:
            await filled(other, on.stock, 3)

            assert [(fill.account, fill.quantity) for fill in await other.executions()] == [(THEIRS, 3)]


async def test_a_preview_reckons_with_the_funds_of_its_own_account(two_accounts):
    async with two_accounts() as (on, one, session), session() as other:
        ticket = bought(on.stock, 4)
        rich, poor = await one.preview(ticket), await other.preview(ticket)

        assert (rich.equity_with_loan.before, poor.equity_with_loan.before) == (100_000, 5_000)
        with pytest.raises(OrderRejected, match="YOUR ORDER IS NOT ACCEPTED"):
            await other.place(bought(on.stock, 100))


async def test_a_bracket_works_in_its_account_and_is_changed_there(two_accounts):
    async with two_accounts() as (on, one, session), session() as other:
        bracket = Bracket(entry=bought(on.stock, 2), stop_loss=300, take_profit=900)
        placed = await other.place(bracket)
        await asyncio.sleep(3)
        stop = next(row for row in await other.open_orders() if row.order_type == "STP")
        ticket = OrderTicket(
            contract=on.stock, side="SELL", quantity=2, order_type="STP", stop_price=310, is_closing=True
        )
        await other.modify(stop.order_id, ticket)

        assert len(placed.children) == 2
        assert {row.account for row in on.gateway.venue.open_orders()} == {THEIRS}
        assert 310 in [row.stop_price for row in on.gateway.venue.open_orders()]
        assert await one.all_open_orders() == await one.open_orders() == ()
