"""Says what is open when a run takes over from another, and when it ends before its time."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import attrs

from ibkeel.errors import IbkeelError, UnreadableRecord
from ibkeel.journal import Journal, RunEnded, RunStarted
from ibkeel.model import OrderReport, OrderState, Position
from ibkeel.orders import StopUnit, is_stop, stops_at_work
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.flatten import OrdersAndAccount

_STATES = {
    OrderState.ACKNOWLEDGED: "working",
    OrderState.WORKING: "working",
    OrderState.PARTIALLY_FILLED: "working",
    OrderState.CANCELLING: "being cancelled",
}
_HELD_UNTIL = {"DAY": "good for the day only", "GTC": "good until cancelled"}


@attrs.frozen(kw_only=True)
class LeftOpen:
    """Positions in what a bot traded, and the bot's orders that have not ended, those of unknown fate included."""

    positions: tuple[Position, ...] = ()
    orders: tuple[OrderReport, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """One for each position with the stop that works for it, and one for each other order."""
        behind = [stops_at_work(held, self.orders) for held in self.positions]
        held = [_held(position, own) for position, own in zip(self.positions, behind, strict=True)]
        told = {row.order_id for own in behind for unit in own for row in unit.orders}
        rest = [_order(row, self.orders) for row in self.orders if row.order_id not in told]
        return (*held, *rest) or ("no position in what the bot traded, and no order of it",)


def _held(position: Position, stops: Sequence[StopUnit]) -> str:
    what = f"{position.signed_quantity:+g} {position.contract}"
    if not stops:
        return f"{what}, WITHOUT A STOP at the venue"
    lacking = abs(position.signed_quantity) - sum(unit.size for unit in stops)
    short = f"; NO STOP for {lacking:g} of it" if lacking > 0 else ""
    return f"{what}, behind " + " and ".join(map(_stop, stops)) + short


def _stop(unit: StopUnit) -> str:
    until = ((row.stop_price, _HELD_UNTIL.get(row.tif, row.tif)) for row in unit.orders)
    return " or ".join(f"a stop at {price} for {unit.size}, {words}" for price, words in until)


def _order(order: OrderReport, orders: Iterable[OrderReport]) -> str:
    price = order.stop_price if is_stop(order) else order.limit_price
    what = f"{order.side} {order.remaining:g} {order.contract} {order.order_type}"
    state = _STATES.get(order.state, "fate unknown")
    if state == "working":
        parents = (
            row for row in orders if (row.client_id, row.order_id) == (order.client_id, order.parent_id)
        )
        waits = any(not (row.filled or row.state.is_final) for row in parents)
        state = f"{'waits for its entry' if waits else state}, {order.tif}"
    return f"{what} {price if price is not None else ''}".rstrip() + f" ({order.client_order_id}), {state}"


_LOG: Final = logging.getLogger("ibkeel.runner")
_PATIENCE: Final = 5.0  # seconds: whoever stops a bot does not wait for a Gateway that is gone


class Handover:
    """Reads what is open and tells it: to a person, to the log, and for the journal."""

    def __init__(
        self, broker: OrdersAndAccount, desk: OrderDesk, announce: Callable[[str], None] | None
    ) -> None:
        self._broker, self._desk = broker, desk
        self._announce = announce or (lambda _: None)
        self._killed = ""
        self._unread: tuple[str, ...] = ()

    def look_back(self, journal: Journal, unread: Iterable[str] = ()) -> None:
        """Note whether the run before ended in order, before another is recorded; unread records are told as sentences."""
        self._unread = tuple(unread)
        try:
            began, ended = journal.last(RunStarted), journal.last(RunEnded)
        except UnreadableRecord as error:
            self._unread = tuple(dict.fromkeys((*self._unread, str(error))))
            return
        if began is None or (ended is not None and ended.seq > began.seq):
            return
        self._killed = began.record.run

    async def begin(self) -> None:
        """Say what an earlier run left; nothing when there was none that traded."""
        for words in self._unread:
            self._say(f"not taken over: {words}")
        if self._killed:
            self._say(f"the run {self._killed} did not end in order: it was killed, or the power went")
        if self._desk.contracts:
            for words in await self._read():
                self._say(f"taken over: {words}")

    async def end(self) -> str:
        """Say what this run leaves; the same in one line for the journal."""
        if not self._desk.contracts:
            return ""
        found = await self._read()
        for words in found:
            self._say(f"left open: {words}")
        return "; ".join(found)

    def _say(self, line: str) -> None:
        _LOG.warning("%s", line)
        self._announce(line)

    async def _read(self) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(_PATIENCE):
                positions = await self._broker.positions()
                orders = await self._broker.all_open_orders()
        except (IbkeelError, TimeoutError) as error:
            cause = str(error) or f"no answer within {_PATIENCE:g} s"
            unread = f"it could not be read ({type(error).__name__}: {cause}); look in TWS or Client Portal"
            last = (f"{name}, {row.contract}, last known as {row.state}" for name, row in self._desk.alive)
            return (unread, *last)
        return LeftOpen(
            positions=tuple(filter(self._desk.may_own, positions)),
            orders=tuple(row for row in orders if self._desk.owns(row)),
        ).sentences()
