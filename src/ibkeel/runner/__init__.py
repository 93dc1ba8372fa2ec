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
from ibkeel.runner.crew import Safety
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.doorkeeper import Doorkeeper
from ibkeel.runner.engine import Runner
from ibkeel.runner.halt import HALT_FILE, Halt
from ibkeel.runner.load import load_config
from ibkeel.runner.progress import Progress
from ibkeel.runner.protector import ProtectionTimes, Protector
from ibkeel.runner.schedule import ExchangeCalendar, LiquidHours, Session, SessionCalendar, session_now
from ibkeel.runner.tally import ErrorSeen, Held, Latency, RunReport, SymbolTally

__all__ = [
    "HALT_FILE",
    "BotConfig",
    "Doorkeeper",
    "EndOfDay",
    "ErrorSeen",
    "ExchangeCalendar",
    "GatewayConfig",
    "Halt",
    "Held",
    "JournalConfig",
    "Latency",
    "LiquidHours",
    "OrderDesk",
    "Progress",
    "ProtectionTimes",
    "Protector",
    "RiskConfig",
    "RunReport",
    "Runner",
    "RunnerConfig",
    "Safety",
    "Session",
    "SessionCalendar",
    "StrategyConfig",
    "SymbolTally",
    "load_config",
    "session_now",
]
