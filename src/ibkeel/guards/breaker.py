"""Circuit breakers for coroutines and for threads, over the rule in `ibkeel.resilience`."""

import functools
import inspect
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, ParamSpec, Self, TypeVar, cast

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import (
    AmbiguousContract,
    CircuitOpen,
    GatewayRejected,
    InvalidInput,
    NoData,
    NotEntitled,
    OrderRejected,
    PacingExceeded,
    UnknownContract,
)
from ibkeel.resilience import Breaker, BreakerPolicy, BreakerState, Outcome

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F")

Counting = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]
"""Which errors: a type, several, or a function that says so."""

FAULTS_OF_THE_LINK: Final = (ConnectionError, TimeoutError)
ANSWERS: Final = (
    AmbiguousContract,
    GatewayRejected,
    NoData,
    NotEntitled,
    OrderRejected,
    PacingExceeded,
    UnknownContract,
)


@attrs.frozen(kw_only=True)
class BreakerChanged:
    """A breaker went from one state to another.

    Args:
        name: The breaker's.
        at: When, in seconds of the breaker's clock.
        before: What it was.
        after: What it is.
        cause: The error that did it, by type and message; empty when none did.
    """

    name: str
    at: float
    before: BreakerState
    after: Breaker
    cause: str = ""


class Attempt:
    """A guarded block."""

    def __init__(self, breaker: "CircuitBreaker") -> None:
        self._breaker = breaker

    def restart(self) -> None:
        """Count the block's time from now on."""
        self.started = self._breaker._clock()

    def __enter__(self) -> Self:
        self._ticket = self._breaker._admit()
        self.restart()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._breaker._returned(self._ticket, self.started)
        else:
            self._breaker._raised(self._ticket, error, self.started)


def _predicate(which: Counting) -> Callable[[Exception], bool]:
    if isinstance(which, (type, tuple)):
        isinstance(None, which)  # raises for what is no type, now and not with the first failure
        return lambda error: isinstance(error, which)
    return _answering(which)


def _called(function: F) -> F:
    if not callable(function):
        raise InvalidInput(f"{function!r} cannot be called; valid: a function, or error types in a tuple")
    return function


def _answering(function: F) -> F:
    if _is_async(_called(function)):
        raise InvalidInput(f"{function!r} is async, so nobody would hear its answer; valid: a plain function")
    return function


def _no_jitter() -> float:
    return 0.0


class CircuitBreaker:
    """Stops calling a service that keeps failing; one probe at a time finds out whether it is back.

    Use it as a decorator over a plain function or a coroutine function, through `call` and
    `call_async`, or around a block with `attempt`. All three may be mixed, among tasks and among
    threads; no lock is held while a call runs. A cancelled call counts neither way, and a result
    that comes in after the breaker has changed is ignored. A group of errors is one failure when it
    or any error in it counts, else an answer when one is. What a function given here raises is logged, and
    hides no result.

    Args:
        name: Of the service; stands in errors.
        policy: When it opens, and for how long.
        counts: The errors that are faults of the service; by default Python's own `ConnectionError` and
            `TimeoutError`, as those of HTTP libraries often are not.
        answers: The errors that prove that the service works, such as "no data". Any other error
            says nothing about the service.
        clock: A clock, or monotonic seconds; None: `time.monotonic`, as it is when the breaker is made.
        jitter: A number in [0, 1) each time it opens; `random.Random(seed).random` keeps many
            clients from coming back in step.
        on_change: Told of each change of state, on the thread that caused it, after the lock is
            given back. It must return at once.

    Examples:
        >>> breaker = CircuitBreaker("history", policy=BreakerPolicy(failures=1))
        >>> @breaker
        ... def fetch() -> int:
        ...     raise TimeoutError("no answer")
        >>> try:
        ...     fetch()
        ... except TimeoutError:
        ...     breaker.state.value
        'open'
        >>> fetch()
        Traceback (most recent call last):
            ...
        ibkeel.errors.CircuitOpen: history is not called for another 30.0 s: TimeoutError: no answer
    """

    def __init__(
        self,
        name: str,
        *,
        policy: BreakerPolicy | None = None,
        counts: Counting = FAULTS_OF_THE_LINK,
        answers: Counting = ANSWERS,
        clock: Clock | Callable[[], float] | None = None,
        jitter: Callable[[], float] = _no_jitter,
        on_change: Callable[[BreakerChanged], None] | None = None,
    ) -> None:
        self.name = name
        self._breaker = Breaker(policy=policy or BreakerPolicy())
        self._counts, self._answers = _predicate(counts), _predicate(answers)
        told: Any = clock or time.monotonic  # noqa: TID251 - threads have no loop to ask
        self._clock: Callable[[], float] = _called(getattr(told, "monotonic", told))
        self._jitter, self._on_change = _answering(jitter), on_change
        self._is_timed = self._breaker.policy.slow_after is not None
        self._cause = ""
        self._lock = threading.Lock()
        # The ticket of a breaker that a fast success does not change, else None. It is read
        # without the lock: a call that misses a change by an instant counts as from before it.
        self._calm: int | None = self._breaker.generation

    @property
    def breaker(self) -> Breaker:
        """The rule's value as it is now."""
        return self._breaker

    @property
    def cause(self) -> str:
        """The failure that opened it last, by type and message; empty when none did."""
        return self._cause

    @property
    def state(self) -> BreakerState:
        """Whether calls pass; OPEN until somebody calls, even when its time is over."""
        return self._breaker.state

    @override
    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.name}: {self._breaker.state}>"

    def open(self, cause: str) -> None:
        """Open it now: the service is known to be gone."""
        now = self._clock()
        jitter = self._asked(self._drawn) or 0.0
        self._replace(lambda breaker: breaker.opened(now, jitter=jitter), now, cause)

    def close(self) -> None:
        """Close it now: the service is known to be back."""
        self._replace(Breaker.closed, self._clock(), "")

    def probe_next(self) -> None:
        """Let the next call be the probe: something was done about the cause."""
        now = self._clock()
        self._replace(lambda breaker: breaker.probed_next(now), now, "")

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Guard a function or a coroutine function, as a decorator.

        Raises:
            InvalidInput: It is a generator; use `attempt` inside it. When it is called: it is no coroutine
                function, and returns what is to be awaited.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidInput(f"{function!r} is a generator; guard the block that fails with attempt()")
        if _is_async(_called(function)):
            return cast("Callable[P, R]", self._guard_async(cast("Callable[P, Awaitable[Any]]", function)))
        return self._guard(function)

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a plain function, if the breaker lets it pass.

        Raises:
            CircuitOpen: It does not.
            InvalidInput: Its result is to be awaited; `await breaker.call_async(...)`.
        """
        if _is_async(function):
            raise InvalidInput(f"{function!r} is a coroutine function; await call_async()")
        return self._guard(function)(*args, **kwargs)

    async def call_async(
        self, function: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Await a coroutine function, if the breaker lets it pass.

        Raises:
            CircuitOpen: It does not.
        """
        return await self._guard_async(function)(*args, **kwargs)

    def attempt(self) -> Attempt:
        """Guard a block, awaiting or not.

        Returns:
            The attempt, to be entered once by `with`, which raises CircuitOpen when it is not to be; its
            `restart` keeps what the block waited for by itself out of its time.
        """
        return Attempt(self)

    def _guard(self, function: Callable[P, R]) -> Callable[P, R]:
        is_new = True  # a look at each result would cost half as much as all the rest

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            nonlocal is_new
            ticket = self._calm
            if ticket is None:
                ticket = self._admit()
            started = self._clock() if self._is_timed else 0.0
            try:
                result = function(*args, **kwargs)
                if is_new:
                    _check_ended(function, result)
                    is_new = False
            except BaseException as error:
                self._raised(ticket, error, started)
                raise
            if self._is_timed or self._calm is None:
                self._returned(ticket, started)
            return result

        return guarded

    def _guard_async(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @functools.wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            ticket = self._calm
            if ticket is None:
                ticket = self._admit()
            started = self._clock() if self._is_timed else 0.0
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                self._raised(ticket, error, started)
                raise
            if self._is_timed or self._calm is None:
                self._returned(ticket, started)
            return result

        return guarded

    def _admit(self) -> int:
        now = self._clock()
        with self._lock:
            before = self._breaker
            after, ticket = before.admit(now)
            self._hold(after)
            cause = self._cause
        if ticket is None:
            raise CircuitOpen(self.name, wait=before.wait(now), cause=cause)
        self._tell(before, after, now, "")
        return ticket

    def _returned(self, ticket: int, started: float) -> None:
        now = self._clock()
        seconds = now - started
        if self._calm is None or self._breaker.policy.is_slow(seconds):
            self._settle(ticket, Outcome.SUCCEEDED, now, seconds, "")

    def _raised(self, ticket: int, error: BaseException, started: float) -> None:
        now = self._clock()
        outcome, error = self._judge(error)
        cause = f"{type(error).__name__}: {error}"
        self._settle(ticket, outcome, now, now - started if self._is_timed else 0.0, cause)

    def _judge(self, error: BaseException) -> tuple[Outcome, BaseException]:
        errors = [error]  # and those in it, at any depth
        for each in errors:
            if isinstance(each, BaseExceptionGroup):
                errors += each.exceptions
        for says, outcome in ((self._counts, Outcome.FAILED), (self._answers, Outcome.SUCCEEDED)):
            for each in errors:
                if isinstance(each, Exception) and self._asked(says, each):
                    return outcome, each
        return Outcome.IGNORED, error  # or cancelled, interrupted, closed

    def _asked(self, function: Callable[..., R], *args: object) -> R | None:
        """What a function of the user returns; None when it raised."""
        try:
            return function(*args)
        except Exception:
            logging.getLogger(__name__).exception("%r raised, of %r", function, self)
            return None

    def _drawn(self) -> float:
        jitter = self._jitter()
        self._breaker.policy.open_for(1, jitter=jitter)  # or raises
        return jitter

    def _settle(self, ticket: int, outcome: Outcome, now: float, seconds: float, cause: str) -> None:
        jitter = self._asked(self._drawn) or 0.0

        def settled(breaker: Breaker) -> Breaker:
            return breaker.settle(ticket, outcome, now=now, seconds=seconds, jitter=jitter)

        self._replace(settled, now, cause)

    def _replace(self, change: Callable[[Breaker], Breaker], now: float, cause: str) -> None:
        with self._lock:
            before = self._breaker
            after = change(before)
            self._hold(after)
            has_opened = after.openings > before.openings
            if has_opened:
                self._cause = cause or "too many calls were slow"
            cause = self._cause if has_opened else ""
        self._tell(before, after, now, cause)

    def _hold(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._calm = breaker.generation if breaker.is_calm else None

    def _tell(self, before: Breaker, after: Breaker, now: float, cause: str) -> None:
        if self._on_change is not None and before.generation != after.generation:
            change = BreakerChanged(name=self.name, at=now, before=before.state, after=after, cause=cause)
            self._asked(self._on_change, change)


def _check_ended(function: object, result: object) -> None:
    if isinstance(result, Coroutine):
        result.close()
    if isinstance(result, Awaitable):
        raise InvalidInput(
            f"{function!r} returns what is to be awaited, so its end would not be seen; await call_async()"
        )


def _is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object whose call is a coroutine function
    )
