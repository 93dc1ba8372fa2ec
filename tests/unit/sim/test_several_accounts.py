"""Several accounts behind one login, as a plain client sees them."""

import asyncio
from datetime import timedelta

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.ibkr.client import library as ii
from ibkeel.sim import faults
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.venue import Venue

OURS, THEIRS = "DU1234567", "DU7654321"
BOTH = {OURS: 100_000, THEIRS: 5_000}
MARKET = SeededMarket(7)
SESSION = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0]


@pytest.fixture
def played(gateway_run):
    """Plays a scene in the morning, in front of a Gateway of two accounts."""

    def run(scene, **settings):
        venue = Venue(MARKET, further_accounts={THEIRS: 5_000.0})
        start = SESSION.opens_at + timedelta(minutes=90)
        return gateway_run(scene, market=MARKET, venue=venue, start=start, **settings)

    return run


async def spy_of(ib):
    [spy] = await ib.qualifyContractsAsync(ii.Stock("SPY", "SMART", "USD"))
    return spy


async def bought(ib, account, quantity):
    trade = ib.placeOrder(await spy_of(ib), ii.MarketOrder("BUY", quantity, account=account))
    await asyncio.sleep(1)
    assert trade.orderStatus.status == "Filled"
    return trade


def values(ib, tag):
    return {row.account: float(row.value) for row in ib.accountValues() if row.tag == tag}


def test_each_account_has_its_own_cash_positions_and_fills(played):
    async def scene(_gateway, ib):
        before = values(ib, "NetLiquidation")
        for account, quantity in ((OURS, 3), (THEIRS, 2)):
            await bought(ib, account, quantity)
        summary = await ib.accountSummaryAsync()
        fills = await ib.reqExecutionsAsync(ii.ExecutionFilter(acctCode=THEIRS))
        ended = await ib.reqCompletedOrdersAsync(apiOnly=False)
        held = {(row.account, row.position) for row in ib.positions()}
        cash = {row.account: float(row.value) for row in summary if row.tag == "TotalCashValue"}
        return before, held, cash, fills, ended, ib.managedAccounts()

    before, held, cash, fills, ended, names = played(scene)

    assert names == [OURS, THEIRS]
    assert before == BOTH
    assert held == {(OURS, 3), (THEIRS, 2)}
    assert {account: round((BOTH[account] - left) / 478) for account, left in cash.items()} == {
        OURS: 3,
        THEIRS: 2,
    }
    assert [(fill.execution.acctNumber, fill.execution.shares) for fill in fills] == [(THEIRS, 2)]
    assert [row.order.account for row in ended] == [OURS, THEIRS]


def test_streams_tell_of_the_account_that_was_named(played):
    async def scene(_gateway, ib):
        told = []
        ib.accountValueEvent += lambda row: told.append(row.account)
        positions, values_multi = [], []
        ib.wrapper.positionMulti = lambda number, account, *_: positions.append((number, account))
        ib.wrapper.accountUpdateMulti = lambda number, account, *_: values_multi.append((number, account))
        ib.client.reqPositionsMulti(71, THEIRS, "")
        ib.client.reqAccountUpdatesMulti(72, OURS, "", False)
        ib.client.reqPositionsMulti(73, "All", "")
        theirs, everybodys = ib.reqPnL(THEIRS), ib.reqPnL("All")
        await bought(ib, OURS, 1)
        await bought(ib, THEIRS, 2)
        single = ib.reqPnLSingle(THEIRS, "", (await spy_of(ib)).conId)
        await asyncio.sleep(6)
        ids = {row for row in values_multi if row[0] == 72}
        return set(positions), ids, theirs, everybodys, single

    positions, told, theirs, everybodys, single = played(scene)

    assert positions == {(71, THEIRS), (73, OURS), (73, THEIRS)}
    assert told == {(72, OURS)}
    assert single.position == 2
    assert theirs.dailyPnL == pytest.approx(single.dailyPnL, abs=0.5)
    assert everybodys.dailyPnL < theirs.dailyPnL


def test_an_order_must_say_whose_it_is(played):
    async def scene(_gateway, ib):
        spy = await spy_of(ib)
        orders = [ii.MarketOrder("BUY", 1, account=account) for account in ("", "DU9999999")]
        trades = [ib.placeOrder(spy, order) for order in orders]
        await asyncio.sleep(1)
        return [(trade.orderStatus.status, trade.log[-1].errorCode) for trade in trades]

    assert played(scene) == [("Cancelled", 321), ("Cancelled", 321)]


def test_an_order_stays_in_its_account(played):
    async def scene(gateway, ib):
        trade = ib.placeOrder(await spy_of(ib), ii.LimitOrder("BUY", 1, 1.0, account=THEIRS))
        await asyncio.sleep(1)
        trade.order.account = OURS
        ib.placeOrder(trade.contract, trade.order)
        await asyncio.sleep(1)
        return [error[1] for error in ib.errors], [row.account for row in gateway.venue.open_orders()]

    assert played(scene) == ([105], [THEIRS])


def test_funds_and_the_limit_of_orders_are_those_of_the_account(played):
    async def scene(_gateway, ib):
        spy = await spy_of(ib)
        many = [
            ib.placeOrder(spy, ii.LimitOrder("BUY", 1, 1.0, account=account))
            for account in (OURS, THEIRS)
            for _ in range(15)
        ]
        states = [
            await ib.whatIfOrderAsync(spy, ii.LimitOrder("BUY", 1, 400, account=account))
            for account in (OURS, THEIRS)
        ]
        dear = ib.placeOrder(spy, ii.MarketOrder("BUY", 100, account=THEIRS))
        await asyncio.sleep(1)
        before = [float(state.equityWithLoanBefore) for state in states]
        return {trade.orderStatus.status for trade in many}, before, dear.log[-1].errorCode

    assert played(scene) == ({"Submitted"}, [100_000, 5_000], 201)


def test_updates_of_another_account_are_refused_while_a_client_watches_one(played):
    async def scene(_gateway, ib):
        other = ii.IB()
        other.MaxSyncedSubAccounts = 0
        await other.connectAsync("127.0.0.1", 4002, clientId=6)
        ib.client.reqAccountUpdates(True, OURS)
        await asyncio.sleep(1)
        errors = []
        other.errorEvent += lambda *args: errors.append(args[1:3])
        other.client.reqAccountUpdates(True, THEIRS)
        await asyncio.sleep(1)
        refused = values(other, "NetLiquidation")
        ib.client.reqAccountUpdates(True, THEIRS)
        await asyncio.sleep(1)
        other.client.reqAccountUpdates(True, THEIRS)
        await asyncio.sleep(1)
        taken = values(other, "NetLiquidation")
        ib.client.reqAccountUpdates(False, "")
        other.client.reqAccountUpdates(True, OURS)
        await asyncio.sleep(1)
        other.disconnect()
        return errors, refused, taken, values(other, "NetLiquidation")

    errors, refused, taken, last = played(scene)

    assert [code for code, _ in errors] == [2101]
    assert errors[0][1].endswith("a different account.{5}")
    assert (refused, taken) == ({}, {THEIRS: 5_000})
    assert last == BOTH


def test_accounts_out_of_sight_are_told_as_they_were(played):
    async def scene(gateway, ib):
        for account, quantity in ((OURS, 100), (THEIRS, 5)):
            await bought(ib, account, quantity)
        await asyncio.sleep(10)
        gateway.inject(faults.UpstreamLost(duration=900.0))
        await asyncio.sleep(200)
        lost = values(ib, "UnrealizedPnL")
        await asyncio.sleep(360)
        later = values(ib, "UnrealizedPnL")
        await asyncio.sleep(600)
        return lost, later, values(ib, "UnrealizedPnL")

    lost, later, found = played(scene)

    assert lost == later
    assert lost[OURS] != lost[THEIRS]
    assert found.keys() == lost.keys() == BOTH.keys()
    assert found != lost


def test_cash_must_be_a_number_in_every_account():
    with pytest.raises(InvalidInput, match="cash is nan"):
        Venue(MARKET, further_accounts={THEIRS: float("nan")})
