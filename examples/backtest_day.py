"""Backtest a day, and sweep its stop: `python backtest_day.py [--html PATH]`.

Without data it plays a market that a seed makes up. With the environment variable IBKEEL_DATA it plays
the recorded half day of GOOG on 24 December 2015.
"""

import argparse
import os
from datetime import date
from pathlib import Path

from ibkeel.backtest import MarketTrial, RecordedData, SeededData, sweep
from ibkeel.runner import RunnerConfig
from ibkeel.strategy import Scalp


def the_day(folder: str | None) -> MarketTrial:
    """The recorded half day when there is a folder of recordings, else a seeded one."""
    if folder:
        data = RecordedData(folder=folder, day=date(2015, 12, 24))
        return MarketTrial(
            strategy=Scalp(), data=data, runner=RunnerConfig(symbols=("GOOG",), preset="thin", min_dte=0)
        )
    return MarketTrial(
        strategy=Scalp(), data=SeededData(seed=7), runner=RunnerConfig(symbols=("SPY",), interval=900)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Backtest a day.")
    parser.add_argument("--html", type=Path, help="where to write the report")
    options = parser.parse_args()

    trial = the_day(os.environ.get("IBKEEL_DATA"))
    report = trial.run()
    figures = report.figures
    print(f"{report.title}: {figures.trades} trades, net profit {figures.net_profit:+,.2f} dollars")
    for trade in report.trades:
        print(f"  {trade.name}: {trade.cause}, {trade.profit:+,.2f}")
    if options.html is not None:
        report.save_html(options.html)

    for row in sweep(trial, {"risk.stop_fraction": [0.1, 0.4]}).rows:
        assert row.figures is not None, row.error
        print(f"stop at {row.settings['risk.stop_fraction']:.0%}: {row.figures.net_profit:+,.2f}")


if __name__ == "__main__":
    main()
