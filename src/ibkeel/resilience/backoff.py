"""How long to wait before trying again."""

import math
from typing import Any

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.resilience.figures import seconds


def _growth(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    if not 1 <= value < math.inf:
        raise InvalidInput(f"Backoff.{attribute.name} is {value!r}; valid: a finite number from 1")


def _at_least_once(_: object, attribute: "attrs.Attribute[Any]", value: int | None) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InvalidInput(f"Backoff.{attribute.name} is {value!r}; valid: a whole number from 1, or None")


@attrs.frozen(kw_only=True)
class Backoff:
    """Exponential waits with a cap and jitter.

    Args:
        first: Seconds before the second attempt.
        factor: Each wait is this many times the one before.
        cap: No wait is longer, in seconds.
        attempts: How often to try in all; 1 means never again, None for ever.

    Raises:
        InvalidInput: A figure is not finite, or below its least.
    """

    first: float = attrs.field(default=1.0, validator=seconds)
    factor: float = attrs.field(default=2.0, validator=_growth)
    cap: float = attrs.field(default=10.0, validator=seconds)
    attempts: int | None = attrs.field(default=3, validator=_at_least_once)

    def wait(self, failures: int, *, jitter: float = 0.0) -> float | None:
        """Seconds to wait after so many failures; None when it is time to give up.

        Args:
            failures: Attempts that failed, from 1.
            jitter: In [0, 1): shortens the wait by up to half, so that clients do not march in step.

        Raises:
            InvalidInput: `failures` is below 1 or `jitter` outside [0, 1).
        """
        if failures < 1 or not 0 <= jitter < 1:
            raise InvalidInput(
                f"wait after {failures} failures with jitter {jitter}; valid: from 1, and 0 to below 1"
            )
        if self.attempts is not None and failures >= self.attempts:
            return None
        return self._longest(failures) * (1 - jitter / 2)

    def _longest(self, failures: int) -> float:
        """Compared as logarithms first: the power itself would overflow after enough failures."""
        growth = (failures - 1) * math.log(self.factor)
        if growth >= math.log(self.cap / self.first):
            return self.cap
        return min(self.cap, self.first * self.factor ** (failures - 1))
