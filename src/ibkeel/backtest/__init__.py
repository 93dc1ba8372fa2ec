"""Backtests: the runner and strategies of the live bot, on virtual time over recorded or seeded markets."""

from ibkeel.backtest.broker import VenueBroker
from ibkeel.backtest.data import RecordedData, SeededData
from ibkeel.backtest.play import BacktestSettings, MarketTrial, backtest
from ibkeel.backtest.report import BacktestReport

__all__ = ["BacktestReport", "BacktestSettings", "MarketTrial", "RecordedData", "SeededData", "VenueBroker", "backtest"]
