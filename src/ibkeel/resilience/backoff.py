"""How long to wait: before trying again, and for an answer."""

import math
from enum import StrEnum
from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.validators import number, optional, seconds, whole

_growth: Final = number("a finite number from 1", lambda value: 1 <= value < math.inf)
_at_least_once: Final = optional(whole("a whole number from 1, or None", lambda value: value >= 1))


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


class RequestKind(StrEnum):
    """Kinds of request, each with a deadline of its own."""

    CONNECT = "connect"
    PROBE = "probe"
    DEFINITIONS = "definitions"
    QUOTE = "quote"
    HISTORY = "history"
    ACCOUNT = "account"
    ORDERS = "orders"


# Longer than ten minutes is a hang.
_patience: Final = number("seconds, above 0 and at most 600", lambda value: 0 < value <= 600)


@attrs.frozen(kw_only=True)
class Deadlines:
    """Seconds after which a request is given up and cancelled at the server.

    Args:
        connect: Handshake and every start-up answer.
        probe: One server-time round trip.
        definitions: Contract details and option chains; ambiguous ones are throttled.
        quote: Above the 11 s after which the Gateway ends a snapshot.
        history: Historical bars.
        account: Positions and balances.
        orders: The venue's answer to a cancel, a modification or a list of orders.

    Source:
        TWS API, "Streaming Data Snapshots" (11 s window) and "Option Chains" (throttling); the
        other figures are ours.
    """

    connect: float = attrs.field(default=10.0, validator=_patience)
    probe: float = attrs.field(default=5.0, validator=_patience)
    definitions: float = attrs.field(default=30.0, validator=_patience)
    quote: float = attrs.field(default=13.0, validator=_patience)
    history: float = attrs.field(default=60.0, validator=_patience)
    account: float = attrs.field(default=10.0, validator=_patience)
    orders: float = attrs.field(default=10.0, validator=_patience)

    def of(self, kind: RequestKind) -> float:
        """Seconds allowed for one kind of request."""
        allowed: float = getattr(self, kind)
        return allowed

    @classmethod
    def all(cls, seconds: float) -> "Deadlines":
        """The same deadline for every kind."""
        return cls(**dict.fromkeys((kind.value for kind in RequestKind), seconds))
