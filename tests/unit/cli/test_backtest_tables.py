"""Backtests and sweeps in the terminal."""

import io

import attrs
import numpy as np
import pytest
from rich.console import Console

from ibkeel.backtest import BarTrial, Sweep, SweepRow, sweep
from ibkeel.cli.backtest_command import print_backtest, print_sweep
from ibkeel.model import Bars, BarSpec, Stock


class InTurns:
    """Buys and sells in turn."""

    def __init__(self, size=5):
        self._held, self._size = 0, size

    def on_bar(self, bar):
        self._held = self._size - self._held
        return self._held


def some_bars(count):
    closes = 100 + np.sin(np.arange(count))
    at = np.datetime64("2024-03-04T14:30:00", "s") + 60 * np.arange(count).astype("timedelta64[s]")
    columns = {"open": closes, "high": closes, "low": closes, "close": closes, "volume": np.ones(count)}
    return Bars(contract=Stock("SPY"), spec=BarSpec(), at=at, **columns)


@pytest.fixture
def screen():
    return Console(file=io.StringIO(), width=200)


def shown(screen):
    return " ".join(screen.file.getvalue().split())


def test_trades_are_listed_up_to_twenty_and_what_is_held_is_named(screen):
    report = attrs.evolve(BarTrial(strategy=InTurns, bars=some_bars(60)).run(), errors=("NoData: none",))

    print_backtest(screen, report, None)

    text = shown(screen)
    assert "09:31:00" in text
    assert f"{len(report.trades) - 20} more trades" in text
    assert "still held: 5 SPY" in text
    assert "failed: NoData: none" in text
    assert text.endswith("--html PATH")


def test_the_page_is_named_when_it_was_written(screen, tmp_path):
    report = BarTrial(strategy=InTurns, bars=some_bars(1)).run()

    print_backtest(screen, report, tmp_path / "report.html")

    assert "No trades; with --journal PATH, `ibkeel journal show PATH` tells why" in shown(screen)
    assert shown(screen).endswith("report.html")


def test_a_sweep_is_listed_with_the_highest_figure_first(screen):
    done = sweep(BarTrial(strategy=InTurns, bars=some_bars(30)), {"params.size": [1, 7, 3]})

    print_sweep(screen, done, "commissions")

    rows = [line.split()[0] for line in screen.file.getvalue().splitlines() if line.strip()[:1].isdigit()]
    assert sorted(rows) == ["1", "3", "7"]
    assert "commissions" in shown(screen)


def test_a_combination_without_the_figure_comes_last(screen):
    done = sweep(BarTrial(strategy=InTurns, bars=some_bars(30)), {"params.size": [1]})
    failed = SweepRow(settings={"params.size": 9}, error="broken")

    print_sweep(screen, Sweep(rows=(failed, *done.rows)), "net_profit")

    text = shown(screen)
    assert text.index(" 1 ") < text.index(" 9 ")
    assert text.endswith("params.size=9: broken")


def test_no_combination_is_an_empty_table(screen):
    print_sweep(screen, Sweep(rows=()), "net_profit")

    assert "drawdown" in shown(screen)


def test_what_was_varied_is_legible_on_a_narrow_terminal():
    figures = attrs.evolve(BarTrial(strategy=InTurns, bars=some_bars(9)).run().figures, net_profit=-12_626.0)
    row = SweepRow(settings={"risk.stop_fraction": 0.1, "strategy.fast": 5}, figures=figures)
    narrow = Console(file=io.StringIO(), width=80)

    print_sweep(narrow, Sweep(rows=(row,)), "net_profit")

    assert "-12,626.00" in narrow.file.getvalue()
    assert "…" not in narrow.file.getvalue()
