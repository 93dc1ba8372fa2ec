"""Strategies: pure functions of what the market shows, found by name."""

from ibkeel.model import Direction, ExitPolicy, OptionWish, Reason, Signal
from ibkeel.strategy.exits import (
    TRAIL_BARS,
    CreditExitPolicy,
    CreditFacts,
    ExitRule,
    PositionFacts,
    due_credit_exits,
    due_exits,
    trail_bars,
)
from ibkeel.strategy.protocol import Needs, Strategy, StrategyContext
from ibkeel.strategy.registry import Confirmed, Registry, default_registry, register
from ibkeel.strategy.scalp import Scalp
from ibkeel.strategy.vix_regime import Regime, VixRegime
from ibkeel.strategy.volume import DailyVolume, Whale
from ibkeel.strategy.walk import Step, visible, walk_forward, warming_up

__all__ = [
    "TRAIL_BARS",
    "Confirmed",
    "CreditExitPolicy",
    "CreditFacts",
    "DailyVolume",
    "Direction",
    "ExitPolicy",
    "ExitRule",
    "Needs",
    "OptionWish",
    "PositionFacts",
    "Reason",
    "Regime",
    "Registry",
    "Scalp",
    "Signal",
    "Step",
    "Strategy",
    "StrategyContext",
    "VixRegime",
    "Whale",
    "default_registry",
    "due_credit_exits",
    "due_exits",
    "register",
    "trail_bars",
    "visible",
    "walk_forward",
    "warming_up",
]
