import asyncio
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given

from ibkeel.errors import (
    AmbiguousContract,
    InvalidInput,
    NoData,
    NotConnected,
    OrderRefused,
    QuoteUnavailable,
    RequestTimeout,
)
from ibkeel.model import (
    Bar,
    Bars,
    BarSpec,
    Bracket,
    Combo,
    ComboLeg,
    ConId,
    Grade,
    Option,
    OptionChain,
    OptionClass,
    OrderState,
    OrderTicket,
    OrderType,
    Position,
    Quote,
    Right,
    Side,
    Stock,
)
from ibkeel.testing import FakeBroker
from ibkeel.testing import strategies as model
from ibkeel.testing.contract import CHECKS, World, run_check
from ibkeel.virtual import run_virtual, virtual_clock

START = datetime(2025, 3, 14, 14, 30, tzinfo=UTC)
SPY, QQQ = Stock("SPY"), Stock("QQQ")
CALL = Option("SPY", date(2025, 3, 21), Decimal(560), Right.CALL, trading_class="SPY")
PAIR = Combo("SPY", [ComboLeg(con_id=ConId(1), side="BUY"), ComboLeg(con_id=ConId(2), side="SELL")])
MINUTES = BarSpec(duration="3600 S", size="1 min")


def quote(contract, bid, ask, *, seconds=0):
    return Quote(contract=contract, at=START + timedelta(seconds=seconds), bid=bid, ask=ask, last=bid)


def rows(contract=SPY):
    start = START - timedelta(minutes=30)
    minutes = [Bar(start + timedelta(minutes=i), 560.0, 561.0, 559.0, 560.5, 1000.0) for i in range(60)]
    return Bars.from_rows(minutes, contract=contract, spec=MINUTES)


CHAIN = OptionChain(
    underlying=SPY,
    classes=(
        OptionClass(trading_class="SPY", expiries=(CALL.expiry,), strikes=(Decimal(550), Decimal(560))),
    ),
)


def script(*, steps=(), **more):
    return FakeBroker(
        quotes=[quote(SPY, 560.0, 560.02), quote(CALL, 4.0, 4.05), *steps],
        bars=[rows()],
        chains=[CHAIN],
        clock=virtual_clock(),
        **more,
    )


def run(body, **more):
    async def main():
        async with script(**more) as broker:
            return await body(broker)

    return run_virtual(main(), start=START)


@pytest.mark.parametrize("sends_orders", [True, False])
@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_the_fake_broker_keeps_the_contract(check, sends_orders):
    @asynccontextmanager
    async def factory():
        async with script(dry_run=not sends_orders) as broker:
            yield broker, World(stock=SPY, option=CALL, spec=MINUTES, sends_orders=sends_orders)

    ran = run_virtual(run_check(check, factory), start=START)

    assert ran == (check.sends_orders in {None, sends_orders})


def test_a_quote_follows_the_script_of_prices():
    async def body(broker):
        before = await broker.quote(SPY)
        await asyncio.sleep(10)
        return before.bid, (await broker.quote(SPY)).bid

    assert run(body, steps=[quote(SPY, 559.0, 559.02, seconds=10)]) == (560.0, 559.0)


def test_no_bar_is_shown_before_its_time():
    async def body(broker):
        first = await broker.bars(SPY, MINUTES)
        await asyncio.sleep(90)
        return len(first), len(await broker.bars(SPY, MINUTES))

    assert run(body) == (30, 32)


def test_a_quote_or_bars_that_the_script_lacks_are_typed_errors():
    late = Option("SPY", date(2025, 3, 21), Decimal(550), Right.CALL, trading_class="SPY")

    async def body(broker):
        with pytest.raises(QuoteUnavailable, match="the script has none"):
            await broker.quote(late)
        with pytest.raises(NoData, match="5 mins bars of SPY"):
            await broker.bars(SPY, BarSpec(duration="1 D", size="5 mins"))
        with pytest.raises(NoData, match="has no options"):
            await broker.option_chain(QQQ)

    run(body, steps=[quote(late, 9.0, 9.1, seconds=100), quote(QQQ, 480.0, 480.1)])


def test_an_option_without_its_trading_class_is_found_unless_two_fit():
    asked = Option("SPY", CALL.expiry, CALL.strike, Right.CALL)
    other = Option("SPY", CALL.expiry, CALL.strike, Right.CALL, trading_class="2SPY")

    async def alone(broker):
        return (await broker.qualify(asked)).contract

    async def doubled(broker):
        with pytest.raises(AmbiguousContract, match="name the trading class"):
            await broker.quote(asked)

    assert run(alone) == CALL
    run(doubled, steps=[quote(other, 4.0, 4.1)])


def test_a_kind_fails_as_often_as_it_was_told_to():
    async def body(broker):
        broker.fail("quote", RequestTimeout("no answer"), times=2, subject=SPY)
        outcomes = []
        for _ in range(3):
            answers = await broker.quotes([SPY, CALL])
            outcomes.append([type(answer).__name__ for answer in answers.values()])
        return outcomes

    assert run(body) == [["RequestTimeout", "Quote"]] * 2 + [["Quote", "Quote"]]


def test_a_healed_kind_answers_again():
    async def body(broker):
        broker.fail("bars", RequestTimeout("no answer"))
        with pytest.raises(RequestTimeout):
            await broker.bars(SPY, MINUTES)
        broker.heal("bars")
        return await broker.bars(SPY, MINUTES)

    assert len(run(body)) == 30


def test_a_misspelt_kind_is_refused_with_the_valid_ones():
    with pytest.raises(InvalidInput, match="valid: account, all_open_orders, bars"):
        FakeBroker(delays={"qoute": 1.0})


def test_answers_take_the_time_they_were_told_to():
    async def body(broker):
        loop = asyncio.get_running_loop()
        before = loop.time()
        await broker.quote(SPY)
        return loop.time() - before

    assert run(body, delays={"quote": 2.5}) == pytest.approx(2.5, abs=1e-3)


def test_a_session_that_ends_while_a_request_is_open_ends_it():
    async def body(broker):
        waiting = asyncio.ensure_future(broker.quote(SPY))
        await asyncio.sleep(1)
        broker.drop()
        with pytest.raises(NotConnected):
            await waiting

    run(body, delays={"quote": 5.0})


def test_a_bracket_is_protected_and_its_children_exclude_each_other():
    bracket = Bracket(
        entry=OrderTicket(contract=CALL, side=Side.BUY, quantity=2, order_type=OrderType.LMT, limit_price=Decimal("4.05")),
        stop_loss=Decimal("3.20"),
        take_profit=Decimal("5.00"),
    )  # fmt: skip

    async def body(broker):
        placement = await broker.place(bracket)
        held = await broker.positions()
        await asyncio.sleep(61)
        return placement, held, await broker.completed_orders(), await broker.positions()

    steps = [
        quote(CALL, 3.5, 3.6, seconds=30),
        quote(CALL, 3.1, 3.2, seconds=60),
        quote(CALL, 6.0, 6.1, seconds=90),
    ]

    placement, held, ended, left = run(body, steps=steps)

    assert [row.signed_quantity for row in held] == [2]
    assert [row.average_price for row in held] == [4.05]
    assert left == ()
    states = {report.order_id: (report.state, report.average_fill_price) for report in ended}
    profit, stop = placement.children
    assert states[stop.order_id] == (OrderState.FILLED, 3.1)
    assert states[profit.order_id] == (OrderState.CANCELLED, None)


def test_a_stop_with_a_limit_waits_for_its_price_once_triggered():
    ticket = OrderTicket(contract=CALL, side=Side.SELL, quantity=1, order_type=OrderType.STP_LMT,
                         stop_price=Decimal("3.50"), limit_price=Decimal("3.40"))  # fmt: skip

    async def body(broker):
        placement = await broker.place(ticket)
        await asyncio.sleep(25)
        triggered = await broker.open_orders()
        await asyncio.sleep(10)
        return placement, triggered, await broker.executions(), await broker.positions()

    steps = [quote(CALL, 3.3, 3.4, seconds=20), quote(CALL, 3.45, 3.5, seconds=30)]
    held = [Position(account="DU1", contract=CALL, signed_quantity=1, average_price=4.0)]

    placement, triggered, fills, left = run(body, steps=steps, positions=held)

    assert [report.order_id for report in triggered] == [placement.order_id]
    assert [(fill.price, fill.side) for fill in fills] == [(3.45, Side.SELL)]
    assert left == ()


def test_a_final_order_cannot_be_modified_and_a_strange_one_not_cancelled():
    ticket = OrderTicket(contract=SPY, side=Side.BUY, quantity=1)

    async def body(broker):
        placement = await broker.place(ticket)
        with pytest.raises(OrderRefused, match="is filled"):
            await broker.modify(placement.order_id, ticket)
        with pytest.raises(InvalidInput, match="no order 99"):
            await broker.cancel(99)

    run(body)


def test_what_goes_through_zero_is_opened_at_the_new_price():
    async def body(broker):
        await broker.place(OrderTicket(contract=SPY, side=Side.BUY, quantity=1))
        await broker.place(OrderTicket(contract=SPY, side=Side.SELL, quantity=3))
        return await broker.positions()

    (held,) = run(body)

    assert (held.signed_quantity, held.average_price) == (-2, 560.0)


def test_an_order_for_what_has_no_quote_yet_waits_for_the_first():
    late = Option("SPY", date(2025, 3, 21), Decimal(550), Right.CALL, trading_class="SPY")

    async def body(broker):
        await broker.place(OrderTicket(contract=late, side=Side.BUY, quantity=1))
        early = await broker.executions()
        await asyncio.sleep(101)
        return early, [(fill.contract, fill.price) for fill in await broker.executions()]

    assert run(body, steps=[quote(late, 9.0, 9.1, seconds=100)]) == ((), [(late, 9.1)])


def test_a_stream_follows_the_script_and_ends_in_an_error():
    async def body(broker):
        async with aclosing(broker.stream_quotes(SPY)) as stream:
            seen = [(await anext(stream)).bid, (await anext(stream)).bid]
            with pytest.raises(RequestTimeout, match="script of SPY ended"):
                await anext(stream)
        return seen

    assert run(body, steps=[quote(SPY, 559.0, 559.1, seconds=5)]) == [560.0, 559.0]


def test_a_time_limit_on_a_stream_ends_the_wait_alone():
    async def body(broker):
        async with aclosing(broker.stream_quotes(SPY)) as stream:
            seen = [(await anext(stream)).bid]
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(stream), 1)
            return [*seen, (await anext(stream)).bid]

    assert run(body, steps=[quote(SPY, 559.0, 559.1, seconds=5)]) == [560.0, 559.0]


def test_a_broker_told_to_fail_its_health_says_that_it_is_down():
    async def body(broker):
        broker.fail("health", RequestTimeout("server time did not come back"))
        return await broker.health()

    health = run(body)

    assert not health.is_ok
    assert health.round_trip is None


@given(model.quotes(), model.bars(), model.tickets(), model.brackets())
def test_the_strategies_make_valid_values(quote, bars, ticket, bracket):
    assert quote.spread is None or quote.spread > 0
    assert all(bar.low <= min(bar.open, bar.close) for bar in bars)
    assert ticket.quantity > 0
    assert len(bracket.children()) == (1 if bracket.take_profit is None else 2)


def test_the_plugin_gives_its_fixtures(ibkeel_broker, ibkeel_virtual_time):
    assert ibkeel_broker is FakeBroker
    assert ibkeel_virtual_time is run_virtual


@pytest.mark.parametrize(
    ("ticket", "change"),
    [
        (OrderTicket(contract=SPY, side="BUY", quantity=3), Decimal("1680.06")),
        (OrderTicket(contract=SPY, side="SELL", quantity=3), 0),
        (OrderTicket(contract=CALL, side="BUY", quantity=2, order_type="LMT", limit_price="1.50"), 300),
        (OrderTicket(contract=SPY, side="BUY", quantity=1, order_type="STP", stop_price=570), 570),
        (OrderTicket(contract=PAIR, side="BUY", quantity=2, order_type="LMT", limit_price="1.25"), 250),
        (OrderTicket(contract=PAIR, side="BUY", quantity=2, order_type="LMT", limit_price="-1.25"), 0),
        (OrderTicket(contract=PAIR, side="BUY", quantity=2), None),
    ],
)
def test_a_preview_is_that_of_a_cash_account(ticket, change):
    async def scenario():
        script = [quote(SPY, 560.0, 560.02), quote(CALL, 1.4, 1.6)]
        async with FakeBroker(quotes=script, clock=virtual_clock()) as broker:
            return await broker.preview(ticket), await broker.open_orders()

    preview, working = run_virtual(scenario(), start=START)

    assert preview.initial_margin.change == preview.maintenance_margin.change == change
    assert preview.equity_with_loan.after == 100_000
    assert working == ()


@pytest.mark.parametrize("error", [RequestTimeout, "no answer", None])
def test_what_cannot_be_raised_is_refused_and_not_met_by_the_bot(error):
    with pytest.raises(InvalidInput, match="is no BaseException"):
        FakeBroker().fail("quote", error)


def test_a_broker_without_a_session_says_in_its_health_what_to_do():
    async def body(broker):
        await broker.disconnect()
        return await broker.health()

    [check] = run(body).checks

    assert (check.grade, check.remedy) == (Grade.DOWN, "call connect() first")
