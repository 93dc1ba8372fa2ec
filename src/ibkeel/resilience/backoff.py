"""How long to wait before trying again."""

import attrs

from ibkeel.errors import InvalidInput

__all__ = ["Backoff"]


@attrs.frozen(kw_only=True)
class Backoff:
    """Exponential waits with a cap and jitter.

    Args:
        first: Seconds before the second attempt.
        factor: Each wait is this many times the one before.
        cap: No wait is longer, in seconds.
        attempts: How often to try in all; 1 means never again.
    """

    first: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    factor: float = attrs.field(default=2.0, validator=attrs.validators.ge(1))
    cap: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))
    attempts: int = attrs.field(default=3, validator=attrs.validators.ge(1))

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
        if failures >= self.attempts:
            return None
        # The exponent is bounded: beyond it every wait is the cap, and a float would overflow.
        longest = min(self.cap, self.first * self.factor ** min(failures - 1, 64))
        return longest * (1 - jitter / 2)
