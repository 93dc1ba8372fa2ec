"""Pure rules about trouble: they know no Gateway, no trading, no clock and no IO."""

from ibkeel.resilience.backoff import Backoff
from ibkeel.resilience.deadline import Deadlines, RequestKind

__all__ = ["Backoff", "Deadlines", "RequestKind"]
