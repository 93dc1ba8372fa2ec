"""What every broker must do, as checks that run against any of them.

Give a factory that opens a broker in a world you know, and run every check against it::

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    def test_my_broker_keeps_the_contract(check):
        run_virtual(run_check(check, my_factory))

A check that needs orders to be sent (or kept back) is left out when the world says otherwise.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel.errors import (
    InvalidInput,
    NotConnected,
    UnknownContract,
)
from ibkeel.model import (
    Broker,
    Contract,
    Grade,
    Index,
    OrderId,
    OrderTicket,
    Placement,
    Quote,
    Side,
)
from ibkeel.testing.order_promises import WAIT, WHEN_KEPT, WHEN_SENT, World, raises, ticket_for

__all__ = ["CHECKS", "Check", "Factory", "World", "run_check"]

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
    await raises(UnknownContract, broker.quote(world.unknown))
    await raises(UnknownContract, broker.bars(world.unknown, world.spec))
    await raises(UnknownContract, broker.qualify(world.unknown))
    await raises(UnknownContract, broker.option_chain(world.unknown))


async def _bars_ascend_and_are_what_was_asked_for(broker: Broker, world: World) -> None:
    bars = await broker.bars(world.stock, world.spec)
    assert (bars.contract, bars.spec) == (world.stock, world.spec)
    instants = [bar.at for bar in bars]
    assert instants == sorted(set(instants)) != []
    assert all(
        0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars
    )
    assert instants[-1] <= (await broker.quote(world.stock)).at
    async with asyncio.timeout(WAIT), aclosing(broker.stream_bars(world.stock, world.spec)) as stream:
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
    async with asyncio.timeout(WAIT), aclosing(broker.stream_quotes(world.stock)) as stream:
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
    await broker.ready(within=WAIT)


async def _a_closed_broker_refuses_every_call(broker: Broker, world: World) -> None:
    await broker.disconnect()
    ticket = ticket_for(world.stock)
    for asked in (
        broker.quote(world.stock), broker.quotes([world.stock]), broker.quotes([]), broker.bars(world.stock, world.spec),
        broker.option_chain(world.stock), broker.place(ticket), broker.preview(ticket), broker.open_orders(),
        broker.all_open_orders(), broker.completed_orders(), broker.executions(), broker.positions(),
        broker.account(), broker.pnl(), broker.ready(), anext(broker.stream_quotes(world.stock)),
        anext(broker.order_events()), anext(broker.stream_bars(world.stock, world.spec)),
    ):  # fmt: skip
        await raises(NotConnected, asked)
    assert not broker.is_connected
    assert (await broker.health()).grade is Grade.DOWN
    await broker.disconnect()


async def _a_quantity_below_one_is_refused_before_anything_is_sent(broker: Broker, world: World) -> None:
    for quantity in (0, -1):
        await raises(InvalidInput, _placed(broker, world.stock, quantity))
    assert await broker.open_orders() == ()
    assert await broker.completed_orders() == ()


async def _an_index_cannot_be_ordered(broker: Broker, _: World) -> None:
    await raises(InvalidInput, _placed(broker, Index("VIX"), 1))


async def _what_is_no_contract_order_or_account_is_refused(broker: Broker, world: World) -> None:
    wrong: Any = "SPY"
    for asked in (
        broker.quote(wrong), broker.quotes([wrong]), broker.quotes(world.stock), broker.qualify(wrong),  # type: ignore[arg-type]
        broker.bars(wrong, world.spec), broker.bars(world.stock, wrong), broker.option_chain(wrong),
        broker.place(wrong), broker.preview(wrong), anext(broker.stream_quotes(wrong)),
        broker.cancel(OrderId(10**9)), broker.modify(OrderId(10**9), ticket_for(world.stock)),
        anext(broker.stream_bars(wrong, world.spec)), anext(broker.stream_bars(world.stock, wrong)),
        broker.option_chain(world.option), broker.cancel(wrong), broker.modify(wrong, ticket_for(world.stock)),  # type: ignore[arg-type]
        broker.ready(within=0), broker.ready(within=wrong),
        broker.account("DU9999999"), broker.positions("DU9999999"), broker.pnl("DU9999999"),
    ):  # fmt: skip
        await raises(InvalidInput, asked)


async def _order_events_end_in_an_error_when_the_session_ends(broker: Broker, _: World) -> None:
    async with asyncio.timeout(WAIT), aclosing(broker.order_events()) as events:
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(1)
        await broker.disconnect()
        await raises(NotConnected, waiting)


async def _placed(broker: Broker, contract: Contract, quantity: int) -> Placement:
    return await broker.place(OrderTicket(contract=contract, side=Side.BUY, quantity=quantity))


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
    True: WHEN_SENT,
    False: WHEN_KEPT,
}

CHECKS: Final = tuple(
    Check(run.__name__.lstrip("_"), run, sends_orders)
    for sends_orders, promises in _PROMISES.items()
    for run in promises
)
"""Every promise, in the order in which a reader wants to see them broken."""
