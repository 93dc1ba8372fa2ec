"""Indicators in two forms that agree: whole columns, and one bar at a time.

A column has NaN, a streaming indicator None, until enough bars were seen.
"""

from ibkeel.indicators.batch import atr, ema, rsi, session_vwap, sessions_of, sma
from ibkeel.indicators.streaming import Atr, Ema, Rsi, SessionVwap, Sma

__all__ = [
    "Atr",
    "Ema",
    "Rsi",
    "SessionVwap",
    "Sma",
    "atr",
    "ema",
    "rsi",
    "session_vwap",
    "sessions_of",
    "sma",
]
