"""What every broker must do with orders, and the world that the promises are tried in."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, suppress
from decimal import Decimal
from typing import Final

import attrs

from ibkeel.errors import (
    InvalidInput,
    OrderRefused,
    OrderRejected,
    RequestFailed,
    UnknownContract,
)
from ibkeel.model import (
    BarSpec,
    Bracket,
    Broker,
    ClientOrderId,
    Contract,
    Execution,
    Option,
    OrderId,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    Placement,
    Side,
    Stock,
    TimeInForce,
)

WAIT: Final = 60.0
"""Seconds that a promise may take."""
_PLACES: Final = Decimal("0.01")


@attrs.frozen(kw_only=True)
class World:
    """What a factory promises about the world its broker lives in.

    Args:
        stock: Quoted on both sides, with bars in `spec` and an option chain.
        option: An option that exists and is quoted on both sides.
        unknown: A stock that does not exist.
        spec: Bars that `stock` has.
        sends_orders: Whether `place` sends; False for a broker in dry run.
    """

    stock: Stock
    option: Option
    unknown: Stock = attrs.field(factory=lambda: Stock("NOSUCHTICKER"))
    spec: BarSpec = attrs.field(factory=lambda: BarSpec(duration="3600 S", size="1 min"))
    sends_orders: bool = True


async def raises(kind: type[Exception], asked: Awaitable[object]) -> None:
    """Ask, and hold that it ends in that error."""
    with suppress(kind):
        raise AssertionError(f"{kind.__name__} was due, but {await asked!r} came")


async def _a_dry_run_keeps_the_order_to_itself(broker: Broker, world: World) -> None:
    placement = await broker.place(await _resting_bracket(broker, world))
    assert placement.state is OrderState.INTENT
    assert [row.order_id for row in placement.children] == [None, None]
    assert not any(row.was_sent for row in (placement, *placement.children))
    assert await broker.open_orders() == ()
    assert await broker.executions() == ()


async def _a_preview_is_kept_back_in_dry_run(broker: Broker, world: World) -> None:
    await raises(OrderRefused, broker.preview(ticket_for(world.option)))


async def _a_preview_tells_the_margin_and_places_nothing(broker: Broker, world: World) -> None:
    for contract in (world.stock, world.option):
        ticket = ticket_for(contract)
        preview = await broker.preview(ticket)
        assert preview.ticket == ticket
        for figure in (preview.initial_margin, preview.maintenance_margin, preview.equity_with_loan):
            assert figure.before is not None, preview
            assert figure.change is not None, preview
            assert figure.after is not None, preview
            assert abs(figure.after - figure.before - figure.change) <= 2 * _PLACES, preview
        assert preview.commission is None or preview.commission >= 0
    await raises(UnknownContract, broker.preview(ticket_for(world.unknown)))
    assert not [*await broker.open_orders(), *await broker.executions(), *await broker.positions()]


async def _a_resting_order_is_open_until_it_is_cancelled(broker: Broker, world: World) -> None:
    placement = await broker.place(await _resting_ticket(broker, world))
    order_id = _sent(placement)
    open_ids = [report.order_id for report in await broker.open_orders()]
    anywhere = [row.order_id for row in await broker.all_open_orders() if row.client_id == broker.client_id]
    fate = await broker.cancel(_sent(placement))
    assert open_ids == anywhere == [order_id]
    assert (fate.state, fate.filled) == (OrderState.CANCELLED, 0)
    assert await broker.open_orders() == ()
    # Completed orders carry no order id on the wire, only the venue's lasting number.
    assert fate.perm_id in [report.perm_id for report in await broker.completed_orders()]


async def _a_name_belongs_to_one_order_until_that_has_ended(broker: Broker, world: World) -> None:
    named = attrs.evolve(await _resting_ticket(broker, world), client_order_id=ClientOrderId("mine"))
    for _ in range(2):
        placement = await broker.place(named)
        await raises(OrderRefused, broker.place(named))
        await broker.cancel(_sent(placement))


async def _what_is_refused_at_the_last_moment_does_not_leave(broker: Broker, world: World) -> None:
    def may_leave() -> None:
        raise OrderRefused("a kill switch came")

    for order in (await _resting_ticket(broker, world), await _resting_bracket(broker, world)):
        await raises(OrderRefused, broker.place(order, may_leave=may_leave))
    assert await broker.open_orders() == ()
    assert await broker.completed_orders() == ()


async def _a_modified_order_works_at_its_new_price(broker: Broker, world: World) -> None:
    ticket = await _resting_ticket(broker, world)
    placement = await broker.place(ticket)
    lower = (ticket.limit_price or Decimal(1)) - _PLACES
    report = await broker.modify(_sent(placement), attrs.evolve(ticket, limit_price=lower))
    assert [row.limit_price for row in (report, *await broker.open_orders())] == [lower, lower]
    assert report.state is placement.state is OrderState.WORKING
    longer = await broker.modify(_sent(placement), attrs.evolve(ticket, tif=TimeInForce.GTC))
    assert [row.tif for row in (longer, *await broker.open_orders())] == [TimeInForce.GTC.value] * 2
    await broker.cancel(_sent(placement))


async def _a_change_that_cannot_be_is_an_error_and_changes_nothing(broker: Broker, world: World) -> None:
    ticket = await _resting_ticket(broker, world)
    order_id = _sent(await broker.place(ticket))
    for other in (
        attrs.evolve(ticket, side=Side.SELL), attrs.evolve(ticket, contract=world.option), ticket_for(world.stock),
    ):  # fmt: skip
        await raises(InvalidInput, broker.modify(order_id, other))
    for refused in (_between_ticks(ticket), attrs.evolve(ticket, oca_group="another")):
        await raises(OrderRejected, broker.modify(order_id, refused))
    (left,) = await broker.open_orders()
    assert (left.state, left.limit_price) == (OrderState.WORKING, ticket.limit_price)
    await broker.cancel(order_id)
    await raises(OrderRefused, broker.modify(order_id, ticket))


async def _a_price_between_two_ticks_is_refused_whole(broker: Broker, world: World) -> None:
    bracket = await _resting_bracket(broker, world)
    between = _between_ticks(bracket.entry)
    loss = bracket.stop_loss - Decimal("0.003")
    for asked in (
        broker.place(between), broker.preview(between), broker.place(attrs.evolve(bracket, stop_loss=loss)),
    ):  # fmt: skip
        await raises(OrderRejected, asked)
    assert await broker.open_orders() == ()
    for row in await broker.completed_orders():
        assert (row.code is None) is (row.state is not OrderState.REJECTED), row


async def _what_cannot_fill_at_once_ends_if_it_is_good_for_the_moment(broker: Broker, world: World) -> None:
    resting = await _resting_ticket(broker, world)
    for tif in (TimeInForce.IOC, TimeInForce.FOK):
        named = attrs.evolve(resting, tif=tif, client_order_id=ClientOrderId("moment"))
        placement = await broker.place(named)
        assert OrderState.CANCELLED in {row.state for row in await broker.completed_orders()}
        assert await broker.open_orders() == ()
        assert (await broker.cancel(_sent(placement))).state is OrderState.CANCELLED


async def _a_stop_that_waits_is_acknowledged_and_does_not_work_yet(broker: Broker, world: World) -> None:
    far = (await _resting_ticket(broker, world)).limit_price
    stop = attrs.evolve(ticket_for(world.stock), side=Side.SELL, order_type=OrderType.STP, stop_price=far)
    placement = await broker.place(stop)
    (report,) = await broker.open_orders()
    await broker.cancel(_sent(placement))
    assert placement.state is report.state is OrderState.ACKNOWLEDGED


async def _a_fill_is_told_and_a_cancel_after_it_changes_nothing(broker: Broker, world: World) -> None:
    async with asyncio.timeout(WAIT), aclosing(broker.order_events()) as events:
        with suppress(TimeoutError):  # which ends the wait, and not the stream
            await asyncio.wait_for(anext(events), 1)
        placement = await broker.place(ticket_for(world.stock))
        await _filled(events, placement)
    with suppress(RequestFailed):
        assert (await broker.cancel(_sent(placement))).state is OrderState.FILLED
    assert [row.order_id for row in await broker.executions()] == [placement.order_id]
    held = {row.contract.symbol: row.signed_quantity for row in await broker.positions()}
    assert held == {world.stock.symbol: 1}


async def _a_bracket_is_placed_whole_and_its_stop_is_a_stop(broker: Broker, world: World) -> None:
    placement = await broker.place(await _resting_bracket(broker, world))
    reports = {report.order_id: report for report in await broker.open_orders()}
    profit, stop = (reports[_sent(child)] for child in placement.children)
    await broker.cancel(_sent(placement))
    assert (profit.order_type, stop.order_type) == (OrderType.LMT.value, OrderType.STP.value)
    assert profit.parent_id == stop.parent_id == placement.order_id
    assert await broker.open_orders() == ()


def ticket_for(contract: Contract) -> OrderTicket:
    """Buy one at the market."""
    return OrderTicket(contract=contract, side=Side.BUY, quantity=1)


def _sent(placement: Placement) -> OrderId:
    assert placement.order_id is not None, placement
    return placement.order_id


async def _resting_ticket(broker: Broker, world: World) -> OrderTicket:
    quote = await broker.quote(world.stock)
    assert quote.bid is not None
    far = (Decimal(str(quote.bid)) * 9 / 10).quantize(_PLACES)
    return attrs.evolve(ticket_for(world.stock), order_type=OrderType.LMT, limit_price=far)


def _between_ticks(ticket: OrderTicket) -> OrderTicket:
    return attrs.evolve(ticket, limit_price=(ticket.limit_price or Decimal(1)) - Decimal("0.003"))


async def _resting_bracket(broker: Broker, world: World) -> Bracket:
    entry = await _resting_ticket(broker, world)
    assert entry.limit_price is not None
    step = (entry.limit_price / 10).quantize(_PLACES)
    return Bracket(entry=entry, stop_loss=entry.limit_price - step, take_profit=entry.limit_price + step)


async def _filled(events: AsyncGenerator[OrderReport | Execution, None], placement: Placement) -> None:
    async for event in events:
        if isinstance(event, OrderReport) and event.order_id == placement.order_id:
            assert event.state is not OrderState.REJECTED, event
            if event.state is OrderState.FILLED:
                assert event.filled == event.quantity
                assert event.average_fill_price, event
                return


WHEN_SENT: Final = (
    _a_preview_tells_the_margin_and_places_nothing,
    _a_resting_order_is_open_until_it_is_cancelled,
    _a_name_belongs_to_one_order_until_that_has_ended,
    _what_is_refused_at_the_last_moment_does_not_leave,
    _a_modified_order_works_at_its_new_price,
    _a_change_that_cannot_be_is_an_error_and_changes_nothing,
    _a_price_between_two_ticks_is_refused_whole,
    _what_cannot_fill_at_once_ends_if_it_is_good_for_the_moment,
    _a_stop_that_waits_is_acknowledged_and_does_not_work_yet,
    _a_fill_is_told_and_a_cancel_after_it_changes_nothing,
    _a_bracket_is_placed_whole_and_its_stop_is_a_stop,
)
"""Promises of a broker that sends orders."""

WHEN_KEPT: Final = (_a_dry_run_keeps_the_order_to_itself, _a_preview_is_kept_back_in_dry_run)
"""Promises of one in dry run."""
