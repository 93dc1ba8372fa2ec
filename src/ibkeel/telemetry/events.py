"""What happened, as frozen records.

Names are in the past tense; durations are seconds, instants aware UTC. A record carries text that
is fit to be shown: an error by its type and message, a contract by its name, an account masked.
"""

from ibkeel.telemetry.alarm_events import (
    AlarmRaised,
    AlertDelivered,
    AlertQueued,
    AlertUndelivered,
)
from ibkeel.telemetry.request_events import (
    BudgetUse,
    LineClosed,
    LineOpened,
    PacingHeld,
    PacingSampled,
    PacingWaited,
    QueueState,
    RequestEnded,
    RequestQueued,
    RequestSent,
)
from ibkeel.telemetry.run_events import (
    CycleEnded,
    CycleOverran,
    CycleStarted,
    LimitsChanged,
    RunBegan,
    RunFinished,
    SymbolFailed,
    SymbolSkipped,
    SymbolWarmed,
    TradingDayClosed,
    TradingDayOpened,
)
from ibkeel.telemetry.session_events import (
    Connected,
    ConnectionLost,
    Disconnected,
    FarmChanged,
    GatewayNoticed,
    HealthTaken,
    ServiceChanged,
    SessionChanged,
    StreamRestored,
)
from ibkeel.telemetry.trading_events import (
    AccountSeen,
    DecisionMade,
    ExposureSeen,
    HaltChanged,
    HeldPosition,
    LossGuardRead,
    OrderChanged,
    OrderFilled,
    OrderIntended,
    OrderPlaced,
    PositionsSeen,
    ProtectiveOrder,
    SignalSeen,
)

__all__ = [
    "AccountSeen",
    "AlarmRaised",
    "AlertDelivered",
    "AlertQueued",
    "AlertUndelivered",
    "BudgetUse",
    "Connected",
    "ConnectionLost",
    "CycleEnded",
    "CycleOverran",
    "CycleStarted",
    "DecisionMade",
    "Disconnected",
    "Event",
    "ExposureSeen",
    "FarmChanged",
    "GatewayNoticed",
    "HaltChanged",
    "HealthTaken",
    "HeldPosition",
    "LimitsChanged",
    "LineClosed",
    "LineOpened",
    "LossGuardRead",
    "OrderChanged",
    "OrderFilled",
    "OrderIntended",
    "OrderPlaced",
    "PacingHeld",
    "PacingSampled",
    "PacingWaited",
    "PositionsSeen",
    "ProtectiveOrder",
    "QueueState",
    "RequestEnded",
    "RequestQueued",
    "RequestSent",
    "RunBegan",
    "RunFinished",
    "ServiceChanged",
    "SessionChanged",
    "SignalSeen",
    "StreamRestored",
    "SymbolFailed",
    "SymbolSkipped",
    "SymbolWarmed",
    "TradingDayClosed",
    "TradingDayOpened",
]

Event = (
    AccountSeen
    | AlarmRaised
    | AlertDelivered
    | AlertQueued
    | AlertUndelivered
    | Connected
    | ConnectionLost
    | CycleEnded
    | CycleOverran
    | CycleStarted
    | DecisionMade
    | Disconnected
    | ExposureSeen
    | FarmChanged
    | GatewayNoticed
    | HaltChanged
    | HealthTaken
    | LimitsChanged
    | LineClosed
    | LineOpened
    | LossGuardRead
    | OrderChanged
    | OrderFilled
    | OrderIntended
    | OrderPlaced
    | PacingHeld
    | PacingSampled
    | PacingWaited
    | PositionsSeen
    | RequestEnded
    | RequestQueued
    | RequestSent
    | RunBegan
    | RunFinished
    | ServiceChanged
    | SessionChanged
    | SignalSeen
    | StreamRestored
    | SymbolFailed
    | SymbolSkipped
    | SymbolWarmed
    | TradingDayClosed
    | TradingDayOpened
)
"""Anything that an observer is told."""
