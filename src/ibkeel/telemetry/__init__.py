"""What happened: records, who is told, and what is masked before it is shown."""

from ibkeel.telemetry.events import (
    AlarmRaised,
    Connected,
    ConnectionLost,
    CycleEnded,
    Disconnected,
    Event,
    GatewayNoticed,
    LineClosed,
    LineOpened,
    OrderChanged,
    OrderPlaced,
    PacingWaited,
    RequestEnded,
    ServiceChanged,
    SessionChanged,
    StreamRestored,
    SymbolFailed,
    SymbolSkipped,
)
from ibkeel.telemetry.log import LoggingObserver, RedactingFilter
from ibkeel.telemetry.observer import NullObserver, Observer, Observers
from ibkeel.telemetry.redaction import redact

__all__ = [
    "AlarmRaised",
    "Connected",
    "ConnectionLost",
    "CycleEnded",
    "Disconnected",
    "Event",
    "GatewayNoticed",
    "LineClosed",
    "LineOpened",
    "LoggingObserver",
    "NullObserver",
    "Observer",
    "Observers",
    "OrderChanged",
    "OrderPlaced",
    "PacingWaited",
    "RedactingFilter",
    "RequestEnded",
    "ServiceChanged",
    "SessionChanged",
    "StreamRestored",
    "SymbolFailed",
    "SymbolSkipped",
    "redact",
]
