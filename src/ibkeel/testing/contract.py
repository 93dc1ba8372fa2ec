"""What every broker must do, as checks that run against any of them.

Give a factory that opens a broker in a world you know, and run every check against it::

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    def test_my_broker_keeps_the_contract(check):
        run_virtual(run_check(check, my_factory))

A check that needs orders to be sent (or kept back) is left out when the world says otherwise.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from decimal import Decimal
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel.errors import InvalidInput, NotConnected, OrderRefused, RequestFailed, UnknownContract
from ibkeel.model import (
    BarSpec,
    Bracket,
    Broker,
    ClientOrderId,
    Contract,
    Execution,
    Grade,
    Index,
    Option,
    OrderId,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    Placement,
    Quote,
    Side,
    Stock,
)

_WAIT: Final = 60.0
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


Factory = Callable[[], AbstractAsyncContextManager[tuple[Broker, World]]]
"""Opens a connected broker and says what world it is in."""


@attrs.frozen
class Check:
    """One promise.

    Args:
        name: The promise, as a sentence with underscores.
        run: Raises AssertionError, or lets the broker's error pass, when it is broken.
        sends_orders: The kind of world it needs; None for any.
    """

    name: str
    run: Callable[[Broker, World], Awaitable[None]]
    sends_orders: bool | None = None

    @override
    def __str__(self) -> str:
        return self.name


async def run_check(check: Check, factory: Factory) -> bool:
    """Run one check in a world of its own.

    Returns:
        False when the world is not of the kind that the check needs, and nothing was asserted.
    """
    async with factory() as (broker, world):
        if check.sends_orders not in {None, world.sends_orders}:
            return False
        await check.run(broker, world)
    return True


async def _raises(kind: type[Exception], asked: Awaitable[object]) -> None:
    with suppress(kind):
        raise AssertionError(f"{kind.__name__} was due, but {await asked!r} came")


async def _a_quote_holds_no_sentinel(broker: Broker, world: World) -> None:
    for contract in (world.stock, world.option):
        quote = await broker.quote(contract)
        assert quote.contract == contract
        assert quote.at.utcoffset() is not None
        prices = (quote.bid, quote.ask, quote.last, quote.close)
        assert all(price is None or (math.isfinite(price) and price > 0) for price in prices), quote
        assert quote.mid is not None, quote


async def _quotes_answer_each_contract_in_the_order_asked(broker: Broker, world: World) -> None:
    asked: tuple[Contract, ...] = (world.option, world.unknown, world.stock)
    answers = await broker.quotes(asked)
    assert tuple(answers) == asked
    for contract, kind in zip(asked, (Quote, UnknownContract, Quote), strict=True):
        assert isinstance(answers[contract], kind), answers[contract]


async def _an_unknown_contract_is_named_as_such(broker: Broker, world: World) -> None:
    await _raises(UnknownContract, broker.quote(world.unknown))
    await _raises(UnknownContract, broker.bars(world.unknown, world.spec))
    await _raises(UnknownContract, broker.qualify(world.unknown))
    await _raises(UnknownContract, broker.option_chain(world.unknown))


async def _bars_ascend_and_are_what_was_asked_for(broker: Broker, world: World) -> None:
    bars = await broker.bars(world.stock, world.spec)
    assert (bars.contract, bars.spec) == (world.stock, world.spec)
    instants = [bar.at for bar in bars]
    assert instants == sorted(set(instants)) != []
    assert all(
        0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars
    )
    assert instants[-1] <= (await broker.quote(world.stock)).at
    async with asyncio.timeout(_WAIT), aclosing(broker.stream_bars(world.stock, world.spec)) as stream:
        closed = [(await anext(stream)).at for _ in range(min(2, len(bars) - 1))]
    assert closed == sorted({*closed} & {*instants})


async def _qualifying_twice_gives_the_same_contract(broker: Broker, world: World) -> None:
    for contract in (world.stock, world.option):
        first, second = await broker.qualify(contract), await broker.qualify(contract)
        assert first == second
        assert first.contract.symbol == contract.symbol
        assert first.min_tick > 0
        assert list(first.liquid_hours) == sorted(first.liquid_hours, key=lambda row: row.opens_at)


async def _a_chain_is_sorted_and_lists_the_option(broker: Broker, world: World) -> None:
    chain = await broker.option_chain(world.stock)
    assert chain.underlying == world.stock
    for row in chain.classes:
        assert list(row.expiries) == sorted(set(row.expiries))
        assert list(row.strikes) == sorted(set(row.strikes))
    assert world.option.expiry in chain.expiries
    assert world.option.strike in chain.strikes


async def _a_stream_begins_with_a_quote_and_can_be_closed(broker: Broker, world: World) -> None:
    async with asyncio.timeout(_WAIT), aclosing(broker.stream_quotes(world.stock)) as stream:
        quote = await anext(stream)
    assert quote.contract == world.stock
    assert (await broker.quote(world.stock)).mid is not None


async def _the_account_is_readable(broker: Broker, _: World) -> None:
    values = await broker.account()
    assert values.account
    assert values.net_liquidation.is_finite()
    assert values.account not in repr(values)
    assert all(row.signed_quantity for row in await broker.positions())
    assert (await broker.pnl()).account == values.account


async def _health_makes_a_round_trip(broker: Broker, _: World) -> None:
    health = await broker.health()
    assert health.grade is not Grade.DOWN, health
    assert health.round_trip is not None
    assert health.round_trip >= 0
    await broker.ready(within=_WAIT)


async def _a_closed_broker_refuses_every_call(broker: Broker, world: World) -> None:
    await broker.disconnect()
    ticket = _ticket(world.stock)
    for asked in (
        broker.quote(world.stock), broker.quotes([world.stock]), broker.bars(world.stock, world.spec),
        broker.option_chain(world.stock), broker.place(ticket), broker.preview(ticket), broker.open_orders(),
        broker.all_open_orders(), broker.completed_orders(), broker.executions(), broker.positions(),
        broker.account(), broker.pnl(), broker.ready(), anext(broker.stream_quotes(world.stock)),
        anext(broker.order_events()), anext(broker.stream_bars(world.stock, world.spec)),
    ):  # fmt: skip
        await _raises(NotConnected, asked)
    assert not broker.is_connected
    assert (await broker.health()).grade is Grade.DOWN
    await broker.disconnect()


async def _a_quantity_below_one_is_refused_before_anything_is_sent(broker: Broker, world: World) -> None:
    for quantity in (0, -1):
        await _raises(InvalidInput, _placed(broker, world.stock, quantity))
    assert await broker.open_orders() == ()
    assert await broker.completed_orders() == ()


async def _an_index_cannot_be_ordered(broker: Broker, _: World) -> None:
    await _raises(InvalidInput, _placed(broker, Index("VIX"), 1))


async def _what_is_no_contract_order_or_account_is_refused(broker: Broker, world: World) -> None:
    wrong: Any = "SPY"
    for asked in (
        broker.quote(wrong), broker.quotes([wrong]), broker.quotes(world.stock), broker.qualify(wrong),  # type: ignore[arg-type]
        broker.bars(wrong, world.spec), broker.bars(world.stock, wrong), broker.option_chain(wrong),
        broker.place(wrong), broker.preview(wrong), anext(broker.stream_quotes(wrong)),
        broker.cancel(OrderId(10**9)), broker.modify(OrderId(10**9), _ticket(world.stock)),
        anext(broker.stream_bars(wrong, world.spec)), anext(broker.stream_bars(world.stock, wrong)),
        broker.account("DU9999999"), broker.positions("DU9999999"), broker.pnl("DU9999999"),
    ):  # fmt: skip
        await _raises(InvalidInput, asked)


async def _a_dry_run_keeps_the_order_to_itself(broker: Broker, world: World) -> None:
    placement = await broker.place(await _resting_bracket(broker, world))
    assert placement.state is OrderState.INTENT
    assert not any(row.was_sent for row in (placement, *placement.children))
    assert await broker.open_orders() == ()
    assert await broker.executions() == ()


async def _a_preview_is_kept_back_in_dry_run(broker: Broker, world: World) -> None:
    await _raises(OrderRefused, broker.preview(_ticket(world.option)))


async def _a_preview_tells_the_margin_and_places_nothing(broker: Broker, world: World) -> None:
    for contract in (world.stock, world.option):
        ticket = _ticket(contract)
        preview = await broker.preview(ticket)
        assert preview.ticket == ticket
        for figure in (preview.initial_margin, preview.maintenance_margin, preview.equity_with_loan):
            assert figure.before is not None, preview
            assert figure.change is not None, preview
            assert figure.after is not None, preview
            assert abs(figure.after - figure.before - figure.change) <= 2 * _PLACES, preview
        assert preview.commission is None or preview.commission >= 0
    await _raises(UnknownContract, broker.preview(_ticket(world.unknown)))
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
        await _raises(OrderRefused, broker.place(named))
        await broker.cancel(_sent(placement))


async def _what_is_refused_at_the_last_moment_does_not_leave(broker: Broker, world: World) -> None:
    def may_leave() -> None:
        raise OrderRefused("a kill switch came")

    for order in (await _resting_ticket(broker, world), await _resting_bracket(broker, world)):
        await _raises(OrderRefused, broker.place(order, may_leave=may_leave))
    assert await broker.open_orders() == ()
    assert await broker.completed_orders() == ()


async def _a_modified_order_works_at_its_new_price(broker: Broker, world: World) -> None:
    ticket = await _resting_ticket(broker, world)
    placement = await broker.place(ticket)
    lower = (ticket.limit_price or Decimal(1)) - _PLACES
    report = await broker.modify(_sent(placement), attrs.evolve(ticket, limit_price=lower))
    assert [row.limit_price for row in (report, *await broker.open_orders())] == [lower, lower]
    await broker.cancel(_sent(placement))


async def _a_fill_is_told_and_a_cancel_after_it_changes_nothing(broker: Broker, world: World) -> None:
    async with asyncio.timeout(_WAIT), aclosing(broker.order_events()) as events:
        with suppress(TimeoutError):  # which ends the wait, and not the stream
            await asyncio.wait_for(anext(events), 1)
        placement = await broker.place(_ticket(world.stock))
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


async def _order_events_end_in_an_error_when_the_session_ends(broker: Broker, _: World) -> None:
    async with asyncio.timeout(_WAIT), aclosing(broker.order_events()) as events:
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(1)
        await broker.disconnect()
        await _raises(NotConnected, waiting)


def _ticket(contract: Contract) -> OrderTicket:
    return OrderTicket(contract=contract, side=Side.BUY, quantity=1)


async def _placed(broker: Broker, contract: Contract, quantity: int) -> Placement:
    return await broker.place(OrderTicket(contract=contract, side=Side.BUY, quantity=quantity))


def _sent(placement: Placement) -> OrderId:
    assert placement.order_id is not None, placement
    return placement.order_id


async def _resting_ticket(broker: Broker, world: World) -> OrderTicket:
    quote = await broker.quote(world.stock)
    assert quote.bid is not None
    far = (Decimal(str(quote.bid)) * 9 / 10).quantize(_PLACES)
    return attrs.evolve(_ticket(world.stock), order_type=OrderType.LMT, limit_price=far)


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


_PROMISES: Final = {
    None: (
        _a_quote_holds_no_sentinel,
        _quotes_answer_each_contract_in_the_order_asked,
        _an_unknown_contract_is_named_as_such,
        _bars_ascend_and_are_what_was_asked_for,
        _qualifying_twice_gives_the_same_contract,
        _a_chain_is_sorted_and_lists_the_option,
        _a_stream_begins_with_a_quote_and_can_be_closed,
        _the_account_is_readable,
        _health_makes_a_round_trip,
        _a_closed_broker_refuses_every_call,
        _a_quantity_below_one_is_refused_before_anything_is_sent,
        _an_index_cannot_be_ordered,
        _what_is_no_contract_order_or_account_is_refused,
        _order_events_end_in_an_error_when_the_session_ends,
    ),
    True: (
        _a_preview_tells_the_margin_and_places_nothing,
        _a_resting_order_is_open_until_it_is_cancelled,
        _a_name_belongs_to_one_order_until_that_has_ended,
        _what_is_refused_at_the_last_moment_does_not_leave,
        _a_modified_order_works_at_its_new_price,
        _a_fill_is_told_and_a_cancel_after_it_changes_nothing,
        _a_bracket_is_placed_whole_and_its_stop_is_a_stop,
    ),
    False: (_a_dry_run_keeps_the_order_to_itself, _a_preview_is_kept_back_in_dry_run),
}

CHECKS: Final = tuple(
    Check(run.__name__.lstrip("_"), run, sends_orders)
    for sends_orders, promises in _PROMISES.items()
    for run in promises
)
"""Every promise, in the order in which a reader wants to see them broken."""
