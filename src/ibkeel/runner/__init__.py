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
from ibkeel.runner.crew import Flattening, Safety
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.doorkeeper import HALT_FILE, Doorkeeper, Halt, Lookout, Standing
from ibkeel.runner.engine import Runner
from ibkeel.runner.flatten import close_everything
from ibkeel.runner.flatten_requests import Flattened, FlattenRequest, FlattenRequests, Leftover
from ibkeel.runner.limits_file import ConfigurationFile, LimitsSource, Reread
from ibkeel.runner.load import ENVIRONMENT_PREFIX, check_config, load_config, load_config_as
from ibkeel.runner.protector import ProtectionTimes, Protector
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
from ibkeel.runner.supervisor import Entered, Supervisor
from ibkeel.runner.tally import ErrorSeen, Held, Latency, Progress, RunReport, SymbolTally

__all__ = [
    "ENVIRONMENT_PREFIX",
    "HALT_FILE",
    "PROFILES",
    "Anchor",
    "BotConfig",
    "ConfigurationFile",
    "ConfigurationProblem",
    "Doorkeeper",
    "EndOfDay",
    "Entered",
    "ErrorSeen",
    "ExchangeCalendar",
    "FlattenRequest",
    "FlattenRequests",
    "Flattened",
    "Flattening",
    "GatewayConfig",
    "Halt",
    "Held",
    "JournalConfig",
    "Latency",
    "Leftover",
    "LimitsSource",
    "LiquidHours",
    "Lookout",
    "OrderDesk",
    "OverrunPolicy",
    "Progress",
    "ProtectionTimes",
    "Protector",
    "Reread",
    "RiskConfig",
    "RunReport",
    "Runner",
    "RunnerConfig",
    "Safety",
    "Session",
    "SessionCalendar",
    "Standing",
    "StrategyConfig",
    "Supervisor",
    "SymbolTally",
    "Timetable",
    "check_config",
    "close_everything",
    "load_config",
    "load_config_as",
    "session_now",
]
