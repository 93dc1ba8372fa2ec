"""The strategy runner: sessions, cycles, decisions, and the one door by which an order leaves."""

from ibkeel.runner.config import (
    BotConfig,
    EndOfDay,
    GatewayConfig,
    JournalConfig,
    RiskConfig,
    RunnerConfig,
    StrategyConfig,
)
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.engine import Progress, Runner
from ibkeel.runner.load import load_config
from ibkeel.runner.schedule import ExchangeCalendar, LiquidHours, Session, SessionCalendar, session_now
from ibkeel.runner.tally import ErrorSeen, Held, Latency, RunReport, SymbolTally

__all__ = [
    "BotConfig",
    "EndOfDay",
    "ErrorSeen",
    "ExchangeCalendar",
    "GatewayConfig",
    "Held",
    "JournalConfig",
    "Latency",
    "LiquidHours",
    "OrderDesk",
    "Progress",
    "RiskConfig",
    "RunReport",
    "Runner",
    "RunnerConfig",
    "Session",
    "SessionCalendar",
    "StrategyConfig",
    "SymbolTally",
    "load_config",
    "session_now",
]
