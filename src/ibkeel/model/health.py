"""How well the connection is, with the evidence."""

from datetime import datetime
from enum import StrEnum

import attrs

from ibkeel.model.checks import as_utc, finite

__all__ = ["Grade", "Health", "HealthCheck"]


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
    """

    name: str
    grade: Grade
    evidence: str
    at: datetime = attrs.field(converter=as_utc)


_ORDER = (Grade.OK, Grade.DEGRADED, Grade.DOWN)


@attrs.frozen(kw_only=True)
class Health:
    """The connection's state of health: made of a round trip, never of a cached flag.

    Args:
        checks: The tiers, cheapest first.
        round_trip: Seconds the server-time request took; None when it did not come back.
    """

    checks: tuple[HealthCheck, ...]
    round_trip: float | None = attrs.field(default=None, validator=finite)

    @property
    def grade(self) -> Grade:
        """The worst verdict of all tiers; DOWN when there are none."""
        return max((check.grade for check in self.checks), key=_ORDER.index, default=Grade.DOWN)

    @property
    def is_ok(self) -> bool:
        """Whether every tier is well."""
        return self.grade is Grade.OK
