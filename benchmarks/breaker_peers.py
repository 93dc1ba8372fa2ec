"""The circuit breakers that are measured, each behind the same few verbs."""

import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import attrs

from benchmarks.environments import MissingPeer, version
from ibkeel.guards import CircuitBreaker
from ibkeel.resilience import BreakerPolicy

__all__ = ["Subject", "subjects"]

Sync = Callable[[Callable[[], Any]], Callable[[], Any]]
Async = Callable[[Callable[[], Awaitable[Any]]], Callable[[], Awaitable[Any]]]

THRESHOLD: Final = 3
_names = itertools.count()


@attrs.frozen(kw_only=True)
class Subject:
    """A library.

    Args:
        version: Installed.
        guard: Makes a new breaker with that reset time in seconds, as a decorator; None: has none.
        guard_async: The same for coroutine functions.
    """

    version: str
    guard: Callable[[float], Sync] | None
    guard_async: Callable[[float], Async] | None


def _ibkeel(reset: float) -> CircuitBreaker:
    return CircuitBreaker("bench", policy=BreakerPolicy(failures=THRESHOLD, open_seconds=reset))


def _circuitbreaker() -> Subject:
    installed = version("circuitbreaker")
    import circuitbreaker

    def make(reset: float) -> Any:
        return circuitbreaker.CircuitBreaker(
            failure_threshold=THRESHOLD, recovery_timeout=reset, name=f"bench-{next(_names)}"
        )

    return Subject(version=installed, guard=make, guard_async=make)


def _pybreaker() -> Subject:
    installed = version("pybreaker")
    import pybreaker

    def make(reset: float) -> Any:
        return pybreaker.CircuitBreaker(fail_max=THRESHOLD, reset_timeout=reset)

    return Subject(version=installed, guard=make, guard_async=None)


def _aiobreaker() -> Subject:
    installed = version("aiobreaker")
    import aiobreaker

    def make(reset: float) -> Any:
        return aiobreaker.CircuitBreaker(fail_max=THRESHOLD, timeout_duration=timedelta(seconds=reset))

    return Subject(version=installed, guard=make, guard_async=make)


def _purgatory() -> Subject:
    installed = version("purgatory")
    import purgatory

    def make(reset: float) -> Any:
        return purgatory.SyncCircuitBreakerFactory(default_threshold=THRESHOLD, default_ttl=reset)("bench")

    def make_async(reset: float) -> Any:
        return purgatory.AsyncCircuitBreakerFactory(default_threshold=THRESHOLD, default_ttl=reset)("bench")

    return Subject(version=installed, guard=make, guard_async=make_async)


def subjects() -> tuple[dict[str, Subject], dict[str, str]]:
    """Those that are installed, ours first and twice, and why the others are missing."""
    ours = Subject(version="", guard=_ibkeel, guard_async=_ibkeel)
    found, missing = {"ibkeel": ours, "ibkeel again": ours}, {}
    makers = {
        "circuitbreaker": _circuitbreaker,
        "pybreaker": _pybreaker,
        "purgatory": _purgatory,
        "aiobreaker": _aiobreaker,
    }
    for name, make in makers.items():
        try:
            found[name] = make()
        except (MissingPeer, ImportError) as error:
            missing[name] = str(error)
    return found, missing
