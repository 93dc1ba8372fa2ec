"""The adapter over ib_insync or ib_async; can be imported alone.

Every request has a deadline and a typed outcome, quotes give their market data lines back, and
orders leave only in the mode that the configuration names.
"""

from ibkeel.ibkr.adapter import IBKRBroker
from ibkeel.ibkr.config import IBKRConfig, OrderMode
from ibkeel.resilience import Backoff, Deadlines

__all__ = ["Backoff", "Deadlines", "IBKRBroker", "IBKRConfig", "OrderMode"]
