"""Brings mishaps about when an order gets to their phase, and counts what struck."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from benchmarks.campaign_faults import faults_of, longest
from benchmarks.campaign_plan import Mishap, Phase, Trouble
from ibkeel.clock import Clock
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.services.orders import publish

__all__ = ["Mishaps"]

_LOOKS_EVERY: Final = 60.0  # seconds between two looks while nothing is heard


class Mishaps:
    """Waits for phases.

    Args:
        planned: What is to go wrong.
        gateway: Where.
        clock: Wall time.
        kill: Called to arm the end of the process at a journal's boundary.
        trace: Told what happens, in words.
    """

    def __init__(
        self,
        planned: Sequence[Mishap],
        gateway: SimulatedGateway,
        clock: Clock,
        *,
        kill: Callable[[int], None],
        trace: Callable[[str], None],
    ) -> None:
        self._planned, self._gateway, self._clock = list(planned), gateway, clock
        self._kill, self._trace = kill, trace
        self._seen: Counter[Phase] = Counter()
        self.hits: Counter[tuple[Trouble, Phase]] = Counter()
        self.clear_at: datetime = clock.now()
        """Until when something planned may last."""

    def moment(self, phase: Phase, request: str = "place_order") -> None:
        """An order got to a phase; what waits for it goes wrong.

        Args:
            phase: Which.
            request: The message that is about to be served, where there is one.
        """
        self._seen[phase] += 1
        due = [row for row in self._planned if row.phase is phase and row.nth == self._seen[phase]]
        for mishap in due:
            self._planned.remove(mishap)
            self._bring_about(mishap, request)

    def stop(self) -> None:
        """Nothing more goes wrong."""
        self._planned.clear()

    def hit(self, trouble: Trouble, phase: Phase) -> None:
        """Count one that came by itself."""
        self.hits[trouble, phase] += 1

    def _bring_about(self, mishap: Mishap, request: str) -> None:
        self._trace(f"MISHAP {mishap.trouble.value} while {mishap.phase.value}")
        if mishap.trouble is Trouble.KILLED:
            self._kill(mishap.number)
        elif mishap.trouble is Trouble.STOP_GONE:
            if not self._withdraw_stop(is_told=mishap.number % 2 == 0):
                return
        else:
            for fault in faults_of(mishap, request):
                self._gateway.inject(fault)
            over_at = self._clock.now() + timedelta(seconds=mishap.wait + longest(mishap))
            self.clear_at = max(self.clear_at, over_at)
        self.hit(mishap.trouble, mishap.phase)

    def _withdraw_stop(self, *, is_told: bool) -> bool:
        """Somebody withdraws a stop; when nobody is told, it takes a look to find out."""
        venue, now = self._gateway.venue, self._clock.now()
        stop = next((row for row in venue.open_orders() if row.order_type == "STP"), None)
        if stop is None:
            return False
        events = venue.cancel(stop.client_id, stop.order_id, now)
        if is_told:
            publish(self._gateway.reception.world, events, now)
            self._gateway.reception.flush()
        else:
            self.clear_at = max(self.clear_at, now + timedelta(seconds=_LOOKS_EVERY))
        return True
