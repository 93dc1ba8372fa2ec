"""Pure rules about trouble: they know no Gateway, no trading, no clock and no IO."""

from ibkeel.resilience.admission import Admission, Ticket, Usage, Wait
from ibkeel.resilience.breaker import (
    Backoff,
    Breaker,
    BreakerPolicy,
    BreakerState,
    Deadlines,
    Escalation,
    Outcome,
    RequestKind,
)
from ibkeel.resilience.cache import Cache, CacheKind, CachePolicy, Fresh, Lifetime, Refused, Stale
from ibkeel.resilience.pacing import Lane, Request, Rule, everything

__all__ = [
    "Admission",
    "Backoff",
    "Breaker",
    "BreakerPolicy",
    "BreakerState",
    "Cache",
    "CacheKind",
    "CachePolicy",
    "Deadlines",
    "Escalation",
    "Fresh",
    "Lane",
    "Lifetime",
    "Outcome",
    "Refused",
    "Request",
    "RequestKind",
    "Rule",
    "Stale",
    "Ticket",
    "Usage",
    "Wait",
    "everything",
]
