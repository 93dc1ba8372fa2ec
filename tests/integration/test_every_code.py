"""Every error code that a Gateway can send, over the wire, at a request, an order and at nothing."""

import asyncio
from contextlib import asynccontextmanager, nullcontext, suppress

import attrs
import pytest

from ibkeel.errors import (
    AmbiguousContract,
    CompetingSession,
    DataUnavailable,
    GatewayRejected,
    NoData,
    NotEntitled,
    OrderRejected,
    PacingExceeded,
    RequestFailed,
    UnknownContract,
)
from ibkeel.ibkr import ERROR_TABLE, About, Effect, Reaction
from ibkeel.ibkr.code_rows import REFUSED_CHANGES
from ibkeel.model import BarSpec, DataType, OrderState, OrderTicket, Stock
from ibkeel.orders import ErrorFate
from ibkeel.sim.settings import GatewaySettings, Latency

SPY, QQQ = Stock("SPY"), Stock("QQQ")
FAR = OrderTicket(contract=SPY, side="BUY", quantity=5, order_type="LMT", limit_price="100")
NEVER = GatewaySettings(latency=Latency(history=3600.0, first_tick=3600.0))
BID, ASK = 1, 2

FROM_A_GATEWAY = [row for row in ERROR_TABLE.rows if not row.from_client]
# A session that reconnects ends what is under way, and one that lost its data asks for it again.
ENDS_ALL = {Reaction.RECONNECT, Reaction.RESTORED_DATA_LOST}

# What each message does to a request: the error that ends it, or what becomes of it. The texts are
# those of the official table or of public logs, shortened.
REQUESTS = [
    (100, "Max rate of messages per second has been exceeded", PacingExceeded),
    (101, "Max number of tickers has been reached", PacingExceeded),
    (102, "Duplicate ticker ID", GatewayRejected),
    (162, "Historical Market Data Service error message:HMDS query returned no data: SPY@SMART", NoData),
    (
        162,
        "Historical Market Data Service error message:Historical data request pacing violation",
        PacingExceeded,
    ),
    (162, "Only 50 simultaneous API historical data requests allowed", PacingExceeded),
    (162, "Trading TWS session is connected from a different IP address", CompetingSession),
    (162, "No market data permissions for ISLAND STK", NotEntitled),
    (162, "API historical data query cancelled: 12", GatewayRejected),
    (162, "Invalid step", GatewayRejected),
    (162, "something else", GatewayRejected),
    (165, "Historical Market Data Service query message:no items retrieved", Effect.NONE),
    (166, "HMDS Expired Contract Violation", NoData),
    (200, "No security definition has been found for the request", UnknownContract),
    (200, "The contract description specified for SPY is ambiguous", AmbiguousContract),
    (203, "The security SPY is not available or allowed for this account", NotEntitled),
    (300, "Can't find EId with tickerId:12", GatewayRejected),
    (309, "Max number (3) of market depth requests has been reached", PacingExceeded),
    (310, "Can't find the subscribed market depth with tickerId:12", GatewayRejected),
    (316, "Market depth data has been HALTED. Please re-subscribe.", DataUnavailable),
    (317, "Market depth data has been RESET. Please empty deep book contents", Effect.NONE),
    (318, "nobody knows", Effect.NONE),
    (320, "Server error when reading an API client request.", GatewayRejected),
    (321, "Error validating request.-'bX' : cause - something", GatewayRejected),
    (
        321,
        "Error validating request.-'b_' : cause - The API interface is in Read-Only mode.",
        GatewayRejected,
    ),
    (322, "Error processing request.-'bM' : cause - Duplicate ticker id", GatewayRejected),
    (322, "Error processing request: Max number of tick-by-tick requests has been reached", PacingExceeded),
    (322, "Error processing request: Only 50 simultaneous API historical data requests", PacingExceeded),
    (322, "Maximum number of account summary requests exceeded", PacingExceeded),
    (322, "Error processing request", GatewayRejected),
    (323, "Server error: cause - something", GatewayRejected),
    (354, "Requested market data is not subscribed. Delayed market data is available.", NotEntitled),
    (366, "No historical data query found for ticker id:12", GatewayRejected),
    (385, "Duplicate ticker id for API scanner subscription", GatewayRejected),
    (386, "Duplicate ticker id for API historical data query", GatewayRejected),
    (414, "Snapshot market data subscription is not applicable to generic ticks", GatewayRejected),
    (420, "Invalid Real-time Query:Historical data request pacing violation", PacingExceeded),
    (420, "Invalid Real-time Query:No market data permissions for NYSE STK", NotEntitled),
    (2150, "Invalid position trade derived value", Effect.NONE),
    (2152, "Exchanges - Depth: IEX; Top: BYX", Effect.NONE),
    (2177, "a notice that nobody knows", Effect.NONE),
    (10089, "Requested market data requires additional subscription for API.", NotEntitled),
    (10090, "Part of requested market data is not subscribed.", Effect.NONE),
    (10091, "Part of requested market data requires additional subscription for API.", Effect.NONE),
    (10092, "Deep market data is not supported for this combination", GatewayRejected),
    (10167, "Requested market data is not subscribed. Displaying delayed market data.", Effect.DELAYED),
    (10168, "Requested market data is not subscribed. Delayed market data is not enabled.", NotEntitled),
    (10182, "Failed to request live updates (disconnected).", DataUnavailable),
    (10185, "Failed to cancel PNL (not subscribed)", Effect.NONE),
    (10186, "Requested market data is not subscribed. Delayed market data is not enabled.", NotEntitled),
    (10187, "Failed to request historical ticks:No market data permissions", NotEntitled),
    (10189, "Failed to request tick-by-tick data:No market data permissions", NotEntitled),
    (10189, "Failed to request tick-by-tick data:connected from a different IP address", CompetingSession),
    (10190, "Max number of tick-by-tick requests has been reached.", PacingExceeded),
    (10197, "No market data during competing live session", CompetingSession),
    (10225, "Bust event occurred, current subscription is deactivated.", DataUnavailable),
    (10230, "You have unsaved FA changes.", GatewayRejected),
    (10285, "Your API version does not support fractional size rules.", GatewayRejected),
    (10299, "Expected what to show is MIDPOINT, please use that instead of TRADES.", GatewayRejected),
    (77777, "nobody knows", GatewayRejected),
]

# What each message says about a new order, and about one that works.
ALIVE, UNKNOWN, DEAD, ENDED = (
    OrderState.WORKING,
    OrderState.UNKNOWN,
    OrderState.REJECTED,
    OrderState.CANCELLED,
)
SENT = OrderState.SENT
ORDERS = [
    (100, "Max rate of messages per second has been exceeded", UNKNOWN, UNKNOWN),
    (103, "Duplicate order id", UNKNOWN, UNKNOWN),
    (104, "Can't modify a filled order", SENT, ALIVE),
    (105, "Order being modified does not match original order", SENT, ALIVE),
    (106, "Can't transmit order ID:", DEAD, UNKNOWN),
    (107, "Cannot transmit incomplete order.", DEAD, UNKNOWN),
    (
        109,
        "Price is out of the range defined by the Percentage setting at order defaults frame.",
        DEAD,
        UNKNOWN,
    ),
    (110, "The price does not conform to the minimum price variation for this contract.", DEAD, UNKNOWN),
    (135, "Can't find order with id =12", UNKNOWN, UNKNOWN),
    (136, "This order cannot be cancelled.", UNKNOWN, UNKNOWN),
    (161, "Cancel attempted when order is not in a cancellable state", UNKNOWN, UNKNOWN),
    (163, "The price specified would violate the percentage constraint", DEAD, UNKNOWN),
    (164, "There is no market data to check price percent violations.", DEAD, UNKNOWN),
    (200, "No security definition has been found for the request", DEAD, UNKNOWN),
    (201, "Order rejected - reason:no buying power", DEAD, DEAD),
    (202, "Order cancelled - reason:", ENDED, ENDED),
    (203, "The security is not available or allowed for this account", DEAD, UNKNOWN),
    (320, "Server error when reading an API client request.", UNKNOWN, UNKNOWN),
    (321, "Error validating request", DEAD, UNKNOWN),
    (321, "The API interface is currently in Read-Only mode.", DEAD, UNKNOWN),
    (322, "Error processing request", UNKNOWN, UNKNOWN),
    (323, "Server error: cause - something", UNKNOWN, UNKNOWN),
    (382, "The price specified violates the number of ticks constraint", DEAD, UNKNOWN),
    (383, "The size value cannot exceed the limit", DEAD, UNKNOWN),
    (399, "Order Message: Warning: your order will not be placed until the market opens", SENT, ALIVE),
    (404, "Shares for this order are not immediately available for short sale.", SENT, ALIVE),
    (434, "The order size cannot be zero.", DEAD, UNKNOWN),
    (492, "nobody knows", SENT, ALIVE),
    (2102, "Unable to modify this order as it is still being processed.", SENT, ALIVE),
    (2109, "Order Event Warning: Attribute 'Outside Regular Trading Hours' is ignored", SENT, ALIVE),
    (2137, "Cross Side Warning", SENT, ALIVE),
    (2168, "The 'EtradeOnly' order attribute is not supported.", UNKNOWN, UNKNOWN),
    (2169, "The 'firmQuoteOnly' order attribute is not supported.", UNKNOWN, UNKNOWN),
    (2177, "a notice that nobody knows", SENT, ALIVE),
    (10006, "Missing parent order.", DEAD, UNKNOWN),
    (10147, "OrderId 12 that needs to be cancelled is not found.", UNKNOWN, UNKNOWN),
    (10148, "OrderId 12 that needs to be cancelled can not be cancelled, state: Filled.", UNKNOWN, UNKNOWN),
    (10268, "The 'EtradeOnly' order attribute is not supported.", DEAD, UNKNOWN),
    (10285, "Your API version does not support fractional size rules.", UNKNOWN, UNKNOWN),
    (10311, "This order will be directly routed to NASDAQ.", SENT, ALIVE),
    (10328, "Connection lost, order data could not be resolved", UNKNOWN, UNKNOWN),
    (10349, "Order TIF was set to DAY based on order preset.", SENT, ALIVE),
    (77777, "nobody knows", UNKNOWN, UNKNOWN),
]

SYSTEM = [
    100, 321, 326, 1100, 1101, 1102, 1300, 2100, 2101, 2103, 2104, 2105, 2106, 2107, 2108, 2110, 2119, 2148, 2150,
    2152, 2157, 2158, 2159, 10328,
]  # fmt: skip


def name_of(value):
    if isinstance(value, str):
        return value[:40]
    return f"{value.about.name} {value.code} {value.pattern}".strip() if hasattr(value, "about") else ""


def rows(*about):
    return pytest.mark.parametrize("row", [row for row in FROM_A_GATEWAY if row.about in about], ids=name_of)


@attrs.frozen(kw_only=True)
class UnderWay:
    """A quote and bars that are asked for and never answered, and an order that works."""

    on: object
    quote: asyncio.Task
    bars: asyncio.Task
    order_id: int

    async def hear(self, request_id, code, text):
        """The Gateway says so."""
        self.on.board.say("error", request_id=request_id, code=code, text=text, at_millis=0)
        await asyncio.sleep(0.1)

    @property
    def quote_id(self):
        return self.on.board.asked("market_data")[0]["request_id"]

    @property
    def state(self):
        """The order's state as it was told last."""
        return OrderState(self.on.told.of("OrderChanged")[-1].state)

    def open(self):
        """What has not ended, of all that is under way."""
        requests = {"quote": self.quote, "bars": self.bars}
        return {name for name, task in requests.items() if not task.done()}


@pytest.fixture
def under_way(stage):
    @asynccontextmanager
    async def opened():
        async with stage(settings=NEVER) as on:
            placement = await on.broker.place(FAR)
            tasks = [
                asyncio.ensure_future(on.broker.quote(SPY)),
                asyncio.ensure_future(on.broker.bars(QQQ, BarSpec())),
            ]
            await asyncio.sleep(1)
            yield UnderWay(on=on, quote=tasks[0], bars=tasks[1], order_id=placement.order_id)
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError, RequestFailed):
                    await task

    return opened


async def check_request(under_way, code, text, outcome):
    """Say it at a request and see what becomes of that one, and that nothing else ends."""
    remedy = ERROR_TABLE.find(code, text, About.REQUEST).remedy
    async with under_way() as going:
        await going.hear(going.quote_id, code, text)

        if isinstance(outcome, Effect):
            assert going.open() == {"quote", "bars"}
        else:
            error = going.quote.exception()
            assert going.open() == {"bars"}
            assert (type(error), error.code) == (outcome, code)
            assert text in str(error)
            assert remedy in str(error)
        assert going.state is OrderState.WORKING
        assert going.on.broker.is_connected
        if outcome is Effect.DELAYED:
            for tick, price in ((BID, 480.0), (ASK, 480.1)):
                going.on.board.say("tick_price", request_id=going.quote_id, type=tick, price=price, size=1.0)
            assert (await going.quote).data_type is DataType.DELAYED


@pytest.mark.parametrize(("code", "text", "outcome"), REQUESTS, ids=name_of)
async def test_a_message_about_a_request_has_the_documented_effect(under_way, code, text, outcome):
    await check_request(under_way, code, text, outcome)


@rows(About.REQUEST)
async def test_every_row_about_a_request_has_the_effect_it_names(under_way, row):
    outcome = row.error if row.effect is Effect.ENDS else row.effect

    await check_request(under_way, row.code, f"Before {row.pattern} after", outcome)


async def check_live_order(under_way, code, text, state):
    """Say it at an order that works; what the venue then says of it is the last word."""
    async with under_way() as going:
        await going.hear(going.order_id, code, text)
        heard = going.state
        found = await going.on.broker.open_orders()

        assert heard is state
        assert [row.state for row in found] == ([] if state.is_final else [OrderState.WORKING])
        assert going.open() == {"quote", "bars"}
        assert going.on.broker.is_connected


@pytest.mark.parametrize(("code", "text", "_", "state"), ORDERS, ids=name_of)
async def test_a_message_about_an_order_that_works_has_the_documented_effect(under_way, code, text, _, state):
    await check_live_order(under_way, code, text, state)


@rows(About.ORDER)
async def test_no_row_but_201_and_202_declares_an_order_that_works_dead(under_way, row):
    ends = {201: OrderState.REJECTED, 202: OrderState.CANCELLED}
    calm = OrderState.WORKING if row.fate is ErrorFate.NOTICE else OrderState.UNKNOWN

    await check_live_order(under_way, row.code, f"Before {row.pattern} after", ends.get(row.code, calm))


@pytest.mark.parametrize(("code", "text", "state", "_"), ORDERS, ids=name_of)
async def test_a_message_about_a_new_order_has_the_documented_effect(stage, code, text, state, _):
    remedy = ERROR_TABLE.find(code, text, About.ORDER).remedy
    async with stage() as on:
        on.board.kept_back = {"open_order", "order_status"}
        placing = asyncio.ensure_future(on.broker.with_deadline(3).place(FAR))
        while not on.board.asked("place_order"):
            await asyncio.sleep(0.001)
        order_id = on.board.asked("place_order")[0]["order_id"]

        on.board.say("error", request_id=order_id, code=code, text=text, at_millis=0)
        await asyncio.wait([placing])

        if state is OrderState.REJECTED:
            error = placing.exception()
            assert (type(error), error.code) == (OrderRejected, code)
            assert text in str(error)
            assert remedy in str(error)
        else:
            assert placing.result().state is state


@rows(About.ORDER, About.CHANGE)
async def test_no_row_but_202_ends_an_order_whose_change_is_not_answered_yet(stage, row):
    text = f"Before {row.pattern} after"
    fate = ERROR_TABLE.find(row.code, text, About.CHANGE).fate
    states = {ErrorFate.NOTICE: OrderState.WORKING, ErrorFate.CANCELLED: OrderState.CANCELLED}
    async with stage() as on:
        placement = await on.broker.place(FAR)
        on.board.kept_back = {"open_order", "order_status"}
        changing = asyncio.ensure_future(
            on.broker.modify(placement.order_id, attrs.evolve(FAR, limit_price="101"))
        )
        while len(on.board.asked("place_order")) < 2:
            await asyncio.sleep(0.001)

        on.board.say("error", request_id=placement.order_id, code=row.code, text=text, at_millis=0)

        with pytest.raises(OrderRejected) if row.code in REFUSED_CHANGES else nullcontext():
            await changing
        last = on.told.of("OrderChanged")[-1].state
        assert last == states.get(fate, OrderState.UNKNOWN).value


@rows(About.ORDER)
async def test_no_row_undoes_a_fill(stage, row):
    async with stage() as on:
        placement = await on.broker.place(OrderTicket(contract=SPY, side="BUY", quantity=1))
        text = f"Before {row.pattern} after"

        on.board.say("error", request_id=placement.order_id, code=row.code, text=text, at_millis=0)
        await asyncio.sleep(0.1)

        assert on.told.of("OrderChanged")[-1].state == "filled"
        assert [fill.quantity for fill in await on.broker.executions()] == [1.0]


@pytest.mark.parametrize(
    "code", [code for code in SYSTEM if ERROR_TABLE.find(code, "", About.SYSTEM).reaction not in ENDS_ALL]
)
async def test_a_message_about_nothing_ends_nothing(under_way, code):
    async with under_way() as going:
        await going.hear(-1, code, "of its own accord:usfarm")

        assert going.open() == {"quote", "bars"}
        assert going.state is OrderState.WORKING
        assert [event.code for event in going.on.told.of("GatewayNoticed")][-1] == code


def test_every_message_that_is_listed_here_has_a_row():
    listed = {(row.about, row.code) for row in ERROR_TABLE.rows}
    nobody_knows = {2177, 77777}

    assert {code for code, *_ in REQUESTS} - nobody_knows <= {
        c for about, c in listed if about is About.REQUEST
    }
    assert {code for code, *_ in ORDERS} - nobody_knows <= {c for about, c in listed if about is About.ORDER}
    assert set(SYSTEM) <= {code for about, code in listed if about is About.SYSTEM}


def test_every_row_is_met_by_a_message_that_is_listed_here():
    said = {
        *(ERROR_TABLE.find(code, text, About.REQUEST) for code, text, _ in REQUESTS),
        *(
            ERROR_TABLE.find(code, text, about)
            for code, text, *_ in ORDERS
            for about in (About.ORDER, About.CHANGE)
        ),
        *(ERROR_TABLE.find(code, "", About.SYSTEM) for code in SYSTEM),
    }

    assert [row for row in FROM_A_GATEWAY if row not in said] == []
