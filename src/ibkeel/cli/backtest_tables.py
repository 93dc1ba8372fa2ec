"""Backtests and sweeps, for a person to look at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import attrs
from rich import box
from rich.console import Console
from rich.table import Table

from ibkeel.backtest import BacktestReport, Figures, Sweep, SweepRow, Trade

_NEW_YORK: Final = ZoneInfo("America/New_York")
_SHOWN: Final = 20
_SHARES: Final = ("total_return", "max_drawdown", "win_rate")
_SECONDS: Final = ("longest_drawdown", "average_holding")
_RATIOS: Final = ("sharpe", "profit_factor")
_FEW: Final = ("net_profit", "total_return", "max_drawdown", "trades", "win_rate", "profit_factor")


def print_backtest(console: Console, report: BacktestReport, page: Path | None) -> None:
    """Print a report's figures and trades.

    Args:
        console: Where to.
        report: What to print.
        page: Where its page was written; None when it was not.
    """
    console.print(f"[bold]{report.title}[/bold]", highlight=False)
    table = _table("figure", "value")
    for field in attrs.fields(Figures):
        table.add_row(field.name.replace("_", " "), _figure(field.name, getattr(report.figures, field.name)))
    for name, value in report.counts.items():
        table.add_row(name, f"{value:,}")
    console.print(table)
    _print_trades(console, report.trades)
    for title, rows in (("still held", report.held), ("failed", report.errors)):
        for row in rows[:_SHOWN]:
            console.print(f"{title}: {row}", highlight=False, markup=False)
    if page is None:
        console.print("The whole report with its pictures: --html PATH", highlight=False)
    else:
        console.print(f"The whole report with its pictures: {page}", highlight=False, markup=False)


def _print_trades(console: Console, trades: Sequence[Trade]) -> None:
    if not trades:
        console.print("No trades.")
        return
    table = _table("trade", "quantity", "entered", "at", "left", "at", "by", "profit")
    for trade in trades[:_SHOWN]:
        table.add_row(
            trade.name,
            f"{trade.quantity:+g}",
            f"{trade.entered_at.astimezone(_NEW_YORK):%m-%d %H:%M:%S}",
            f"{trade.entry_price:.2f}",
            "-" if trade.left_at is None else f"{trade.left_at.astimezone(_NEW_YORK):%m-%d %H:%M:%S}",
            "-" if trade.exit_price is None else f"{trade.exit_price:.2f}",
            trade.cause or "held",
            f"{trade.profit:+,.2f}",
        )
    console.print(table)
    if len(trades) > _SHOWN:
        console.print(f"{len(trades) - _SHOWN} more trades are in the JSON and on the page.")


def print_sweep(console: Console, done: Sweep, figure: str) -> None:
    """Print a sweep's rows, the highest value of a figure first; failures last, with their reason."""
    keys = list(done.rows[0].settings) if done.rows else []
    names = list(dict.fromkeys((figure, *_FEW)))
    table = _table(*keys, *(name.replace("_", " ") for name in names))
    for row in sorted(done.rows, key=lambda row: _rank(row, figure)):
        settings = [str(row.settings[key]) for key in keys]
        cells = ["-"] * len(names)
        if row.figures is not None:
            cells = [_figure(name, getattr(row.figures, name)) for name in names]
        table.add_row(*settings, *cells)
    console.print(table)
    for row in done.rows:
        if row.error:
            named = ", ".join(f"{key}={row.settings[key]}" for key in keys)
            console.print(f"{named}: {row.error}", highlight=False, markup=False)


def _rank(row: SweepRow, figure: str) -> tuple[bool, float]:
    value = getattr(row.figures, figure, None)
    return value is None, -(value or 0.0)


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name in _SHARES:
        return f"{value:.2%}"
    if name in _SECONDS:
        return f"{value / 60:,.1f} min"
    if name in _RATIOS:
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table
