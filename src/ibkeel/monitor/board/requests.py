"""Requests on the board: how many, how fast, and how that went over the last hour."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from ibkeel.model import LatencySummary
from ibkeel.telemetry import Event, RequestEnded, RequestQueued, RequestSent

_KEPT: Final = 256
_POINTS: Final = 60
_MINUTE: Final = timedelta(minutes=1)


@attrs.frozen
class SparkPoint:
    """The requests of one kind that ended in one minute.

    Args:
        at: When the minute began.
        count: How many ended in a value.
        mean: Seconds of these, on average; 0 when there are none.
        worst: Seconds of the slowest.
        errors: How many ended in an error.
    """

    at: datetime
    count: int
    mean: float
    worst: float
    errors: int


@attrs.frozen
class KindRow:
    """Requests of one kind.

    Args:
        kind: Such as `quote`.
        answered: How many ended in a value.
        failed: How many ended in an error.
        last_error: Type of the last error; empty when there was none.
        last_error_at: When it came.
        seconds: From their bytes to their end, of the last values, oldest first.
        queued: Seconds in our queue, of the same.
        spark: One point for each of the last minutes in which any ended, oldest first.
    """

    kind: str
    answered: int = 0
    failed: int = 0
    last_error: str = ""
    last_error_at: datetime | None = None
    seconds: tuple[float, ...] = ()
    queued: tuple[float, ...] = ()
    spark: tuple[SparkPoint, ...] = ()

    @property
    def latency(self) -> LatencySummary | None:
        """Percentiles from sending to the value; None before the first."""
        return LatencySummary.of(self.seconds) if self.seconds else None

    @property
    def queueing(self) -> LatencySummary | None:
        """Percentiles of the wait in our own queue; None before the first."""
        return LatencySummary.of(self.queued) if self.queued else None

    def after(self, ended: Sequence[RequestEnded]) -> "KindRow":
        """The row with some more."""
        good = [event for event in ended if not event.error]
        bad = [event for event in ended if event.error]
        return KindRow(
            kind=self.kind,
            answered=self.answered + len(good),
            failed=self.failed + len(bad),
            last_error=bad[-1].error if bad else self.last_error,
            last_error_at=bad[-1].at if bad else self.last_error_at,
            seconds=(*self.seconds, *(event.seconds - event.queue_seconds for event in good))[-_KEPT:],
            queued=(*self.queued, *(event.queue_seconds for event in good))[-_KEPT:],
            spark=_extended(self.spark, ended),
        )


def _extended(spark: tuple[SparkPoint, ...], ended: Sequence[RequestEnded]) -> tuple[SparkPoint, ...]:
    points = list(spark)
    group: list[RequestEnded] = []
    for event in ended:
        if not points or event.at - points[-1].at >= _MINUTE:
            _close(points, group)
            group = []
            points.append(SparkPoint(event.at.replace(second=0, microsecond=0), 0, 0.0, 0.0, 0))
        group.append(event)
    _close(points, group)
    return tuple(points[-_POINTS:])


def _close(points: list[SparkPoint], group: Sequence[RequestEnded]) -> None:
    """Put what ended within the last point's minute into that point."""
    if not group:
        return
    point = points[-1]
    seconds = [event.seconds - event.queue_seconds for event in group if not event.error]
    count = point.count + len(seconds)
    points[-1] = SparkPoint(
        point.at,
        count,
        (point.mean * point.count + sum(seconds)) / count if count else 0.0,
        max((point.worst, *seconds)),
        point.errors + len(group) - len(seconds),
    )


@attrs.frozen
class RequestsPanel:
    """Requests by kind.

    Args:
        kinds: By name.
        under_way: Sent and not ended.
        queued: Waiting for their turn.
    """

    kinds: Mapping[str, KindRow] = attrs.field(factory=dict)
    under_way: int = 0
    queued: int = 0

    def on(self, events: Sequence[Event]) -> "RequestsPanel":
        """The panel after some more events."""
        ended: dict[str, list[RequestEnded]] = {}
        under_way, queued = self.under_way, self.queued
        for event in events:
            match event:
                case RequestEnded():
                    ended.setdefault(event.kind, []).append(event)
                    under_way = max(0, under_way - event.was_sent)
                    queued = max(0, queued - (not event.was_sent and event.queue_seconds > 0))
                case RequestSent():
                    under_way += 1
                    queued = max(0, queued - (event.queue_seconds > 0))
                case RequestQueued():
                    queued += 1
            # What began before the board did is not counted; after each event, or batches would differ.
            under_way, queued = max(0, under_way), max(0, queued)
        rows = {kind: (self.kinds.get(kind) or KindRow(kind)).after(few) for kind, few in ended.items()}
        kinds = {**self.kinds, **rows} if rows else self.kinds
        return RequestsPanel(kinds, under_way, queued)
