"""The adapter over ib_insync or ib_async; can be imported alone.

Every request has a deadline and a typed outcome, quotes give their market data lines back, and
orders leave only in the mode that the configuration names.
"""

from ibkeel.ibkr.adapter import IBKRBroker
from ibkeel.ibkr.blocking import BlockingBroker
from ibkeel.ibkr.codes import ERROR_TABLE, About, Effect, ErrorTable, Farm, Meaning, Reaction
from ibkeel.ibkr.config import IBKRConfig, OrderMode
from ibkeel.ibkr.harden import Failure, Hardened, harden
from ibkeel.ibkr.loop_thread import Stream
from ibkeel.ibkr.process_lock import ProcessLock
from ibkeel.ibkr.session_policy import SessionPolicy
from ibkeel.ibkr.states import SessionState
from ibkeel.ibkr.windows import (
    DEFAULT_WINDOWS,
    NEWER_PAGE,
    OLDER_PAGE,
    WEEKLY_LOGIN,
    WINDOWS_OF_REGION,
    Occurrence,
    ResetWindow,
    in_window,
    next_window,
)
from ibkeel.resilience import Backoff, Deadlines

__all__ = [
    "DEFAULT_WINDOWS",
    "ERROR_TABLE",
    "NEWER_PAGE",
    "OLDER_PAGE",
    "WEEKLY_LOGIN",
    "WINDOWS_OF_REGION",
    "About",
    "Backoff",
    "BlockingBroker",
    "Deadlines",
    "Effect",
    "ErrorTable",
    "Failure",
    "Farm",
    "Hardened",
    "IBKRBroker",
    "IBKRConfig",
    "Meaning",
    "Occurrence",
    "OrderMode",
    "ProcessLock",
    "Reaction",
    "ResetWindow",
    "SessionPolicy",
    "SessionState",
    "Stream",
    "harden",
    "in_window",
    "next_window",
]
