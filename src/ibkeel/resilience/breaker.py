"""How long to wait for a service: for an answer, before the next attempt, and when it keeps failing.

A `Breaker` is a value: each event gives a new one. It is told the time and the jitter, so that the
same story always ends alike.

    CLOSED ──failures in a row, or too many slow calls──▶ OPEN
    OPEN ──its time is over, and somebody calls──▶ HALF_OPEN (that call is the probe)
    HALF_OPEN ──the probe works──▶ CLOSED
    HALF_OPEN ──the probe fails──▶ OPEN, for longer
    HALF_OPEN ──the probe is cancelled──▶ OPEN, and the next call is the probe
"""

import math
from enum import StrEnum
from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.validators import count, from_zero, number, optional, optional_seconds, whole
from ibkeel.validators import seconds as above_zero

_growth: Final = number("a finite number from 1", lambda value: 1 <= value < math.inf)
_at_least_once: Final = optional(whole("a whole number from 1, or None", lambda value: value >= 1))
# Longer than ten minutes is a hang.
_patience: Final = number("seconds, above 0 and at most 600", lambda value: 0 < value <= 600)


class BreakerState(StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Outcome(StrEnum):
    """How a call ended, as far as the service's health goes."""

    SUCCEEDED = "succeeded"
    """The service answered, be it with a refusal."""
    FAILED = "failed"
    """A fault of the link or of the service."""
    IGNORED = "ignored"
    """Says nothing about the service: cancelled, or a fault of the caller."""


class Escalation(StrEnum):
    """What is worth trying after so many openings in a row."""

    RETRY = "retry"
    RECONNECT = "reconnect"
    STOP = "stop"


@attrs.frozen(kw_only=True)
class BreakerPolicy:
    """When a breaker opens, and for how long.

    Args:
        failures: Failures in a row that open it.
        open_seconds: How long it stays open the first time.
        growth: Each further opening without a success between lasts this many times longer.
        longest_open: No opening lasts longer, in seconds, jitter apart.
        spread: Jitter lengthens an opening by up to this fraction.
        slow_after: A call that took at least so many seconds is slow; None: calls are not timed.
        slow_limit: So many slow calls among the last `slow_window` open it.
        slow_window: How many calls back are looked at; calls not yet made count as fast.
        probe_seconds: A probe that has not ended after so long is given up, and another one passes.
        reconnect_at: From so many openings in a row on, a new connection is worth trying.
        stop_at: From so many openings in a row on, only a person can help.

    Raises:
        InvalidInput: A figure is out of range, or two contradict each other.
    """

    failures: int = attrs.field(default=3, validator=count)
    open_seconds: float = attrs.field(default=30.0, validator=above_zero)
    growth: float = attrs.field(default=2.0, validator=from_zero)
    longest_open: float = attrs.field(default=300.0, validator=above_zero)
    spread: float = attrs.field(default=0.25, validator=from_zero)
    slow_after: float | None = attrs.field(default=None, validator=optional_seconds)
    slow_limit: int = attrs.field(default=10, validator=count)
    slow_window: int = attrs.field(default=20, validator=count)
    probe_seconds: float = attrs.field(default=120.0, validator=above_zero)
    reconnect_at: int = attrs.field(default=2, validator=count)
    stop_at: int = attrs.field(default=5, validator=count)

    def __attrs_post_init__(self) -> None:
        """Refuse figures that contradict each other."""
        if self.slow_limit > self.slow_window:
            raise InvalidInput(f"{self.slow_limit} slow calls of the last {self.slow_window} can never be")
        if self.longest_open < self.open_seconds:
            raise InvalidInput(
                f"longest_open is {self.longest_open} s; valid: at least open_seconds, {self.open_seconds} s"
            )
        if self.growth < 1:
            raise InvalidInput(f"growth is {self.growth}; valid: from 1, for an opening never gets shorter")

    def open_for(self, openings: int, *, jitter: float) -> float:
        """Seconds that the so-manieth opening in a row lasts.

        Args:
            openings: Openings without a success between, from 1.
            jitter: In [0, 1).

        Raises:
            InvalidInput: `openings` is below 1 or `jitter` outside [0, 1).
        """
        if openings < 1 or not 0 <= jitter < 1:
            raise InvalidInput(f"opening {openings} with jitter {jitter}; valid: from 1, and 0 to below 1")
        return self._unspread(openings) * (1 + self.spread * jitter)

    def _unspread(self, openings: int) -> float:
        """Compared as logarithms: the power itself would overflow after enough openings."""
        growth = (openings - 1) * math.log(self.growth)
        if growth >= math.log(self.longest_open / self.open_seconds):
            return self.longest_open
        return self.open_seconds * self.growth ** (openings - 1)

    def is_slow(self, seconds: float) -> bool:
        """Whether a call that took so long is slow."""
        return self.slow_after is not None and seconds >= self.slow_after


@attrs.frozen(kw_only=True)
class Breaker:
    """Stops calling a service that keeps failing.

    Args:
        policy: When it opens, and for how long.
        state: Whether calls pass.
        failures: Failures in a row while closed.
        slow_calls: One bit for each of the last calls, the newest lowest; 1 is slow.
        openings: Openings in a row, without a success between.
        generation: Rises with every change of state; a result of an older one is ignored.
        until: When the next probe may pass, in monotonic seconds; None while closed.
    """

    policy: BreakerPolicy = BreakerPolicy()
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    slow_calls: int = 0
    openings: int = 0
    generation: int = 0
    until: float | None = None

    @property
    def is_calm(self) -> bool:
        """Closed, and no call that went wrong is remembered: a fast success changes nothing."""
        return self.state is BreakerState.CLOSED and not self.failures and not self.slow_calls

    @property
    def escalation(self) -> Escalation:
        """What is worth trying, given how often the service failed its probe."""
        if self.openings >= self.policy.stop_at:
            return Escalation.STOP
        return Escalation.RECONNECT if self.openings >= self.policy.reconnect_at else Escalation.RETRY

    def wait(self, now: float) -> float:
        """Seconds until a call may pass; 0 when one may pass now."""
        return 0.0 if self.until is None else max(0.0, self.until - now)

    def admit(self, now: float) -> "tuple[Breaker, int | None]":
        """Ask to make a call.

        Args:
            now: Monotonic seconds.

        Returns:
            The breaker as it is from now on, and a ticket to hand back to `settle`; None as the
            ticket when the call must not be made.
        """
        if self.until is None:
            return self, self.generation
        if now < self.until:
            return self, None
        probing = attrs.evolve(
            self,
            state=BreakerState.HALF_OPEN,
            generation=self.generation + 1,
            until=now + self.policy.probe_seconds,
        )
        return probing, probing.generation

    def settle(
        self, ticket: int, outcome: Outcome, *, now: float, seconds: float = 0.0, jitter: float = 0.0
    ) -> "Breaker":
        """Record how an admitted call ended.

        Args:
            ticket: From `admit`; the result of a call from before the last change of state is ignored.
            outcome: How it ended.
            now: Monotonic seconds.
            seconds: How long it took.
            jitter: In [0, 1): lengthens an opening, so that clients do not come back in step.
        """
        if ticket != self.generation:
            return self
        if self.state is BreakerState.HALF_OPEN:
            return self._probed(outcome, now=now, seconds=seconds, jitter=jitter)
        if outcome is Outcome.IGNORED:
            return self
        return self._counted(outcome, now=now, seconds=seconds, jitter=jitter)

    def opened(self, now: float, *, jitter: float = 0.0) -> "Breaker":
        """Open it now, whatever it was: the service is known to be gone.

        Args:
            now: Monotonic seconds.
            jitter: In [0, 1): lengthens the opening.
        """
        openings = self.openings + 1
        return attrs.evolve(
            self.closed(),
            state=BreakerState.OPEN,
            openings=openings,
            until=now + self.policy.open_for(openings, jitter=jitter),
        )

    def probed_next(self, now: float) -> "Breaker":
        """Let the next call be the probe: something was done about the cause, be it only a new connection.

        How often it has opened is remembered, so that a cure that does not help leads on to the next.
        """
        if self.state is BreakerState.CLOSED:
            return self
        return attrs.evolve(self, state=BreakerState.OPEN, generation=self.generation + 1, until=now)

    def closed(self) -> "Breaker":
        """Close it now, whatever it was: the service is known to be back."""
        return Breaker(policy=self.policy, generation=self.generation + 1)

    def _probed(self, outcome: Outcome, *, now: float, seconds: float, jitter: float) -> "Breaker":
        if outcome is Outcome.IGNORED:
            return self.probed_next(now)
        if outcome is Outcome.FAILED or self.policy.is_slow(seconds):
            return self.opened(now, jitter=jitter)
        return self.closed()

    def _counted(self, outcome: Outcome, *, now: float, seconds: float, jitter: float) -> "Breaker":
        failures = self.failures + 1 if outcome is Outcome.FAILED else 0
        slow = self._remembered(is_slow=self.policy.is_slow(seconds))
        if failures >= self.policy.failures or slow.bit_count() >= self.policy.slow_limit:
            return self.opened(now, jitter=jitter)
        return attrs.evolve(self, failures=failures, slow_calls=slow)

    def _remembered(self, *, is_slow: bool) -> int:
        return (self.slow_calls << 1 | is_slow) & ((1 << self.policy.slow_window) - 1)


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

    first: float = attrs.field(default=1.0, validator=above_zero)
    factor: float = attrs.field(default=2.0, validator=_growth)
    cap: float = attrs.field(default=10.0, validator=above_zero)
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
