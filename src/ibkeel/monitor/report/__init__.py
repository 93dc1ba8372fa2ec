"""What a trading day was: one file to read after the close."""

from ibkeel.journal.reading import sessions_of
from ibkeel.monitor.report.day import (
    DayReport,
    Incident,
    Latency,
    Note,
    Outcome,
    PricePoint,
    TradeLeg,
    report_of,
)
from ibkeel.monitor.report.page import DayReports, cash_of, report_page, write_private

__all__ = [
    "DayReport",
    "DayReports",
    "Incident",
    "Latency",
    "Note",
    "Outcome",
    "PricePoint",
    "TradeLeg",
    "cash_of",
    "report_of",
    "report_page",
    "sessions_of",
    "write_private",
]
