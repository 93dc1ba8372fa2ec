"""What the Gateway counts: requests, limits, breaches, and what was asked when, against the limits."""

from collections import Counter, defaultdict, deque
from typing import Final

import attrs

from ibkeel.sim.settings import Limits

_HISTORY_SECONDS: Final = 600.0
_SAME_CONTRACT_SECONDS: Final = 2.0
_MANY: Final = 1024  # old entries are forgotten when so many have come together

Key = tuple[object, ...]

CAPACITIES: Final = frozenset(
    {
        "account_summaries",
        "active_orders",
        "clients",
        "depth",
        "market_data_lines",
        "output_limit",
        "scanners",
        "tick_by_tick",
    }
)
"""Rules about how much is held at the same time; the others are about pace."""


class Pacing:
    """The memory behind the limits; one for all clients.

    A request that breaks a rule counts as asked, so that those who insist stay out (unverified).
    """

    def __init__(self, limits: Limits) -> None:
        self._histories = SlidingWindow(limits.histories, _HISTORY_SECONDS)
        self._by_contract: defaultdict[Key, SlidingWindow] = defaultdict(
            lambda: SlidingWindow(limits.same_contract_histories, _SAME_CONTRACT_SECONDS)
        )
        self._asked: dict[Key, float] = {}

    def over_budget(self, now: float, weight: int = 1) -> bool:
        """Count a paced request; whether it exceeds the budget of 600 s."""
        return not self._histories.record(now, weight)

    def repeated(self, now: float, key: Key, seconds: float | None) -> bool:
        """Note that something was asked; whether the last time is less than `seconds` ago."""
        before = self._asked.get(key)
        if len(self._asked) >= _MANY:
            self._asked = {each: at for each, at in self._asked.items() if now - at < _HISTORY_SECONDS}
        self._asked[key] = now
        return seconds is not None and before is not None and now - before < seconds

    def crowded(self, now: float, key: Key) -> bool:
        """Note a request for a contract and kind; whether there were too many within 2 s."""
        return not self._by_contract[key].record(now)


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
    ignored: Counter[str] = attrs.field(factory=Counter)
    """Orders by what they carried in vain: `conditions`, `algo_strategy`. They fill as if they had none."""
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
    """At most so many events in any window of so many seconds; one exactly that old no longer counts."""

    def __init__(self, limit: int | None, seconds: float) -> None:
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
        return self._limit is None or len(self._times) <= self._limit
