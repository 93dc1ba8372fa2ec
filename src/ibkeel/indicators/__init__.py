"""Indicators in two forms that agree: whole columns, and one bar at a time.

A column has NaN, a streaming indicator None, until enough bars were seen. The two agree within a
relative 1e-12, and so does each with sums that are rounded only once. Those that a decision asks for in
each cycle have a third form, `last_...`: the last element of the column alone.
"""

from ibkeel.indicators.batch import (
    Bands,
    atr,
    bollinger,
    ema,
    realised_volatility,
    rolling_high,
    rolling_low,
    rsi,
    session_vwap,
    sessions_of,
    sma,
    volume_mean,
)
from ibkeel.indicators.latest import last_emas, last_rsi, last_session_vwap, session_start
from ibkeel.indicators.streaming import (
    Atr,
    Band,
    Bollinger,
    Ema,
    RealisedVolatility,
    RollingHigh,
    RollingLow,
    Rsi,
    SessionVwap,
    Sma,
    VolumeMean,
)

__all__ = [
    "Atr",
    "Band",
    "Bands",
    "Bollinger",
    "Ema",
    "RealisedVolatility",
    "RollingHigh",
    "RollingLow",
    "Rsi",
    "SessionVwap",
    "Sma",
    "VolumeMean",
    "atr",
    "bollinger",
    "ema",
    "last_emas",
    "last_rsi",
    "last_session_vwap",
    "realised_volatility",
    "rolling_high",
    "rolling_low",
    "rsi",
    "session_start",
    "session_vwap",
    "sessions_of",
    "sma",
    "volume_mean",
]
