"""The strategy runner: sessions, cycles, decisions, and the one door by which an order leaves."""

from ibkeel.runner.config import (
    PROFILES,
    BotConfig,
    EndOfDay,
    GatewayConfig,
    JournalConfig,
    RiskConfig,
    RunnerConfig,
    StrategyConfig,
)
from ibkeel.runner.crew import Safety
from ibkeel.runner.doorkeeper import HALT_FILE, Halt
from ibkeel.runner.engine import Runner
from ibkeel.runner.flatten_requests import Flattened, FlattenRequest, FlattenRequests, Leftover
from ibkeel.runner.limits_file import ConfigurationFile, LimitsSource, Reread
from ibkeel.runner.load import ENVIRONMENT_PREFIX, check_config, load_config, load_config_as
from ibkeel.runner.schedule import (
    Anchor,
    ExchangeCalendar,
    LiquidHours,
    OverrunPolicy,
    Session,
    SessionCalendar,
    Timetable,
    session_now,
)
from ibkeel.runner.settings import ConfigurationProblem
from ibkeel.runner.tally import ErrorSeen, Held, Latency, Progress, RunReport, SymbolTally

__all__ = [
    "ENVIRONMENT_PREFIX",
    "HALT_FILE",
    "PROFILES",
    "Anchor",
    "BotConfig",
    "ConfigurationFile",
    "ConfigurationProblem",
    "EndOfDay",
    "ErrorSeen",
    "ExchangeCalendar",
    "FlattenRequest",
    "FlattenRequests",
    "Flattened",
    "GatewayConfig",
    "Halt",
    "Held",
    "JournalConfig",
    "Latency",
    "Leftover",
    "LimitsSource",
    "LiquidHours",
    "OverrunPolicy",
    "Progress",
    "Reread",
    "RiskConfig",
    "RunReport",
    "Runner",
    "RunnerConfig",
    "Safety",
    "Session",
    "SessionCalendar",
    "StrategyConfig",
    "SymbolTally",
    "Timetable",
    "check_config",
    "load_config",
    "load_config_as",
    "session_now",
]
