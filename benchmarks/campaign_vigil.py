"""Looks at the venue's own book every two seconds: who is naked, for how long, and where orders stand."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from typing_extensions import override

from benchmarks.campaign_life import Told
from benchmarks.campaign_mishaps import Mishaps
from benchmarks.campaign_plan import Phase
from ibkeel.clock import Clock
from ibkeel.sim.values import SimOrder, VenueEvent
from ibkeel.sim.venue import Venue

__all__ = ["STOPS", "NotedVenue", "Vigil"]

_LOOK: Final = 2.0
_DEADLINE: Final = 45.0
"""Seconds on a session with nothing wrong that a position may be without a stop, and nobody be told."""

STOPS: Final = frozenset({"STP", "STP LMT"})
"""What counts as a stop at the venue."""
_LIVE: Final = frozenset({"PreSubmitted", "Submitted"})


class NotedVenue(Venue):
    """A venue that counts what happens at it: while nothing does, its book is as it was."""

    happened = 0

    @override
    def submit(self, order: SimOrder, at: datetime) -> list[VenueEvent]:
        return self._noted(super().submit(order, at))

    @override
    def cancel(self, client_id: int, order_id: int, at: datetime) -> list[VenueEvent]:
        return self._noted(super().cancel(client_id, order_id, at))

    @override
    def cancel_all(self, at: datetime) -> list[VenueEvent]:
        return self._noted(super().cancel_all(at))

    @override
    def advance(self, at: datetime) -> list[VenueEvent]:
        return self._noted(super().advance(at))

    def _noted(self, events: list[VenueEvent]) -> list[VenueEvent]:
        self.happened += len(events)
        return events


class Vigil:
    """Watches a venue.

    Args:
        venue: Whom to watch.
        clock: Wall time.
        mishaps: Told when an order gets to a phase; knows until when something may be wrong.
        told: The alarms.
        is_up: Whether the bot works and has a link.
        trace: Told what is seen, in words.
    """

    def __init__(
        self,
        venue: NotedVenue,
        clock: Clock,
        mishaps: Mishaps,
        told: Told,
        *,
        is_up: Callable[[], bool],
        trace: Callable[[str], None],
    ) -> None:
        self._venue, self._clock, self._mishaps = venue, clock, mishaps
        self._told, self._is_up, self._trace = told, is_up, trace
        self._happened = -1
        self._bare: dict[int, str] = {}
        self._naked: dict[int, float] = {}
        self._alarms_before: dict[int, int] = {}
        self._phases: set[tuple[str, Phase]] = set()
        self.late: list[str] = []
        """Positions that were naked for too long."""
        self.halted_at: datetime | None = None
        self.halts: list[tuple[datetime, datetime]] = []

    def lifted(self) -> None:
        """The halt ends, if there is one."""
        if self.halted_at is not None:
            self.halts.append((self.halted_at, self._clock.now()))
            self.halted_at = None

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            self.look()

    def look(self) -> list[str]:
        """Look once; says which positions are naked now."""
        if self._happened != self._venue.happened:
            self._happened = self._venue.happened
            orders = self._venue.open_orders()
            self._bare = dict(self._uncovered(orders))
            self._note_phases(orders)
        naked = self._bare
        is_clear = self._is_up() and self._clock.now() > self._mishaps.clear_at
        for con_id in list(self._naked):
            if con_id not in naked:
                self._trace(f"COVERED {con_id} after {self._naked[con_id]:g} good seconds")
                del self._naked[con_id]
        for con_id, words in naked.items():
            if con_id not in self._naked:
                self._naked[con_id], self._alarms_before[con_id] = 0.0, len(self._told.alarms)
                self._trace(f"BARE {words}")
            self._naked[con_id] += _LOOK if is_clear else 0.0
            was_told = len(self._told.alarms) > self._alarms_before[con_id]
            if _DEADLINE <= self._naked[con_id] < _DEADLINE + _LOOK and not was_told:
                self.late.append(words)
        return list(naked.values())

    def _uncovered(self, orders: Iterable[SimOrder]) -> Iterable[tuple[int, str]]:
        """Positions that neither a stop nor an exit at work would close whole; each group counts once."""
        for row in self._venue.positions():
            units: dict[str, float] = {}
            for order in orders:
                if order.contract.con_id != row.contract.con_id or order.action != "SELL":
                    continue
                if order.order_type in STOPS or order.order_type == "MKT":
                    if "child" in order.why_held:
                        continue
                    key = order.oca_group or str(order.perm_id)
                    units[key] = max(units.get(key, 0.0), order.quantity - order.filled)
            covered = sum(units.values())
            if covered < row.quantity:
                yield (
                    row.contract.con_id,
                    f"{row.quantity:g} of {row.contract.con_id} held, {covered:g} covered",
                )

    def _note_phases(self, orders: Iterable[SimOrder]) -> None:
        for order in orders:
            if order.action == "BUY" and order.status in _LIVE:
                phase = Phase.PART_FILLED if order.filled else Phase.WORKING
            elif order.order_type in STOPS and "child" not in order.why_held:
                phase = Phase.HELD
            else:
                continue
            key = (order.order_ref, phase)
            if key not in self._phases:
                self._phases.add(key)
                self._mishaps.moment(phase)
