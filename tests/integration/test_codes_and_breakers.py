"""Which codes open the circuit breaker of which service, row by row of the error table."""

import asyncio
from contextlib import asynccontextmanager, suppress

import attrs
import pytest

from ibkeel.errors import CircuitOpen, IbkeelError, NotEntitled, OrderRejected, QuoteUnavailable
from ibkeel.ibkr import ERROR_TABLE, About, Effect, Meaning
from ibkeel.model import BarSpec, OrderTicket, Stock
from ibkeel.orders import ErrorFate
from ibkeel.resilience import BreakerPolicy
from ibkeel.sim.codec import REPLIES
from ibkeel.sim.settings import GatewaySettings, Latency

SPY, QQQ, NEW = Stock("SPY"), Stock("QQQ"), Stock("AAPL")
FAR = OrderTicket(contract=SPY, side="BUY", quantity=5, order_type="LMT", limit_price="100")
NEVER = GatewaySettings(latency=Latency(history=3600.0, first_tick=3600.0, definitions=3600.0))
NO_PRICES = GatewaySettings(latency=Latency(history=3600.0, first_tick=3600.0))
FIRST_FAILURE = BreakerPolicy(failures=1, open_seconds=3600.0, longest_open=3600.0)
SERVICES = ("market data", "historical data", "definitions", "account", "new orders")
EAGER = dict.fromkeys(SERVICES, FIRST_FAILURE)

# Faults of the Gateway; every other code is an answer, be it a refusal.
FAULTS = {About.REQUEST: {100, 320, 322, 323, 504}, About.ORDER: {100, 10328}}


def rows(*about):
    listed = [row for row in ERROR_TABLE.rows if row.about in about and not row.from_client]
    return pytest.mark.parametrize("row", listed, ids=lambda row: f"{row.about.name} {row}")


def text_of(row):
    return f"Before {row.pattern} after"


def opened(on):
    return [event.service for event in on.told.of("ServiceChanged") if event.after == "open"]


async def end(*tasks):
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError, IbkeelError):
            await task


@asynccontextmanager
async def asked(stage, **config):
    """A quote and bars that are never answered."""
    async with stage(settings=NO_PRICES, breakers=EAGER, **config) as on:
        tasks = [
            asyncio.ensure_future(on.broker.quote(SPY)),
            asyncio.ensure_future(on.broker.bars(QQQ, BarSpec())),
        ]
        await asyncio.sleep(1)
        yield on
        await end(*tasks)


def asked_id(on, name):
    return on.board.asked(name)[0]["request_id"]


async def hear(on, request_id, code, text):
    on.board.say("error", request_id=request_id, code=code, text=text, at_millis=0)
    await asyncio.sleep(0.1)


def test_the_codes_that_count_are_those_that_are_listed_here():
    for about, codes in FAULTS.items():
        assert {row.code for row in ERROR_TABLE.rows if row.about is about and row.counts} == codes


@pytest.mark.parametrize(
    ("name", "service"), [("market_data", "market data"), ("historical_data", "historical data")]
)
@rows(About.REQUEST)
async def test_a_row_about_a_request_opens_the_breaker_of_its_service_if_it_counts(stage, row, name, service):
    async with asked(stage) as on:
        await hear(on, asked_id(on, name), row.code, text_of(row))

        assert opened(on) == ([service] if row.counts else [])
        check = (await on.broker.health()).check(f"service {service}")
        assert (check is not None) is row.counts


@pytest.mark.parametrize("row", [row for row in ERROR_TABLE.rows if row.counts][:3], ids=str)
async def test_a_definition_that_fails_opens_its_own_breaker(stage, row):
    async with stage(settings=NEVER, breakers=EAGER) as on:
        asking = asyncio.ensure_future(on.broker.qualify(SPY))
        await asyncio.sleep(0.1)
        await hear(on, asked_id(on, "contract_details"), row.code, text_of(row))

        assert opened(on) == ["definitions"]
        await end(asking)


@rows(About.ORDER, About.CHANGE)
async def test_a_row_about_a_working_order_touches_no_breaker(stage, row):
    async with stage(breakers=EAGER) as on:
        placement = await on.broker.place(FAR)
        await hear(on, placement.order_id, row.code, text_of(row))

        assert opened(on) == []


@rows(About.ORDER)
async def test_a_row_about_a_new_order_opens_no_breaker_but_that_of_orders_and_that_if_it_counts(stage, row):
    async with stage(breakers=EAGER) as on:
        on.board.kept_back = {"open_order", "order_status"}
        placing = asyncio.ensure_future(on.broker.with_deadline(3).place(FAR))
        async with asyncio.timeout(10):
            while not on.board.asked("place_order"):
                await asyncio.sleep(0.001)
        await hear(on, on.board.asked("place_order")[0]["order_id"], row.code, text_of(row))
        with suppress(OrderRejected):
            await placing

        assert opened(on) == (["new orders"] if row.counts else [])


@rows(About.SYSTEM)
async def test_a_row_about_nothing_opens_no_breaker(stage, row):
    async with asked(stage) as on:
        await hear(on, -1, row.code, text_of(row))

        assert opened(on) == []


async def test_a_row_of_the_users_decides_what_an_error_is_and_whether_it_counts(stage):
    mine = Meaning(code=77777, about=About.REQUEST, error=NotEntitled, counts=True, remedy="ring me up")
    async with asked(stage, codes=ERROR_TABLE.with_rows(mine)) as on:
        asking = asyncio.ensure_future(on.broker.quote(NEW))
        await asyncio.sleep(0.1)
        await hear(on, on.board.asked("market_data")[-1]["request_id"], 77777, "nobody knows")

        with pytest.raises(NotEntitled, match="ring me up"):
            await asking
        assert opened(on) == ["market data"]
        with pytest.raises(CircuitOpen, match="NotEntitled"):
            await on.broker.quote(Stock("MSFT"))


async def test_a_row_of_the_users_can_let_a_request_live(stage):
    mine = Meaning(code=354, about=About.REQUEST, effect=Effect.NONE)
    async with asked(stage, codes=ERROR_TABLE.with_rows(mine)) as on:
        before = len(on.told.of("RequestEnded"))
        await hear(on, asked_id(on, "market_data"), 354, "not subscribed")

        assert len(on.told.of("RequestEnded")) == before


async def test_a_row_of_the_users_decides_about_an_order(stage):
    mine = Meaning(code=201, about=About.ORDER, fate=ErrorFate.NOTICE)
    async with stage(codes=ERROR_TABLE.with_rows(mine)) as on:
        placement = await on.broker.place(FAR)
        await hear(on, placement.order_id, 201, "Order rejected - reason: none that counts")

        assert on.told.of("OrderChanged")[-1].state == "working"


async def test_exits_pass_an_open_breaker_of_new_orders(stage):
    async with stage(breakers=EAGER) as on:
        on.board.kept_back = {"open_order", "order_status"}
        await on.broker.with_deadline(1).place(FAR)
        with pytest.raises(CircuitOpen):
            await on.broker.place(FAR)
        on.board.kept_back = set()

        exiting = attrs.evolve(FAR, side="SELL", limit_price="10000", is_closing=True)
        assert (await on.broker.place(exiting)).state == "working"


async def test_a_silent_market_is_no_failure_of_the_service(stage):
    ticks = {name for name in REPLIES if name.startswith("tick")}
    async with stage(breakers=EAGER, kept_back=ticks) as on:
        for contract in (SPY, QQQ):
            with pytest.raises(QuoteUnavailable):
                await on.broker.with_deadline(5).quote(contract)

        assert opened(on) == []
