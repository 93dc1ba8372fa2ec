"""What is to be seen of a bot, folded from its events into one value that never changes."""

from ibkeel.monitor.board.connection import (
    FarmsPanel,
    HealthPanel,
    LinesPanel,
    PacingPanel,
    ServiceRow,
    ServicesPanel,
    SessionPanel,
    Span,
    Wait,
)
from ibkeel.monitor.board.incidents import AlertRow, AlertsPanel, Incident, IncidentsPanel
from ibkeel.monitor.board.orders import KindRow, OrderRow, OrdersPanel, RequestsPanel, SparkPoint
from ibkeel.monitor.board.run import DecisionRow, DecisionsPanel, GuardPanel, MoneyPanel, RunPanel, SymbolRow
from ibkeel.monitor.board.snapshot import Board, Snapshot, fold, snapshot_data

__all__ = [
    "AlertRow",
    "AlertsPanel",
    "Board",
    "DecisionRow",
    "DecisionsPanel",
    "FarmsPanel",
    "GuardPanel",
    "HealthPanel",
    "Incident",
    "IncidentsPanel",
    "KindRow",
    "LinesPanel",
    "MoneyPanel",
    "OrderRow",
    "OrdersPanel",
    "PacingPanel",
    "RequestsPanel",
    "RunPanel",
    "ServiceRow",
    "ServicesPanel",
    "SessionPanel",
    "Snapshot",
    "Span",
    "SparkPoint",
    "SymbolRow",
    "Wait",
    "fold",
    "snapshot_data",
]
