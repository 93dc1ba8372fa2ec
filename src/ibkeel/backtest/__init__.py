"""Backtests: the runner and strategies of the live bot, on virtual time over recorded or seeded markets."""

from ibkeel.backtest.barloop import BarSettings, BarStrategy, BarTrial, backtest_bars
from ibkeel.backtest.broker import VenueBroker
from ibkeel.backtest.figures import Curve, Drawdown, Figures, Trade
from ibkeel.backtest.play import BacktestSettings, MarketTrial, backtest
from ibkeel.backtest.prices import DatedMarket, MarketSource, RecordedData, SeededData
from ibkeel.backtest.report import BacktestReport
from ibkeel.backtest.sweeps import Sweep, SweepRow, Trial, sweep

__all__ = [
    "BacktestReport",
    "BacktestSettings",
    "BarSettings",
    "BarStrategy",
    "BarTrial",
    "Curve",
    "DatedMarket",
    "Drawdown",
    "Figures",
    "MarketSource",
    "MarketTrial",
    "RecordedData",
    "SeededData",
    "Sweep",
    "SweepRow",
    "Trade",
    "Trial",
    "VenueBroker",
    "backtest",
    "backtest_bars",
    "sweep",
]
