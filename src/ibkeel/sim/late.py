"""A connection whose messages can be slow to arrive, and keep their order."""

from collections.abc import Callable
from datetime import datetime, timedelta

from typing_extensions import override

from ibkeel.sim.agenda import Agenda
from ibkeel.sim.client import Sink


class LateSink(Sink):
    """Hands bytes on, at once or later.

    Args:
        sink: Where they go.
        agenda: Plans what is under way.
        now: The present instant.
        delay: Seconds that bytes which leave now are under way.
    """

    def __init__(
        self, sink: Sink, agenda: Agenda, now: Callable[[], datetime], delay: Callable[[], float]
    ) -> None:
        self._sink, self._agenda, self._now, self._delay = sink, agenda, now, delay
        self._under_way = 0
        self._last_due: datetime | None = None
        self._is_broken = False

    @override
    def write(self, data: bytes) -> None:
        self._do(lambda: self._sink.write(data))

    @override
    def close(self) -> None:
        self._do(self._sink.close)

    @override
    def abort(self) -> None:
        self._is_broken = True
        self._sink.abort()

    def _do(self, action: Callable[[], None]) -> None:
        delay = self._delay()
        if not delay and not self._under_way:
            action()
            return
        due = self._now() + timedelta(seconds=delay)
        self._last_due = due = due if self._last_due is None else max(due, self._last_due)
        self._under_way += 1

        def arrive(_: datetime) -> None:
            self._under_way -= 1
            if not self._is_broken:
                action()

        self._agenda.add(due, arrive)
