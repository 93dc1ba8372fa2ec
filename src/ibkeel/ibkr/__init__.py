"""The adapter over ib_insync or ib_async; can be imported alone.

Every request has a deadline and a typed outcome, quotes give their market data lines back, and
orders leave only in the mode that the configuration names.
"""

from ibkeel.ibkr.adapter import IBKRBroker
from ibkeel.ibkr.blocking import BlockingBroker
from ibkeel.ibkr.codes import ERROR_TABLE, About, Effect, ErrorTable, Farm, Meaning, Reaction
from ibkeel.ibkr.config import IBKRConfig, OrderMode
from ibkeel.ibkr.loop_thread import Stream
from ibkeel.ibkr.process_lock import ProcessLock
from ibkeel.resilience import Backoff, Deadlines

__all__ = [
    "ERROR_TABLE",
    "About",
    "Backoff",
    "BlockingBroker",
    "Deadlines",
    "Effect",
    "ErrorTable",
    "Farm",
    "IBKRBroker",
    "IBKRConfig",
    "Meaning",
    "OrderMode",
    "ProcessLock",
    "Reaction",
    "Stream",
]
