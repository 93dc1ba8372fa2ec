"""Answers that are of what was asked for, of now, and say what they are; also where the Gateway errs."""

import asyncio
import itertools
import re
from contextlib import aclosing, suppress

import attrs
import pytest

from ibkeel.errors import (
    AccountMismatch,
    AmbiguousContract,
    GatewayRejected,
    InvalidInput,
    NotConnected,
    QuoteUnavailable,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import BarSpec, Grade, OrderTicket, Stock
from ibkeel.monitor import Board
from ibkeel.resilience import Backoff
from ibkeel.sim import GatewaySettings, Latency, SimulatedGateway
from ibkeel.virtual import virtual_clock

SPY = Stock("SPY")
OTHER_SPY = Stock("SPY", con_id=999)  # equal to the other one, for its number plays no part in equality
BID, VOLUME = 1, 8
LOST, RESTORED = (
    (1100, "Connectivity between IB and TWS has been lost."),
    (1102, "restored - data maintained."),
)
BROKEN = 2103, "Market data farm connection is broken:usfarm"
WELL = 2104, "Market data farm connection is OK:usfarm"


def say_error(board, request_id, code, text):
    board.say("error", request_id=request_id, code=code, text=text, advanced_reject="", at_millis=0)


# The contract that was asked for.


async def test_an_order_goes_to_the_number_that_was_named_and_not_to_a_namesake(stage):
    async with stage() as on:
        await on.broker.qualify(SPY)

        with pytest.raises(UnknownContract):
            await on.broker.place(OrderTicket(contract=OTHER_SPY, side="BUY", quantity=1))

        assert on.board.asked("place_order") == []


@pytest.mark.parametrize("call", ["quote", "bars", "option_chain"])
async def test_what_is_known_of_a_namesake_is_not_taken_for_the_answer(stage, call):
    arguments = (BarSpec(),) if call == "bars" else ()
    async with stage() as on, aclosing(on.broker.stream_quotes(SPY)) as stream:
        await anext(stream)
        await getattr(on.broker, call)(SPY, *arguments)

        with pytest.raises(UnknownContract):
            await getattr(on.broker, call)(OTHER_SPY, *arguments)


async def test_namesakes_are_not_asked_for_together_where_one_answer_would_stand_for_both(stage):
    async with stage() as on:
        with pytest.raises(InvalidInput, match="alike but for their con_id"):
            await on.broker.quotes([attrs.evolve(SPY, con_id=998), OTHER_SPY])

        assert on.board.asked("market_data") == []


async def test_a_contract_with_its_number_is_clear_though_its_name_is_not(stage):
    async with stage() as on:
        con_id = (await on.broker.qualify(Stock("SPY", currency="USD"))).contract.con_id
        on.broker.ib.disconnect()
        await asyncio.sleep(30)
        on.board.names_two(con_id)
        with pytest.raises(AmbiguousContract):
            await on.broker.qualify(SPY)
        on.board.doubled = set()

        details = await on.broker.qualify(attrs.evolve(SPY, con_id=con_id))

        assert details.contract.con_id == con_id


async def test_a_contract_that_was_looked_up_by_name_is_known_by_its_number_too(stage):
    async with stage() as on:
        con_id = (await on.broker.qualify(SPY)).contract.con_id

        await on.broker.qualify(attrs.evolve(SPY, con_id=con_id))

        assert len(on.board.asked("contract_details")) == 1


# Prices of now.


@pytest.mark.parametrize(("lost", "restored"), [(LOST, RESTORED), (BROKEN, WELL)])
async def test_after_an_outage_one_tick_does_not_make_the_old_prices_new(stage, lost, restored):
    async with stage() as on, aclosing(on.broker.stream_quotes(SPY)) as stream:
        await anext(stream)
        await asyncio.sleep(3)
        first = await anext(stream)
        [line] = on.board.asked("market_data")
        on.board.kept_back = {"tick_price", "tick_size"}
        say_error(on.board, -1, *lost)
        await asyncio.sleep(20)
        say_error(on.board, -1, *restored)
        await asyncio.sleep(2)

        on.board.say("tick_size", request_id=line["request_id"], type=VOLUME, size=12345.0)
        on.board.say("tick_price", request_id=line["request_id"], type=BID, price=470.0, size=100.0)
        await asyncio.sleep(0.1)
        streamed = await anext(stream)
        on.board.kept_back = set()
        asked = await on.broker.quote(SPY)

        assert (streamed.bid, streamed.ask, streamed.last, streamed.volume) == (470.0, None, None, 12345.0)
        assert streamed.close == first.close is not None
        assert asked.ask is not None
        assert len(on.board.asked("market_data")) == 2


async def test_a_market_without_prices_is_no_outage_of_the_data(stage):
    async with stage(kept_back={"tick_price", "tick_size"}) as on:
        with pytest.raises(QuoteUnavailable, match="is its market open"):
            await on.broker.quote(SPY)

        [check] = [row for row in (await on.broker.health()).checks if row.name == "data path"]
        assert (check.grade, check.remedy) == (Grade.DEGRADED, "is the market open?")


async def test_a_gateway_that_says_nothing_is_not_taken_for_a_closed_market(stage):
    silent = {"market_data_type", "tick_parameters"}
    async with stage(settings=GatewaySettings(latency=Latency(first_tick=3600.0)), kept_back=silent) as on:
        with pytest.raises(QuoteUnavailable, match=r"nor anything else; ask health\(\)"):
            await on.broker.quote(SPY)


# Deadlines.


async def test_the_deadline_of_a_probe_is_the_callers_also_when_another_asks_already(stage):
    async with stage(kept_back={"current_time"}) as on:
        patient = asyncio.create_task(on.broker.with_deadline(300).server_time())
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()

        with pytest.raises(RequestTimeout, match="within 1 s"):
            await on.broker.with_deadline(1).server_time()

        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)
        with pytest.raises(RequestTimeout):
            await patient
        assert asyncio.get_running_loop().time() - began == pytest.approx(5.0)  # as the heartbeat needs it


# What cannot be read.


async def test_a_balance_that_is_no_figure_is_a_typed_error(stage):
    async with stage(kept_back={"account_summary", "account_summary_end"}) as on:
        task = asyncio.create_task(on.broker.account())
        await asyncio.sleep(1)
        [asked] = on.board.asked("account_summary")
        row = {"account": "DU1234567", "tag": "NetLiquidation", "value": "N/A", "currency": "USD"}

        on.board.say("account_summary", request_id=asked["request_id"], **row)
        on.board.say("account_summary_end", request_id=asked["request_id"])

        with pytest.raises(GatewayRejected, match="the balances: the Gateway sent what cannot be read"):
            await task


@pytest.mark.parametrize("others", [{}, {"DU7654321": 1e6}], ids=["one account", "one of two"])
async def test_a_profit_that_is_no_figure_is_a_typed_error(stage, others):
    def altered(payload):
        return re.sub(rb"(UnrealizedPnL\0)[^\0]*", rb"\1N/A", payload)

    async with stage(altered=altered, further_accounts=others, live_account="DU1234567") as on:
        with pytest.raises(GatewayRejected, match="profit and loss: the Gateway sent what cannot be read"):
            await on.broker.pnl()


@pytest.mark.parametrize(
    ("field", "value"),
    [("liquidHours", "20260105:0700-1830,1830-2330"), ("minTick", 0.0), ("timeZoneId", "JST")],
)
async def test_a_definition_that_cannot_be_read_is_a_typed_error(stage, field, value):
    async with stage() as on:
        hear = on.broker.ib.wrapper.contractDetails

        def spoiled(request_id, details):
            setattr(details, field, value)
            hear(request_id, details)

        on.broker.ib.wrapper.contractDetails = spoiled

        with pytest.raises(GatewayRejected):
            await on.broker.qualify(SPY)


# What must not be read.


async def test_an_account_id_in_a_message_of_the_gateway_is_masked_wherever_it_shows(stage):
    async with stage(kept_back={"contract_data", "contract_data_end"}) as on:
        task = asyncio.create_task(on.broker.qualify(SPY))
        await asyncio.sleep(1)
        [asked] = on.board.asked("contract_details")
        say_error(on.board, asked["request_id"], 321, "account DU1234567 may not, token=abcdef")
        with pytest.raises(GatewayRejected) as refused:
            await task
        say_error(on.board, -1, 1100, "Connectivity of U7654321 has been lost")
        await asyncio.sleep(0.1)
        health = await on.broker.health()

        shown = f"{refused.value} {health} {on.told.events}"
        assert "DU***67" in str(refused.value)
        assert "U7***21" in health.entry_refusal
        assert not [word for word in ("1234567", "7654321", "abcdef") if word in shown]


# One account of several.


@pytest.mark.parametrize(("config", "accounts"), [
    ({"orders": "LIVE", "live_account": "U2222222"}, "U1111111,U2222222"),
    ({"orders": "PAPER", "account": "DU2222222"}, "DU1111111,DU2222222"),
    ({"orders": "PAPER", "live_account": "DU2222222"}, "DU1111111,DU2222222"),
])  # fmt: skip
async def test_profit_and_loss_are_those_of_the_account_of_the_session(market, config, accounts):
    await asyncio.sleep(600)
    clock = virtual_clock()
    first, second = accounts.split(",")
    gateway = SimulatedGateway(market=market, clock=clock, account=first, further_accounts={second: 1e6})
    async with (
        gateway.listening("127.0.0.1", 5000),
        IBKRBroker(IBKRConfig(port=5000, **config), clock=clock) as broker,
    ):
        assert (await broker.pnl()).account == second
        assert (await broker.pnl(first)).account == first
        assert gateway.counters.requests["account_updates"] == 0


async def test_accounts_with_a_name_are_shown_by_it_wherever_the_bot_names_one(market):
    clock, names = virtual_clock(), {"DU2222222": "main", "DU3333333": "spare"}
    accounts, board = {"account": "DU1111111", "further_accounts": {"DU2222222": 1e6}}, Board()
    gateway = SimulatedGateway(market=market, clock=clock, **accounts)
    config = IBKRConfig(port=5000, account="DU2222222", aliases=names)
    lost = attrs.evolve(config, account="DU3333333", client_id=2, connect_backoff=Backoff(attempts=1))
    async with (
        gateway.listening("127.0.0.1", 5000),
        IBKRBroker(config, clock=clock, observer=board) as broker,
    ):
        with pytest.raises(InvalidInput, match=r"no account spare; this login has DU\*\*\*11, main"):
            await broker.positions("DU3333333")
        with pytest.raises(
            AccountMismatch, match=r"accounts DU\*\*\*11, main, and account spare is not among"
        ):
            await IBKRBroker(lost, clock=clock).connect()

        assert board.snapshot.session.account == "main"


async def test_whoever_waits_for_bars_less_than_the_gateway_takes_gets_them_and_asks_no_oftener(stage):
    async with stage(settings=GatewaySettings(latency=Latency(history=1.5))) as on:
        found = []
        async with aclosing(on.broker.stream_bars(SPY, BarSpec(duration="60 S", size="1 min"))) as bars:
            while len(found) < 5:
                with suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        found.append((await anext(bars)).at)

            asked = on.gateway.counters.requests["historical_data"]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(bars), 59.2)  # a question is under way
            await on.broker.disconnect()
            with pytest.raises(NotConnected):
                await anext(bars)

        assert {(late - early).total_seconds() for early, late in itertools.pairwise(found)} == {60.0}
        assert asked <= 7
        assert on.gateway.counters.requests["cancel_historical_data"] <= 1


# The library's own questions, by `broker.ib`.


@pytest.mark.parametrize("is_ours_first", [True, False])
async def test_the_library_hears_of_ended_orders_when_it_asks_beside_us(stage, is_ours_first):
    async with stage() as on:
        await on.broker.place(OrderTicket(contract=SPY, side="BUY", quantity=1))
        calls = [on.broker.completed_orders, lambda: on.broker.ib.reqCompletedOrdersAsync(False)]
        if not is_ours_first:
            calls.reverse()

        async with asyncio.timeout(10):
            first, second = await asyncio.gather(*(call() for call in calls))

        assert (len(first), len(second)) == (1, 1)
        assert len(await on.broker.completed_orders()) == 1
