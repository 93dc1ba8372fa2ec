"""Strategies: pure functions of what the market shows, found by name."""

from ibkeel.model import Direction, Reason, Signal
from ibkeel.strategy.protocol import Needs, Strategy, StrategyContext
from ibkeel.strategy.registry import Registry, default_registry, register
from ibkeel.strategy.scalp import Scalp
from ibkeel.strategy.whale import Whale

__all__ = [
    "Direction",
    "Needs",
    "Reason",
    "Registry",
    "Scalp",
    "Signal",
    "Strategy",
    "StrategyContext",
    "Whale",
    "default_registry",
    "register",
]
