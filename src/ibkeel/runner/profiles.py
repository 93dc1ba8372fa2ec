"""Named beginnings of a configuration: several settings that belong together, under one word."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

PROFILES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        # One symbol at a time at a slow pace: 25 cycles in 4 hours, a load that no limit feels.
        "conservative": MappingProxyType(
            {
                "runner.symbols": ("SPY",),
                "runner.interval": 600.0,
                "runner.concurrency": 1,
                "risk.max_open_positions": 1,
            }
        ),
        # Options of this week at the money, bought and sold within a day.
        "growth": MappingProxyType(
            {
                "runner.symbols": ("SPY", "QQQ"),
                "runner.interval": 180.0,
                "runner.concurrency": 2,
                "runner.preset": "standard",
                "runner.end_of_day": "flatten",
                "strategy.name": "scalp",
            }
        ),
        # Fewer entries, into options with time left, that may be held for days.
        "hybrid": MappingProxyType(
            {
                "runner.symbols": ("SPY", "QQQ"),
                "runner.interval": 180.0,
                "runner.concurrency": 2,
                "runner.preset": "strategic",
                "runner.end_of_day": "hold",
                "risk.cooldown": 86400.0,
                "strategy.name": "scalp+whale",
            }
        ),
    }
)
"""What each profile sets, by dotted key; whatever a file or the environment says wins over it."""
