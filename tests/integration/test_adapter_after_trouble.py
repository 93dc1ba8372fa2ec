"""What must still be true after a reconnect, a lost feed, or a call past the adapter."""

import asyncio
from contextlib import aclosing
from datetime import UTC, date, datetime

import attrs
import pytest

from ibkeel.errors import GatewayRejected, OrderRefused, OrderRejected, PacingExceeded
from ibkeel.ibkr.client import library
from ibkeel.model import Bracket, DataType, Option, OrderState, OrderTicket, OtherContract, Stock
from ibkeel.orders import plan_exit
from ibkeel.sim import GatewaySettings
from ibkeel.virtual import virtual_clock

SPY = Stock("SPY")
BUY = OrderTicket(contract=SPY, side="BUY", quantity=1)


def resting(contract, **changes):
    ticket = OrderTicket(contract=contract, side="BUY", quantity=1, order_type="LMT", limit_price="1")
    return attrs.evolve(ticket, **changes)


async def reconnected(on):
    on.board.hang_up()
    await asyncio.sleep(1)
    await on.broker.connect()


async def test_an_order_after_a_reconnect_hears_its_own_errors(stage):
    async with stage() as on:
        for _ in range(30):
            await on.broker.quote(SPY)
        await reconnected(on)

        with pytest.raises(OrderRejected, match="110"):
            await on.broker.place(resting(SPY, limit_price="1.00001"))


async def test_an_order_that_filled_before_the_gateways_midnight_is_not_told_as_gone(stage):
    async with stage(settings=GatewaySettings(timezone="Japan")) as on:
        await on.broker.qualify(SPY)
        midnight = datetime(2026, 1, 5, 15, tzinfo=UTC)  # in Tokyo; in New York it is ten
        await asyncio.sleep((midnight - virtual_clock().now()).total_seconds() - 1)
        on.board.kept_back = {"open_order", "order_status", "execution"}
        placing = asyncio.ensure_future(on.broker.place(BUY))
        await asyncio.sleep(0.5)
        on.board.hang_up()
        on.board.kept_back = set()
        await asyncio.sleep(600)

        placed = await placing
        assert await on.broker.open_orders() == ()
        assert [row.signed_quantity for row in await on.broker.positions()] == [1.0]
        told = [
            event.state
            for event in on.told.of("OrderChanged")
            if event.client_order_id == placed.client_order_id
        ]
        assert told[-1] == "unknown"
        assert any(
            "it may have filled on a day that is over" in alarm.message for alarm in on.told.of("AlarmRaised")
        )


async def test_ids_never_roll_back_with_the_gateway(stage):
    async with stage() as on:
        for _ in range(10):
            await on.broker.quote(SPY)
        before = await on.broker.place(resting(SPY))
        await reconnected(on)

        after = await on.broker.place(resting(SPY))

        assert after.order_id > before.order_id


async def test_a_new_session_settles_by_itself_what_became_of_an_order(stage):
    async with stage() as on:
        placed = await on.broker.place(resting(SPY))
        on.board.kept_back = {"order_status", "open_order", "error"}
        on.gateway.venue.cancel(
            1, placed.order_id, on.gateway.market.session_date and on.broker._link.clock.now()
        )
        await reconnected(on)

        [ended] = [row for row in on.broker._link.book.reports() if row.order_id == placed.order_id]
        assert ended.state is OrderState.CANCELLED
        assert await on.broker.open_orders() == ()


async def test_an_exit_counts_orders_that_left_the_trading_class_open(stage):
    async with stage() as on:
        await on.broker.place(OrderTicket(contract=on.option, side="BUY", quantity=1))
        loose = attrs.evolve(on.option, trading_class="")
        await on.broker.place(resting(loose, side="SELL", limit_price="900"))
        [position] = await on.broker.positions()

        plan = plan_exit(position, await on.broker.open_orders())

        assert (plan.ticket, plan.already_exiting) == (None, 1)


async def test_dry_run_holds_for_the_librarys_own_calls(stage):
    async with stage(orders="DRY_RUN") as on:
        with pytest.raises(OrderRefused, match="DRY_RUN"):
            on.broker.ib.placeOrder(library.Stock("SPY", "SMART", "USD"), library.MarketOrder("BUY", 10))
        with pytest.raises(OrderRefused, match="DRY_RUN"):
            on.broker.ib.reqGlobalCancel()

        assert not {"place_order", "global_cancel"} & {request.name for request in on.board.requests}


async def test_an_order_that_the_library_believes_dead_can_be_changed(stage):
    async with stage() as on:
        placed = await on.broker.place(resting(SPY))
        on.board.say("error", request_id=placed.order_id, code=105, text="Order being modified", at_millis=0)
        await asyncio.sleep(1)

        report = await on.broker.modify(placed.order_id, resting(SPY, limit_price="2"))

        assert (report.state, report.limit_price) == (OrderState.WORKING, 2)


async def test_a_quote_waits_for_a_line_only_so_long(stage):
    async with (
        stage(market_data_lines=1, line_patience=5.0) as on,
        aclosing(on.broker.stream_quotes(SPY)) as stream,
    ):
        await anext(stream)

        with pytest.raises(PacingExceeded, match=r"all 1 are out, for SPY"):
            await on.broker.quote(Stock("QQQ"))


async def test_a_stream_is_asked_for_again_when_the_gateway_lost_its_data(stage):
    async with stage() as on, aclosing(on.broker.stream_quotes(SPY)) as stream:
        await anext(stream)
        [before] = on.broker.open_lines

        on.gateway.broadcast(1101, "Connectivity between IB and TWS has been restored - data lost.")
        while on.told.of("StreamRestored") == []:
            await anext(stream)

        [after] = on.broker.open_lines
        assert after != before
        assert before not in [values["request_id"] for values in on.board.asked("cancel_market_data")]


async def test_delayed_ticks_alone_tell_that_data_are_delayed(stage):
    async with stage() as on:
        on.board.kept_back = {"tick_price", "tick_size", "market_data_type"}
        quoting = asyncio.ensure_future(on.broker.quote(SPY))
        await asyncio.sleep(0.5)
        request_id = on.board.asked("market_data")[0]["request_id"]

        for tick, price in ((66, 480.0), (67, 480.1)):
            on.board.say("tick_price", request_id=request_id, type=tick, price=price, size=100.0)

        assert (await quoting).data_type is DataType.DELAYED


async def test_a_position_of_another_kind_hides_no_other(stage):
    async with stage() as on:
        await on.broker.place(BUY)
        on.board.kept_back = {"position_end"}
        reading = asyncio.ensure_future(on.broker.positions())
        await asyncio.sleep(1)
        on.board.say(
            "position", account="DU1234567", con_id=9, symbol="EUR", sec_type="CASH", exchange="IDEALPRO",
            currency="USD", local_symbol="EUR.USD", position=1000.0, average_cost=1.1,
        )  # fmt: skip
        on.board.say("position_end")

        held = {type(row.contract): row.signed_quantity for row in await reading}

        assert held == {Stock: 1.0, OtherContract: 1000.0}


ODD = {"sec_type": "OPT", "symbol": "XYZ", "expiry": "20261218", "strike": 10.0, "right": "C"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"sec_type": "BOND", "symbol": "", "local_symbol": ""}, "9 (BOND)"),
        ({"sec_type": "STK", "symbol": ""}, "9 (STK)"),
        (ODD | {"expiry": ""}, "XYZ (OPT)"),
        (ODD | {"expiry": "202612"}, "XYZ (OPT)"),
        (ODD | {"strike": 0.0}, "XYZ (OPT)"),
        (ODD | {"right": "0"}, "XYZ (OPT)"),
        (ODD | {"multiplier": "0.5"}, "XYZ (OPT)"),
    ],
)
async def test_a_position_that_cannot_be_read_hides_no_other(stage, row, said):
    async with stage() as on:
        await on.broker.place(BUY)
        on.board.kept_back = {"position_end"}
        reading = asyncio.ensure_future(on.broker.positions())
        await asyncio.sleep(1)
        on.board.say("position", account="DU1234567", con_id=9, position=-2.0, average_cost=1.1, **row)
        on.board.say("position_end")

        held = {str(one.contract): one.signed_quantity for one in await reading}

        assert held == {"SPY": 1.0, said: -2.0}


async def test_balances_whose_rows_break_off_are_a_typed_error(stage):
    def short(payload):
        return b"\0".join(payload.split(b"\0")[:5]) + b"\0" if payload.startswith(b"63\0") else payload

    async with stage(altered=short) as on:
        with pytest.raises(GatewayRejected, match="the balances: the Gateway sent what cannot be read"):
            await on.broker.account()


async def test_a_definition_without_a_date_is_a_typed_error(stage):
    async with stage() as on:
        on.board.kept_back = {"error"}
        asking = asyncio.ensure_future(on.broker.qualify(Option("SPY", date(2030, 1, 18), 500, "C")))
        await asyncio.sleep(1)
        request_id = on.board.asked("contract_details")[0]["request_id"]
        on.board.say(
            "contract_data",
            request_id=request_id,
            symbol="SPY",
            sec_type="OPT",
            con_id=9,
            right="C",
            strike=500.0,
        )
        on.board.say("contract_data_end", request_id=request_id)

        with pytest.raises(GatewayRejected, match="cannot be read"):
            await asking


async def test_a_bracket_that_loses_its_stop_before_it_fills_is_no_bracket(stage):
    async with stage() as on:
        entry = resting(SPY, limit_price="100")
        placing = asyncio.ensure_future(on.broker.place(Bracket(entry=entry, stop_loss="90")))
        while not on.board.asked("place_order"):
            await asyncio.sleep(0.001)
        stop = on.board.asked("place_order")[-1]["order_id"]
        on.board.say("error", request_id=stop, code=202, text="Order Canceled - reason:", at_millis=0)

        with pytest.raises(OrderRejected, match="the rest of its bracket was withdrawn") as refused:
            await placing
        await asyncio.sleep(1)
        assert refused.value.code == 202
        assert on.gateway.venue.open_orders() == []


async def test_definitions_are_asked_anew_each_day(stage):
    async with stage() as on:
        await on.broker.option_chain(SPY)
        await on.broker.option_chain(SPY)
        once = len(on.board.asked("option_parameters"))

        await asyncio.sleep(86_400)
        await on.broker.option_chain(SPY)

        assert (once, len(on.board.asked("option_parameters"))) == (1, 2)
