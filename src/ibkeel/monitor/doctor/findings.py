"""What an examination found."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import attrs


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """A bot can run, and should know."""
    FAULT = "fault"
    """A bot cannot do its work."""
    UNKNOWN = "unknown"
    """It could not be looked at, because of what was found before."""


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: What was looked at, such as `port`.
        verdict: How bad it is.
        said: What was seen, in words.
        remedy: What to do about it; empty when there is nothing to be done.
    """

    check: str
    verdict: Verdict
    said: str
    remedy: str = ""

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong here."""
        return self.verdict in {Verdict.WARNING, Verdict.FAULT}


def well(check: str, said: str) -> Finding:
    """Nothing is wrong there."""
    return Finding(check=check, verdict=Verdict.OK, said=said)


def fault(check: str, said: str, remedy: str) -> Finding:
    """A bot cannot do its work."""
    return Finding(check=check, verdict=Verdict.FAULT, said=said, remedy=remedy)


@attrs.frozen
class Diagnosis:
    """What was found, in the order in which it was looked at: a later finding may follow from an earlier one.

    Args:
        findings: Each thing that was looked at, once.
    """

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What is wrong, faults before warnings, the likely cause of the others first."""
        faults = (row for row in self.findings if row.verdict is Verdict.FAULT)
        warnings = (row for row in self.findings if row.verdict is Verdict.WARNING)
        return (*faults, *warnings)

    @property
    def cause(self) -> Finding | None:
        """What to mend first; None when all is well."""
        return next(iter(self.problems), None)

    def as_data(self) -> dict[str, Any]:
        """The diagnosis as JSON knows values."""
        rows: Iterable[Finding] = self.findings
        return {
            "cause": None if self.cause is None else self.cause.check,
            "findings": [{**attrs.asdict(row), "verdict": row.verdict.value} for row in rows],
        }
