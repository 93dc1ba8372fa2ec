"""A person in TWS on the bot's account: trades, and lays hands on the bot's orders, at the venue itself."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from benchmarks.campaign_vigil import STOPS
from benchmarks.days_plan import Event, What
from ibkeel.clock import Clock
from ibkeel.sim import SimulatedGateway, faults
from ibkeel.sim.services.orders import match, publish
from ibkeel.sim.values import SimContract, SimOrder, VenueEvent
from ibkeel.sim.venue import Venue

__all__ = ["PERSON", "Person"]

PERSON: Final = 0
"""The client id of what is done by hand."""


class Person:
    """Acts at the venue.

    Args:
        gateway: Tells the bots what came of it.
        venue: Where it is done.
        clock: The right one.
        trace: Told what is done, in words.
    """

    def __init__(
        self, gateway: SimulatedGateway, venue: Venue, clock: Clock, trace: Callable[[str], None]
    ) -> None:
        self._gateway, self._venue, self._clock, self._trace = gateway, venue, clock, trace
        self._number = 0
        self.touched: dict[tuple[int, int], None] = {}
        """Orders of the bots that were changed or cancelled by hand, by client and number."""
        self.acted: dict[int, datetime] = {}
        """When an order of theirs in a contract last changed anything: no bot is told of that."""
        self._deeds: Mapping[What, Callable[[int], list[VenueEvent]]] = {
            What.SELLS_ALL: self._sells_all,
            What.SELLS_PART: self._sells_part,
            What.BUYS_SAME: self._buys_same,
            What.BUYS_OTHER: self._buys_other,
            What.RESTS_SELL: self._rests_sell,
            What.RESTS_STOP: self._rests_stop,
            What.CANCELS_OWN: self._cancels_own,
            What.CANCELS_STOP: lambda number: self._cancels(number, _is_stop),
            What.CANCELS_PROFIT: lambda number: self._cancels(number, _is_profit),
            What.CANCELS_ENTRY: lambda number: self._cancels(number, _is_entry),
            What.MOVES_STOP: self._moves_stop,
        }

    def does(self, event: Event) -> bool:
        """Do it; tells whether there was anything to do it to."""
        events = self._deeds[event.what](event.number)
        now, world = self._clock.now(), self._gateway.reception.world
        publish(world, events, now)
        match(world, now)
        # Whatever is due next is waited for anew.
        self._gateway.inject(faults.ClockSkew(seconds=0.0, duration=0.001))
        return bool(events)

    def _held(self, number: int) -> tuple[SimContract, int] | None:
        """An option that is held, and how many."""
        rows = [row for row in self._venue.positions() if row.quantity > 0 and row.contract.sec_type == "OPT"]
        if not rows:
            return None
        row = rows[number % len(rows)]
        return row.contract, int(row.quantity)

    def _orders(self, contract: SimContract, action: str, quantity: int, **terms: object) -> list[VenueEvent]:
        self._number += 1
        order = SimOrder(
            client_id=PERSON,
            order_id=self._number,
            contract=contract,
            action=action,
            quantity=float(quantity),
            **{"order_type": "MKT", "echo": {"order_id": self._number}, **terms},  # type: ignore[arg-type]
        )
        self.acted[contract.con_id] = self._clock.now()
        self._trace(f"PERSON {action} {quantity} {contract.local_symbol or contract.symbol} {terms}")
        return self._venue.submit(order, self._clock.now())

    def _sells_all(self, number: int) -> list[VenueEvent]:
        held = self._held(number)
        return [] if held is None else self._orders(held[0], "SELL", held[1])

    def _sells_part(self, number: int) -> list[VenueEvent]:
        held = self._held(number)
        if held is None or held[1] == 1:
            return []
        return self._orders(held[0], "SELL", 1 + number % (held[1] - 1))

    def _buys_same(self, number: int) -> list[VenueEvent]:
        held = self._held(number)
        return [] if held is None else self._orders(held[0], "BUY", 1 + number % 4)

    def _buys_other(self, number: int) -> list[VenueEvent]:
        stock = self._gateway.market.underlyings()[number % 2]
        return self._orders(stock, "BUY", 1 + number % 10)

    def _rests_sell(self, number: int) -> list[VenueEvent]:
        held = self._held(number)
        if held is None:
            return []
        price = self._mark(held[0]) * (1.02 + 0.01 * (number % 30))
        return self._orders(held[0], "SELL", held[1], order_type="LMT", limit_price=round(price, 2))

    def _rests_stop(self, number: int) -> list[VenueEvent]:
        held = self._held(number)
        if held is None:
            return []
        price = self._mark(held[0]) * (0.99 - 0.01 * (number % 20))
        return self._orders(held[0], "SELL", held[1], order_type="STP", stop_price=round(max(price, 0.01), 2))

    def _cancels_own(self, _: int) -> list[VenueEvent]:
        found = self._venue.open_orders(PERSON)
        self.acted |= {row.contract.con_id: self._clock.now() for row in found}
        return [
            event for row in found for event in self._venue.cancel(PERSON, row.order_id, self._clock.now())
        ]

    def _cancels(self, number: int, is_meant: Callable[[SimOrder], bool]) -> list[VenueEvent]:
        order = self._of_bots(number, is_meant)
        if order is None:
            return []
        self._trace(f"PERSON cancels {order.order_ref} of {order.client_id}")
        return self._venue.cancel(order.client_id, order.order_id, self._clock.now())

    def _moves_stop(self, number: int) -> list[VenueEvent]:
        order = self._of_bots(number, _is_stop)
        if order is None or order.stop_price is None:
            return []
        order.stop_price = round(max(order.stop_price * (0.7 + 0.01 * (number % 40)), 0.01), 2)
        order.transmit = True
        order.echo = {**order.echo, "stop_price": order.stop_price, "transmit": True}
        self._trace(f"PERSON moves {order.order_ref} of {order.client_id} to {order.stop_price}")
        return self._venue.submit(order, self._clock.now())

    def _of_bots(self, number: int, is_meant: Callable[[SimOrder], bool]) -> SimOrder | None:
        found = [row for row in self._venue.open_orders() if row.client_id != PERSON and is_meant(row)]
        if not found:
            return None
        order = found[number % len(found)]
        self.touched[order.client_id, order.order_id] = None
        return order

    def _mark(self, contract: SimContract) -> float:
        quote = self._gateway.market.quote(contract, self._clock.now())
        return quote.bid or quote.last or 1.0


def _is_stop(order: SimOrder) -> bool:
    return order.order_type in STOPS and order.action == "SELL"


def _is_profit(order: SimOrder) -> bool:
    return order.order_type == "LMT" and order.action == "SELL"


def _is_entry(order: SimOrder) -> bool:
    return order.action == "BUY"
