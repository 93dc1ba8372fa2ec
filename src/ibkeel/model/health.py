"""How well the connection is, with the evidence."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model.checks import as_utc, finite


class Grade(StrEnum):
    """A verdict, best first."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@attrs.frozen(kw_only=True)
class HealthCheck:
    """One tier: what was looked at, what was seen, and when.

    Args:
        name: Tier, such as `socket`, `server time` or `farm usfarm`.
        grade: The verdict.
        evidence: What was seen, in words.
        at: When it was seen.
        remedy: What to do about it; empty when there is nothing to be done.
    """

    name: str
    grade: Grade
    evidence: str
    at: datetime = attrs.field(converter=as_utc)
    remedy: str = ""

    def age(self, now: datetime) -> float:
        """Seconds since it was seen; 0 by a clock that was set back.

        Args:
            now: Aware.
        """
        return max(0.0, (as_utc(now) - self.at).total_seconds())


@attrs.frozen(kw_only=True)
class LatencySummary:
    """How long one kind of request took, from sending to its value, in seconds.

    Args:
        count: How many are summed up; only the last few hundred are kept.
        p50: Half of them were faster.
        p95: 95 of 100 were faster.
        p99: 99 of 100 were faster.
        worst: The slowest.
    """

    count: int
    p50: float
    p95: float
    p99: float
    worst: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self:
        """Sum up; nearest-rank percentiles.

        Args:
            seconds: At least one.

        Raises:
            InvalidInput: There are none.
        """
        ordered = sorted(seconds)
        if not ordered:
            raise InvalidInput("no latencies to sum up; valid: at least one")

        def rank(share: float) -> float:
            return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

        return cls(count=len(ordered), p50=rank(0.5), p95=rank(0.95), p99=rank(0.99), worst=ordered[-1])


@attrs.frozen(kw_only=True)
class Health:
    """The connection's state of health: made of a round trip, never of a cached flag.

    Args:
        checks: The tiers, cheapest first.
        round_trip: Seconds the server-time request took; None when it did not come back.
        latencies: By kind of request.
        entry_refusal: Why the session is not good enough to open a position; empty when it is.
        is_read_only: Whether the Gateway has said that it takes no orders.
        utc_offset: How far the Gateway's clock is ahead of UTC; None when it is not known. At its midnight the lists of
            fills and ended orders may begin anew.
    """

    checks: tuple[HealthCheck, ...]
    round_trip: float | None = attrs.field(default=None, validator=finite)
    latencies: Mapping[str, LatencySummary] = attrs.field(factory=dict, eq=False)
    entry_refusal: str = ""
    is_read_only: bool = False
    utc_offset: timedelta | None = None

    @property
    def grade(self) -> Grade:
        """The worst verdict of all tiers; DOWN when there are none. A `clock` that is off leaves the connection well."""
        grades = (check.grade for check in self.checks if check.name != "clock")
        return max(grades, key=tuple(Grade).index, default=Grade.DOWN)

    def check(self, name: str) -> HealthCheck | None:
        """The tier of that name, if it was looked at."""
        return next((check for check in self.checks if check.name == name), None)

    @property
    def is_ok(self) -> bool:
        """Whether every tier is well, but for `clock`."""
        return self.grade is Grade.OK
