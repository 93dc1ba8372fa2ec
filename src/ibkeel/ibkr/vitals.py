"""What the requests of a session tell of its health: who answered, when, and how fast."""

from collections import deque
from datetime import datetime
from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.errors import CircuitOpen, NotConnected, PacingExceeded
from ibkeel.model import LatencySummary
from ibkeel.resilience import RequestKind

_KEPT: Final = 512
_SAYS_NOTHING: Final = frozenset(
    {CircuitOpen.__name__, PacingExceeded.__name__, NotConnected.__name__, "CancelledError"}
)


@attrs.frozen(kw_only=True)
class Outcome:
    """How one request ended.

    Args:
        at: When.
        subject: What was asked.
        error: Type of the error; empty for a value.
        code: The Gateway's code, if it sent one.
        is_answer: Whether the error is a plain no, and no failure.
    """

    at: datetime
    subject: str
    error: str = ""
    code: int | None = None
    is_answer: bool = False


class Vitals:
    """Keeps the last outcomes of each kind of request."""

    def __init__(self) -> None:
        self._seconds: dict[RequestKind, deque[float]] = {}
        self._answered: dict[RequestKind, Outcome] = {}
        self._failed: dict[RequestKind, Outcome] = {}
        self._last: Outcome | None = None

    def note(self, kind: RequestKind, outcome: Outcome, seconds: float) -> None:
        """A request ended; one that was never sent tells nothing."""
        if outcome.error in _SAYS_NOTHING:
            return
        if self._last is not None and outcome.at < self._last.at:
            self._failed.clear()  # the clock was set back: what was stamped before would count as the latest
            self._answered.clear()
        self._last = outcome
        if outcome.error:
            self._failed[kind] = outcome
        else:
            self._answered[kind] = outcome
            self._seconds.setdefault(kind, deque(maxlen=_KEPT)).append(seconds)

    def answered(self, *kinds: RequestKind) -> Outcome | None:
        """The last value that came of any of these kinds."""
        return max(
            (self._answered[kind] for kind in kinds if kind in self._answered), key=_when, default=None
        )

    def failed(self, *kinds: RequestKind) -> Outcome | None:
        """The last failure of any of these kinds."""
        return max((self._failed[kind] for kind in kinds if kind in self._failed), key=_when, default=None)

    def latencies(self) -> MappingProxyType[str, LatencySummary]:
        """Seconds to a value, by kind of request, from sending on."""
        return MappingProxyType(
            {kind.value: LatencySummary.of(seconds) for kind, seconds in sorted(self._seconds.items())}
        )


def _when(outcome: Outcome) -> datetime:
    return outcome.at
