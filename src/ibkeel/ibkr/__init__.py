"""The adapter over ib_insync or ib_async; can be imported alone.

Every request has a deadline and a typed outcome, quotes give their market data lines back, and
orders leave only in the mode that the configuration names.

Importing the package imports the client library; each name comes with its first use, so a program
that only hardens an `IB` object, or only reads the error table, does not pay for the broker.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ibkeel.ibkr.library import LIBRARY

if TYPE_CHECKING:
    from ibkeel.ibkr.adapter import IBKRBroker
    from ibkeel.ibkr.blocking import BlockingBroker
    from ibkeel.ibkr.code_rows import ERROR_TABLE
    from ibkeel.ibkr.codes import About, Effect, ErrorTable, Farm, Meaning, Reaction
    from ibkeel.ibkr.config import IBKRConfig, OrderMode
    from ibkeel.ibkr.hardening import Failure, Hardened, harden
    from ibkeel.ibkr.loop_thread import Stream
    from ibkeel.ibkr.states import SessionPolicy, SessionState
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
        windows_of,
    )
    from ibkeel.locks import ProcessLock
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
    "windows_of",
]

_NAMES: Final = {
    "ibkeel.ibkr.adapter": ("IBKRBroker",),
    "ibkeel.ibkr.blocking": ("BlockingBroker",),
    "ibkeel.ibkr.code_rows": ("ERROR_TABLE",),
    "ibkeel.ibkr.codes": ("About", "Effect", "ErrorTable", "Farm", "Meaning", "Reaction"),
    "ibkeel.ibkr.config": ("IBKRConfig", "OrderMode"),
    "ibkeel.ibkr.hardening": ("Failure", "Hardened", "harden"),
    "ibkeel.ibkr.loop_thread": ("Stream",),
    "ibkeel.locks": ("ProcessLock",),
    "ibkeel.ibkr.states": ("SessionPolicy", "SessionState"),
    "ibkeel.ibkr.windows": (
        "DEFAULT_WINDOWS",
        "NEWER_PAGE",
        "OLDER_PAGE",
        "Occurrence",
        "ResetWindow",
        "WEEKLY_LOGIN",
        "WINDOWS_OF_REGION",
        "in_window",
        "next_window",
        "windows_of",
    ),
    "ibkeel.resilience": ("Backoff", "Deadlines"),
}
_HOMES: Final = {name: home for home, names in _NAMES.items() for name in names}


if not TYPE_CHECKING:  # else a misspelt name would be one of any type

    def __getattr__(name: str) -> Any:
        """Import a name of `__all__` on its first use."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} (over {LIBRARY}) has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value


def __dir__() -> list[str]:
    """What a prompt completes: names that nobody has used yet, too."""
    return sorted({*globals(), *__all__})
