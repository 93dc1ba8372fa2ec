"""What a run met and survived: the Gateway's faults, and when the session noticed and was well again."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from ibkeel.runner import ErrorSeen
from ibkeel.sim import FaultSeen
from ibkeel.telemetry import Event, ServiceChanged, SessionChanged, StreamRestored

_WELL: Final = "ready"
_ENDED: Final = "stopped"  # by us
_GRACE: Final = timedelta(
    seconds=90
)  # a deadline may pass, and an attempt fail, after the fault itself is over


class Watcher:
    """An observer that remembers how session and services fared."""

    def __init__(self) -> None:
        self.events: list[SessionChanged | ServiceChanged | StreamRestored] = []

    def on_event(self, event: Event) -> None:
        """Keep what tells of trouble or of its end."""
        if isinstance(event, SessionChanged | ServiceChanged | StreamRestored):
            self.events.append(event)


@attrs.frozen(kw_only=True)
class Survived:
    """One fault, and what became of it.

    Args:
        kind: Such as `restart`.
        at: When it struck.
        ended_at: When it was over; None when it never was.
        detected_after: Seconds until the session or a service was no longer held to be well; None
            when nobody noticed.
        recovered_after: Seconds until the session was well again; None when it never was unwell.
    """

    kind: str
    at: datetime
    ended_at: datetime | None
    detected_after: float | None
    recovered_after: float | None

    def as_data(self) -> dict[str, Any]:
        """One object of `--json`."""
        return {
            "kind": self.kind,
            "at": self.at.isoformat(),
            "detected_after": _rounded(self.detected_after),
            "recovered_after": _rounded(self.recovered_after),
        }

    def explains(self, at: datetime) -> bool:
        """Whether a failure at that instant may be its work."""
        until = self.ended_at
        if self.recovered_after is not None:
            recovered_at = self.at + timedelta(seconds=self.recovered_after)
            until = recovered_at if until is None else max(until, recovered_at)
        return self.at <= at and (until is None or at <= until + _GRACE)


def survived(faults: Iterable[FaultSeen], watcher: Watcher) -> tuple[Survived, ...]:
    """Match faults with what the session did after each."""
    return tuple(_outcome(fault, watcher.events) for fault in faults)


def unexplained(errors: Iterable[ErrorSeen], faults: Sequence[Survived]) -> tuple[ErrorSeen, ...]:
    """The failures that no fault explains."""
    return tuple(error for error in errors if not any(fault.explains(error.at) for fault in faults))


def _outcome(
    fault: FaultSeen, events: Sequence[SessionChanged | ServiceChanged | StreamRestored]
) -> Survived:
    later = [event for event in events if event.at >= fault.at]
    detected = next((event.at for event in later if _is_trouble(event)), None)
    recovered = None
    if detected is not None:
        recovered = next((event.at for event in later if event.at >= detected and _is_end(event)), None)
    return Survived(
        kind=fault.kind,
        at=fault.at,
        ended_at=fault.ended_at,
        detected_after=_seconds(fault.at, detected),
        recovered_after=_seconds(fault.at, recovered),
    )


def _is_trouble(event: SessionChanged | ServiceChanged | StreamRestored) -> bool:
    if isinstance(event, SessionChanged):
        return event.before == _WELL and event.after != _ENDED
    return isinstance(event, ServiceChanged) and event.after == "open"


def _is_end(event: SessionChanged | ServiceChanged | StreamRestored) -> bool:
    if isinstance(event, SessionChanged):
        return event.after == _WELL
    return isinstance(event, ServiceChanged) and event.after == "closed"


def _seconds(begin: datetime, end: datetime | None) -> float | None:
    return None if end is None else (end - begin).total_seconds()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
