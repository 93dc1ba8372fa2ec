"""What the Gateway leaves out, says twice or says of its own accord."""

import asyncio
from contextlib import aclosing
from datetime import date
from decimal import Decimal

import pytest

from ibkeel.errors import (
    AccountMismatch,
    AmbiguousContract,
    InvalidInput,
    NoData,
    OrderRejected,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.ibkr.client import library
from ibkeel.model import BarSpec, Bracket, DataType, Option, OrderTicket, Quote, Right, Stock
from ibkeel.resilience import Deadlines
from ibkeel.sim.codec import REPLIES
from ibkeel.sim.settings import GatewaySettings, Latency

SPY = Stock("SPY")
SPY_ID = 2184611
SLOW = GatewaySettings(latency=Latency(first_tick=3600.0, history=3600.0))
BID, ASK, CLOSE = 1, 2, 9


async def under_way(call):
    """A call whose request has reached the Gateway."""
    task = asyncio.ensure_future(call)
    await asyncio.sleep(1)
    return task


async def test_an_account_without_net_liquidation_is_no_data(stage):
    async with stage(kept_back={"account_summary"}) as on:
        with pytest.raises(NoData, match="equity is unknown, so enter nothing"):
            await on.broker.account()


async def test_profit_before_any_account_update_is_no_data(stage):
    async with stage(kept_back={"account_value"}) as on:
        with pytest.raises(NoData, match="no account update yet"):
            await on.broker.pnl()


async def test_a_definition_that_is_empty_is_an_unknown_contract(stage):
    async with stage(kept_back={"contract_data"}) as on:
        with pytest.raises(UnknownContract, match="sent no definition"):
            await on.broker.qualify(SPY)


async def test_an_underlying_without_options_is_no_data(stage):
    async with stage(kept_back={"option_parameters"}) as on:
        with pytest.raises(NoData, match="SPY has no options"):
            await on.broker.option_chain(SPY)


async def test_history_without_bars_is_no_data(stage):
    async with stage(settings=SLOW) as on:
        task = await under_way(on.broker.bars(SPY, BarSpec()))
        request_id = on.board.asked("historical_data")[0]["request_id"]

        on.board.say("historical_data", request_id=request_id, start="", end="", bars=())

        with pytest.raises(NoData, match="the Gateway sent none"):
            await task


async def test_two_definitions_are_ambiguous_and_that_is_remembered(stage):
    async with stage() as on:
        on.board.names_two(SPY_ID)
        for _ in range(2):
            with pytest.raises(AmbiguousContract, match="fits 2 definitions") as refused:
                await on.broker.qualify(SPY)

        assert "remembered" in str(refused.value)
        assert "(SPY SPY ARCA USD, SPY SPY ARCA USD" in str(refused.value)
        assert len(on.board.asked("contract_details")) == 1


async def test_a_definition_that_comes_twice_is_one(stage):
    async with stage() as on:
        on.board.doubled = {"contract_data"}

        details = await on.broker.qualify(SPY)

        assert details.contract.con_id == SPY_ID


ALL_BUT_ROWS = set(REPLIES) - {"option_parameters", "completed_order"}


async def test_a_gateway_that_says_everything_twice_is_understood_once(stage):
    async with stage() as on:
        on.board.doubled = ALL_BUT_ROWS
        entry = OrderTicket(contract=SPY, side="BUY", quantity=2)
        placement = await on.broker.place(Bracket(entry=entry, stop_loss=300, take_profit=900))
        chain = await on.broker.option_chain(SPY)
        quote = await on.broker.quote(on.option)
        bars = await on.broker.bars(SPY, BarSpec())

        assert [fill.quantity for fill in await on.broker.executions()] == [2.0]
        assert [row.signed_quantity for row in await on.broker.positions()] == [2.0]
        assert [row.order_id for row in await on.broker.open_orders()] == [
            c.order_id for c in placement.children
        ]
        assert len(await on.broker.completed_orders()) == 1
        assert len({(row.exchange, row.trading_class) for row in chain.classes}) == len(chain.classes)
        assert quote.mid is not None
        assert len(bars) > 0
        assert (await on.broker.health()).is_ok


async def test_a_quote_that_stays_one_sided_is_given_as_it_is(stage):
    async with stage(settings=SLOW, quote_one_sided=2.0) as on:
        task = await under_way(on.broker.quote(SPY))
        request_id = on.board.asked("market_data")[0]["request_id"]
        began = asyncio.get_running_loop().time()

        on.board.say("tick_price", request_id=request_id, type=BID, price=480.0, size=100.0)
        quote = await task

        assert (quote.bid, quote.ask, quote.mid) == (480.0, None, None)
        assert asyncio.get_running_loop().time() - began == pytest.approx(2.0, abs=0.1)


async def test_what_is_known_at_the_deadline_is_better_than_nothing(stage):
    async with stage(settings=SLOW, quote_one_sided=60.0, deadlines=Deadlines(quote=5.0)) as on:
        task = await under_way(on.broker.quote(SPY))
        request_id = on.board.asked("market_data")[0]["request_id"]

        on.board.say("tick_price", request_id=request_id, type=BID, price=480.0, size=100.0)

        assert (await task).bid == 480.0


async def test_a_close_alone_is_no_quote(stage):
    async with stage(settings=SLOW, deadlines=Deadlines(quote=5.0)) as on:
        task = await under_way(on.broker.quotes([SPY]))
        request_id = on.board.asked("market_data")[0]["request_id"]

        on.board.say("tick_price", request_id=request_id, type=CLOSE, price=479.0, size=0.0)
        answers = await task

        assert not isinstance(answers[SPY], Quote)


async def test_a_stream_of_delayed_data_says_so_from_its_first_quote(stage):
    async with stage(settings=SLOW) as on, aclosing(on.broker.stream_quotes(SPY)) as stream:
        task = await under_way(anext(stream))
        request_id = on.board.asked("market_data")[0]["request_id"]

        on.board.say(
            "error", request_id=request_id, code=10167, text="Displaying delayed market data.", at_millis=0
        )
        for tick, price in ((BID, 480.0), (ASK, 480.1)):
            on.board.say("tick_price", request_id=request_id, type=tick, price=price, size=100.0)

        assert (await task).data_type is DataType.DELAYED


async def test_ticks_after_the_cancel_disturb_nobody(stage):
    async with stage() as on:
        await on.broker.quote(SPY)
        request_id = on.board.asked("market_data")[0]["request_id"]

        on.board.say("tick_price", request_id=request_id, type=BID, price=1.0, size=1.0)
        on.board.say("error", request_id=request_id, code=300, text="Can't find EId", at_millis=0)
        await asyncio.sleep(0.1)

        assert (await on.broker.quote(SPY)).bid > 1.0
        assert on.broker.ib.tickers() == []


async def test_a_fill_that_is_told_twice_counts_once(stage):
    async with stage() as on:
        await on.broker.place(OrderTicket(contract=SPY, side="BUY", quantity=1))

        first, second = await on.broker.executions(), await on.broker.executions()

        assert len(first) == 1
        assert first == second


async def test_a_family_whose_withdrawal_is_not_confirmed_is_not_called_refused(stage):
    async with stage(deadlines=Deadlines(orders=4.0)) as on:
        entry = OrderTicket(contract=SPY, side="BUY", quantity=1, order_type="LMT", limit_price=100)
        placing = asyncio.ensure_future(on.broker.place(Bracket(entry=entry, stop_loss="90.001")))
        while not on.board.asked("place_order"):
            await asyncio.sleep(0.01)
        on.board.kept_back = {"order_status", "open_order", "error"}
        stop = on.board.asked("place_order")[-1]["order_id"]
        await asyncio.sleep(0.2)
        on.board.say("error", request_id=stop, code=110, text="The price does not conform", at_millis=0)

        with pytest.raises(RequestTimeout, match="was not confirmed within 4 s: their state is unknown"):
            await placing


async def test_a_login_with_two_accounts_wants_one_named(stage):
    async def opened():
        async with stage(account="DU1234567,DU7654321"):
            pytest.fail("nobody knows which account is meant")

    with pytest.raises(AccountMismatch, match=r"DU\*\*\*67, DU\*\*\*21, and no account was named"):
        await opened()


async def test_a_wrong_account_says_what_to_set(stage):
    async def opened():
        async with stage(account="DU1234567,DU7654321"):
            pytest.fail("nobody knows which account is meant")

    with pytest.raises(
        AccountMismatch, match=r"set `live_account` in \[gateway\], .* or log in to the account"
    ):
        await opened()


@pytest.mark.parametrize(
    "ask",
    [
        lambda broker: broker.quote("SPY"),
        lambda broker: broker.quotes(["SPY"]),
        lambda broker: broker.bars("SPY", BarSpec(duration="3600 S", size="1 min")),
        lambda broker: broker.option_chain("SPY"),
    ],
    ids=["quote", "quotes", "bars", "option_chain"],
)
async def test_a_ticker_is_no_contract_and_the_refusal_shows_one(stage, ask):
    async with stage() as on:
        with pytest.raises(
            InvalidInput, match=r"'SPY' (is no contract|has no chain); valid: such as Stock\('SPY'\)"
        ):
            await ask(on.broker)


async def test_a_contract_of_the_client_library_is_no_contract_here(stage):
    theirs = library.Stock("SPY", "SMART", "USD")
    async with stage() as on:
        for asked in (
            on.broker.quote(theirs),
            on.broker.quotes([theirs]),
            on.broker.qualify(theirs),
            on.broker.bars(theirs, BarSpec()),
            anext(on.broker.stream_quotes(theirs)),
        ):
            with pytest.raises(
                InvalidInput, match=r"is no contract; valid: such as Stock\('SPY'\) of ibkeel"
            ):
                await asked


async def test_contracts_may_come_from_an_iterator(stage):
    async with stage() as on:
        answers = await on.broker.quotes(iter([SPY, Stock("QQQ"), SPY]))

    assert [*answers] == [SPY, Stock("QQQ")]


async def test_an_expiry_that_has_passed_is_an_unknown_contract(stage):
    async with stage() as on:
        with pytest.raises(UnknownContract):
            await on.broker.place(
                OrderTicket(
                    contract=Option("SPY", date(2020, 1, 17), Decimal(300), Right.CALL),
                    side="BUY",
                    quantity=1,
                )
            )


async def test_a_refusal_without_a_bracket_withdraws_nothing(stage):
    async with stage() as on:
        with pytest.raises(OrderRejected, match="nothing works at the venue"):
            await on.broker.place(OrderTicket(contract=SPY, side="BUY", quantity=10**6))

        assert on.board.asked("cancel_order") == []
