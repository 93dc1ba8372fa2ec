"""Guards around calls: asyncio and thread shells over the rules of `ibkeel.resilience`."""

from ibkeel.guards.breaker import Attempt, BreakerChanged, CircuitBreaker
from ibkeel.guards.gateway_rules import LEAST_LINES, Ask, gateway_rules
from ibkeel.guards.pacer import Lease, Pacer
from ibkeel.guards.single_flight import SingleFlight
from ibkeel.guards.tasks import AsyncStream, Held, cut_short, finish, keep_running, next_of

__all__ = [
    "LEAST_LINES",
    "Ask",
    "AsyncStream",
    "Attempt",
    "BreakerChanged",
    "CircuitBreaker",
    "Held",
    "Lease",
    "Pacer",
    "SingleFlight",
    "cut_short",
    "finish",
    "gateway_rules",
    "keep_running",
    "next_of",
]
