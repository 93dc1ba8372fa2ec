"""What the broker of backtests says of the account: it is the venue's, and a preview is what comes of the order."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.backtest import VenueBroker
from ibkeel.errors import InvalidInput, OrderRejected, QuoteUnavailable
from ibkeel.model import Grade, Health, HealthCheck, Option, OrderTicket, Right, Side, Stock
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.settings import CommissionPlan, VenueSettings
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")
MARKET = SeededMarket(7, date(2024, 9, 5))
SESSIONS = MARKET.sessions(MARKET.session_date, MARKET.session_date + timedelta(days=1))
CALL = Option("SPY", date(2024, 9, 6), 480, Right.CALL)
ODD = VenueSettings(
    displayed_size_limits=False,
    stock_initial_margin=0.6,
    stock_maintenance_margin=0.3,
    buying_power_factor=3.0,
    stock_commission=CommissionPlan(per_unit=0.013, minimum=0.5),
)


def order(contract=SPY, side=Side.BUY, quantity=100):
    return OrderTicket(contract=contract, side=side, quantity=quantity)


def trading(body, *, start=SESSIONS[0].opens_at + timedelta(hours=1), **options):
    async def main():
        async with VenueBroker(MARKET, clock=virtual_clock(), **{"settings": ODD, **options}) as broker:
            return await body(broker)

    return run_virtual(main(), start=start, travel=False)


def cents(value):
    return Decimal(str(value)).quantize(Decimal("0.01"))


def test_an_account_begins_with_its_cash_and_all_of_it_is_free():
    async def body(broker):
        return await broker.account(), await broker.pnl(), virtual_clock().now()

    account, pnl, now = trading(body, cash=25_000.0)

    assert (account.account, account.at, account.currency) == ("DU0000001", now, "USD")
    assert account.net_liquidation == account.available_funds == account.total_cash == 25_000
    assert (account.buying_power, account.excess_liquidity, account.initial_margin) == (75_000, 25_000, 0)
    assert (pnl.account, pnl.at, pnl.realized, pnl.unrealized) == ("DU0000001", now, 0, 0)


@pytest.mark.parametrize(("contract", "quantity"), [(SPY, 100), (CALL, 3)], ids=["shares", "calls"])
def test_what_a_preview_says_is_what_comes_of_the_order(contract, quantity):
    """In the same second: the market stands still, but for the spread that a purchase pays."""
    fills = []

    async def body(broker):
        before, ticket = await broker.account(), order(contract, quantity=quantity)
        preview, now = await broker.preview(ticket), virtual_clock().now()
        assert await broker.account() == before  # nothing was placed
        await broker.place(ticket)
        return (
            before,
            ticket,
            preview,
            now,
            await broker.account(),
            broker.valuation,
            await broker.positions(),
        )

    before, ticket, preview, now, after, worth, (position,) = trading(body, traded=fills.append)
    [fill] = fills

    assert (preview.ticket, preview.at, preview.currency) == (ticket, now, "USD")
    assert preview.commission == cents(fill.commission) > 0
    for change in (preview.initial_margin, preview.maintenance_margin, preview.equity_with_loan):
        assert change.after - change.before == pytest.approx(change.change, abs=Decimal("0.01"))
    assert preview.initial_margin.before == before.initial_margin == preview.maintenance_margin.before == 0
    assert preview.equity_with_loan.before == before.net_liquidation
    assert float(preview.initial_margin.after) == pytest.approx(float(after.initial_margin), rel=0.001)
    assert float(preview.maintenance_margin.after) == pytest.approx(worth.maintenance, rel=0.001)
    assert float(preview.equity_with_loan.after) == pytest.approx(worth.equity_with_loan, abs=20)
    units = quantity * (100 if contract is CALL else 1)
    assert (position.account, position.contract, position.signed_quantity) == (
        "DU0000001",
        contract,
        quantity,
    )
    assert position.average_price == pytest.approx(fill.price + float(fill.commission) / units)


def test_an_account_is_what_the_venue_reckons_in_cents():
    async def body(broker):
        await broker.place(order(quantity=150))
        await asyncio.sleep(60)
        await broker.place(order(side=Side.SELL, quantity=50))
        await asyncio.sleep(60)
        return broker.valuation, await broker.account(), await broker.pnl()

    worth, account, pnl = trading(body)

    assert account.net_liquidation == cents(worth.cash + worth.stocks)
    assert account.total_cash == cents(worth.cash)
    assert account.initial_margin == cents(0.6 * worth.stocks)
    assert account.available_funds == cents(worth.cash + 0.4 * worth.stocks)
    assert account.buying_power == cents(3 * (worth.cash + 0.4 * worth.stocks))
    assert account.excess_liquidity == cents(worth.cash + 0.7 * worth.stocks)
    assert (pnl.realized, pnl.unrealized) == (cents(worth.realized), cents(worth.unrealized))
    assert 0 not in {pnl.realized, pnl.unrealized}
    total = float(pnl.realized + pnl.unrealized)
    assert float(account.net_liquidation) == pytest.approx(100_000 + total, abs=0.02)


def test_funds_below_zero_buy_nothing():
    async def body(broker):
        return await broker.account()

    account = trading(body, cash=-250.0)

    assert (account.available_funds, account.buying_power) == (-250, 0)


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others():
    async def body(broker):
        placed = await broker.place(order())
        [fill] = await broker.executions()
        return placed.order_id, fill.exec_id

    assert trading(body, seed=1) == trading(body, seed=1) != trading(body, seed=2)
    assert trading(body) == trading(body, seed=0)


def test_what_the_venue_would_refuse_has_no_preview():
    async def body(broker):
        off_the_tick = attrs.evolve(order(), order_type="LMT", limit_price=Decimal("470.001"))
        with pytest.raises(OrderRejected, match=r"^the preview of BUY 100 SPY: .*price") as refused:
            await broker.preview(off_the_tick)
        return refused.value.code, await broker.open_orders()

    assert trading(body) == (110, ())


def test_an_option_ends_at_the_close_of_its_last_session_and_at_no_other():
    ended = []

    async def body(broker):
        await broker.place(order(CALL, quantity=1))
        held = []
        for session in SESSIONS:
            for seconds in (-1, 1):
                at = session.closes_at + timedelta(seconds=seconds)
                await asyncio.sleep((at - virtual_clock().now()).total_seconds())
                held.append(sum(isinstance(row.contract, Option) for row in await broker.positions()))
        await broker.disconnect()
        await asyncio.sleep(7 * 86_400)
        return held, [broker.name_of(row.contract) for row in ended]

    held, names = trading(body, settled=ended.append)

    assert held == [1, 1, 1, 0]
    assert [row.at for row in ended] == [SESSIONS[1].closes_at]
    assert names == [CALL]


def test_what_is_no_order_id_is_told_by_that_name():
    async def body(broker):
        for ask in (broker.cancel("one"), broker.modify("one", order())):
            with pytest.raises(InvalidInput, match=r"^order_id is 'one'"):
                await ask

    trading(body)


def test_one_answer_for_each_that_is_asked_also_where_one_is_not_to_be_had():
    unknown = attrs.evolve(CALL, strike=Decimal("1.23"))

    async def body(broker):
        return await broker.quotes([SPY, unknown, CALL]), await broker.quote(SPY), await broker.quote(CALL)

    answers, share, call = trading(body)

    assert list(answers) == [SPY, unknown, CALL]
    assert (answers[SPY], answers[CALL]) == (share, call)
    assert "does not list" in str(answers[unknown])


def test_the_link_of_a_backtest_is_well_until_it_is_given_up():
    async def body():
        broker = VenueBroker(MARKET, clock=virtual_clock())
        told = [await broker.health()]
        for change in (broker.connect, broker.disconnect, broker.connect):
            await change()
            told.append(await broker.health())
        with pytest.raises(InvalidInput, match="within is 0"):
            await broker.ready(0)
        return told, virtual_clock().now(), await broker.quote(SPY)

    told, now, quote = run_virtual(body(), start=SESSIONS[0].opens_at, travel=False)

    def health(**fields):
        return HealthCheck(name="session", at=now, **fields)

    well = health(grade=Grade.OK, evidence="a backtest has no link to lose")
    down = health(grade=Grade.DOWN, evidence="not connected", remedy="call connect() first")
    assert told[1] == told[3] == Health(checks=(well,), round_trip=0.0)
    assert told[0] == told[2] == Health(checks=(down,), round_trip=None)
    assert quote.at == now


def test_a_stream_that_began_before_the_first_price_waits_for_it():
    class Late(SeededMarket):
        def quote(self, contract, at):
            shown = super().quote(contract, at)
            return shown if at >= begins else shown._replace(bid=None, ask=None, last=None)

    begins = SESSIONS[0].opens_at + timedelta(seconds=90)

    async def body():
        async with VenueBroker(Late(7, MARKET.session_date), clock=virtual_clock()) as broker:
            with pytest.raises(QuoteUnavailable):
                await broker.quote(SPY)
            return (await anext(broker.stream_quotes(SPY))).at

    came = run_virtual(body(), start=SESSIONS[0].opens_at, travel=False)
    assert abs(came - begins) < timedelta(seconds=2)


def test_a_broker_that_was_connected_twice_settles_nothing_once_it_is_disconnected():
    ended = []

    async def body(broker):
        await broker.place(order(CALL, quantity=1))
        await broker.connect()
        await broker.disconnect()
        await asyncio.sleep(timedelta(days=3).total_seconds())

    trading(body, settled=ended.append)

    assert ended == []
