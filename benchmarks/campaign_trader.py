"""The scripted trader: does what its plan says by the public door of orders, as a strategy's runner would."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Final

import attrs

from benchmarks.campaign_life import DAY, Life
from benchmarks.campaign_market import CONTRACTS, ThinMarket
from benchmarks.campaign_plan import Act, Deed
from ibkeel.clock import Clock
from ibkeel.errors import CircuitOpen, IbkeelError, InvalidInput, JournalError, PacingExceeded, SafetyRefused
from ibkeel.model import (
    Contract,
    Direction,
    Option,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    Right,
    Side,
    Signal,
    Stock,
    TimeInForce,
)
from ibkeel.orders import PENNY, ExitCause, build_bracket, is_same_contract, plan_exit, round_to_tick
from ibkeel.runner.crew import Crew
from ibkeel.runner.flatten import cancel_ours, flatten

__all__ = ["Trader", "contract_at"]

_SIGNAL: Final = Signal(direction=Direction.UP, confidence=0.5)
_TICK: Final = Decimal("0.01")
_ATTEMPTS: Final = 6
_AGAIN: Final = 10.0
_LONGEST_RACE: Final = 120.0
_RULES: Final = (SafetyRefused, CircuitOpen, JournalError, InvalidInput, PacingExceeded)
"""What is refused here, and not by the venue."""


def contract_at(index: int) -> Contract:
    """The model's contract of one of the market's."""
    row = CONTRACTS[index]
    if row.sec_type == "STK":
        return Stock("SPY")
    assert row.expiry is not None
    return Option(
        "SPY", row.expiry, Decimal(str(row.strike)), Right(row.right), trading_class=row.trading_class
    )


@attrs.define(kw_only=True, eq=False)
class Trader:
    """Carries deeds out in a life of the bot.

    Args:
        life: Whose door it uses.
        market: Knows when a limit will fill, for races.
        clock: Wall time.
        trace: Told what happens, in words.
    """

    life: Life
    market: ThinMarket
    clock: Clock
    trace: Callable[[str], None]
    exits_refused: list[str] = attrs.field(factory=list)
    entries_refused: list[str] = attrs.field(factory=list)

    async def do(self, deed: Deed) -> None:
        """Carry one deed out; what fails is noted."""
        crew = self.life.crew
        if crew is None:
            return
        try:
            await self._do(deed, crew)
        except IbkeelError as error:
            self.trace(f"{deed.act.value}: {type(error).__name__}: {error}")
            if deed.act is Act.ENTER:
                self.entries_refused.append(type(error).__name__)

    async def _do(self, deed: Deed, crew: Crew) -> None:
        deeds = {
            Act.ENTER: self._enter,
            Act.CHANGE: self._change,
            Act.CANCEL: self._cancel,
            Act.RACE: self._race,
            Act.EXIT: self._leave,
            Act.FLATTEN: self._flatten,
            Act.HALT: self._halt,
            Act.LIFT: self._lift,
        }
        await deeds[deed.act](deed, crew)

    async def _halt(self, _: Deed, crew: Crew) -> None:
        crew.halting.now("the campaign says so", self.clock.now())

    async def _lift(self, _: Deed, crew: Crew) -> None:
        crew.doorkeeper.halt.lift()

    async def _enter(self, deed: Deed, crew: Crew) -> None:
        if crew.desk.unknown_orders:
            self.trace("enter: not while the fate of an order is unknown")
            return
        contract = contract_at(deed.contract)
        quote = await self.life.broker.quote(contract)
        assert quote.bid is not None
        shown = quote
        if deed.is_passive:
            shown = attrs.evolve(quote, bid=quote.bid - 0.05, ask=quote.bid - 0.03)
        bracket = build_bracket(
            quote=shown,
            quantity=deed.quantity,
            stop_fraction=deed.stop,
            take_profit_fraction=deed.profit,
            ticks=PENNY,
        )
        open_orders = await self.life.broker.open_orders()
        placed = await crew.desk.enter(
            "SPY", bracket, _SIGNAL, DAY.day, "", quote=quote, open_orders=open_orders
        )
        self.trace(f"entered {placed.client_order_id} {placed.state.value}")

    async def _ours(self, deed: Deed, crew: Crew) -> list[OrderReport]:
        """Orders of ours in the contract that work."""
        contract = contract_at(deed.contract)
        rows = await self.life.broker.open_orders()
        at_work = {OrderState.ACKNOWLEDGED, OrderState.WORKING, OrderState.PARTIALLY_FILLED}
        return [
            row
            for row in rows
            if crew.desk.owns(row) and is_same_contract(row.contract, contract) and row.state in at_work
        ]

    async def _change(self, deed: Deed, crew: Crew) -> None:
        rows = await self._ours(deed, crew)
        entries = [row for row in rows if crew.desk.is_entry(row)]
        stops = [row for row in rows if row.order_type == "STP"]
        row = next(iter(entries or stops), None)
        if row is None:
            return
        ticket = OrderTicket(
            contract=row.contract,
            side=row.side,
            quantity=int(row.quantity),
            order_type=OrderType(row.order_type),
            limit_price=_moved(row.limit_price, deed.quantity),
            stop_price=_moved(row.stop_price, -deed.quantity),
            tif=TimeInForce(row.tif),
            oca_group=row.oca_group,
            client_order_id=row.client_order_id,
            is_closing=row.side is Side.SELL,
        )
        told = await crew.desk.change(row, ticket)
        self.trace(f"changed {row.client_order_id} {told.state.value}")

    async def _cancel(self, deed: Deed, crew: Crew) -> None:
        for row in await self._ours(deed, crew):
            if crew.desk.is_entry(row):
                told = await crew.desk.cancel(row)
                crew.desk.saw(told)
                self.trace(f"cancelled {row.client_order_id} {told.state.value}")

    async def _race(self, deed: Deed, crew: Crew) -> None:
        """Cancel an entry in the instant in which it fills."""
        for row in await self._ours(deed, crew):
            if not crew.desk.is_entry(row) or row.limit_price is None:
                continue
            now = self.clock.now()
            fills_at = self.market.fills_at(CONTRACTS[deed.contract], float(row.limit_price), now)
            if fills_at is None or fills_at - now > timedelta(seconds=_LONGEST_RACE):
                continue
            ahead = 0.02 * deed.quantity  # the cancel reaches the venue after 0.05 s
            await asyncio.sleep((fills_at - now).total_seconds() - ahead)
            crew.desk.saw(await crew.desk.cancel(row))
            self.trace(f"raced {row.client_order_id}")

    async def _flatten(self, _: Deed, crew: Crew) -> None:
        held = await flatten(self.life.broker, crew.desk, session=DAY.day, wait=30.0, reason="the plan")
        self.trace(f"flatten left {[row.reason for row in held]}")
        rules = tuple(error.__name__ for error in _RULES if error is not SafetyRefused)
        self.exits_refused += [row.reason for row in held if row.reason.startswith(rules)]

    async def _leave(self, deed: Deed, crew: Crew) -> None:
        """Close a position, again and again until an exit has left."""
        for _ in range(_ATTEMPTS):
            try:
                if await self._left(contract_at(deed.contract), crew):
                    return
            except _RULES as error:
                self.exits_refused.append(f"{type(error).__name__}: {error}")
                self.trace(f"exit refused: {error}")
            except IbkeelError as error:
                self.trace(f"exit: {type(error).__name__}: {error}")
            await asyncio.sleep(_AGAIN)

    async def _left(self, contract: Contract, crew: Crew) -> bool:
        broker, desk = self.life.broker, crew.desk
        async with desk.turn:
            held = [row for row in await broker.positions() if is_same_contract(row.contract, contract)]
            if not held:
                return True
            [position] = held
            await cancel_ours(broker, desk, position.contract)
            again = [row for row in await broker.positions() if is_same_contract(row.contract, contract)]
            if not again:
                return True
            orders = await broker.all_open_orders()
            placed = await desk.leave(
                lambda name: plan_exit(again[0], orders, client_order_id=name).ticket,
                ExitCause.SIGNAL,
                DAY.day,
                "the plan",
            )
        self.trace(f"left {placed and placed.client_order_id} {placed and placed.state.value}")
        return placed is not None


def _moved(price: Decimal | None, ticks: int) -> Decimal | None:
    if price is None:
        return None
    return round_to_tick(price + ticks * _TICK, ticks=PENNY, side=Side.BUY)
