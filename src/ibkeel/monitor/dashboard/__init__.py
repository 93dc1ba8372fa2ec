"""What an operator looks at: one page, live, and the same in a terminal.

The page itself is in `ibkeel.monitor.dashboard.app`, which needs the extra `[dashboard]`.
"""

from ibkeel.monitor.dashboard.api import API_FILE, BoardApi
from ibkeel.monitor.dashboard.source import (
    BoardSource,
    BotSource,
    Controls,
    HaltControls,
    Source,
    View,
    recalled,
)
from ibkeel.monitor.doors import Access

__all__ = [
    "API_FILE",
    "Access",
    "BoardApi",
    "BoardSource",
    "BotSource",
    "Controls",
    "HaltControls",
    "Source",
    "View",
    "recalled",
]
