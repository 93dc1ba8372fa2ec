import asyncio
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import (
    GatewayRejected,
    NotConnected,
    OrderRefused,
    OrderRejected,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.ibkr.client import library
from ibkeel.model import (
    Combo,
    ComboLeg,
    ConId,
    MarginChange,
    Option,
    OrderState,
    OrderTicket,
    OrderType,
    Right,
    Side,
    Stock,
)
from ibkeel.options import PriceBasis, iron_condor
from ibkeel.resilience import Deadlines
from ibkeel.sim.values import ContractPattern

SPY = Stock("SPY")


def buy(contract, quantity=1, **changes):
    return OrderTicket(contract=contract, side="BUY", quantity=quantity, **changes)


@pytest.fixture
def condor(market, listed_call):
    """Two strikes on either side of the one at the money."""
    listed = {
        row.strike
        for row in market.find(ContractPattern(symbol="SPY", sec_type="OPT", right="P"))
        if row.expiry == listed_call.expiry
    }
    strikes = sorted(listed)
    middle = strikes.index(float(listed_call.strike))

    def option(step, right):
        return Option(
            "SPY", listed_call.expiry, strikes[middle + step], right, trading_class=listed_call.trading_class
        )

    return iron_condor(
        long_put=option(-4, Right.PUT),
        short_put=option(-2, Right.PUT),
        short_call=option(2, Right.CALL),
        long_call=option(4, Right.CALL),
    )


async def priced(broker, structure):
    """The structure at what can be had at once, and as a combo."""
    contracts = [leg.contract for leg in structure.legs]
    details = {contract: await broker.qualify(contract) for contract in contracts}
    quotes = await broker.quotes(contracts)
    return structure.priced(quotes, PriceBasis.NATURAL), structure.combo(details)


@pytest.mark.smoke
async def test_a_what_if_tells_what_an_option_costs_and_places_nothing(stage):
    async with stage() as on:
        ticket = buy(on.option, 2, order_type="LMT", limit_price="1.50")

        preview = await on.broker.preview(ticket)

        [asked] = on.board.asked("place_order")
        assert asked["what_if"] is True
        assert (preview.ticket, preview.currency, preview.warning) == (ticket, "USD", "")
        assert preview.commission == Decimal("1.3")
        assert (preview.least_commission, preview.most_commission) == (None, None)
        assert preview.initial_margin.change == 0
        assert preview.equity_with_loan.change == -300 - preview.commission
        assert preview.equity_with_loan.after == Decimal("99698.7")
        assert await on.broker.open_orders() == ()
        assert await on.broker.completed_orders() == ()
        assert on.told.of("OrderPlaced") == []


async def test_an_iron_condor_ties_up_its_wider_wing(stage, condor):
    async with stage() as on:
        structure, combo = await priced(on.broker, condor)
        net = structure.net
        ticket = buy(combo, order_type=OrderType.LMT, limit_price=net.per_share)

        preview = await on.broker.preview(ticket)

        [asked] = on.board.asked("place_order")
        strikes = [leg.contract.strike for leg in condor.legs]
        wing = max(strikes[1] - strikes[0], strikes[3] - strikes[2])
        assert [(leg["action"], leg["ratio"]) for leg in asked["order_combo_legs"]] == [
            ("BUY", 1), ("SELL", 1), ("SELL", 1), ("BUY", 1),
        ]  # fmt: skip
        assert (asked["sec_type"], asked["limit_price"]) == ("BAG", float(net.per_share))
        assert preview.initial_margin.change == 100 * wing
        assert preview.equity_with_loan.change == -net.per_contract - preview.commission
        assert await on.broker.open_orders() == ()


async def test_selling_the_combo_is_the_structure_turned_over(stage, condor):
    async with stage() as on:
        structure, combo = await priced(on.broker, condor)
        ticket = attrs.evolve(buy(combo, order_type=OrderType.MKT), side=Side.SELL)

        preview = await on.broker.preview(ticket)

        assert preview.initial_margin.change == 0
        assert preview.equity_with_loan.change < 0
        assert structure.name == "iron condor"


async def test_a_combo_for_a_credit_fills_as_a_whole_and_every_leg_is_held(stage, condor):
    async with stage() as on:
        structure, combo = await priced(on.broker, condor)
        net = structure.net.per_share

        placed = await on.broker.place(buy(combo, order_type=OrderType.LMT, limit_price=net))
        await asyncio.sleep(5)

        [report] = await on.broker.completed_orders()
        fills = await on.broker.executions()
        held = await on.broker.positions()
        assert net < 0
        assert report.state is OrderState.FILLED
        assert (report.filled, fills[0].price) == (1.0, pytest.approx(float(net), abs=1e-6))
        assert {fill.order_id for fill in fills} == {placed.order_id}
        assert [(fill.contract.con_id, fill.quantity) for fill in fills[1:]] == [
            (leg.con_id, leg.ratio) for leg in combo.legs
        ]
        assert {position.contract.strike: position.signed_quantity for position in held} == {
            leg.contract.strike: leg.ratio if leg.side is Side.BUY else -leg.ratio for leg in condor.legs
        }


@pytest.mark.parametrize(
    "contract",
    [
        Stock("NOSUCHTICKER"),
        Combo("SPY", [ComboLeg(con_id=ConId(1), side="BUY"), ComboLeg(con_id=ConId(2), side="SELL")]),
    ],
)
async def test_a_contract_that_does_not_exist_is_named_as_such(stage, contract):
    async with stage() as on:
        with pytest.raises(UnknownContract):
            await on.broker.preview(buy(contract, order_type="LMT", limit_price=1))


async def test_a_refusal_of_the_venue_is_an_order_rejected(stage):
    async with stage(kept_back=["open_order"]) as on:
        asking = asyncio.ensure_future(on.broker.preview(buy(SPY)))
        await asyncio.sleep(1)
        [asked] = on.board.asked("place_order")

        on.board.say(
            "error",
            request_id=asked["order_id"],
            code=201,
            text="Order rejected - reason:no",
            advanced_json="",
        )

        with pytest.raises(OrderRejected, match="Order rejected - reason:no") as caught:
            await asking
        assert caught.value.code == 201


async def test_an_echo_without_figures_is_not_yet_the_answer(stage):
    async with stage(kept_back=["open_order"]) as on:
        asking = asyncio.ensure_future(on.broker.preview(buy(SPY)))
        await asyncio.sleep(1)
        [asked] = on.board.asked("place_order")
        echo = {**asked, "right": "?", "status": "PreSubmitted"}

        on.board.say("open_order", **echo)
        await asyncio.sleep(1)
        early = asking.done()
        on.board.say("open_order", **echo, initial_margin_change=250.5, warning="look twice")
        preview = await asking

        assert not early
        assert preview.initial_margin == MarginChange(change="250.5")
        assert (preview.commission, preview.warning) == (None, "look twice")


async def test_a_figure_that_is_no_number_is_a_typed_error(stage):
    def worded(payload):
        fields = payload.split(b"\0")
        if fields[0] == b"5":
            fields[fields.index(b"PreSubmitted") + 1] = b"much"  # the initial margin before
        return b"\0".join(fields)

    async with stage(altered=worded) as on:
        with pytest.raises(GatewayRejected, match="the preview of BUY 1 SPY: the Gateway sent what cannot"):
            await on.broker.preview(buy(SPY))


async def test_the_librarys_own_what_if_is_answered_too(stage):
    async with stage() as on:
        contract = library.Stock("SPY", "SMART", "USD")

        state = await on.broker.ib.whatIfOrderAsync(contract, library.MarketOrder("BUY", 10))

        assert float(state.initMarginChange) > 0
        assert await on.broker.open_orders() == ()


async def test_a_preview_that_nobody_answers_ends_at_its_deadline(stage):
    async with stage(kept_back=["open_order"], deadlines=Deadlines.all(5.0)) as on:
        began = asyncio.get_running_loop().time()

        with pytest.raises(RequestTimeout, match="the preview of BUY 1 SPY"):
            await on.broker.preview(buy(SPY))

        assert asyncio.get_running_loop().time() - began == pytest.approx(5.0, abs=0.5)


async def test_in_dry_run_not_even_a_what_if_leaves(stage):
    async with stage(orders="DRY_RUN") as on:
        with pytest.raises(OrderRefused, match="a what-if travels as an order"):
            await on.broker.preview(buy(SPY))

        assert on.board.asked("place_order") == []


async def test_without_a_session_there_is_no_preview(stage):
    async with stage() as on:
        await on.broker.disconnect()

        with pytest.raises(NotConnected):
            await on.broker.preview(buy(SPY))
