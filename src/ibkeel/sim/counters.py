"""What the Gateway counts: requests, limits and breaches, as the real one would see them."""

from collections import Counter, deque
from typing import Final

import attrs

CAPACITIES: Final = frozenset(
    {
        "account_summaries",
        "active_orders",
        "clients",
        "depth",
        "market_data_lines",
        "scanners",
        "tick_by_tick",
    }
)
"""Rules about how much is held at the same time; the others are about pace."""


@attrs.define(kw_only=True)
class GatewayCounters:
    """Totals since the Gateway was made; all clients together."""

    requests: Counter[str] = attrs.field(factory=Counter)
    """Messages by kind."""
    messages: int = 0
    """Client messages of any kind, unknown ones included."""
    errors_sent: Counter[int] = attrs.field(factory=Counter)
    """Error messages by code, notices included."""
    pacing_violations: int = 0
    """Breaches of every rule about pace: message rate, historical requests, searches, repeats."""
    violations: Counter[str] = attrs.field(factory=Counter)
    """Breaches by rule, those of capacities included; see `GatewaySettings` and `Limits`."""
    violations_by_client: dict[int, Counter[str]] = attrs.field(factory=dict)
    """The same for each client id that broke a rule."""
    open_lines: int = 0
    """Market data lines in use now."""
    max_open_lines: int = 0
    """The most lines that were in use at the same time."""
    open_histories: int = 0
    """Historical requests that wait for their answer now."""
    max_open_histories: int = 0
    """The most historical requests that waited at the same time."""
    connections: int = 0
    """Connections that were accepted by the transport."""
    refused: int = 0
    """Connections that were refused: versions, client id in use, bytes that are no protocol."""
    unknown: Counter[str] = attrs.field(factory=Counter)
    """Messages by number that the Gateway does not serve."""
    malformed: int = 0
    """Messages of a known kind that could not be parsed."""
    faults: Counter[str] = attrs.field(factory=Counter)
    """Strikes of faults by kind; none happen unless a scenario or a test asks for them."""
    failures: int = 0
    """Messages or timers whose handling raised: bugs of the simulator."""

    def violated(self, rule: str, client_id: int) -> None:
        """Count a request that broke a rule."""
        self.violations[rule] += 1
        self.violations_by_client.setdefault(client_id, Counter())[rule] += 1
        self.pacing_violations += rule not in CAPACITIES

    def line_opened(self) -> None:
        """Count a line that was taken."""
        self.open_lines += 1
        self.max_open_lines = max(self.max_open_lines, self.open_lines)

    def line_closed(self) -> None:
        """Count a line that was given back."""
        self.open_lines -= 1

    def history_opened(self) -> None:
        """Count a historical request that waits."""
        self.open_histories += 1
        self.max_open_histories = max(self.max_open_histories, self.open_histories)

    def history_closed(self) -> None:
        """Count a historical request that got its answer, or was cancelled."""
        self.open_histories -= 1


class SlidingWindow:
    """At most so many events in any window of so many seconds.

    Args:
        limit: Events allowed.
        seconds: Length of the window; an event exactly that old no longer counts.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit, self._seconds = limit, seconds
        self._times: deque[float] = deque()

    @property
    def events(self) -> int:
        """Events in the window, when the last was recorded."""
        return len(self._times)

    def record(self, now: float, weight: int = 1) -> bool:
        """Count an event, or one that counts as several; True when it is within the limit."""
        while self._times and now - self._times[0] >= self._seconds:
            self._times.popleft()
        self._times.extend([now] * weight)
        return len(self._times) <= self._limit
