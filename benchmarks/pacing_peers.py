"""The limiters that are measured, each as one coroutine that waits for its turn."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from benchmarks.environments import MissingPeer, run_apart, version
from ibkeel.guards import Pacer
from ibkeel.resilience import Request, Rule

__all__ = ["IB_ASYNC", "IN_REAL_TIME", "LIMIT", "limiters", "own_throttle"]

LIMIT: Final = 50
IB_ASYNC: Final = "ib_async==2.1.0"
_QUOTE: Final = Request(kind="market data")

IN_REAL_TIME: Final = ("pyrate-limiter",)
"""Limiters that do not follow the loop's clock."""

Acquire = Callable[[], Awaitable[object]]


def messages(reserve: int = 0) -> Rule:
    """The rule that all limiters keep."""
    return Rule(name="messages", limit=LIMIT, seconds=1.0, source="the benchmark", order_reserve=reserve)


def _ibkeel() -> Acquire:
    pacer = Pacer([messages()])
    return lambda: pacer.acquire(_QUOTE)


def _aiolimiter() -> Acquire:
    import aiolimiter

    acquire: Acquire = aiolimiter.AsyncLimiter(LIMIT, 1.0).acquire
    return acquire


def _pyrate() -> Acquire:
    from pyrate_limiter import Duration, Limiter, Rate

    limiter = Limiter(Rate(LIMIT, Duration.SECOND))
    return lambda: limiter.try_acquire_async("bench", 1)


def limiters() -> tuple[dict[str, Callable[[], Acquire]], dict[str, str], dict[str, str]]:
    """Those that are installed, ours first and twice; versions; and why the others are missing."""
    found: dict[str, Callable[[], Acquire]] = {"ibkeel": _ibkeel, "ibkeel again": _ibkeel}
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name, make in {"aiolimiter": _aiolimiter, "pyrate-limiter": _pyrate}.items():
        try:
            versions[name] = version(name)
            found[name] = make
        except MissingPeer as error:
            missing[name] = str(error)
    return found, versions, missing


def own_throttle(arguments: dict[str, Any]) -> dict[str, Any]:
    """What the throttle inside ib_async does, in an environment of its own.

    Raises:
        MissingPeer: It could not be installed or run.
    """
    requirements = (IB_ASYNC, "attrs", "cattrs", "numpy", "typing-extensions")
    return run_apart("benchmarks.ib_async_throttle", requirements=requirements, arguments=arguments)
