"""Mistakes that others have made, each put in place of one thing: the campaign must notice every one."""

# ruff: noqa: SLF001 - a mistake is put in place of private parts

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from ibkeel.ibkr import adapter, trading
from ibkeel.ibkr import link as links
from ibkeel.ibkr.client import next_request_id
from ibkeel.ibkr.services import Service
from ibkeel.ibkr.translate import to_ib_order
from ibkeel.model import OrderState
from ibkeel.orders import exits, protection, truth
from ibkeel.runner import protector, recorder

__all__ = ["MUTANTS", "mutated"]

Patch = tuple[Any, str, Any]


def _no_journal() -> list[Patch]:
    """Nothing is written."""

    async def forget(*_: object) -> None:
        await asyncio.sleep(0)

    return [
        (recorder.Recorder, "keep", lambda *_: None),
        (recorder.Recorder, "record", forget),
        (recorder.Recorder, "try_record", forget),
    ]


def _resends() -> list[Patch]:
    """What had no answer when the link was lost is sent again on the next one."""
    send, reconcile = trading.Trading._send, adapter.IBKRBroker._reconcile
    sent: list[tuple[Any, Any, Any]] = []

    def remember(self: Any, legs: Any, contract: Any) -> None:
        sent.append((self, legs, contract))
        send(self, legs, contract)

    async def resend(self: Any) -> None:
        for door, legs, contract in tuple(sent):
            entry = legs[0]
            report = self._link.book.report(entry.order_id)
            if door is self._trading and report is not None and report.state is OrderState.UNKNOWN:
                family = door._family(entry.ticket, [leg.ticket for leg in legs[1:]], entry.client_order_id)
                send(door, family, contract)
        await reconcile(self)

    return [(trading.Trading, "_send", remember), (adapter.IBKRBroker, "_reconcile", resend)]


def _trusts_status() -> list[Patch]:
    """A lost link ends every order, as the client libraries' own order status has it."""

    def ended(known: Any) -> Any:
        if known.state is OrderState.INTENT or known.state.is_final:
            return known
        return truth._settled(known, OrderState.CANCELLED, "the connection ended")

    return [(truth, "_link_lost", ended)]


def _no_id_guard() -> list[Patch]:
    """Order ids are taken as the Gateway and the library give them."""

    def unguarded(self: Any) -> int:
        self.check()
        return next_request_id(self.ib)

    def ignore(*_: object) -> None:
        """Whatever is noted is forgotten."""

    return [
        (links, "note_order_id", ignore),
        (trading, "note_order_id", ignore),
        (links.Link, "request_id", unguarded),
    ]


def _no_verifier() -> list[Patch]:
    """Nobody looks after stops."""

    async def sleep(_: object) -> None:
        await asyncio.Event().wait()

    return [(protector.Protector, "run", sleep)]


def _limit_stop() -> list[Patch]:
    """The stop leaves as a limit order at its price."""
    made = to_ib_order

    def mistaken(*args: Any, **more: Any) -> Any:
        order = made(*args, **more)
        if order.orderType == "STP":
            order.orderType, order.lmtPrice = "LMT", order.auxPrice
        return order

    return [(trading, "to_ib_order", mistaken)]


def _exits_break() -> list[Patch]:
    """Exits are subject to the breaker of new orders, as entries are."""

    async def place(self: Any, order: Any, deadlines: Any, may_go: Callable[[], None]) -> Any:
        entry, children = (order.entry, order.children()) if hasattr(order, "entry") else (order, ())
        contract = await self._complete(entry, deadlines)
        may_go()
        try:
            with self._link.services[Service.NEW_ORDERS].attempt():
                return trading._well(
                    *await self._submit(entry, children, entry.client_order_id, contract, deadlines)
                )
        except trading._Faulty as fault:
            return fault.placement

    return [(trading.Trading, "place", place)]


def _past_zero() -> list[Patch]:
    """One more is sold than is held."""
    room = exits.exit_room

    def generous(held: float, orders: Any) -> int:
        return room(held, orders) + 1

    return [(exits, "exit_room", generous), (protection, "exit_room", generous)]


MUTANTS: Final[Mapping[str, Callable[[], list[Patch]]]] = {
    "no journal": _no_journal,
    "resend on reconnect": _resends,
    "trust orderStatus": _trusts_status,
    "no id guard": _no_id_guard,
    "verifier off": _no_verifier,
    "LMT stop": _limit_stop,
    "exits through the breaker": _exits_break,
    "one past zero": _past_zero,
}
"""By name; each gives what is to be put in place of what."""


@contextmanager
def mutated(name: str | None) -> Iterator[None]:
    """Make one mistake while the block runs; None makes none."""
    with ExitStack() as stack:
        for owner, attribute, value in MUTANTS[name]() if name else ():
            # As it stands in the owner itself: what is read through a class is bound already, or inherited.
            if attribute in vars(owner):
                stack.callback(setattr, owner, attribute, vars(owner)[attribute])
            else:
                stack.callback(delattr, owner, attribute)
            setattr(owner, attribute, value)
        yield
