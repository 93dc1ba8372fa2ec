"""Guards around calls: asyncio and thread shells over the rules of `ibkeel.resilience`."""

from ibkeel.guards.breaker import BreakerChanged, CircuitBreaker
from ibkeel.guards.gateway_rules import Ask, gateway_rules
from ibkeel.guards.pacer import Lease, Pacer

__all__ = ["Ask", "BreakerChanged", "CircuitBreaker", "Lease", "Pacer", "gateway_rules"]
